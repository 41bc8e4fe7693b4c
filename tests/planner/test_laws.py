"""What holds for every snapshot and every policy."""

import copy
import itertools
from collections.abc import Iterator
from typing import Final

import attrs
from hypothesis import assume, example, given

from reconciler.model.coverage import Tally
from reconciler.model.facts import Expects
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.operation import (
    AnswerHere,
    ChangeRequests,
    MoveToDone,
    Operation,
    ProcessErrors,
    ProcessOutput,
    Quarantine,
    RetryLeftovers,
    Submit,
)
from reconciler.model.plan import Again, Attention, Plan, Settled, Waiting
from reconciler.model.policy import LOCAL, Policy, SubmitPolicy
from reconciler.model.record import Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.triple import Shape
from reconciler.planner import plan, plan_match, plan_retry
from tests.planner.builders import NAME, POLICY_OPENAI_REACHABLE, snap
from tests.planner.strategies import policies, snapshots, sound, unsent, willing

BEGUN: Final = frozenset({Submission.PREPARED, Submission.UPLOADED})


def every_plan(snapshot: Snapshot, policy: Policy) -> Iterator[Plan]:
    """What the policy would do, and what a person would get."""
    yield plan(snapshot, policy)
    yield plan_retry(snapshot, policy)
    matched = plan_match(snapshot)
    if matched is not None:
        yield matched


def steps_of(snapshot: Snapshot, policy: Policy) -> list[Operation]:
    """Every step that anyone could get planned."""
    return [step for decided in every_plan(snapshot, policy) for step in decided.steps]


@given(snapshots, policies)
def test_planning_is_total(snapshot: Snapshot, policy: Policy) -> None:
    """Every snapshot leads to a plan under every policy: it says why, and what to do or what comes next."""
    for decided in every_plan(snapshot, policy):
        assert decided.name == NAME
        assert decided.because
        assert decided.steps or not isinstance(decided.then, Again)
        assert decided.explain().startswith(f"{NAME}: ")


@given(snapshots, policies)
def test_planning_twice_is_equal(snapshot: Snapshot, policy: Policy) -> None:
    """Equal arguments give equal plans, and planning changes neither of them."""
    before = copy.deepcopy((snapshot, policy))
    first = list(every_plan(snapshot, policy))
    assert list(every_plan(*before)) == first
    assert (snapshot, policy) == before


@given(snapshots, policies)
def test_the_order_of_files_does_not_matter(snapshot: Snapshot, policy: Policy) -> None:
    """A listing in any other order leads to the same plan, to the letter."""
    first = list(every_plan(snapshot, policy))
    for order in itertools.permutations(snapshot.files.items()):
        reordered = attrs.evolve(snapshot, files=dict(order))
        again = list(every_plan(reordered, policy))
        assert again == first
        assert [decided.explain() for decided in again] == [decided.explain() for decided in first]


@given(snapshots, policies)
def test_what_is_settled_has_no_steps(snapshot: Snapshot, policy: Policy) -> None:
    """Nothing is planned where nothing is live: the fixpoint is strict."""
    settled = attrs.evolve(
        snapshot, files={}, record=None, bad_record=None, problems=(), quarantine_tail=None
    )
    assert (plan(settled, policy).steps, plan(settled, policy).then) == ((), Settled())


@given(snapshots, policies)
def test_what_is_not_understood_is_not_touched(snapshot: Snapshot, policy: Policy) -> None:
    """A problem or a record that cannot be trusted plans no step; a person is called."""
    for brake in ({"problems": ("a FIFO",)}, {"bad_record": "torn", "record": None}):
        for decided in every_plan(attrs.evolve(snapshot, **brake), policy):
            assert decided.steps == ()
            assert isinstance(decided.then, Attention)


@given(snapshots, policies)
def test_orphaned_answers_stay(snapshot: Snapshot, policy: Policy) -> None:
    """Answers without their input are not touched, unless they are the tail of an interrupted move."""
    orphaned = attrs.evolve(snapshot, files={r: f for r, f in snapshot.files.items() if r is not Role.INPUT})
    assume(orphaned.shape is Shape.ORPHANED)
    moving = orphaned.in_done or orphaned.quarantine_tail is not None
    steps = plan(orphaned, policy).steps
    assert not steps or (moving and all(isinstance(step, MoveToDone | Quarantine) for step in steps))


@given(snapshots, policies)
@example(snap("i"), POLICY_OPENAI_REACHABLE)
def test_nothing_is_sent_without_every_leave(snapshot: Snapshot, policy: Policy) -> None:
    """
    A send needs an unanswered input that was never sent, no name in done/, and a provider at hand.

    What was begun on this machine may have been cut off between its two files: it is published, not sent.
    """
    known = snapshot.record
    for step in steps_of(snapshot, policy):
        if isinstance(step, Submit | AnswerHere):
            assert Role.INPUT in snapshot.files
            begun = isinstance(step, AnswerHere) and known is not None and known.status is not None
            assert begun or not any(role in snapshot.files for role in ANSWERS)
            assert not snapshot.in_done
            assert Role.INPUT not in snapshot.history or snapshot.files[Role.INPUT].path.startswith("done/")
            assert known is None or known.batch_id is None
            assert known is None or known.state is None or known.state in BEGUN
            provider = step.provider if isinstance(step, Submit) else LOCAL
            assert provider in policy.reachable


@given(unsent, willing)
@example(snap("i"), POLICY_OPENAI_REACHABLE)
def test_a_first_send_obeys_the_policy(snapshot: Snapshot, policy: Policy) -> None:
    """A submission that was never begun goes to the configured provider, by itself, once it is quiet."""
    for step in steps_of(snapshot, policy):
        if isinstance(step, Submit | AnswerHere):
            assert policy.configured
            assert policy.submit is SubmitPolicy.AUTO
            assert snapshot.record is None or not snapshot.unowned
            assert not snapshot.history or snapshot.files[Role.INPUT].path.startswith("done/")
            assert (step.provider if isinstance(step, Submit) else LOCAL) == policy.provider
            # A retry child is published whole, so it is sent at once.
            child = snapshot.record is not None and snapshot.record.parent is not None
            quiet_at = snapshot.files[Role.INPUT].mtime_ns / 1e9 + policy.settle_seconds
            assert child or snapshot.seen_at >= quiet_at


@given(sound, policies)
def test_nothing_is_archived_unless_the_account_balances(snapshot: Snapshot, policy: Policy) -> None:
    """A move to done/ is planned only when every id has an end once the planned child owns its share."""
    assert snapshot.matched is not None
    coverage = snapshot.matched.coverage
    assert coverage is not None
    steps = plan(snapshot, policy).steps
    if any(isinstance(step, MoveToDone) for step in steps):
        for step in steps:
            if isinstance(step, RetryLeftovers):
                again = coverage.failed_in(step.classes)
                moved = coverage.missing if step.missing else coverage.missing - coverage.missing
                coverage = attrs.evolve(
                    coverage,
                    failed=coverage.failed - again,
                    missing=coverage.missing - moved,
                    retried=coverage.retried + again + moved,
                )
        assert coverage.balanced


@given(snapshots, policies)
def test_answers_are_matched_before_use(snapshot: Snapshot, policy: Policy) -> None:
    """No processor, child or archive sees a file before its ids match."""
    for step in steps_of(snapshot, policy):
        using = ProcessOutput | ProcessErrors | ChangeRequests | RetryLeftovers
        if isinstance(step, using) or (isinstance(step, MoveToDone) and not step.finishing):
            assert snapshot.matched is not None
            assert snapshot.matched.coverage is not None
            assert snapshot.matched.mismatch is None
            assert snapshot.matched.bad_input == ()


@given(snapshots, policies)
def test_a_batch_leaves_in_one_direction(snapshot: Snapshot, policy: Policy) -> None:
    """No plan mentions both done/ and quarantine/, and a move is its last step."""
    for decided in every_plan(snapshot, policy):
        moves = [at for at, step in enumerate(decided.steps, 1) if isinstance(step, MoveToDone | Quarantine)]
        assert moves in ([], [len(decided.steps)])


@given(snapshots, policies)
def test_every_step_says_what_it_relies_on(snapshot: Snapshot, policy: Policy) -> None:
    """Each step expects exactly the files and the generation of the snapshot."""
    generation = None if snapshot.record is None else snapshot.record.generation
    for step in steps_of(snapshot, policy):
        assert (step.name, step.expects) == (NAME, Expects(snapshot.files, generation))


@given(snapshots, policies)
def test_nothing_is_asked_more_than_max_attempts(snapshot: Snapshot, policy: Policy) -> None:
    """At max_attempts no child is planned, not even for a person; a child counts one send more."""
    attempt = 1 if snapshot.record is None else snapshot.record.attempt
    for step in steps_of(snapshot, policy):
        if isinstance(step, RetryLeftovers):
            assert attempt < policy.max_attempts
            assert step.attempt == attempt + 1


@given(sound, policies)
def test_a_childs_name_is_free_or_its_own(snapshot: Snapshot, policy: Policy) -> None:
    """A child takes no name of the lineage that anything else has."""
    taken = {fact.name: fact.parent for fact in snapshot.children}
    for step in steps_of(snapshot, policy):
        if isinstance(step, RetryLeftovers):
            assert taken.get(step.child, NAME) == NAME


@given(snapshots, policies)
def test_waiting_ends_later(snapshot: Snapshot, policy: Policy) -> None:
    """A batch that waits is looked at again later, not at once."""
    then = plan(snapshot, policy).then
    assert not isinstance(then, Waiting) or then.until > snapshot.seen_at


@given(snapshots, policies)
def test_a_class_with_code_is_never_sent_as_it_is(snapshot: Snapshot, policy: Policy) -> None:
    """No child takes failures of such a class before the code has spoken, which is asked alone."""
    for decided in every_plan(snapshot, policy):
        for step in decided.steps:
            if isinstance(step, ChangeRequests):
                assert decided.steps == (step,)
                assert step.by.items() <= policy.transforms.items()
            if isinstance(step, RetryLeftovers):
                assert snapshot.matched is not None
                assert snapshot.matched.coverage is not None
                there = {each for each in step.classes if each in snapshot.matched.coverage.by_class}
                wanted = {
                    each
                    for each in there & policy.transforms.keys()
                    if snapshot.matched.coverage.failed_in([each]) != Tally()
                }
                assert wanted <= step.changes.by.keys()
