"""Faults in what limits do: deadlines, samples that go first, and how much is at a provider at once."""

from __future__ import annotations

from typing import Final

from tests.proof.planted import Planted

_DEADLINE: Final = ("tests/test_time_limit.py",)
_SAMPLE: Final = ("tests/test_following.py",)

LIMITS: Final = (
    Planted(
        "one batch more goes than may be at once",
        "executor/crowding.py",
        "    if step.most and len(others) >= step.most:\n",
        "    if step.most and len(others) > step.most:\n",
        ("tests/proof/test_simulation.py", "-k", "a_life and 8"),
    ),
    Planted(
        "an input is ended while it is being written",
        "planner/waiting.py",
        "        return _written_still(snap, policy) or ended\n",
        "        return ended\n",
        ("tests/planner/test_limiting.py", "-k", "written_still"),
    ),
    Planted(
        "running the script again pushes the deadline back",
        "authoring/deadlines.py",
        "    if record.limit is not None and record.limit.seconds == limit.seconds:\n        return False\n",
        "",
        ("tests/authoring/test_adding.py", "-k", "time_limit_counts"),
    ),
    Planted(
        "what came too late is asked again by itself",
        "planner/settling.py",
        "if again_here and not over else frozenset()",
        "if again_here else frozenset()",
        (*_DEADLINE, "-k", "too_late"),
    ),
    Planted(
        "a retry child has no deadline",
        "executor/leftovers.py",
        "        limit=step.limit,\n",
        "",
        (*_DEADLINE, "-k", "only_while_there_is_time"),
    ),
    Planted(
        "what was never sent is sent after its deadline",
        "planner/limiting.py",
        "    if not record.is_over(snap.seen_at) or not _is_nowhere(record):\n",
        "    if not _is_nowhere(record) or True:\n",
        (*_DEADLINE, "-k", "not_sent_any_more"),
    ),
    Planted(
        "an upload that outlasts the limit is made a batch of",
        "executor/submitting.py",
        "    if record.is_over(ctx.fx.now()):\n",
        "    if False:\n",
        (*_DEADLINE, "-k", "outlasts"),
    ),
    Planted(
        "that the limit stopped a batch is written down after the call alone",
        "executor/online.py",
        "        record = run.publish(attrs.evolve(record, online=marked))\n",
        "        pass\n",
        (*_DEADLINE, "-k", "clock_that_goes_back"),
        also=(
            (
                "executor/online.py",
                "    run.publish(attrs.evolve(after, online=after.online.ended_by(limit=step.limited)))\n",
                "    run.publish(after)\n",
            ),
        ),
    ),
    Planted(
        "a refused cancel is asked for again and again",
        "executor/online.py",
        "online=attrs.evolve(record.online, unstoppable=True)",
        "online=record.online",
        (*_DEADLINE, "-k", "refused_cancel"),
    ),
    Planted(
        "answers are written off that the provider counts and does not serve",
        "executor/limiting.py",
        "    missing = asked > lines and are_leftovers(record, lines, ran)\n",
        "    missing = asked > lines\n",
        (*_DEADLINE, "-k", "counts_and_does_not_serve"),
    ),
    Planted(
        "a pass sleeps past the deadline",
        "planner/planner.py",
        "by_the_limit(snapshot, _by_shape(snapshot, policy))",
        "_by_shape(snapshot, policy)",
        ("tests/planner/test_limiting.py", "-k", "wait_ends"),
    ),
    Planted(
        "the rest goes before the canary has settled",
        "planner/following.py",
        "    if sample.going:\n",
        "    if sample.going and False:\n",
        (*_SAMPLE, "-k", "follows_what_went_well"),
    ),
    Planted(
        "children of a canary do not count",
        "workspace/canaries.py",
        "        left += [(child, False) for child in manifest.children]\n",
        "",
        (*_SAMPLE, "-k", "asked_again_is_valid"),
    ),
    Planted(
        "the rest holds the sample as well",
        "authoring/parting.py",
        "if each[0] not in chosen",
        "if each[0]",
        (*_SAMPLE, "-k", "follows_what_went_well"),
    ),
    Planted(
        "a canary is there before those that wait for it",
        "authoring/adding.py",
        "sorted(named_parts, key=lambda each: each.canary)",
        "sorted(named_parts, key=lambda each: not each.canary)",
        (*_SAMPLE, "-k", "appears_last"),
    ),
    Planted(
        "what is in doubt takes no room",
        "planner/crowding.py",
        "        return record.state in (Submission.CREATING, Submission.SUBMITTED)\n",
        "        return False\n",
        ("tests/planner/test_limiting.py", "-k", "takes_room"),
    ),
    Planted(
        "whoever was held loses its turn",
        "executor/crowding.py",
        "    if full:\n        raise NoRoom(full, step.wait)\n",
        "",
        ("tests/test_crowding.py", "-k", "keeps_its_turn"),
    ),
)
