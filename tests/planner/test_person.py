"""What a person may ask for one live batch, and what they are told when it cannot be done."""

import attrs
import pytest

from reconciler.model.identity import Role
from reconciler.model.operation import RetryLeftovers
from reconciler.model.outcome import RETRYABLE, RETRYABLE_ONCE, ClassPolicy, ErrorClass
from reconciler.model.plan import Attention
from reconciler.model.policy import Policy
from reconciler.model.record import InputFact
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan, plan_match, plan_retry
from tests.planner.builders import (
    POLICY_NONE,
    POLICY_OPENAI_REACHABLE,
    answered,
    child,
    coverage,
    digest,
    matched,
    mismatch,
    owner,
    record,
    remote,
    snap,
    told,
)

LIMITED = {ErrorClass.RATE_LIMIT: 1}
INVALID = {ErrorClass.INVALID_REQUEST: 1}
UNKNOWN = {ErrorClass.UNKNOWN: 1}
STAYS = ": needs attention"
RETRY = "retry-leftovers: pending"

UNSOUND = [
    pytest.param(snap("io", problems=("a FIFO",)), STAYS, id="problem"),
    pytest.param(snap("io", bad_record="torn"), STAYS, id="bad-record"),
    pytest.param(snap("io", in_done=True), "move-to-done: pending", id="in-done"),
    pytest.param(snap("", in_done=True), ": settled", id="settled"),
    pytest.param(snap("io", quarantine_tail="7.1"), "quarantine: pending", id="quarantine-tail"),
    pytest.param(snap("io", history=frozenset({Role.INPUT})), STAYS, id="history"),
    pytest.param(snap("io", record=record(input=InputFact(digest(size=1), 1))), STAYS, id="drift"),
    pytest.param(snap("i"), STAYS, id="no-answers"),
    pytest.param(snap(""), STAYS, id="nothing"),
    pytest.param(snap("io"), "match-request-ids: pending", id="not-matched"),
    pytest.param(
        snap("io", matched=matched(coverage(1), mismatch=mismatch(unknown=("x",)))), STAYS, id="mismatch"
    ),
]


@pytest.mark.parametrize(("snapshot", "expected"), UNSOUND)
def test_a_decision_needs_sound_and_matched_files(snapshot: Snapshot, expected: str) -> None:
    """What stands against the files comes before what a person wants of them."""
    refusal = plan_match(snapshot)
    assert refusal is not None
    assert told(refusal) == expected
    assert plan_retry(snapshot, POLICY_OPENAI_REACHABLE) == refusal


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(answered(coverage(3)), id="all-answered"),
        pytest.param(answered(coverage(2, missing=1)), id="missing"),
        pytest.param(answered(coverage(0, failed=INVALID)), id="all-failed"),
    ],
)
def test_sound_and_matched_files_may_be_decided_upon(snapshot: Snapshot) -> None:
    """Nothing stands against a decision once the ids are matched."""
    assert plan_match(snapshot) is None


@pytest.mark.parametrize("policy", [POLICY_NONE, POLICY_OPENAI_REACHABLE])
@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(answered(coverage(2, failed=LIMITED)), RETRY, id="retryable"),
        pytest.param(answered(coverage(2, failed=LIMITED), record(attempt=2)), RETRY, id="one-send-left"),
        pytest.param(answered(coverage(2, failed=LIMITED), record(attempt=3)), STAYS, id="no-send-left"),
        pytest.param(answered(coverage(2, failed=UNKNOWN)), RETRY, id="unknown-once"),
        pytest.param(answered(coverage(2, failed=UNKNOWN), record(attempt=2)), STAYS, id="unknown-twice"),
        pytest.param(answered(coverage(2, failed=INVALID)), STAYS, id="for-good"),
        pytest.param(answered(coverage(2, failed={**INVALID, **LIMITED})), RETRY, id="some-of-each"),
        pytest.param(answered(coverage(2, missing=1)), RETRY, id="missing-without-record"),
        pytest.param(answered(coverage(2, missing=1), remote("expired")), RETRY, id="missing-expired"),
        pytest.param(answered(coverage(2, missing=1), record(attempt=3)), STAYS, id="missing-no-send-left"),
        pytest.param(answered(coverage(3)), STAYS, id="nothing-failed"),
        pytest.param(answered(coverage(2, retried=1)), STAYS, id="asked-already"),
        pytest.param(answered(coverage(2, dismissed=1)), STAYS, id="given-up"),
        pytest.param(snap("io", matched=matched(None, bad_input=("i:1: bad",))), STAYS, id="bad-input"),
    ],
)
def test_a_person_may_ask_leftovers_again(snapshot: Snapshot, expected: str, policy: Policy) -> None:
    """A person's retry needs no provider, and obeys max_attempts and the classes all the same."""
    assert told(plan_retry(snapshot, policy)) == expected


def test_a_person_may_retry_where_the_policy_would_not() -> None:
    """Without a provider the policy makes no child; a person may."""
    snapshot = answered(coverage(2, failed=LIMITED))
    assert "retry-leftovers" not in told(plan(snapshot, POLICY_NONE))
    assert told(plan_retry(snapshot, POLICY_NONE)) == RETRY


@pytest.mark.parametrize(
    ("attempt", "missing", "classes"),
    [
        pytest.param(1, 0, RETRYABLE | RETRYABLE_ONCE, id="first"),
        pytest.param(2, 1, RETRYABLE, id="second-with-missing"),
    ],
)
def test_what_goes_to_the_child(attempt: int, missing: int, classes: frozenset[ErrorClass]) -> None:
    """The step says which classes go over, whether missing ids do, and how often they were sent then."""
    known = record(attempt=attempt, children={"7.r1": owner("retried-0")})
    snapshot = answered(
        coverage(1, failed=LIMITED, retried=1, missing=missing), known, children=(child(1), child(2, "7.r1"))
    )
    (step,) = plan_retry(snapshot, POLICY_NONE).steps
    assert isinstance(step, RetryLeftovers)
    assert (step.child, step.attempt, step.classes) == ("7.r3", attempt + 1, classes)
    assert step.missing is (missing > 0)
    assert step.expects.generation == known.generation


@pytest.mark.parametrize(
    ("snapshot", "because", "hint"),
    [
        pytest.param(
            answered(coverage(2, failed=LIMITED), record(attempt=3)),
            "its requests have been sent 3 times, and [policy] max_attempts is 3",
            "raise [policy] max_attempts",
            id="no-send-left",
        ),
        pytest.param(
            answered(coverage(0, failed={**INVALID, ErrorClass.BILLING: 2})),
            "none of its requests may be asked again (billing, invalid-request)",
            "mend the requests and send them as a new batch\n"
            "reconcile retry WORKSPACE 7 --class CLASS    to ask them again all the same",
            id="for-good",
        ),
        pytest.param(
            answered(coverage(3)),
            "none of its requests may be asked again (none failed)",
            "mend the requests and send them as a new batch\n"
            "reconcile retry WORKSPACE 7 --class CLASS    to ask them again all the same",
            id="none-failed",
        ),
        pytest.param(
            snap("io", matched=matched(None, bad_input=("i:1: bad", "i:2: bad"))),
            "i:1: bad; i:2: bad",
            "mend the input line first",
            id="bad-input",
        ),
        pytest.param(
            snap("i"),
            "no answer file is here, so nothing of it can have failed",
            "to withdraw it, move its input out of the workspace",
            id="no-answers",
        ),
        pytest.param(
            snap("io", matched=matched(coverage(1), mismatch=mismatch(unknown=("x",)))),
            "1 answer to an id that was never asked: x",
            "reconcile WORKSPACE    sets it aside",
            id="mismatch",
        ),
    ],
)
def test_a_refusal_says_why_and_what_else(snapshot: Snapshot, because: str, hint: str) -> None:
    """A person whose wish cannot be met reads the reason and the way around it."""
    refused = plan_retry(snapshot, POLICY_NONE)
    assert (refused.because, refused.then) == (because, Attention(hint))


def test_raising_max_attempts_allows_another_send() -> None:
    """The hint works: the same batch may be asked again under a higher limit."""
    snapshot = answered(coverage(2, failed=LIMITED), record(attempt=3))
    policy = attrs.evolve(POLICY_NONE, max_attempts=4)
    assert told(plan_retry(snapshot, policy)) == RETRY


@pytest.mark.parametrize(
    ("chosen", "attempt", "expected"),
    [
        pytest.param({ErrorClass.INVALID_REQUEST}, 1, {ErrorClass.INVALID_REQUEST}, id="over-the-table"),
        pytest.param({ErrorClass.RATE_LIMIT}, 1, {ErrorClass.RATE_LIMIT}, id="only-it"),
        pytest.param({ErrorClass.INVALID_REQUEST}, 3, None, id="not-over-max-attempts"),
        pytest.param({ErrorClass.BILLING}, 1, None, id="none-of-it"),
        pytest.param({ErrorClass.MISSING}, 1, {ErrorClass.MISSING}, id="missing"),
    ],
)
def test_a_class_that_a_person_names_outranks_the_table(
    chosen: set[ErrorClass], attempt: int, expected: set[ErrorClass] | None
) -> None:
    """`--class` asks these classes and no others, whatever the table says; `max_attempts` holds too."""
    account = coverage(1, failed={**LIMITED, **INVALID}, missing=1)
    policy = attrs.evolve(POLICY_NONE, classes=dict.fromkeys(ErrorClass, ClassPolicy.NEVER))
    found = plan_retry(answered(account, record(attempt=attempt)), policy, frozenset(chosen))
    steps = [step for step in found.steps if isinstance(step, RetryLeftovers)]
    assert [(set(step.classes), step.missing) for step in steps] == (
        [] if expected is None else [(expected, ErrorClass.MISSING in chosen)]
    )
