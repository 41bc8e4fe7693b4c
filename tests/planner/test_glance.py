"""What is decided at a glance is what a full look decides, unless that refuses."""

from collections.abc import Collection

import attrs
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import MatchRequestIds
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.record import Record
from reconciler.model.snapshot import Glance, Snapshot
from reconciler.planner import plan, plan_at_a_glance
from reconciler.planner.glance import UNSEEN
from reconciler.planner.safety import refuse
from tests.planner.builders import (
    NAME,
    NOW,
    POLICY_NONE,
    POLICY_OPENAI,
    POLICY_OPENAI_REACHABLE,
    ROLES,
    coverage,
    digest,
    files,
    owner,
    record,
    remote,
    told,
)
from tests.planner.strategies import policies, records, snapshots


def at_a_glance(snapshot: Snapshot) -> Glance:
    """The same batch, before anything but names and metadata was looked at."""
    live = frozenset(role for role, fact in snapshot.files.items() if fact.path.startswith("workdir/"))
    odd = bool(snapshot.problems or snapshot.bad_record or snapshot.quarantine_tail)
    return glance(live, snapshot.record, name=snapshot.name, seen_at=snapshot.seen_at, odd=odd)


def glance(
    roles: Collection[Role],
    known: Record | None,
    *,
    name: BatchName = NAME,
    seen_at: float = NOW,
    odd: bool = False,
) -> Glance:
    """What is seen of a batch with that metadata: where answers are here, no more of it than counts there."""
    if Role.OUTPUT in roles or Role.ERROR in roles:
        remote = () if known is None else known.at_provider
        return Glance(name, seen_at, roles, at_provider=remote, odd=odd)
    return Glance(name, seen_at, roles, known, odd=odd)


def bare(plan: Plan) -> Plan:
    """A plan without what its steps expect, and what they ask of answers, which metadata says."""
    steps = (attrs.evolve(step, expects=UNSEEN) for step in plan.steps)
    asking = (
        attrs.evolve(step, extraction=None) if isinstance(step, MatchRequestIds) else step for step in steps
    )
    return attrs.evolve(plan, steps=tuple(asking))


def sent(snapshot: Snapshot, known: Record, status: str | None) -> Snapshot:
    """The same snapshot of a batch that a provider has, and of which no answer was ever here."""
    plain = attrs.evolve(known, coverage=None, children={}, roles={}, receipts={}, batch_id="batch_1")
    return attrs.evolve(snapshot, files=files("i"), record=attrs.evolve(plain, status=status))


in_flight = st.builds(sent, snapshots, records, st.sampled_from((None, "in_progress", "completed", "failed")))


@given(snapshots | in_flight, policies)
def test_a_full_look_decides_the_same_or_refuses(snapshot: Snapshot, policy: Policy) -> None:
    """Whatever else is found, it leads to the plan that was made at a glance, or to a refusal."""
    full = attrs.evolve(snapshot, matched=None, asked=False)
    input_fact = full.files.get(Role.INPUT)
    # Files in done/ complete a batch only where its live input is gone.
    live = input_fact is not None and input_fact.path.startswith("workdir/")
    assume(not live or all(fact.path.startswith("workdir/") for fact in full.files.values()))
    first = plan_at_a_glance(at_a_glance(full), policy)
    event("look closer" if first is None else told(first))
    if first is not None and refuse(full) is None:
        assert bare(plan(full, policy)) == first


@given(in_flight, policies)
def test_what_may_refuse_a_batch_in_flight(snapshot: Snapshot, policy: Policy) -> None:
    """Where a glance says that nothing is to be done, neither children nor a parent change the plan."""
    full = attrs.evolve(snapshot, matched=None, asked=False)
    first = plan_at_a_glance(at_a_glance(full), policy)
    if first is not None and not first.steps:
        vetted = attrs.evolve(full, children=(), unowned=False, quarantined=())
        assert plan(vetted, policy) == plan(full, policy)


@given(snapshots | in_flight, policies)
def test_no_step_from_a_glance_can_be_carried_out(snapshot: Snapshot, policy: Policy) -> None:
    """A step that was planned at a glance expects what no metadata can meet: a full look comes first."""
    first = plan_at_a_glance(at_a_glance(snapshot), policy)
    for step in () if first is None else first.steps:
        assert step.expects == UNSEEN
        assert UNSEEN.generation is not None
        assert UNSEEN.generation < 0


@pytest.mark.parametrize(
    ("letters", "known", "policy", "expected"),
    [
        pytest.param("io", None, POLICY_NONE, "match-request-ids: pending", id="answers"),
        pytest.param("ie", remote(), POLICY_NONE, "match-request-ids: pending", id="failures-of-a-record"),
        pytest.param("ioe", remote(error_file_id="f"), POLICY_NONE, "match-request-ids: pending", id="both"),
        pytest.param("io", remote(error_file_id="f"), POLICY_NONE, None, id="half-is-still-there"),
        pytest.param("i", remote("in_progress"), POLICY_OPENAI, ": held", id="in-flight-and-no-client"),
        pytest.param(
            "i", remote("in_progress"), POLICY_OPENAI_REACHABLE, "check-online: pending", id="in-flight"
        ),
        pytest.param(
            "i", remote(output_file_id="f"), POLICY_OPENAI_REACHABLE, "download: pending", id="finished"
        ),
        pytest.param("i", remote("failed"), POLICY_OPENAI, ": needs attention", id="refused"),
        pytest.param("i", None, POLICY_NONE, None, id="never-sent"),
        pytest.param("i", record(), POLICY_NONE, None, id="metadata-of-a-batch-never-sent"),
        pytest.param("i", record(state="creating"), POLICY_OPENAI, None, id="in-doubt"),
        pytest.param("i", remote(coverage=coverage(1)), POLICY_OPENAI, None, id="answers-are-gone"),
        pytest.param("i", remote(coverage=coverage(missing=1)), POLICY_OPENAI, None, id="an-account"),
        pytest.param("i", remote(roles={Role.OUTPUT: digest()}), POLICY_OPENAI, None, id="a-download"),
        pytest.param("i", remote(receipts={"x": {}}), POLICY_OPENAI, None, id="a-receipt"),
        pytest.param("i", remote(children={"7.r1": owner("a")}), POLICY_OPENAI, None, id="a-child"),
        pytest.param("o", None, POLICY_NONE, None, id="orphan"),
        pytest.param("", remote(), POLICY_NONE, None, id="metadata-alone"),
    ],
)
def test_what_is_decided_at_a_glance(
    letters: str, known: Record | None, policy: Policy, expected: str | None
) -> None:
    """Answers without an open file are matched, what is in flight waits; everything else is looked at."""
    first = plan_at_a_glance(glance({ROLES[letter] for letter in letters}, known), policy)
    assert (None if first is None else told(first)) == expected


@pytest.mark.parametrize("letters", ["i", "io", "ioe"])
def test_nothing_odd_is_decided_at_a_glance(letters: str) -> None:
    """Where the scan or the metadata is unusual, a full look has to say what is wrong."""
    seen = glance({ROLES[letter] for letter in letters}, remote("in_progress"), odd=True)
    assert plan_at_a_glance(seen, POLICY_OPENAI) is None
