"""The Python API: what the command line does, as functions and objects."""

import asyncio
import json
import pickle  # noqa: TID251 - whether our errors can be, not what comes from elsewhere
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import reconciler
from reconciler import (
    AnswersGone,
    BadFile,
    BadInput,
    BadRecord,
    BatchContext,
    ErrorClass,
    FailedForGood,
    Failure,
    FileChanged,
    Held,
    IdMismatch,
    MissingInput,
    NameTaken,
    PermanentError,
    ProcessedBatch,
    ReconciliationFailed,
    Request,
    Result,
    State,
    StepFailed,
    TransientError,
    Unhandled,
    UserError,
    Workspace,
    WorkspaceLocked,
    plan,
    reconcile,
)
from reconciler.errors import NotAWorkspace, UsageError
from reconciler.model.identity import BatchName, Role
from tests.workers import chat
from tests.workspaces import answered, failed, files, put, request, results, scratch

ROOT: Final = Path(__file__).parents[1]


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def go(root: Path, **choices: Any) -> reconciler.Report:
    """One pass under built-in settings and these choices."""
    return reconcile(root, **{"environment": False, **choices})


def put_settled(root: Path, name: str = "1", count: int = 2) -> None:
    """A batch that a pass settles."""
    put(root, name, input=[request(n) for n in range(count)], output=[answered(n) for n in range(count)])


# What one does with it


def test_one_call_settles_what_can_be_settled(root: Path) -> None:
    """`reconcile(path)` is a pass; its report says where each batch stands."""
    put_settled(root)
    put(root, "2", input=[request(5)])
    report = go(root)
    assert (report.batch("1").state, report.batch("2").state) == (State.SETTLED, State.HELD)
    assert report.exit_code == 3
    assert [line["text"] for line in results(root, "1")] == ["answer 0", "answer 1"]


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_come_as_text_or_as_paths(kind: Callable[[Path], Any], root: Path) -> None:
    """Both mean the same."""
    put_settled(root)
    assert reconcile(kind(root), environment=False).exit_code == 0
    assert Workspace.open(kind(root), environment=False).path == str(root)


def test_every_batch_can_be_explained_without_touching_anything(root: Path) -> None:
    """`plan(batch.snapshot()).explain()` says what comes next and why."""
    put_settled(root, "1")
    put(root, "2", input=[request(5)])
    before = files(root)
    shown = {
        str(batch.name): plan(batch.snapshot()).explain()
        for batch in Workspace.open(root, environment=False).batches()
    }
    assert list(shown) == ["1", "2"]
    assert "match-request-ids" in shown["1"]
    assert "no provider is configured" in shown["2"]
    assert files(root) == before


def test_one_batch_can_be_planned_and_reconciled_by_itself(root: Path) -> None:
    """`Workspace.batch(name)`: its plan looks ahead, its pass leaves the others alone."""
    put_settled(root, "1")
    put_settled(root, "2")
    batch = Workspace.open(root, environment=False).batch("1")
    assert [step.verb for step in batch.plan().steps] == [
        "match-request-ids",
        "process-output",
        "move-to-done",
    ]
    assert batch.reconcile().state is State.SETTLED
    assert [path.name for path in (root / "done").iterdir()] == ["1"]
    with pytest.raises(UsageError, match="no live or quarantined batch is called 1"):
        batch.reconcile()


def test_a_batch_is_answered_here_and_read_as_json(root: Path) -> None:
    """`Workspace.batch(name).reconcile(provider="local", content="json")` with a worker of one's own."""
    put(root, "1", input=[request(0)])

    async def work(_asked: Request) -> dict[str, Any]:
        return chat('{"n": 4}')

    eager = {"policy.settle_seconds": 0}
    batch = Workspace.open(root, environment=False, settings=eager, worker=work).batch("1")
    report = batch.reconcile(provider="local", content="json")
    assert report.state is State.SETTLED
    assert results(root, "1")[0]["value"] == {"n": 4}


def test_choices_of_a_call_outrank_those_of_the_workspace(root: Path) -> None:
    """What the workspace was opened with holds unless the call says otherwise."""
    workspace = Workspace.open(root_of(root), environment=False, output_processor="files", content="json")
    put(root, "1", input=[request(0)], output=[answered(0)])
    assert workspace.reconcile(content="text", on_result=lambda result: result.text).exit_code == 0
    assert results(root, "1")[0]["value"] == "answer 0"
    put(root, "2", input=[request(1)], output=[answered(1)])
    assert workspace.reconcile(content="text").exit_code == 0
    assert (root / "target/2.files").is_dir()


def root_of(root: Path) -> Path:
    """A workspace without a batch."""
    (root / "workdir").mkdir(parents=True)
    return root


def test_status_and_check_read_only(root: Path) -> None:
    """They say where things stand, and whether the promises hold."""
    put_settled(root)
    go(root)
    before = files(root)
    workspace = Workspace.open(root, environment=False)
    assert [row.name for row in workspace.status().rows] == ["1"]
    assert workspace.check().findings == []
    assert files(root) == before


def test_a_persons_decisions_are_methods(root: Path) -> None:
    """`retry`, `dismiss` and `process` do what the verbs do."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    workspace = Workspace.open(root, environment=False)
    assert workspace.reconcile().batch("1").state is State.ATTENTION
    assert workspace.retry("1").report.batch("1.r1").state is State.HELD
    put(root, "2", input=[request(5), request(6)], output=[answered(5)])
    workspace.reconcile()
    assert workspace.dismiss("2").report.batch("2").state is State.SETTLED
    put(root, "3", input=[request(7)], output=[answered(7)])
    broken = Workspace.open(root, environment=False, on_result=lambda _result: 1 / 0)
    assert broken.reconcile().batch("3").state is State.ATTENTION
    mended = Workspace.open(root, environment=False, on_result=lambda _result: 1)
    assert mended.process("3").report.batch("3").state is State.SETTLED


# Code of one's own


def test_each_answer_goes_to_on_result(root: Path) -> None:
    """Answers in input order, failures to nobody; what is returned is the line's value."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(2), answered(0)], error=[failed(1)])
    seen: list[Result] = []

    def handle(result: Result) -> int:
        seen.append(result)
        return len(seen)

    assert go(root, on_result=handle).exit_code == 0
    assert [(each.custom_id, each.text, each.batch) for each in seen] == [
        ("q-0", "answer 0", "1"),
        ("q-2", "answer 2", "1"),
    ]
    assert [line.get("value") for line in results(root, "1")] == [1, None, 2]


def test_on_result_may_be_async(root: Path) -> None:
    """Many at once, each value on its own line."""
    put_settled(root, count=5)

    async def handle(result: Result) -> str:
        await asyncio.sleep(0)
        return result.custom_id

    go(root, on_result=handle)
    assert [line["value"] for line in results(root, "1")] == [f"q-{n}" for n in range(5)]


def test_a_whole_batch_goes_to_an_output_processor(root: Path) -> None:
    """A function of (batch, context) gets all of it at once."""
    put_settled(root)

    def whole(batch: ProcessedBatch, context: BatchContext) -> dict[str, Any]:
        context.publish("ids.txt", "\n".join(each.custom_id for each in batch.results()))
        return {"name": batch.name, "answered": batch.answered}

    assert go(root, output_processor=whole).exit_code == 0
    assert json.loads((root / "target/1.value.json").read_text("utf-8")) == {"name": "1", "answered": 2}
    assert (root / "target/1.files/ids.txt").read_text("utf-8") == "q-0\nq-1"


def test_a_worker_gets_requests(root: Path) -> None:
    """Plain or async, called with each request."""
    put(root, "1", input=[request(0)])
    seen: list[Request] = []

    def work(asked: Request) -> dict[str, Any]:
        seen.append(asked)
        return chat("here")

    assert go(root, provider="local", worker=work, settings={"policy.settle_seconds": 0}).exit_code == 0
    assert [each.custom_id for each in seen] == ["q-0"]
    assert results(root, "1")[0]["text"] == "here"


def test_it_works_where_a_loop_is_running(root: Path) -> None:
    """Called from within asyncio with async functions: they run, and the caller's own loop lives on."""
    put(root, "1", input=[request(n) for n in range(3)])

    async def work(asked: Request) -> dict[str, Any]:
        await asyncio.sleep(0)
        return chat(asked.custom_id)

    async def handle(result: Result) -> str | None:
        await asyncio.sleep(0)
        return result.text

    async def caller() -> int:
        choices = {"provider": "local", "worker": work, "settings": {"policy.settle_seconds": 0}}
        code = go(root, on_result=handle, **choices).exit_code
        await asyncio.sleep(0)
        return code

    assert asyncio.run(caller()) == 0
    assert [line["value"] for line in results(root, "1")] == ["q-0", "q-1", "q-2"]


def test_code_of_the_caller_needs_no_trust_and_does_not_lend_any(root: Path) -> None:
    """A workspace that names code is refused all the same, whatever the call brings along."""
    put_settled(root)
    (root / "reconciler.toml").write_text('[output]\nprocessor = "hooks.py:f"\n', "utf-8")
    with pytest.raises(reconciler.ConfigError, match="not trusted"):
        go(root, on_result=lambda _result: 1)


def test_the_environment_counts_unless_it_is_left_out(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RECONCILER_ variables and the user's own file; `environment=False` knows neither."""
    put(root, "1", input=[request(0)])
    mine = tmp_path / "mine.toml"
    mine.write_text('[provider]\nname = "mistral"\n', "utf-8")
    monkeypatch.setenv("RECONCILER_USER_CONFIG", str(mine))
    assert "mistral" in reconcile(root).batch("1").because
    monkeypatch.setenv("RECONCILER_PROVIDER_NAME", "gemini")
    assert "gemini" in reconcile(root).batch("1").because
    assert "no provider is configured" in reconcile(root, environment=False).batch("1").because
    assert "openai" in reconcile(root, provider="openai").batch("1").because


def test_transforms_are_functions_or_names(root: Path, tmp_path: Path) -> None:
    """A function changes failed requests of its class, and so does code by name; both are recorded."""
    put(root, "1", input=[request(0)], error=[failed(0, 413)])
    put(root, "2", input=[request(1)], error=[failed(1, 400)])

    def shorten(asked: dict[str, Any]) -> Any:
        return {**asked, "body": {**asked["body"], "max_tokens": 9}}

    code = tmp_path / "mine.py"
    code.write_text(
        "async def later(asked, failure):\n    return {**asked, 'body': {'model': 'm'}}\n", "utf-8"
    )
    named = f"{code}:later"
    report = go(root, provider="openai", transforms={"over-length": shorten, "invalid-request": named})
    assert report.count(State.SETTLED) == 2
    first, second = (json.loads((root / f"workdir/batch_input_{n}.r1.jsonl").read_bytes()) for n in (1, 2))
    assert (first["body"]["max_tokens"], second["body"]) == (9, {"model": "m"})
    told = [
        json.loads((root / f"done/{n}/manifest.json").read_bytes())["children"][f"{n}.r1"]["changed"]["by"]
        for n in (1, 2)
    ]
    assert "shorten" in told[0]["over-length"]
    assert told[1]["invalid-request"].startswith(named)


# What is refused


def whole_batch(_batch: ProcessedBatch, _context: BatchContext) -> None:
    """A processor of whole batches."""


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        pytest.param({"providers": "local"}, "unknown: providers", id="unknown"),
        pytest.param(
            {"on_result": len, "output_processor": "files"}, "give one of the two", id="two-output-processors"
        ),
        pytest.param({"on_result": 7}, "on_result: 7 is no function", id="on-result-no-function"),
        pytest.param(
            {"on_result": whole_batch},
            "on_result takes one result",
            id="on-result-of-a-batch",
        ),
        pytest.param({"on_result": lambda: None}, "must take (result)", id="on-result-of-nothing"),
        pytest.param({"output_processor": 7}, "neither a name nor a function", id="output-processor"),
        pytest.param({"error_processor": 7}, "neither a name nor a function", id="error-processor"),
        pytest.param({"transforms": {"billing": 7}}, "neither a name nor a function", id="transform"),
        pytest.param({"transforms": {"overlong": len}}, "'overlong' is no error class", id="no-class"),
        pytest.param({"transforms": {"missing": len}}, "nothing of class missing", id="missing"),
        pytest.param({"transforms": {"billing": lambda: None}}, "must take (request), or", id="nullary"),
        pytest.param({"transforms": {"billing": "no.py:f"}}, "there is no such file", id="no-code"),
        pytest.param({"worker": 7}, "neither a name nor a function", id="worker"),
        pytest.param({"provider": "nobody"}, "provider.name is 'nobody'", id="provider"),
        pytest.param({"content": "yaml"}, "output.content is 'yaml'", id="content"),
        pytest.param({"settings": {"policy.nope": 1}}, "unknown setting policy.nope", id="setting"),
        pytest.param({"output_processor": "nowhere.py:f"}, "there is no such file", id="name-of-nothing"),
    ],
)
def test_choices_that_cannot_be_obeyed_are_refused(choices: dict[str, Any], words: str, root: Path) -> None:
    """A UserError with words, before anything is touched; by every way in."""
    put_settled(root)
    before = files(root)
    ways = (
        lambda: go(root, **choices),
        lambda: Workspace.open(root, environment=False, **choices).reconcile(),
        lambda: Workspace.open(root, environment=False, **choices).preview(),
        lambda: Workspace.open(root, environment=False).batch("1").reconcile(**choices),
    )
    for way in ways:
        with pytest.raises(UserError) as caught:
            way()
        assert words in caught.value.message
    assert files(root) == before


def test_one_name_is_no_list_of_names(root: Path) -> None:
    """Each of its letters would be looked for, and found where batches are called `1` and `2`."""
    put(root, "1", input=[request(0)])
    put(root, "2", input=[request(1)])
    workspace = Workspace.open(root, environment=False)
    for call in (workspace.reconcile, workspace.preview):
        with pytest.raises(UsageError, match="only takes a list of names, not '12'"):
            call("12")


def test_what_is_no_workspace_is_refused(tmp_path: Path) -> None:
    """A path that is not there, or a folder without batches, is told at once."""
    with pytest.raises(UsageError):
        Workspace.open(tmp_path / "nowhere")
    with pytest.raises(NotAWorkspace):
        reconcile(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_held_workspace_is_an_exception(root: Path) -> None:
    """While one pass runs, another call says so."""
    put_settled(root)
    found: list[type[BaseException]] = []

    def handle(_result: Result) -> None:
        with pytest.raises(WorkspaceLocked) as caught:
            go(root)
        found.append(caught.type)

    assert go(root, on_result=handle).exit_code == 0
    assert found == [WorkspaceLocked, WorkspaceLocked]


# Why a batch did not settle


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


# The package


def test_every_public_name_can_be_reached() -> None:
    """`__all__`, `dir()` and what can be imported are one list, without doubles."""
    assert sorted(reconciler.__all__) == sorted(set(reconciler.__all__)) == sorted(dir(reconciler))
    for name in reconciler.__all__:
        assert getattr(reconciler, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        reconciler.nothing  # noqa: B018 - looking it up is the point


def test_every_type_of_failure_is_public() -> None:
    """Whoever matches on failures can name all of them."""
    kinds = {kind.__name__ for kind in Failure.__subclasses__()}
    assert kinds <= set(reconciler.__all__)


HEAVY: Final = frozenset(
    {
        "asyncio",
        "attrs",
        "attr",
        "click",
        "msgspec",
        "platformdirs",
        "rich",
        "sqlite3",
        "structlog",
        "tomllib",
    }
)


@pytest.mark.parametrize(
    ("code", "without"),
    [
        pytest.param("import reconciler", HEAVY, id="package"),
        pytest.param("from reconciler import ConfigError", HEAVY, id="errors"),
        pytest.param(
            "from reconciler import Workspace", {"click", "rich", "sqlite3", "structlog"}, id="library"
        ),
    ],
)
def test_importing_loads_no_more_than_it_needs(code: str, without: set[str]) -> None:
    """The package itself loads nothing of others; the library no command line, no log and no database."""
    shown = f"import sys; sys.path.insert(0, sys.argv[1]); {code}; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", shown, str(ROOT)], capture_output=True, text=True, timeout=60, check=True
    )
    assert {each.partition(".")[0] for each in done.stdout.split()} & without == set()
