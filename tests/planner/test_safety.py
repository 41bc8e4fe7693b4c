"""The brakes: what outranks every shape, and which of them outranks which."""

from typing import Any

import attrs
import pytest

from reconciler.model.facts import Expects, FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import MoveToDone, Quarantine
from reconciler.model.plan import Attention, Settled
from reconciler.model.policy import Policy
from reconciler.model.record import InputFact, Record
from reconciler.model.snapshot import Snapshot
from reconciler.model.trouble import Trouble
from reconciler.planner import plan
from tests.planner.builders import (
    POLICY_NONE,
    POLICY_OPENAI_REACHABLE,
    answered,
    coverage,
    digest,
    files,
    matched,
    record,
    snap,
    told,
)

PROBLEM = "workdir/batch_error_7.jsonl is a FIFO, socket or device"
BAD = "workdir/batch_metadata_7.jsonl is empty"
CLASH = frozenset({Role.INPUT})
CHANGED = record(input=InputFact(digest(size=99), 3))


@pytest.mark.parametrize("policy", [POLICY_NONE, POLICY_OPENAI_REACHABLE])
@pytest.mark.parametrize("letters", ["", "i", "o", "e", "io", "ie", "oe", "ioe"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"problems": (PROBLEM,)}, ": needs attention", id="problem"),
        pytest.param({"bad_record": BAD}, ": needs attention", id="bad-record"),
        pytest.param({"quarantine_tail": "7.1"}, "quarantine: pending", id="quarantine-tail"),
        pytest.param({"problems": (PROBLEM,), "in_done": True}, ": needs attention", id="problem-in-done"),
        pytest.param({"bad_record": BAD, "in_done": True}, ": needs attention", id="bad-record-in-done"),
        pytest.param(
            {"bad_record": BAD, "quarantine_tail": "7.1"}, ": needs attention", id="bad-record-tail"
        ),
    ],
)
def test_brakes_outrank_every_shape(
    policy: Policy, letters: str, fields: dict[str, Any], expected: str
) -> None:
    """A problem, bad metadata or an interrupted move decides, whichever files are there."""
    assert told(plan(snap(letters, **fields), policy)) == expected


def test_every_problem_is_told() -> None:
    """A person reads all problems at once."""
    decided = plan(snap("i", problems=(PROBLEM, "7 and 7 are one name")), POLICY_NONE)
    assert decided.because == f"{PROBLEM}; 7 and 7 are one name"


@pytest.mark.parametrize(
    ("letters", "known", "expected"),
    [
        pytest.param("", None, ": settled", id="nothing-live"),
        pytest.param("", record(), "move-to-done: pending", id="metadata-left"),
        pytest.param("i", None, "move-to-done: pending", id="input-left"),
        pytest.param("io", record(), "move-to-done: pending", id="triple-left"),
        pytest.param("o", record(), "move-to-done: pending", id="output-left"),
        pytest.param("oe", None, "move-to-done: pending", id="answers-left"),
    ],
)
@pytest.mark.parametrize("policy", [POLICY_NONE, POLICY_OPENAI_REACHABLE])
def test_a_name_in_done_is_only_ever_tidied(
    letters: str, known: Record | None, expected: str, policy: Policy
) -> None:
    """Files beside `done/7/` are the tail of a move or a clash; nothing is sent for them."""
    decided = plan(snap(letters, record=known, in_done=True), policy)
    assert told(decided) == expected
    assert all(isinstance(step, MoveToDone) and step.finishing for step in decided.steps)


def test_done_outranks_a_quarantine_tail() -> None:
    """Of two interrupted moves the one to `done/` is told first; the two are never mixed."""
    assert told(plan(snap("io", in_done=True, quarantine_tail="7.1"), POLICY_NONE)) == "move-to-done: pending"


def test_an_interrupted_quarantine_goes_to_the_same_folder() -> None:
    """The tail of a move to quarantine is finished where it was begun."""
    (step,) = plan(snap("io", quarantine_tail="7.2"), POLICY_NONE).steps
    assert isinstance(step, Quarantine)
    assert step.finishing == "7.2"


@pytest.mark.parametrize("policy", [POLICY_NONE, POLICY_OPENAI_REACHABLE])
@pytest.mark.parametrize("letters", ["i", "io", "ie", "ioe"])
def test_an_input_beside_one_in_history_is_a_clash(letters: str, policy: Policy) -> None:
    """An earlier tool finished a batch of this name; a live input of that name is never sent."""
    decided = plan(snap(letters, history=CLASH), policy)
    assert told(decided) == ": needs attention"
    assert decided.then == Attention("give the new input another name", Trouble.NAME_TAKEN)


def test_answers_whose_input_lies_in_history_are_matched() -> None:
    """An interrupted move of an earlier tool is completed: the input in done/ is the input."""
    moved = FileFact("done/batch_input_7.jsonl", 100, 1, (1, 9))
    snapshot = snap("", files={**files("o"), Role.INPUT: moved}, history=CLASH)
    assert told(plan(snapshot, POLICY_NONE)) == "match-request-ids: pending"


def test_metadata_beside_history_without_files_is_settled() -> None:
    """History is no clash when nothing live stands beside it."""
    assert plan(snap("", record=record(), history=CLASH), POLICY_NONE).then == Settled()


@pytest.mark.parametrize(
    ("snapshot", "because"),
    [
        pytest.param(
            snap("i", record=CHANGED),
            "workdir/batch_input_7.jsonl has 100 bytes, its metadata says 99: it was changed",
            id="input-size",
        ),
        pytest.param(
            snap("io", record=record(roles={Role.OUTPUT: digest(Role.OUTPUT, size=101)})),
            "workdir/batch_output_7.jsonl has 100 bytes, its metadata says 101: it was changed",
            id="output-size",
        ),
        pytest.param(
            snap("ie", record=record(roles={Role.ERROR: digest(Role.ERROR, size=0)})),
            "workdir/batch_error_7.jsonl has 100 bytes, its metadata says 0: it was changed",
            id="error-size",
        ),
        pytest.param(
            answered(coverage(3), record(input=InputFact(digest(fill="b"), 3))),
            "workdir/batch_input_7.jsonl is not the file that its metadata knows (other sha256): "
            "it was changed",
            id="input-digest",
        ),
        pytest.param(
            answered(coverage(3), record(roles={Role.OUTPUT: digest(Role.OUTPUT, fill="b")})),
            "workdir/batch_output_7.jsonl is not the file that its metadata knows (other sha256): "
            "it was changed",
            id="output-digest",
        ),
        pytest.param(
            snap("oe", record=record(roles={Role.ERROR: digest(Role.ERROR, size=1)})),
            "workdir/batch_error_7.jsonl has 100 bytes, its metadata says 1: it was changed",
            id="drift-before-orphan",
        ),
    ],
)
def test_a_file_that_metadata_knows_otherwise_stops_its_batch(snapshot: Snapshot, because: str) -> None:
    """A file of another size, or of another digest where one was computed, was changed: hands off."""
    decided = plan(snapshot, POLICY_OPENAI_REACHABLE)
    assert (told(decided), decided.because) == (": needs attention", because)


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(
            snap("io", record=record(input=InputFact(digest(), 3), roles={Role.OUTPUT: digest(Role.OUTPUT)})),
            "match-request-ids: pending",
            id="sizes-agree",
        ),
        pytest.param(
            snap("io", record=record(input=InputFact(digest(fill="b"), 3))),
            "match-request-ids: pending",
            id="digest-not-computed-yet",
        ),
        pytest.param(
            answered(coverage(3), record(input=InputFact(digest(), 3))),
            "process-output move-to-done: pending",
            id="digests-agree",
        ),
        pytest.param(
            snap("io", record=record(input=InputFact(digest(fill="b"), 3)), matched=matched(None)),
            ": needs attention",
            id="bad-input-has-no-digest",
        ),
    ],
)
def test_a_file_that_metadata_knows_is_trusted(snapshot: Snapshot, expected: str) -> None:
    """Equal sizes pass until matching has read the file; equal digests pass then."""
    assert told(plan(snapshot, POLICY_NONE)) == expected


@pytest.mark.parametrize(
    ("outranking", "outranked"),
    [
        pytest.param({"problems": (PROBLEM,)}, {"bad_record": BAD}, id="problems-before-metadata"),
        pytest.param({"bad_record": BAD}, {"in_done": True}, id="metadata-before-done"),
        pytest.param({"in_done": True}, {"quarantine_tail": "7.1"}, id="done-before-quarantine"),
        pytest.param({"quarantine_tail": "7.1"}, {"history": CLASH}, id="quarantine-before-history"),
        pytest.param({"history": CLASH}, {"record": CHANGED}, id="history-before-drift"),
    ],
)
def test_brakes_have_an_order(outranking: dict[str, Any], outranked: dict[str, Any]) -> None:
    """Where two brakes hold, the first of them is the one that is told."""
    both = plan(snap("io", **outranking, **outranked), POLICY_NONE)
    assert both.because == plan(snap("io", **outranking), POLICY_NONE).because
    assert both.because != plan(snap("io", **outranked), POLICY_NONE).because


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(snap("i"), id="submit"),
        pytest.param(snap("io"), id="match"),
        pytest.param(answered(coverage(3), record(generation=9)), id="settle"),
        pytest.param(snap("io", in_done=True), id="tidy"),
        pytest.param(snap("io", quarantine_tail="7.1"), id="quarantine"),
    ],
)
def test_a_step_says_what_it_relies_on(snapshot: Snapshot) -> None:
    """Every step expects exactly the files and the generation that the planner saw."""
    generation = None if snapshot.record is None else snapshot.record.generation
    steps = plan(snapshot, POLICY_OPENAI_REACHABLE).steps
    assert steps
    assert {step.name for step in steps} == {BatchName("7")}
    assert all(step.expects == Expects(snapshot.files, generation) for step in steps)


def test_problems_do_not_depend_on_the_policy() -> None:
    """What is wrong with files is wrong under every policy."""
    snapshot = snap("io", problems=(PROBLEM,))
    manual = attrs.evolve(POLICY_OPENAI_REACHABLE, max_attempts=1)
    assert plan(snapshot, POLICY_NONE) == plan(snapshot, manual)
