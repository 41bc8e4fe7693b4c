"""What a person may ask for a batch at a provider: one step where it can be done, and else the reason."""

from collections.abc import Callable
from functools import partial

import attrs
import pytest

from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import Submit
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.record import Child, Limit, Record
from reconciler.model.snapshot import Snapshot
from reconciler.planner.remotely import plan_adopt, plan_adopt_file, plan_cancel, plan_resubmit, plan_submit
from tests.planner.builders import (
    NOW,
    POLICY_MANUAL,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    digest,
    record,
    remote,
    snap,
    tally,
    told,
)

STAYS = ": needs attention"
OVER = Limit(60.0, NOW - 1)
KEYLESS = attrs.evolve(POLICY_OPENAI_REACHABLE, keyless={"openai": "export OPENAI_API_KEY=..."})
CREATING = record(provider="openai", state="creating", intent="0" * 32, sent_at=NOW - 5)
ASKS = {BatchName("7.r1"): Child(tally("q-1"), digest())}

Decide = Callable[[Snapshot, Policy], Plan]
DECISIONS: dict[str, Decide] = {
    "cancel": plan_cancel,
    "adopt": partial(plan_adopt, batch_id="batch_1"),
    "adopt-file": partial(plan_adopt_file, path="/tmp/mine.jsonl"),  # noqa: S108 - never opened
    "resubmit": plan_resubmit,
}


@pytest.mark.parametrize("decide", DECISIONS.values(), ids=DECISIONS)
def test_what_stands_against_a_batch_comes_first(decide: Decide) -> None:
    """A batch with a problem is refused whatever a person wants of it, with that very problem."""
    plan = decide(snap("i", record=remote("in_progress"), problems=("a FIFO",)), POLICY_OPENAI_REACHABLE)
    assert (told(plan), plan.because) == (STAYS, "a FIFO")


@pytest.mark.parametrize(
    ("decide", "seen", "expected", "because"),
    [
        ("cancel", snap("i", record=remote("in_progress")), "cancel: pending", "a person"),
        ("cancel", snap("i"), "end-here: pending", "a person"),
        ("cancel", snap("i", record=record(state="prepared")), "end-here: pending", "a person"),
        ("cancel", snap("i", record=CREATING), STAYS, "nobody knows yet which"),
        ("cancel", snap("io"), STAYS, "at no provider"),
        ("cancel", snap("i", record=remote("completed")), STAYS, "has ended already"),
        ("resubmit", snap("i", record=remote("expired", children=ASKS)), STAYS, "7.r1 asks some of its"),
        ("adopt", snap("i"), "adopt: pending", "a person"),
        ("adopt", snap("i", record=CREATING), "adopt: pending", "a person"),
        ("adopt", snap("i", record=remote("in_progress")), "adopt: pending", "a person"),
        ("adopt", snap("i", record=remote("in_progress", batch_id="batch_2")), STAYS, "batch_2 already"),
        ("adopt", snap("io"), STAYS, "without answers"),
        ("adopt", snap("o"), STAYS, "without answers"),
        ("adopt-file", snap("i"), "adopt-file: pending", "a person"),
        ("adopt-file", snap("io"), STAYS, "without answers"),
        ("adopt-file", snap("o"), STAYS, "without answers"),
        (
            "adopt-file",
            snap("ie", record=remote("completed", roles={Role.OUTPUT: digest(Role.OUTPUT)})),
            "adopt-file: pending",
            "a person",
        ),
        ("adopt-file", snap("i", record=record(provider="local")), STAYS, "on this machine"),
        ("resubmit", snap("i", record=CREATING), "submit: pending", "a person"),
        ("resubmit", snap("i", record=remote("failed")), "submit: pending", "a person"),
        ("resubmit", snap("i", record=attrs.evolve(CREATING, limit=OVER)), STAYS, "stopped at once"),
        ("resubmit", snap("i", record=record(state="uploaded")), STAYS, "never sent"),
        ("resubmit", snap("i"), STAYS, "never sent"),
        ("resubmit", snap("io", record=CREATING), STAYS, "without answers"),
    ],
)
def test_what_can_be_done_is_one_step(decide: str, seen: Snapshot, expected: str, because: str) -> None:
    """Each wish is one step where it makes sense, and a reason where it does not."""
    plan = DECISIONS[decide](seen, POLICY_OPENAI_REACHABLE)
    assert told(plan) == expected, plan.because
    assert because in plan.because


@pytest.mark.parametrize("decide", ["cancel", "adopt", "resubmit"])
@pytest.mark.parametrize(
    ("policy", "expected", "because"),
    [
        (KEYLESS, ": held", "there is no key for openai"),
        (POLICY_OPENAI, ": held", "there is no client for provider 'openai'"),
    ],
    ids=["keyless", "unreachable"],
)
def test_who_cannot_be_asked_is_named(decide: str, policy: Policy, expected: str, because: str) -> None:
    """Without a key, or a client, nothing is planned, and what is missing is said."""
    known: dict[str, Record] = {"resubmit": CREATING}
    plan = DECISIONS[decide](snap("i", record=known.get(decide, remote("in_progress"))), policy)
    assert (told(plan), plan.because) == (expected, because)


def test_nobody_is_asked_where_nobody_is_named() -> None:
    """Without a provider there is nobody to ask."""
    assert told(DECISIONS["adopt"](snap("i"), POLICY_NONE)) == ": held"


@pytest.mark.parametrize(("known", "waits"), [(CREATING, True), (remote("failed"), False)])
def test_a_create_that_may_still_land_is_waited_for(known: Record, *, waits: bool) -> None:
    """Sent again at once only where it is known that the first create came to nothing."""
    policy = attrs.evolve(POLICY_OPENAI_REACHABLE, in_doubt_grace_seconds=600)
    (step,) = plan_resubmit(snap("i", record=known), policy).steps
    assert isinstance(step, Submit)
    assert (step.again, step.not_before) == (True, NOW - 5 + 600 if waits else 0.0)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (snap("i"), "submit: pending"),
        (snap("io"), ": pending"),
        (snap("i", record=remote("in_progress")), ": pending"),
        (snap("i", problems=("a FIFO",)), STAYS),
    ],
)
def test_sending_now_sends_and_does_nothing_else(seen: Snapshot, expected: str) -> None:
    """An input is sent though the settings wait for a person; of any other batch the state is told."""
    plan = plan_submit(seen, POLICY_MANUAL)
    assert told(plan) == expected, plan.because
