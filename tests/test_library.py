"""The Python API: what the command line does, as functions and objects; and what of it is refused."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest

import reconciler
from reconciler import (
    BatchContext,
    Failure,
    ProcessedBatch,
    Request,
    Result,
    Run,
    State,
    UserError,
    Workspace,
    WorkspaceLocked,
    plan,
    reconcile,
)
from reconciler.errors import NotAWorkspace, UsageError
from tests.reconciling import go, put_settled
from tests.workers import chat
from tests.workspaces import answered, files, put, request, results, scratch

ROOT: Final = Path(__file__).parents[1]


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


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
        pytest.param({"settings": [1]}, "settings takes a mapping by name, not [1]", id="settings-list"),
        pytest.param({"settings": {1: 2}}, "settings takes a mapping by name", id="settings-number"),
        pytest.param({"transforms": len}, "transforms takes a mapping by name", id="transforms-function"),
        pytest.param({"transforms": {7: len}}, "transforms takes a mapping by name", id="transforms-number"),
        pytest.param({"stopping": 3}, "stopping: 3 is no function", id="stopping"),
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


WRONG: Final[dict[str, tuple[Callable[[Any], object], str, str]]] = {
    "no-path": (
        lambda _: reconcile(cast("Any", None)),
        "reconcile takes a path, a text or a Path, not None",
        "",
    ),
    "bytes": (lambda _: reconcile(cast("Any", b"w")), "reconcile takes a path", ""),
    "no-path-to-open": (lambda _: Workspace.open(cast("Any", 3)), "Workspace.open takes a path", ""),
    "no-path-of-a-run": (lambda _: Run.open(cast("Any", None)), "Run.open takes a path", ""),
    "no-names": (lambda w: w.reconcile(7), "only takes a list of names, not 7", ""),
    "no-name-in-names": (lambda w: w.preview([7]), "only takes names, which are text, not 7", ""),
    "dismiss": (lambda w: w.dismiss(["1"]), "dismiss takes names, which are text, not ['1']", "*['1']"),
    "retry": (lambda w: w.retry(None), "retry takes names, which are text, not None", ""),
    "replay": (lambda w: w.replay(["1"]), "replay takes names", "*['1']"),
    "retain": (lambda w: w.retain(7, dry_run=True), "retain takes names", ""),
    "failed-requests": (lambda w: w.failed_requests(["1"]), "failed_requests takes names", "*['1']"),
    "results": (lambda w: w.results(["1"]), "results takes names", "*['1']"),
    "batch": (lambda w: w.batch(1), "batch takes names, which are text, not 1", ""),
    "timeout": (
        lambda w: w.reconcile(wait=True, timeout="5"),
        "timeout takes a number of seconds, not '5'",
        "3600",
    ),
    "timeout-nan": (lambda w: w.reconcile(wait=True, timeout=float("nan")), "timeout takes a number", "3600"),
    "timeout-rescue": (lambda w: w.rescue("1", wait=True, timeout=True), "timeout takes a number", "3600"),
    "timeout-of-a-run": (lambda w: Run.open(w.path).wait(cast("Any", "5")), "timeout takes a number", "3600"),
}
"""A call of a workspace, the words that refuse it, and what the hint ends with."""


@pytest.mark.parametrize("key", WRONG)
def test_arguments_of_another_kind_are_refused(key: str, root: Path) -> None:
    """What is no path, no name, no number is told in words, with its argument, and nothing is touched."""
    call, words, hint = WRONG[key]
    put_settled(root)
    before = files(root)
    with pytest.raises(UsageError) as caught:
        call(Workspace.open(root, environment=False))
    assert words in caught.value.message
    assert caught.value.hint.endswith(hint)
    assert files(root) == before


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
