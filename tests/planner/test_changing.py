"""When failed requests go to user code before they are asked again, and what plans make of its answers."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import pytest

from reconciler.model.changes import Changes, Kept, changes_fields
from reconciler.model.coverage import Coverage, FileDigest, hash_id
from reconciler.model.identity import BatchName
from reconciler.model.operation import ChangeRequests, RetryLeftovers
from reconciler.model.outcome import ClassPolicy, ErrorClass
from reconciler.model.overrides import Overrides, overrides_fields
from reconciler.model.plan import Attention, Plan
from reconciler.model.policy import FailurePolicy, Policy
from reconciler.model.snapshot import Snapshot
from reconciler.model.trouble import Trouble
from reconciler.planner import plan, plan_retry
from tests.planner.builders import (
    POLICY_NONE,
    POLICY_OPENAI,
    answered,
    child,
    coverage,
    owner,
    record,
    told,
)

OVER: Final = ErrorClass.OVER_LENGTH
CODE: Final = {OVER: "code/1"}
CHANGES: Final = attrs.evolve(POLICY_OPENAI, transforms=CODE)
BY_NOBODY: Final = attrs.evolve(POLICY_NONE, transforms=CODE)
LONG: Final = coverage(1, failed={OVER: 2})
MIXED: Final = coverage(1, failed={OVER: 1, ErrorClass.RATE_LIMIT: 1, ErrorClass.BILLING: 1})
LINES: Final = FileDigest("c" * 64, 9)

SETTLES: Final = "process-output process-errors move-to-done: pending"
RETRIES: Final = "process-output process-errors retry-leftovers move-to-done: pending"
AGAIN: Final = "retry-leftovers: pending"
STAYS: Final = ": needs attention"
ASKS: Final = "change-requests: pending"


def snapshot(account: Coverage, receipts: Mapping[str, Any] | None = None, **fields: Any) -> Snapshot:
    """A batch with this account and these receipts."""
    children = fields.pop("children_there", ())
    known = record(receipts=receipts or {}, coverage=account, **fields)
    return answered(account, known, children=children)


def step(account: Coverage, policy: Policy) -> ChangeRequests:
    """The step that asks code."""
    (found,) = plan(snapshot(account), policy).steps
    assert isinstance(found, ChangeRequests)
    return found


def receipt(account: Coverage, policy: Policy, *kept: Kept, **facts: Any) -> dict[str, Any]:
    """The receipt of code that has ended."""
    found = changes_fields(Changes(CODE, LINES, kept))
    return {"change-requests": {"token": step(account, policy).token, **found, **facts}}


def kept(*numbers: int, attention: bool = False) -> Kept:
    """Requests that code did not change."""
    return Kept("no", attention, frozenset(hash_id(f"over-length-{n}") for n in numbers))


@pytest.mark.parametrize(
    ("account", "policy", "expected"),
    [
        pytest.param(LONG, CHANGES, ASKS, id="long"),
        pytest.param(MIXED, CHANGES, ASKS, id="mixed"),
        pytest.param(LONG, POLICY_OPENAI, SETTLES, id="no-code"),
        pytest.param(LONG, BY_NOBODY, SETTLES, id="no-provider"),
        pytest.param(coverage(3), CHANGES, "process-output move-to-done: pending", id="no-failure"),
        pytest.param(coverage(1, failed={ErrorClass.RATE_LIMIT: 1}), CHANGES, RETRIES, id="other-class"),
        pytest.param(LONG, attrs.evolve(CHANGES, max_attempts=1), SETTLES, id="no-attempt-left"),
        pytest.param(
            coverage(1, failed={ErrorClass.RATE_LIMIT: 1}),
            attrs.evolve(POLICY_OPENAI, transforms={ErrorClass.RATE_LIMIT: "code/1"}),
            ASKS,
            id="class-that-is-asked-again-anyway",
        ),
        pytest.param(
            LONG, attrs.evolve(CHANGES, failed=FailurePolicy.ATTENTION), ASKS, id="failures-need-a-person"
        ),
        pytest.param(LONG, attrs.evolve(CHANGES, processor_may_fail=True), ASKS, id="before-the-output"),
    ],
)
def test_when_code_is_asked(account: Coverage, policy: Policy, expected: str) -> None:
    """It is asked alone and first, for a failure of its class that may be sent again by itself."""
    assert told(plan(snapshot(account), policy)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param((), RETRIES, id="all-changed"),
        pytest.param((kept(0),), RETRIES, id="one-given-up"),
        pytest.param((kept(0, 1),), SETTLES, id="all-given-up"),
        pytest.param(
            (kept(0, attention=True),),
            "process-output process-errors retry-leftovers: needs attention",
            id="one-for-a-person",
        ),
        pytest.param(
            (kept(0, 1, attention=True),),
            "process-output process-errors: needs attention",
            id="all-for-a-person",
        ),
    ],
)
def test_what_it_said_decides(said: tuple[Kept, ...], expected: str) -> None:
    """What it changed goes to a child, the rest does not; where code is at fault the batch stays."""
    found = plan(snapshot(LONG, receipt(LONG, CHANGES, *said)), CHANGES)
    assert told(found) == expected
    for each in found.steps:
        if isinstance(each, RetryLeftovers):
            assert each.changes == Changes(CODE, LINES, said)
            assert each.never == each.changes.never


@pytest.mark.parametrize(
    ("facts", "policy"),
    [
        pytest.param({"state": "started"}, CHANGES, id="begun"),
        pytest.param({"token": "another"}, CHANGES, id="of-other-work"),
        pytest.param({}, attrs.evolve(CHANGES, transforms={OVER: "code/2"}), id="other-version"),
    ],
)
def test_what_is_no_answer(facts: Mapping[str, Any], policy: Policy) -> None:
    """A receipt that is begun, or of other work, answers nothing: the code is asked."""
    assert told(plan(snapshot(LONG, receipt(LONG, CHANGES, **facts)), policy)) == ASKS


def test_a_child_that_is_being_made_is_finished_first() -> None:
    """Whatever code there is by now, a child that was begun holds what the receipt says."""
    newer = attrs.evolve(CHANGES, transforms={OVER: "code/2"})
    said = receipt(LONG, CHANGES)
    assert told(plan(snapshot(LONG, said, children_there=(child(1),)), newer)) == RETRIES
    owned = {BatchName("7.r1"): owner("elsewhere")}
    assert told(plan(snapshot(LONG, said, children_there=(child(1),), children=owned), newer)) == ASKS


def test_a_person_is_told_what_to_do() -> None:
    """Who has to look is told the reason, and the three ways on."""
    found = plan(snapshot(LONG, receipt(LONG, CHANGES, kept(0, attention=True))), CHANGES)
    assert isinstance(found.then, Attention)
    assert found.then.trouble is Trouble.FAILED_FOR_GOOD
    assert found.because == "1 failed request could not be changed and was not asked again: no"
    for way in ("mend the transform", "reconcile process WORKSPACE 7", "reconcile dismiss WORKSPACE 7"):
        assert way in found.then.hint


def test_an_error_processor_is_asked_before() -> None:
    """What an error processor gives up is not changed, and its name is part of the work."""
    policy = attrs.evolve(CHANGES, error_processor="errors/1")
    first = plan(snapshot(LONG), policy)
    assert told(first) == "process-errors: pending"
    gone = frozenset({hash_id("over-length-0")})
    said = {
        "process-errors": {
            "token": getattr(first.steps[0], "token", ""),
            **overrides_fields(Overrides(never=gone)),
        }
    }
    (asks,) = plan(snapshot(LONG, said), policy).steps
    assert isinstance(asks, ChangeRequests)
    assert asks.never == gone
    assert asks.token != step(LONG, CHANGES).token


@pytest.mark.parametrize(
    ("policy", "chosen", "expected"),
    [
        pytest.param(BY_NOBODY, None, ASKS, id="by-hand"),
        pytest.param(BY_NOBODY, frozenset({OVER}), ASKS, id="by-class"),
        pytest.param(POLICY_NONE, frozenset({OVER}), "retry-leftovers: pending", id="without-code"),
        pytest.param(
            BY_NOBODY, frozenset({ErrorClass.BILLING}), "retry-leftovers: pending", id="other-class"
        ),
        pytest.param(
            attrs.evolve(BY_NOBODY, max_attempts=1), None, ": needs attention", id="no-attempt-left"
        ),
    ],
)
def test_by_hand(policy: Policy, chosen: frozenset[ErrorClass] | None, expected: str) -> None:
    """By hand too a class with code is not sent as it is; other classes are."""
    assert told(plan_retry(snapshot(MIXED), policy, chosen)) == expected


def test_by_hand_nothing_is_left() -> None:
    """What code gave up is refused by hand too, with its reason."""
    found: Plan = plan_retry(snapshot(LONG, receipt(LONG, CHANGES, kept(0, 1))), CHANGES)
    assert told(found) == ": needs attention"
    assert "2 given up (no)" in found.because


def test_a_class_with_code_is_never_sent_as_it_is() -> None:
    """A run on this machine does not send it again by itself, whatever the table said before."""
    policy = attrs.evolve(CHANGES, classes={**CHANGES.classes, OVER: ClassPolicy.NEVER})
    assert OVER in policy.may_ask_again(1)
    assert OVER in policy.may_ask_again(2)
    assert OVER not in policy.may_ask_again(3)
