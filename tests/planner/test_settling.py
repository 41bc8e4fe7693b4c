"""What an output processor that may fail, and an error processor, change in the plan of an answered batch."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import pytest

from reconciler.model.coverage import Coverage, hash_id
from reconciler.model.identity import BatchName
from reconciler.model.operation import ProcessErrors, ProcessOutput, RetryLeftovers
from reconciler.model.outcome import ErrorClass
from reconciler.model.overrides import Overrides, overrides_fields
from reconciler.model.plan import Attention, Plan
from reconciler.model.policy import FailurePolicy, Policy
from reconciler.model.trouble import Trouble
from reconciler.planner import plan
from tests.planner.builders import POLICY_NONE, POLICY_OPENAI, answered, coverage, record, tally, told

MAY_FAIL: Final = attrs.evolve(POLICY_NONE, processor="mine/1", processor_may_fail=True)
MAY_FAIL_SETTLES: Final = attrs.evolve(MAY_FAIL, on_failure=FailurePolicy.SETTLE)
ASKS: Final = attrs.evolve(POLICY_OPENAI, error_processor="errors/1")
ASKS_NOBODY: Final = attrs.evolve(POLICY_NONE, error_processor="errors/1")
ALL_ANSWERED: Final = coverage(3)
SOME_FAILED: Final = coverage(1, failed={ErrorClass.RATE_LIMIT: 2, ErrorClass.INVALID_REQUEST: 1})
UNHANDLED: Final = {"requests": 1, "ids": tally("answered-0").digest, "told": "1 broken"}


def output_step(
    account: Coverage, policy: Policy, receipts: Mapping[str, Any] | None = None
) -> ProcessOutput:
    """The output processor's step in the plan of a batch."""
    found = planned(account, policy, receipts)
    (step,) = [step for step in found.steps if isinstance(step, ProcessOutput)]
    return step


def errors_step(account: Coverage, policy: Policy) -> ProcessErrors:
    """The error processor's step in the plan of a batch."""
    (step,) = [step for step in planned(account, policy).steps if isinstance(step, ProcessErrors)]
    return step


def planned(
    account: Coverage, policy: Policy, receipts: Mapping[str, Any] | None = None, **fields: Any
) -> Plan:
    """The plan of a batch with these receipts."""
    return plan(answered(account, record(receipts=receipts or {}, coverage=account, **fields)), policy)


def ended(account: Coverage, policy: Policy, **facts: Any) -> dict[str, Any]:
    """The receipt of an output processor that has ended."""
    return {"process-output": {"token": output_step(account, policy).token, **facts}}


def asked(account: Coverage, policy: Policy, overrides: Overrides) -> dict[str, Any]:
    """The receipt of an error processor that has answered."""
    token = errors_step(account, policy).token
    return {"process-errors": {"token": token, **overrides_fields(overrides)}}


def test_what_may_fail_goes_first_and_alone() -> None:
    """A batch moves only once a processor that may fail has ended."""
    assert told(planned(ALL_ANSWERED, MAY_FAIL)) == "process-output: pending"
    assert told(planned(ALL_ANSWERED, MAY_FAIL, ended(ALL_ANSWERED, MAY_FAIL))) == "move-to-done: pending"
    assert told(planned(ALL_ANSWERED, POLICY_NONE)) == "process-output move-to-done: pending"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, "move-to-done: pending", id="ended"),
        pytest.param({"state": "started"}, "process-output: pending", id="begun"),
        pytest.param({"token": "another"}, "process-output: pending", id="of-other-work"),
        pytest.param({"unhandled": UNHANDLED}, ": needs attention", id="could-not-handle"),
        pytest.param({"unhandled": {}}, "move-to-done: pending", id="handled-everything"),
    ],
)
def test_what_is_known_of_it(change: Mapping[str, Any], expected: str) -> None:
    """It is called unless this very work has ended, and what it could not handle keeps the batch."""
    receipts = ended(ALL_ANSWERED, MAY_FAIL)
    receipts["process-output"] |= change
    assert told(planned(ALL_ANSWERED, MAY_FAIL, receipts)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, "move-to-done: pending", id="ended"),
        pytest.param({"unhandled": UNHANDLED}, ": needs attention", id="could-not-handle"),
    ],
)
def test_what_another_processor_has_made_of_it_stands(change: Mapping[str, Any], expected: str) -> None:
    """Where nobody names one today, and it has ended on these very answers; test_unnamed.py has the rest."""
    receipts = ended(ALL_ANSWERED, MAY_FAIL, processor="mine/1")
    receipts["process-output"] |= change
    assert told(planned(ALL_ANSWERED, POLICY_NONE, receipts)) == expected


def test_unhandled_answers_are_a_trouble_of_their_own() -> None:
    """A person is told how many, where, and the two verbs that help."""
    found = planned(ALL_ANSWERED, MAY_FAIL, ended(ALL_ANSWERED, MAY_FAIL, unhandled=UNHANDLED))
    assert isinstance(found.then, Attention)
    assert found.then.trouble is Trouble.UNHANDLED
    assert found.because == "1 answer could not be handled: 1 broken"
    assert "reconcile process WORKSPACE 7" in found.then.hint
    assert "reconcile dismiss WORKSPACE 7" in found.then.hint


@pytest.mark.parametrize(
    ("policy", "given_up", "expected"),
    [
        pytest.param(MAY_FAIL, (), ": needs attention", id="attention"),
        pytest.param(MAY_FAIL_SETTLES, (), "move-to-done: pending", id="settle"),
        pytest.param(MAY_FAIL, ("answered-0",), "move-to-done: pending", id="given-up"),
        pytest.param(MAY_FAIL, ("answered-1",), ": needs attention", id="another-given-up"),
        pytest.param(MAY_FAIL, ("answered-0", "answered-1"), ": needs attention", id="others-given-up"),
    ],
)
def test_when_they_hold_the_batch(policy: Policy, given_up: tuple[str, ...], expected: str) -> None:
    """They hold it unless the settings or a person say otherwise, who speaks of these very answers."""
    receipts = ended(ALL_ANSWERED, policy, unhandled=UNHANDLED)
    dismissed = {"unhandled": tally(*given_up)} if given_up else {}
    assert told(planned(ALL_ANSWERED, policy, receipts, dismissed=dismissed)) == expected


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(attrs.evolve(MAY_FAIL, processor="mine/2"), id="version"),
        pytest.param(attrs.evolve(MAY_FAIL, processor="mine/1+json"), id="content"),
    ],
)
def test_other_work_has_another_token(other: Policy) -> None:
    """Another version, or another way of reading, is other work: the processor is called again."""
    receipts = ended(ALL_ANSWERED, MAY_FAIL, unhandled=UNHANDLED)
    assert output_step(ALL_ANSWERED, other).token != output_step(ALL_ANSWERED, MAY_FAIL).token
    assert told(planned(ALL_ANSWERED, other, receipts)) == "process-output: pending"


def test_unhandled_answers_do_not_keep_failures_from_being_asked_again() -> None:
    """What may be asked again goes to its child though the batch itself has to stay."""
    policy = attrs.evolve(MAY_FAIL, provider="openai")
    receipts = ended(SOME_FAILED, policy, unhandled=UNHANDLED)
    assert told(planned(SOME_FAILED, policy, receipts)) == "retry-leftovers: needs attention"


def test_an_error_processor_goes_before_everything() -> None:
    """It is asked first, alone; where nothing failed it is not asked."""
    assert told(planned(SOME_FAILED, ASKS)) == "process-errors: pending"
    assert told(planned(ALL_ANSWERED, ASKS)) == "process-output move-to-done: pending"
    assert (
        told(planned(SOME_FAILED, POLICY_OPENAI))
        == "process-output process-errors retry-leftovers move-to-done: pending"
    )


@pytest.mark.parametrize(
    ("account", "policy", "retry"),
    [
        pytest.param(SOME_FAILED, ASKS, True, id="may"),
        pytest.param(
            coverage(1, failed={ErrorClass.INVALID_REQUEST: 1}), ASKS, False, id="would-repeat-itself"
        ),
        pytest.param(SOME_FAILED, ASKS_NOBODY, False, id="nobody"),
        pytest.param(SOME_FAILED, attrs.evolve(ASKS, max_attempts=1), False, id="no-attempt"),
    ],
)
def test_it_is_told_whether_a_retry_is_planned(account: Coverage, policy: Policy, retry: bool) -> None:  # noqa: FBT001 - a row
    """It is told whether any of the failures would be asked again."""
    assert errors_step(account, policy).plans_retry is retry


RATE_0: Final = hash_id("rate-limit-0")
RATE_1: Final = hash_id("rate-limit-1")
INVALID: Final = hash_id("invalid-request-0")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        pytest.param(Overrides(), "process-output retry-leftovers move-to-done: pending", id="nothing"),
        pytest.param(
            Overrides(again=frozenset({INVALID})),
            "process-output retry-leftovers move-to-done: pending",
            id="again",
        ),
        pytest.param(
            Overrides(never=frozenset({RATE_0})),
            "process-output retry-leftovers move-to-done: pending",
            id="one-never",
        ),
        pytest.param(
            Overrides(never=frozenset({RATE_0, RATE_1})), "process-output move-to-done: pending", id="never"
        ),
        pytest.param(
            Overrides(never=frozenset({RATE_0}), attention=frozenset({RATE_0})),
            "process-output retry-leftovers: needs attention",
            id="attention",
        ),
    ],
)
def test_what_it_has_answered(overrides: Overrides, expected: str) -> None:
    """Its answers decide whether there is a child and whether the batch moves."""
    found = planned(SOME_FAILED, ASKS, asked(SOME_FAILED, ASKS, overrides))
    assert told(found) == expected
    for step in found.steps:
        if isinstance(step, ProcessOutput | RetryLeftovers):
            assert (step.again, step.never) == (overrides.again, overrides.never)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(attrs.evolve(ASKS, error_processor="errors/2"), id="version"),
        pytest.param(attrs.evolve(ASKS, max_attempts=1), id="other-classes"),
        pytest.param(ASKS_NOBODY, id="no-provider"),
    ],
)
def test_when_it_is_asked_once_more(other: Policy) -> None:
    """Another version, or another set of classes that may be asked again, is another question."""
    receipts = asked(SOME_FAILED, ASKS, Overrides(attention=frozenset({RATE_0})))
    assert told(planned(SOME_FAILED, other, receipts)) == "process-errors: pending"
    assert told(planned(SOME_FAILED, ASKS, receipts)) != "process-errors: pending"


def test_a_question_that_has_only_begun() -> None:
    """A question that has begun and not ended is put once more."""
    receipts = asked(SOME_FAILED, ASKS, Overrides())
    receipts["process-errors"]["state"] = "started"
    assert told(planned(SOME_FAILED, ASKS, receipts)) == "process-errors: pending"


def test_a_child_that_has_lost_its_metadata_is_not_sent_too_often() -> None:
    """Its name says how often its requests may have been sent; without that they would begin anew."""
    account = coverage(1, failed={ErrorClass.RATE_LIMIT: 2})
    snap = answered(account, record(coverage=account))

    def asks_again(name: str) -> bool:
        steps = plan(attrs.evolve(snap, name=BatchName(name)), POLICY_OPENAI).steps
        return any(isinstance(step, RetryLeftovers) for step in steps)

    assert [asks_again(name) for name in ("7", "7.r1", "7.r2")] == [True, True, False]
