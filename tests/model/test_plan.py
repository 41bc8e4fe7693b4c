"""What users read of a plan, to the letter."""

import attrs
import pytest

from reconciler.model.identity import Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Again, Attention, Held, Plan, Settled, Then, Waiting, hint_of, word_of
from reconciler.model.policy import FailurePolicy, Policy
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan
from tests.planner.builders import (
    NAME,
    POLICY_LOCAL,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    answered,
    coverage,
    matched,
    mismatch,
    record,
    remote,
    snap,
)

INVALID = {ErrorClass.INVALID_REQUEST: 1}
ATTENTION = attrs.evolve(POLICY_OPENAI_REACHABLE, failed=FailurePolicy.ATTENTION)


@pytest.mark.parametrize(
    ("then", "word", "hint"),
    [
        pytest.param(Again(), "pending", "", id="again"),
        pytest.param(Settled(), "settled", "", id="settled"),
        pytest.param(Waiting(5.0), "waiting", "", id="waiting"),
        pytest.param(Held("type this"), "held", "type this", id="held"),
        pytest.param(Attention("mend that"), "needs attention", "mend that", id="attention"),
    ],
)
def test_what_comes_next_has_one_word(then: Then, word: str, hint: str) -> None:
    """Each end of a plan has its word, and a hint where a person is asked for something."""
    assert (word_of(then), hint_of(then)) == (word, hint)


@pytest.mark.parametrize(
    ("snapshot", "policy", "expected"),
    [
        pytest.param(
            snap("", in_done=True),
            POLICY_NONE,
            """\
7: settled: it is in done/""",
            id="settled",
        ),
        pytest.param(
            snap("i"),
            POLICY_NONE,
            """\
7: held: no provider is configured, so nothing is sent
  -> put the answer files beside the input; or
  -> set [provider] name = "local" in reconciler.toml: a function on this machine answers ([local] worker)
  -> or name a remote provider there, such as "openai", whose key is in the environment""",
            id="held",
        ),
        pytest.param(
            snap("i", record=remote("in_progress")),
            POLICY_OPENAI,
            """\
7: held: it is at openai as batch_1, and this version has no client for provider 'openai'
  -> put the answer files beside the input by hand""",
            id="held-in-flight",
        ),
        pytest.param(
            snap("i", record=remote("in_progress"), asked=True),
            POLICY_OPENAI_REACHABLE,
            """\
7: waiting: openai is still working on batch_1 (in_progress)""",
            id="waiting",
        ),
        pytest.param(
            snap("i"),
            POLICY_OPENAI_REACHABLE,
            """\
7: pending: it has not been sent to openai yet
  1. submit
  then look again, and decide by what was found""",
            id="submit",
        ),
        pytest.param(
            snap("i"),
            POLICY_LOCAL,
            """\
7: pending: it is answered in this process
  1. answer-here
  then look again, and decide by what was found""",
            id="answer-here",
        ),
        pytest.param(
            snap("i", record=record(provider="openai", state="creating")),
            POLICY_OPENAI_REACHABLE,
            """\
7: pending: its create may have reached openai, and no batch id came back
  1. find-orphan
  then look again, and decide by what was found""",
            id="find-orphan",
        ),
        pytest.param(
            snap("i", record=remote("in_progress")),
            POLICY_OPENAI_REACHABLE,
            """\
7: pending: it is at openai as batch_1
  1. check-online
  then look again, and decide by what was found""",
            id="check-online",
        ),
        pytest.param(
            snap("i", record=remote("completed", output_file_id="o")),
            POLICY_OPENAI_REACHABLE,
            """\
7: pending: openai has finished batch_1 (completed)
  1. download
  then look again, and decide by what was found""",
            id="download",
        ),
        pytest.param(
            snap("io", record=remote(error_file_id="e")),
            POLICY_OPENAI,
            """\
7: held: openai has its error file too, which is not here yet
  -> download the error file by hand: this version has no client for provider 'openai'""",
            id="other-half",
        ),
        pytest.param(
            snap("io"),
            POLICY_NONE,
            """\
7: pending: its answers are here: hold them against the input
  1. match-request-ids
  then look again, and decide by what was found""",
            id="match",
        ),
        pytest.param(
            answered(coverage(3)),
            POLICY_NONE,
            """\
7: pending: 3 of 3 answered
  1. process-output
  2. move-to-done""",
            id="settle",
        ),
        pytest.param(
            answered(
                coverage(3, failed={ErrorClass.RATE_LIMIT: 2}, retried=1, dismissed=2, missing=3),
                remote("expired"),
            ),
            POLICY_OPENAI_REACHABLE,
            """\
7: pending: 3 of 11 answered, 2 failed, 1 retried, 2 dismissed, 3 missing; \
what may be asked again goes to 7.r1
  1. process-output
  2. process-errors
  3. retry-leftovers
  4. move-to-done""",
            id="retry",
        ),
        pytest.param(
            answered(coverage(2, failed=INVALID)),
            ATTENTION,
            """\
7: needs attention: 1 request failed for good, and failed = "attention"
  1. process-output
  2. process-errors
  -> reconcile dismiss WORKSPACE 7""",
            id="steps-then-attention",
        ),
        pytest.param(
            snap("io", matched=matched(coverage(1), mismatch=mismatch(unknown=('"x" (o:2)',)))),
            POLICY_NONE,
            """\
7: pending: 1 answer to an id that was never asked: "x" (o:2)
  1. quarantine""",
            id="quarantine",
        ),
        pytest.param(
            snap("o"),
            POLICY_NONE,
            """\
7: needs attention: workdir/batch_output_7.jsonl: answers without their input
  -> put batch_input_7.jsonl beside it, or move the answers out of the workspace""",
            id="orphaned",
        ),
        pytest.param(
            snap("io", matched=matched(coverage(2, missing=1), missing=('"c" (i:3)',))),
            POLICY_NONE,
            """\
7: needs attention: 1 of 3 ids has no answer: "c" (i:3)
  -> complete the answer file, if the rest is still coming
  -> reconcile retry WORKSPACE 7    to ask them again
  -> reconcile dismiss WORKSPACE 7    to give them up""",
            id="missing",
        ),
        pytest.param(
            snap("i", history=frozenset({Role.INPUT})),
            POLICY_OPENAI_REACHABLE,
            """\
7: needs attention: done/ holds batch_input_7.jsonl already; nothing is ever sent for a name in done/
  -> give the new input another name""",
            id="history",
        ),
        pytest.param(
            snap("io", in_done=True),
            POLICY_NONE,
            """\
7: pending: done/7/ is there already: remove the copies that an interrupted move left behind
  1. move-to-done""",
            id="tail-of-a-move",
        ),
    ],
)
def test_a_plan_in_words(snapshot: Snapshot, policy: Policy, expected: str) -> None:
    """A plan reads: where the batch stands and why, the numbered steps, and what to type if anything."""
    assert plan(snapshot, policy).explain() == expected


def test_a_plan_is_told_without_a_trailing_newline() -> None:
    """Whoever prints the text adds the end of its last line."""
    assert not Plan(NAME, "why", then=Settled()).explain().endswith("\n")
