"""What is decided once the time of a batch is over, and what a batch waits for that others go ahead of."""

from __future__ import annotations

from typing import Any, Final

import attrs
import pytest
from hypothesis import given

from reconciler.model.canary import Sample
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import EndHere, RetryLeftovers, Submit
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Attention, Held, Waiting
from reconciler.model.policy import InDoubtPolicy, Policy
from reconciler.model.record import After, Counts, Limit, Odd, Online, Record, Refusal, Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.trouble import Trouble
from reconciler.planner import plan
from reconciler.planner.crowding import in_turn, is_under_way
from reconciler.planner.limiting import are_leftovers
from tests.planner.builders import (
    NOW,
    POLICY_LOCAL,
    POLICY_OPENAI_REACHABLE,
    answered,
    counts,
    coverage,
    digest,
    fact,
    record,
    remote,
    snap,
    told,
)
from tests.planner.strategies import arbitrary, policies

OVER: Final = Limit(60.0, NOW)
SOON: Final = Limit(60.0, NOW + 5.0)
STOPPABLE: Final = attrs.evolve(POLICY_OPENAI_REACHABLE, stoppable=frozenset({"openai"}))
QUOTA: Final = Online(refusals=(Refusal("token_limit_exceeded", "full"),), not_before=NOW + 900)
LIMITED: Final = Online(limited=True)
FAILED: Final = {Role.OUTPUT: None, Role.ERROR: digest(Role.ERROR)}


@pytest.mark.parametrize(
    ("known", "asked", "policy", "wanted"),
    [
        pytest.param(record(provider="openai"), False, STOPPABLE, "end-here", id="never-sent"),
        pytest.param(
            record(provider="openai", state=Submission.UPLOADED), False, STOPPABLE, "end-here", id="uploaded"
        ),
        pytest.param(record(provider="anthropic"), False, STOPPABLE, "end-here", id="nobody-to-ask"),
        pytest.param(remote("failed", online=QUOTA), False, STOPPABLE, "end-here", id="sent-away"),
        pytest.param(remote("cancelled"), False, STOPPABLE, "check-online", id="stopped-without-a-file-yet"),
        pytest.param(
            remote("cancelled", online=Online(odd=Odd.NO_FILE, looks=3)),
            False,
            STOPPABLE,
            "end-here",
            id="stopped-without-any",
        ),
        pytest.param(
            remote("cancelled", counts=counts(1), online=Online(odd=Odd.NO_FILE, looks=3)),
            False,
            STOPPABLE,
            "match-request-ids",
            id="one-was-answered",
        ),
        pytest.param(record(provider="local"), False, POLICY_LOCAL, "end-here", id="never-begun-here"),
        pytest.param(
            record(provider="local", status="in_progress"),
            False,
            POLICY_LOCAL,
            "answer-here",
            id="begun-here",
        ),
        pytest.param(remote("in_progress"), False, STOPPABLE, "check-online", id="looked-at-first"),
        pytest.param(remote("in_progress"), True, STOPPABLE, "cancel", id="stopped"),
        pytest.param(remote("in_progress", online=LIMITED), False, STOPPABLE, "cancel", id="cut-off-before"),
        pytest.param(remote("in_progress", online=LIMITED), True, STOPPABLE, "", id="waited-for"),
        pytest.param(remote("cancelling", online=LIMITED), False, STOPPABLE, "check-online", id="stopping"),
        pytest.param(
            remote("in_progress", online=Online(limited=True, unstoppable=True)),
            False,
            STOPPABLE,
            "check-online",
            id="refused",
        ),
        pytest.param(remote("in_progress"), True, POLICY_OPENAI_REACHABLE, "", id="no-such-call"),
        pytest.param(
            remote("in_progress", online=Online(stopped=True)), True, STOPPABLE, "", id="a-person-was-first"
        ),
        pytest.param(
            record(provider="openai", state=Submission.CREATING, sent_at=0.0),
            False,
            STOPPABLE,
            "find-orphan",
            id="in-doubt",
        ),
    ],
)
def test_what_is_done_when_the_time_is_over(
    known: Record, policy: Policy, wanted: str, *, asked: bool
) -> None:
    """One step for each case; nothing is sent."""
    decided = plan(snap("i", record=attrs.evolve(known, limit=OVER), asked=asked), policy)
    assert " ".join(step.verb for step in decided.steps) == wanted, decided.explain()


@pytest.mark.parametrize(
    ("known", "policy", "told"),
    [
        (remote("in_progress", online=LIMITED), STOPPABLE, "openai was asked to stop it, and has batch_1"),
        (remote("cancelling"), POLICY_OPENAI_REACHABLE, "openai was asked to stop it, and has batch_1"),
        (remote("in_progress"), POLICY_OPENAI_REACHABLE, "openai cannot be stopped: it goes on, and is paid"),
        (
            remote("in_progress", online=Online(limited=True, unstoppable=True)),
            STOPPABLE,
            "openai cannot be stopped: it goes on, and is paid for",
        ),
    ],
)
def test_what_goes_on_behind_the_time_is_told(known: Record, policy: Policy, told: str) -> None:
    """Whether its provider was asked to stop, or never can be and is paid, is what a person has to know."""
    decided = plan(snap("i", record=attrs.evolve(known, limit=OVER), asked=True), policy)
    assert decided.steps == ()
    assert told in decided.because


def test_what_a_person_has_ended_is_ended_though_its_file_is_missing() -> None:
    """A pass that died between the record and the file that says so is gone on with; nothing is sent."""
    known = record(
        provider="openai", online=Online(stopped=True), roles={Role.ERROR: digest(Role.ERROR, size=9)}
    )
    (step,) = plan(snap("i", record=known), STOPPABLE).steps
    assert isinstance(step, EndHere)
    assert step.why is ErrorClass.CANCELLED


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        pytest.param(SOON, "submit: pending", id="in-time"),
        pytest.param(OVER, ": held", id="over"),
    ],
)
def test_a_create_in_doubt_is_not_repeated_once_the_time_is_over(limit: Limit, wanted: str) -> None:
    """Settings that send again what was not found do so in time; after that a person decides."""
    policy = attrs.evolve(STOPPABLE, in_doubt=InDoubtPolicy.RESUBMIT)
    known = record(provider="openai", state=Submission.CREATING, sent_at=0.0, limit=limit)
    decided = plan(snap("i", record=known, asked=True), policy)
    assert told(decided) == wanted
    if limit is OVER:
        assert isinstance(decided.then, Held)
        assert decided.then.trouble is Trouble.IN_DOUBT
        assert "reconcile adopt WORKSPACE 7" in decided.then.hint
        assert "time limit" in decided.because


@pytest.mark.parametrize(
    ("limit", "wanted", "because"),
    [
        pytest.param(SOON, "process-output retry-leftovers move-to-done: pending", "", id="in-time"),
        pytest.param(OVER, ": needs attention", "1 id never got an answer", id="over"),
    ],
)
def test_ids_without_an_answer_stay_once_the_time_is_over(limit: Limit, wanted: str, because: str) -> None:
    """They are asked again in time; after that a person decides, and no id is lost."""
    decided = plan(answered(coverage(2, missing=1), remote("expired", limit=limit)), STOPPABLE)
    assert told(decided) == wanted
    assert because in decided.because


def test_an_input_that_is_written_still_is_not_ended_short() -> None:
    """What its writer has not put there yet would be lost with it: it is ended once it stands still."""
    policy = attrs.evolve(STOPPABLE, settle_seconds=2.0)
    young = {Role.INPUT: fact(Role.INPUT, mtime_ns=int((NOW - 1) * 1e9))}
    known = record(provider="openai", limit=OVER)
    assert plan(snap(files=young, record=known), policy).then == Waiting(NOW + 1)
    still = plan(snap(files=young, record=known, seen_at=NOW + 1), policy)
    assert [step.verb for step in still.steps] == ["end-here"]


def test_a_wait_ends_with_the_time() -> None:
    """Whatever else is waited for, the deadline comes first."""
    known = remote("in_progress", limit=SOON)
    decided = plan(snap("i", record=known, asked=True), STOPPABLE)
    assert decided.then == Waiting(SOON.until)


def test_failures_that_come_too_late_are_settled() -> None:
    """What might succeed another time is not asked again, and its batch settles."""
    account = coverage(1, failed={ErrorClass.RATE_LIMIT: 1})
    known = remote("completed", limit=OVER)
    assert "move-to-done" in told(plan(answered(account, known), STOPPABLE))
    assert "retry-leftovers" in told(plan(answered(account, attrs.evolve(known, limit=SOON)), STOPPABLE))


@given(arbitrary, policies)
def test_nothing_begins_once_the_time_is_over(snapshot: Snapshot, policy: Policy) -> None:
    """Neither is a batch sent, nor is anything asked again, whatever else is true of it."""
    known = snapshot.record or record()
    over = attrs.evolve(
        known, limit=Limit(1.0, snapshot.seen_at), online=attrs.evolve(known.online, stopped=False)
    )
    for step in plan(attrs.evolve(snapshot, record=over), policy).steps:
        assert not isinstance(step, Submit | RetryLeftovers)


def waits(**sample: Any) -> Snapshot:
    """A batch that others go ahead of, and how these stand."""
    known = record(provider="openai", after=After((BatchName("1"),), 0.5))
    return snap("i", record=known, sample=Sample(**sample))


FIRST: Final = BatchName("1")
GOING: Final = remote("in_progress")


@pytest.mark.parametrize(
    ("snapshot", "goes", "then"),
    [
        pytest.param(waits(answered=5, requests=10), True, None, id="enough"),
        pytest.param(waits(answered=4, requests=10), False, Attention, id="too-few"),
        pytest.param(
            waits(answered=9, requests=10, going={FIRST: remote("in_progress")}), False, Waiting, id="going"
        ),
        pytest.param(waits(answered=0, requests=0, going={FIRST: None}), False, Waiting, id="unsent"),
        pytest.param(waits(answered=0, requests=0, gone=(FIRST,)), False, Attention, id="gone"),
        pytest.param(
            waits(answered=0, requests=0, going={FIRST: record(state=Submission.REJECTED)}),
            False,
            Attention,
            id="rejected",
        ),
        pytest.param(
            waits(answered=0, requests=0, going={FIRST: record(state=Submission.CREATING, sent_at=0.0)}),
            False,
            Attention,
            id="in-doubt",
        ),
        pytest.param(
            waits(answered=0, requests=0, going={FIRST: remote("completed", coverage=coverage(1))}),
            False,
            Attention,
            id="stays",
        ),
        pytest.param(
            waits(answered=0, requests=0, going={FIRST: remote("in_progress", coverage=coverage(1))}),
            False,
            Waiting,
            id="goes-on",
        ),
        pytest.param(
            waits(answered=0, requests=0, going={FIRST: remote("completed")}),
            False,
            Waiting,
            id="fetched-next",
        ),
    ],
)
def test_when_a_batch_may_follow(snapshot: Snapshot, then: type | None, *, goes: bool) -> None:
    """Once what went ahead has settled with enough valid answers; a person decides about all else."""
    decided = plan(snapshot, POLICY_OPENAI_REACHABLE)
    assert any(isinstance(step, Submit) for step in decided.steps) is goes, decided.explain()
    assert then is None or isinstance(decided.then, then), decided.explain()


def test_a_plan_shows_who_finds_no_room() -> None:
    """Those that are under way count, and those that go before; the others are shown as waiting."""
    policy = attrs.evolve(POLICY_OPENAI_REACHABLE, max_in_flight=2)
    seen = [
        snap("i", record=remote("in_progress")),
        snap("i"),
        snap("i"),
        snap("i", record=record(provider="local")),
    ]
    shown = list(in_turn([(each, plan(each, policy)) for each in seen], lambda _name: policy))
    assert [isinstance(decided.then, Waiting) for _, decided in shown] == [False, False, True, False]
    assert "max_in_flight allows no more" in shown[2][1].because


@pytest.mark.parametrize(
    ("known", "takes"),
    [
        pytest.param(None, False, id="unsent"),
        pytest.param(record(provider="openai", state=Submission.UPLOADED), False, id="uploaded"),
        pytest.param(record(provider="openai", state=Submission.CREATING), True, id="in-doubt"),
        pytest.param(GOING, True, id="running"),
        pytest.param(remote("completed"), False, id="ended"),
        pytest.param(remote("failed"), False, id="refused"),
        pytest.param(record(provider="local", status="in_progress"), False, id="here"),
    ],
)
def test_who_takes_room(known: Record | None, *, takes: bool) -> None:
    """What its provider may be working on, a create in doubt included."""
    assert is_under_way(known) is takes


@pytest.mark.parametrize(
    ("status", "counted", "rescue", "agrees"),
    [
        pytest.param("failed", None, False, False, id="refused"),
        pytest.param("failed", None, True, True, id="refused-and-rescued"),
        pytest.param("failed", 1, True, False, id="refused-after-an-answer"),
        pytest.param("completed", 0, True, False, id="rescued-and-completed"),
        pytest.param("in_progress", None, True, False, id="running"),
    ],
)
def test_when_nothing_was_answered(status: str, counted: int | None, agrees: bool, *, rescue: bool) -> None:  # noqa: FBT001 - a row
    """Of a batch without a line only one that was refused and that a person rescues is believed."""
    said = Counts() if counted is None else counts(counted)
    assert are_leftovers(remote(status, counts=said, online=Online(rescue=rescue)), 0, 0) is agrees
