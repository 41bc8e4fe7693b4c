"""Answered batches with failures: asked again as often as allowed, settled as final, or shown to a person."""

from typing import Any

import pytest

from reconciler.model.coverage import Coverage
from reconciler.model.identity import BatchName
from reconciler.model.operation import ProcessErrors, ProcessOutput, RetryLeftovers
from reconciler.model.outcome import RETRYABLE, RETRYABLE_ONCE, ErrorClass
from reconciler.model.plan import Attention
from reconciler.model.policy import Policy
from reconciler.model.snapshot import ChildFact, Place, Snapshot
from reconciler.model.trouble import Trouble
from reconciler.planner import next_child, plan
from tests.planner.builders import (
    LIMITED,
    POLICY_ATTENTION,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    SETTLE,
    STAYS,
    answered,
    child,
    coverage,
    owner,
    record,
    remote,
    told,
)

SETTLE_FAILED = "process-output process-errors move-to-done: pending"
RETRY_FAILED = "process-output process-errors retry-leftovers move-to-done: pending"
INVALID = {ErrorClass.INVALID_REQUEST: 1}
UNKNOWN = {ErrorClass.UNKNOWN: 1}


@pytest.mark.parametrize(
    ("failed", "attempt", "policy", "expected"),
    [
        pytest.param(LIMITED, 1, POLICY_OPENAI_REACHABLE, RETRY_FAILED, id="first-send"),
        pytest.param(LIMITED, 2, POLICY_OPENAI_REACHABLE, RETRY_FAILED, id="one-send-left"),
        pytest.param(LIMITED, 3, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="at-max-attempts"),
        pytest.param(LIMITED, 4, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="beyond-max-attempts"),
        pytest.param(LIMITED, 1, Policy("openai", max_attempts=1), SETTLE_FAILED, id="never-retry"),
        pytest.param(LIMITED, 1, POLICY_OPENAI, RETRY_FAILED, id="configured-without-client"),
        pytest.param(LIMITED, 1, POLICY_NONE, SETTLE_FAILED, id="no-provider-no-child"),
        pytest.param(UNKNOWN, 1, POLICY_OPENAI_REACHABLE, RETRY_FAILED, id="unknown-once"),
        pytest.param(UNKNOWN, 2, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="unknown-not-twice"),
        pytest.param(UNKNOWN, 1, POLICY_NONE, SETTLE_FAILED, id="unknown-without-provider"),
        pytest.param(INVALID, 1, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="for-good"),
        pytest.param({**INVALID, **LIMITED}, 1, POLICY_OPENAI_REACHABLE, RETRY_FAILED, id="some-of-each"),
        pytest.param({**INVALID, **UNKNOWN}, 2, POLICY_OPENAI_REACHABLE, SETTLE_FAILED, id="none-left"),
    ],
)
def test_failures_are_asked_again_while_attempts_last(
    failed: dict[ErrorClass, int], attempt: int, policy: Policy, expected: str
) -> None:
    """Retryable failures go to a child below max_attempts, an unknown class once, anything else never."""
    assert told(plan(answered(coverage(2, failed=failed), record(attempt=attempt)), policy)) == expected


@pytest.mark.parametrize(
    ("error_class", "expected"),
    [
        pytest.param(ErrorClass.RATE_LIMIT, RETRY_FAILED, id="rate-limit"),
        pytest.param(ErrorClass.SERVER_ERROR, RETRY_FAILED, id="server-error"),
        pytest.param(ErrorClass.OVERLOADED, RETRY_FAILED, id="overloaded"),
        pytest.param(ErrorClass.TIMEOUT, RETRY_FAILED, id="timeout"),
        pytest.param(ErrorClass.EXPIRED, RETRY_FAILED, id="expired"),
        pytest.param(ErrorClass.CANCELLED, RETRY_FAILED, id="cancelled"),
        pytest.param(ErrorClass.MISSING, RETRY_FAILED, id="missing"),
        pytest.param(ErrorClass.UNKNOWN, RETRY_FAILED, id="unknown"),
        pytest.param(ErrorClass.INVALID_REQUEST, SETTLE_FAILED, id="invalid-request"),
        pytest.param(ErrorClass.OVER_LENGTH, SETTLE_FAILED, id="over-length"),
        pytest.param(ErrorClass.CONTENT_FILTER, SETTLE_FAILED, id="content-filter"),
        pytest.param(ErrorClass.AUTHENTICATION, SETTLE_FAILED, id="authentication"),
        pytest.param(ErrorClass.BILLING, SETTLE_FAILED, id="billing"),
        pytest.param(ErrorClass.NOT_FOUND, SETTLE_FAILED, id="not-found"),
    ],
)
def test_every_class_after_the_first_send(error_class: ErrorClass, expected: str) -> None:
    """Each class of failure is either asked again or final."""
    assert told(plan(answered(coverage(2, failed={error_class: 1})), POLICY_OPENAI_REACHABLE)) == expected


def test_missing_and_failed_go_to_one_child() -> None:
    """Leftovers of both kinds are asked again together."""
    snapshot = answered(coverage(2, failed=LIMITED, missing=1), remote("expired"))
    assert told(plan(snapshot, POLICY_OPENAI_REACHABLE)) == RETRY_FAILED


@pytest.mark.parametrize(
    ("failed", "missing", "attempt", "classes"),
    [
        pytest.param(LIMITED, 0, 1, RETRYABLE | RETRYABLE_ONCE, id="first-retry"),
        pytest.param(LIMITED, 0, 2, RETRYABLE, id="second-retry"),
        pytest.param({}, 1, 1, RETRYABLE | RETRYABLE_ONCE, id="missing"),
        pytest.param({**LIMITED, **INVALID}, 1, 2, RETRYABLE, id="everything"),
    ],
)
def test_processors_and_retry_agree_on_what_goes_over(
    failed: dict[ErrorClass, int], missing: int, attempt: int, classes: frozenset[ErrorClass]
) -> None:
    """What is published as retried is exactly what the child is made of; the child counts one send more."""
    known = remote("expired", attempt=attempt)
    steps = plan(answered(coverage(2, failed=failed, missing=missing), known), POLICY_OPENAI_REACHABLE).steps
    (retry,) = (step for step in steps if isinstance(step, RetryLeftovers))
    assert (retry.child, retry.attempt, retry.classes) == ("7.r1", attempt + 1, classes)
    assert retry.missing is (missing > 0)
    processed = [step for step in steps if isinstance(step, ProcessOutput | ProcessErrors)]
    assert len(processed) == (2 if failed else 1)
    for step in processed:
        assert (step.child, step.classes, step.missing) == (retry.child, retry.classes, retry.missing)


def test_without_a_child_every_failure_is_final() -> None:
    """When no child is made, nothing is published as retried."""
    output = plan(answered(coverage(2, failed=INVALID)), POLICY_OPENAI_REACHABLE).steps[0]
    assert isinstance(output, ProcessOutput)
    assert (output.child, output.classes, output.missing) == (None, frozenset(), False)


def _processed(account: Coverage, **fields: Any) -> Snapshot:
    """The batch as it is once this very account was published."""
    before = answered(account, record(**fields))
    output = next(s for s in plan(before, POLICY_ATTENTION).steps if isinstance(s, ProcessOutput))
    receipts: dict[str, dict[str, object]] = {"process-output": {"token": output.token}, "process-errors": {}}
    return answered(account, record(receipts=receipts, **fields))


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(
            answered(coverage(2, failed=INVALID)),
            "process-output process-errors: needs attention",
            id="published-then-held",
        ),
        pytest.param(_processed(coverage(2, failed=INVALID)), STAYS, id="published-already"),
        pytest.param(
            answered(coverage(2, failed=INVALID), record(receipts={"process-output": {"token": "other"}})),
            "process-output process-errors: needs attention",
            id="published-from-other-files",
        ),
        pytest.param(answered(coverage(2, failed=LIMITED)), RETRY_FAILED, id="all-are-asked-again"),
        pytest.param(
            answered(coverage(2, failed=LIMITED), record(attempt=3)),
            "process-output process-errors: needs attention",
            id="no-attempt-left",
        ),
        pytest.param(
            answered(coverage(1, failed={**LIMITED, **INVALID})),
            "process-output process-errors retry-leftovers: needs attention",
            id="some-are-asked-again",
        ),
        pytest.param(
            _processed(coverage(1, failed={**LIMITED, **INVALID})),
            "retry-leftovers: needs attention",
            id="published-and-child-not-made-yet",
        ),
        pytest.param(
            answered(coverage(2, retried=1, failed=INVALID), record(children={"7.r1": owner("retried-0")})),
            "process-output process-errors: needs attention",
            id="child-made",
        ),
        pytest.param(answered(coverage(2, dismissed=1)), SETTLE, id="dismissed"),
        pytest.param(_processed(coverage(2, failed=INVALID), attempt=2), STAYS, id="second-attempt"),
    ],
)
def test_failures_for_good_hold_the_batch_when_asked_to(snapshot: Snapshot, expected: str) -> None:
    """With failed = "attention" the results are published once, and the batch waits for a person."""
    assert told(plan(snapshot, POLICY_ATTENTION)) == expected


def test_a_held_batch_names_the_way_out() -> None:
    """The hint is the command that gives the failures up."""
    decided = plan(answered(coverage(2, failed=INVALID)), POLICY_ATTENTION)
    assert decided.because == '1 request failed for good, and failed = "attention"'
    assert decided.then == Attention("reconcile dismiss WORKSPACE 7", Trouble.FAILED_FOR_GOOD)


@pytest.mark.parametrize(
    ("name", "owned", "taken", "expected"),
    [
        pytest.param("7", (), (), "7.r1", id="first"),
        pytest.param("7", ("7.r1",), (child(1),), "7.r2", id="next-free"),
        pytest.param("7", (), (child(1),), "7.r1", id="interrupted"),
        pytest.param("7", (), (child(1, place=Place.DONE),), "7.r1", id="interrupted-and-settled-since"),
        pytest.param("7", (), (child(1, None),), "7.r2", id="taken-by-who-knows"),
        pytest.param("7", (), (child(1, "6"),), "7.r2", id="taken-by-another"),
        pytest.param("7", ("7.r1",), (child(1), child(2, "7.r1")), "7.r3", id="a-childs-child"),
        pytest.param("7", ("7.r1",), (child(1), child(2)), "7.r2", id="second-interrupted"),
        pytest.param("7.r1", (), (child(1),), "7.r2", id="named-from-the-root"),
        pytest.param("7.r1", (), (child(1), child(2, "7.r1")), "7.r2", id="childs-child-interrupted"),
        pytest.param("7.r2", (), (child(1), child(2, "7.r1")), "7.r3", id="third-generation"),
        pytest.param("7_part2", (), (), "7_part2.r1", id="names-are-whole"),
    ],
)
def test_children_are_named_from_the_root(
    name: str, owned: tuple[str, ...], taken: tuple[ChildFact, ...], expected: str
) -> None:
    """A child takes the next free number of the lineage; one whose making was interrupted is made again."""
    assert next_child(BatchName(name), tuple(map(BatchName, owned)), taken) == expected
