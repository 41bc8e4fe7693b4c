"""Which settled batches are replayed, and under which token."""

from typing import Any, Final

import attrs
import pytest

from reconciler.model.coverage import Coverage
from reconciler.model.identity import BatchName
from reconciler.model.operation import ProcessErrors, ProcessOutput
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Attention, Settled
from reconciler.model.policy import Policy
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan, plan_replay
from tests.planner.builders import POLICY_NONE, answered, coverage, mismatch, owner, record, snap, told

READING: Final = attrs.evolve(POLICY_NONE, processor_chosen=True)
"""Somebody has said what answers are read as, and names no processor."""
CHOSEN: Final = attrs.evolve(READING, processor_named=True)
MINE: Final = attrs.evolve(CHOSEN, processor="mine/2", processor_may_fail=True)
ALL: Final = coverage(3)
SOME: Final = coverage(1, failed={ErrorClass.TIMEOUT: 2})


def by(processor: str) -> dict[str, dict[str, Any]]:
    """The receipt of a processor that ended."""
    return {"process-output": {"token": "t", "processor": processor}}


def archived(account: Coverage = ALL, **fields: Any) -> Snapshot:
    """A settled batch whose files were matched."""
    return answered(account, record(coverage=account, **fields))


@pytest.mark.parametrize(
    ("seen", "policy", "steps"),
    [
        pytest.param(archived(), POLICY_NONE, "process-output: settled", id="answered"),
        pytest.param(archived(SOME), POLICY_NONE, "process-output process-errors: settled", id="failed"),
        pytest.param(archived(receipts=by("results/1")), POLICY_NONE, "process-output: settled", id="same"),
        pytest.param(archived(receipts=by("results/0")), POLICY_NONE, "process-output: settled", id="older"),
        pytest.param(archived(receipts=by("results/1+json")), POLICY_NONE, ": needs attention", id="json"),
        pytest.param(archived(receipts=by("results/1+json")), READING, "process-output: settled", id="text"),
        pytest.param(archived(receipts=by("files/1")), POLICY_NONE, ": needs attention", id="files"),
        pytest.param(archived(receipts=by("files/1")), CHOSEN, "process-output: settled", id="no-files"),
        pytest.param(archived(receipts=by("mine/1")), READING, ": needs attention", id="code-or-content"),
        pytest.param(archived(receipts=by("mine/1")), MINE, "process-output: settled", id="code-named"),
        pytest.param(archived(receipts=by("mine/1")), CHOSEN, "process-output: settled", id="built-in-named"),
        pytest.param(archived(receipts=by("mine/1")), POLICY_NONE, ": needs attention", id="code-not-named"),
        pytest.param(attrs.evolve(archived(), files={}), POLICY_NONE, ": settled", id="removed"),
        pytest.param(archived(receipts={"quarantine": {}}), POLICY_NONE, ": settled", id="dismissed"),
        pytest.param(snap("io", bad_record="no"), POLICY_NONE, ": needs attention", id="no-manifest"),
        pytest.param(
            snap("io", record=record(coverage=ALL)), POLICY_NONE, ": needs attention", id="unmatched"
        ),
        pytest.param(
            answered(coverage(2), record(coverage=coverage(3))),
            POLICY_NONE,
            ": needs attention",
            id="other-account",
        ),
        pytest.param(
            answered(coverage(2), record(coverage=coverage(3, letters="ioe"))),
            POLICY_NONE,
            ": needs attention",
            id="other-files",
        ),
    ],
)
def test_what_is_replayed(seen: Snapshot, policy: Policy, steps: str) -> None:
    """Verified answers are; what is gone or was never trusted is left; what is not sure calls a person."""
    assert told(plan_replay(seen, policy)) == steps


def test_answers_that_do_not_match_are_not_handed_over() -> None:
    """A mismatch in `done/` is for `check` to name."""
    seen = archived()
    assert seen.matched is not None
    broken = attrs.evolve(seen.matched, mismatch=mismatch(unknown=('"x"',)))
    found = plan_replay(attrs.evolve(seen, matched=broken), POLICY_NONE)
    assert (found.steps, found.then) == ((), Attention("reconcile check WORKSPACE"))


@pytest.mark.parametrize("policy", [POLICY_NONE, MINE])
def test_the_token_is_that_of_the_pass(policy: Policy) -> None:
    """The same work has one token, live and settled; the child that asks again counts as it did there."""
    account = coverage(2, retried=1)
    known = record(coverage=account, children={BatchName("7.r1"): owner("retried-0")})
    live = plan(answered(account, known), policy)
    again = plan_replay(answered(account, known), policy)
    tokens = [step.token for step in (*live.steps, *again.steps) if isinstance(step, ProcessOutput)]
    assert len(tokens) == 2
    assert len(set(tokens)) == 1


def test_nobody_is_asked_again() -> None:
    """Whatever the policy would retry, a replay makes no child and calls no error processor."""
    asks = Policy(provider="openai", error_processor="errors/1", max_attempts=9)
    found = plan_replay(archived(SOME), asks)
    (errors,) = [step for step in found.steps if isinstance(step, ProcessErrors)]
    assert (errors.token, errors.child, errors.classes) == (None, None, frozenset())
    assert found.then == Settled()
