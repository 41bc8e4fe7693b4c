"""When a person may have a batch asked live in the place of its provider, and why not otherwise."""

from typing import Any

import attrs
import pytest

from reconciler.model.identity import BatchName
from reconciler.model.operation import Rescue, RetryLeftovers
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Attention
from reconciler.model.policy import LOCAL, Policy
from reconciler.model.record import Limit, Odd, Online, Record
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan
from reconciler.planner.rescuing import is_overdue, plan_rescue
from tests.planner.builders import (
    NOW,
    POLICY_OPENAI_REACHABLE,
    answered,
    coverage,
    record,
    remote,
    snap,
    told,
)

STAYS, HELD, GOES = ": needs attention", ": held", "rescue: pending"
PARENT = BatchName("6")
POLICY = attrs.evolve(
    POLICY_OPENAI_REACHABLE,
    reachable=frozenset({"openai", LOCAL}),
    stoppable=frozenset({"openai"}),
    worker_chosen=True,
)
RUNNING = remote("in_progress")
LOST = Online(odd=Odd.UNKNOWN, looks=99)


@pytest.mark.parametrize(
    ("seen", "expected", "because"),
    [
        (snap("i", record=RUNNING), GOES, "a person"),
        (snap("i", record=remote("completed")), GOES, "a person"),
        (snap("i", record=record(provider="openai", online=Online(rescue=True))), GOES, "a person"),
        (snap("i", record=record(parent=PARENT)), GOES, "a person"),
        (snap("i", record=RUNNING, problems=("a FIFO",)), STAYS, "a FIFO"),
        (snap("i"), STAYS, "at no provider"),
        (snap("", record=RUNNING), STAYS, "its input is not here"),
        (snap("i", record=attrs.evolve(RUNNING, limit=Limit(60.0, NOW - 1))), STAYS, "once it has settled"),
        (snap("i", record=attrs.evolve(RUNNING, imported={})), STAYS, "another tool"),
        (
            snap("i", record=attrs.evolve(RUNNING, online=LOST)),
            STAYS,
            "openai does not know batch_1 any more",
        ),
        (snap("i", record=record(provider=LOCAL)), STAYS, "on this machine already"),
        (snap("i", record=record(provider="openai", state="creating")), HELD, "may have reached openai"),
        (snap("i", record=record(provider="openai", state="uploaded")), STAYS, "no provider has it"),
        (snap("i", record=record()), STAYS, "no provider has it"),
        (snap("io", record=record(parent=PARENT)), STAYS, "no provider has it"),
        (snap("i", record=record(parent=PARENT), unowned=True), STAYS, "no provider has it"),
        (snap("i", record=attrs.evolve(RUNNING, attempt=3)), STAYS, "were sent 3 times"),
    ],
)
def test_who_may_be_rescued(seen: Snapshot, expected: str, because: str) -> None:
    """Only what a provider has, or what is left of that; never while somebody else may be answering it."""
    plan = plan_rescue(seen, attrs.evolve(POLICY, max_attempts=3))
    assert told(plan) == expected, plan.because
    assert because in plan.because
    assert all(isinstance(step, Rescue) for step in plan.steps)


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        (record(), "reconcile WORKSPACE --only 7 --provider local --worker http"),
        (record(provider="openai", state="uploaded"), "reconcile submit WORKSPACE 7"),
        (record(provider="openai", state="rejected"), "reconcile resubmit WORKSPACE 7"),
    ],
)
def test_what_to_type_for_what_no_provider_has(known: Record, hint: str) -> None:
    """A provider that metadata names outranks the flag, so only one that has none is answered live by it."""
    then = plan_rescue(snap("i", record=known), POLICY).then
    assert isinstance(then, Attention)
    assert then.hint.startswith(hint)


@pytest.mark.parametrize(
    ("changes", "expected", "because"),
    [
        ({"worker_chosen": False}, HELD, "no worker is chosen"),
        ({"reachable": frozenset({"openai"})}, HELD, "no worker is chosen"),
        ({"keyless": {"openai": "export OPENAI_API_KEY=..."}}, HELD, "there is no key for openai"),
        ({"reachable": frozenset({LOCAL})}, HELD, "there is no client for openai"),
        ({"stoppable": frozenset()}, STAYS, "no call that stops a batch"),
    ],
)
def test_what_a_rescue_needs(changes: dict[str, Any], expected: str, because: str) -> None:
    """A worker that was chosen, and a provider that can stop; what has ended needs the first alone."""
    policy: Policy = attrs.evolve(POLICY, **changes)
    plan = plan_rescue(snap("i", record=RUNNING), policy)
    assert (told(plan), because in plan.because) == (expected, True), plan.because
    ended = plan_rescue(snap("i", record=remote("completed")), policy)
    assert told(ended) == (HELD if "worker" in because else GOES)


@pytest.mark.parametrize(
    ("known", "after", "overdue"),
    [
        (attrs.evolve(RUNNING, sent_at=NOW - 60), 60.0, True),
        (attrs.evolve(RUNNING, sent_at=NOW - 59), 60.0, False),
        (attrs.evolve(RUNNING, sent_at=NOW - 60), 0.0, False),
        (RUNNING, 60.0, False),
        (attrs.evolve(RUNNING, sent_at=1.0, online=Online(rescue=True)), 60.0, False),
        (attrs.evolve(RUNNING, sent_at=1.0, online=Online(stopped=True)), 60.0, False),
    ],
)
def test_when_patience_ends(known: Record, after: float, *, overdue: bool) -> None:
    """At the second that the user has said, once, and never for a batch that a person has stopped."""
    policy = attrs.evolve(POLICY, rescue_after_seconds=after)
    assert is_overdue(snap("i", record=known), known, policy) is overdue


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, True), (3, False), (4, False)])
def test_a_rescue_asks_again_while_a_send_is_left(attempt: int, *, again: bool) -> None:
    """A rescue lifts no limit of sends."""
    known = remote("cancelled", attempt=attempt, online=Online(rescue=True))
    account = coverage(1, failed={ErrorClass.CANCELLED: 1})
    steps = plan(answered(account, known), POLICY).steps
    assert any(isinstance(step, RetryLeftovers) for step in steps) is again


@pytest.mark.parametrize(
    ("status", "asked", "verbs"),
    [
        ("expired", False, ["rescue"]),
        ("expired", True, ["rescue"]),
        ("in_progress", True, ["rescue", "cancel"]),
        ("in_progress", False, ["check-online"]),
        ("completed", False, ["check-online"]),
    ],
)
def test_what_is_done_when_patience_ends(status: str, *, asked: bool, verbs: list[str]) -> None:
    """What ended with leftovers is noted at once; what still runs is asked after first, and then stopped."""
    known = remote(status, sent_at=NOW - 60)
    policy = attrs.evolve(POLICY, rescue_after_seconds=60.0)
    decided = plan(snap("i", record=known, asked=asked), policy)
    assert [step.verb for step in decided.steps] == verbs
