"""The Python API tells why a batch did not settle: a failure of a type of its own, which can be raised."""

import pickle  # noqa: TID251 - whether our errors can be, not what comes from elsewhere
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import (
    AnswersGone,
    BadFile,
    BadInput,
    BadRecord,
    ErrorClass,
    FailedForGood,
    Failure,
    FileChanged,
    Held,
    IdMismatch,
    MissingInput,
    NameTaken,
    PermanentError,
    ReconciliationFailed,
    Request,
    Result,
    State,
    StepFailed,
    TransientError,
    Unhandled,
)
from reconciler.model.identity import BatchName, Role
from tests.reconciling import go, put_settled
from tests.workers import chat
from tests.workspaces import answered, failed, put, request, scratch


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def failure(root: Path, name: str, kind: type[Failure], **choices: Any) -> Any:
    """The failure of a batch, which has to be of exactly this type, and to be raised with that batch."""
    report = go(root, **choices)
    found = report.batch(name).failure
    assert type(found) is kind
    assert (found.batch, found.because) == (name, report.batch(name).because)
    assert found.hint
    assert found in report.failures
    with pytest.raises(ReconciliationFailed) as caught:
        report.raise_for_failures()
    assert found in caught.value.failures
    return found


def test_settled_batches_have_no_failure(root: Path) -> None:
    """Nothing is raised, though requests have failed for good."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1)])
    report = go(root)
    assert (report.batch("1").failure, report.failures) == (None, ())
    report.raise_for_failures()


def test_a_batch_that_waits_has_no_failure(root: Path) -> None:
    """Waiting mends it by itself."""
    put(root, "1", input=[request(0)])
    report = go(root, provider="local", settings={"policy.settle_seconds": 3600})
    assert report.batch("1").state is State.WAITING
    report.raise_for_failures()


@pytest.mark.parametrize(
    ("present", "roles"),
    [
        ({"output": [answered(0)]}, (Role.OUTPUT,)),
        ({"output": [answered(0)], "error": [failed(1)]}, (Role.OUTPUT, Role.ERROR)),
        ({"metadata": {"batch_id": "batch_1"}}, ()),
    ],
    ids=["output", "both", "metadata"],
)
def test_missing_input(present: dict[str, Any], roles: tuple[Role, ...], root: Path) -> None:
    """Which files are there without it."""
    put(root, "1", **present)
    assert failure(root, "1", MissingInput).present == roles


@pytest.mark.parametrize("provider", ["none", "local"])
def test_bad_input(provider: str, root: Path) -> None:
    """File and line, whether it was read for matching or to be answered."""
    roles: dict[str, Any] = {"output": [answered(0)]} if provider == "none" else {}
    put(root, "1", input=[request(0), b"?"], **roles)
    found = failure(root, "1", BadInput, provider=provider, settings={"policy.settle_seconds": 0})
    assert found.operation == ("match-request-ids" if provider == "none" else "answer-here")
    (line,) = found.lines
    assert line.startswith("workdir/batch_input_1.jsonl:2: ")


def test_id_mismatch_missing(root: Path) -> None:
    """Which ids have no answer, and how many."""
    put(root, "1", input=[request(n) for n in range(9)], output=[answered(0)])
    found = failure(root, "1", IdMismatch)
    assert found.missing[0] == '"q-1" (workdir/batch_input_1.jsonl:2)'
    assert (len(found.missing), found.total) == (5, {"missing": 8})
    assert (found.unknown, found.duplicate, found.both, found.corrupt) == ((), (), (), ())


def test_id_mismatch_of_every_other_kind(root: Path) -> None:
    """Unknown, duplicate, in both files, corrupt: each by itself, with its place."""
    put(
        root,
        "1",
        input=[request(n) for n in range(4)],
        output=[answered(0), answered(0), answered(9), answered(2)],
        error=[failed(2), b"{"],
    )
    found = failure(root, "1", IdMismatch)
    assert found.unknown == ('"q-9" (workdir/batch_output_1.jsonl:3)',)
    assert any('"q-0"' in each for each in found.duplicate)
    assert any('"q-2"' in each for each in (*found.both, *found.duplicate))
    assert found.corrupt[0].startswith("workdir/batch_error_1.jsonl:2: ")
    assert found.total["unknown"] == found.total["corrupt"] == 1


def test_bad_record(root: Path) -> None:
    """Metadata that cannot be read."""
    put_settled(root)
    (root / "workdir/batch_metadata_1.jsonl").write_bytes(b"{")
    failure(root, "1", BadRecord)


def test_bad_file(root: Path) -> None:
    """A link where a file is expected."""
    put(root, "1", input=[request(0)])
    (root / "workdir/batch_output_1.jsonl").symlink_to("/nowhere")
    failure(root, "1", BadFile)


def test_file_changed(root: Path) -> None:
    """An input that is not the one that metadata knows: it changed while it was being answered."""
    put(root, "1", input=[request(0), request(1)])
    stop: list[bool] = []

    def work(_asked: Request) -> dict[str, Any]:
        stop.append(True)
        return chat("x")

    choices = {"provider": "local", "settings": {"policy.settle_seconds": 0, "local.concurrency": 1}}
    report = go(root, worker=work, stopping=lambda: bool(stop), **choices)
    assert report.batch("1").state is State.INTERRUPTED
    put(root, "1", input=[request(0), request(1), request(2)])
    failure(root, "1", FileChanged, **choices)


@pytest.mark.parametrize("flat", [False, True], ids=["folder", "flat-file-of-an-earlier-tool"])
def test_name_taken(root: Path, *, flat: bool) -> None:
    """`done/` holds other files of that name."""
    if flat:
        put(root, "1", input=[request(5)])
        (root / "done").mkdir()
        (root / "done/batch_input_1.jsonl").write_bytes(b"{}\n")
    else:
        put_settled(root)
        go(root)
        put(root, "1", input=[request(5)])
    failure(root, "1", NameTaken)


def test_answers_gone(root: Path) -> None:
    """Answers that were counted at an earlier pass."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    go(root)
    (root / "workdir/batch_output_1.jsonl").unlink()
    failure(root, "1", AnswersGone)


def test_failed_for_good(root: Path) -> None:
    """How many, by class."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 400)])
    found = failure(root, "1", FailedForGood, settings={"policy.failed": "attention"})
    assert found.by_class == {ErrorClass.INVALID_REQUEST: 1}
    assert found.operation == "process-errors"


def test_unhandled(root: Path) -> None:
    """How many answers the processor could not handle, and where they are written down."""

    def handle(result: Result) -> None:
        if result.custom_id == "q-1":
            raise ValueError("no")

    put_settled(root)
    found = failure(root, "1", Unhandled, on_result=handle)
    assert (found.requests, found.files) == (1, ("failed-items/1.jsonl",))
    assert found.operation == "process-output"


def test_held(root: Path) -> None:
    """Nobody is configured to answer."""
    put(root, "1", input=[request(0)])
    failure(root, "1", Held)


def test_step_failed(root: Path) -> None:
    """The operation, and what it raised."""
    put_settled(root)
    (root / "target").mkdir()
    (root / "target/1.results.jsonl").mkdir()
    found = failure(root, "1", NameTaken)
    assert found.operation == "process-output"

    def handle(_result: Result) -> None:
        raise TransientError("later", hint="wait a little")

    put_settled(root, "2")
    found = failure(root, "2", StepFailed, on_result=handle)
    assert (type(found.error), found.error.message, found.hint) == (TransientError, "later", "wait a little")
    assert found.operation == "process-output"


def test_all_failures_are_raised_together(root: Path) -> None:
    """In the order of the report; the message names the first and counts the rest."""
    put(root, "1", input=[request(0)])
    put(root, "2", output=[answered(0)])
    put_settled(root, "3")
    report = go(root)
    with pytest.raises(ReconciliationFailed) as caught:
        report.raise_for_failures()
    assert [each.batch for each in caught.value.failures] == ["1", "2"]
    assert caught.value.message == "1: no provider is configured, so nothing is sent, and 1 more"


@pytest.mark.parametrize("error", [None, TransientError], ids=["attention", "may-be-mended"])
def test_what_is_raised_has_the_exit_code_of_the_report(
    error: type[TransientError] | None, root: Path
) -> None:
    """A program that ends with it ends as the command line does: 3 for a person, 1 for a re-run."""

    def handle(_result: object) -> None:
        if error is not None:
            raise error("later")

    put_settled(root, "1")
    if error is None:
        put(root, "2", input=[request(5)])
    report = go(root, on_result=handle)
    with pytest.raises(ReconciliationFailed) as caught:
        report.raise_for_failures()
    assert caught.value.exit_code == report.exit_code == (3 if error is None else 1)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert again.exit_code == report.exit_code


@pytest.mark.parametrize(
    "found",
    [
        Held(batch=BatchName("1"), operation="o", because="b", hint="h"),
        IdMismatch(batch=BatchName("1"), operation="o", because="b", unknown=("x",), total={"unknown": 1}),
        FailedForGood(batch=BatchName("1"), operation="o", because="b", by_class={ErrorClass.UNKNOWN: 2}),
        BadInput(batch=BatchName("1"), operation="o", because="b", lines=("f:1: r",)),
    ],
    ids=lambda found: type(found).__name__,
)
def test_what_is_raised_crosses_processes(found: Failure) -> None:
    """It can be pickled, as pools of processes do, and is equal on the other side."""
    error = ReconciliationFailed((found, found))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is ReconciliationFailed
    assert (again.failures, again.message, again.hint) == (error.failures, error.message, error.hint)


def test_how_many_there_are_is_said() -> None:
    """One failure stands for itself, the first of several says how many more there are."""
    found = Failure(batch=BatchName("1"), operation="o", because="b")
    assert ReconciliationFailed((found,)).message == "1: b"
    assert ReconciliationFailed((found, found, found)).message == "1: b, and 2 more"


def test_the_hint_of_an_error_crosses_processes() -> None:
    """The next command to type is not lost on the way."""
    again = pickle.loads(pickle.dumps(TransientError("m", hint="h")))  # noqa: S301 - our own bytes
    assert again.hint == "h"


@pytest.mark.parametrize("kind", [TransientError, PermanentError])
def test_an_error_of_a_step_crosses_processes(kind: type[TransientError | PermanentError]) -> None:
    """The same for what an operation raised."""
    step = StepFailed(batch=BatchName("1"), operation="o", because="b", error=kind("words"))
    again = pickle.loads(pickle.dumps(ReconciliationFailed((step,))))  # noqa: S301 - our own bytes
    (found,) = again.failures
    assert (type(found.error), found.error.message) == (kind, "words")


def test_a_batch_that_was_not_looked_at_is_a_key_error(root: Path) -> None:
    """The report speaks of what the pass saw and of nothing else."""
    put_settled(root)
    with pytest.raises(KeyError, match="no batch called 9"):
        go(root).batch("9")
