"""User code that makes another folder the current one: a workspace's relative path holds all the same."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import Request, Result, Run, Workspace, prompt_map_sync, reconcile
from tests.cli.calling import call
from tests.reconciling import put_settled
from tests.workers import chat
from tests.workspaces import put, request, results, scratch

CODE = """
import os

def go(_result):
    os.chdir({other!r})
    return 1

def answer(request):
    os.chdir({other!r})
    message = {{"role": "assistant", "content": "x"}}
    return {{"choices": [{{"index": 0, "message": message, "finish_reason": "stop"}}]}}
"""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, beside another one; a workspace `w` in it."""
    with scratch() as root:
        (root / "here").mkdir()
        (root / "other").mkdir()
        (root / "mine.py").write_text(CODE.format(other=str(root / "other")), "utf-8")
        monkeypatch.chdir(root / "here")
        yield root / "here"
        assert list((root / "other").iterdir()) == []
        assert Path.cwd() == root / "other"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((), id="one-pass"),
        pytest.param(("--wait",), id="pass-after-pass"),
        pytest.param(("--combined", "all.csv"), id="table"),
        pytest.param(("--jobs", "1", "--json"), id="json"),
    ],
)
def test_a_pass_ends_where_it_began(
    words: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every batch settles, and the log is that of the workspace."""
    put_settled(here / "w", "1")
    put(here / "w", "2", input=[request(n) for n in range(5, 7)])
    code = here.parent / "mine.py"
    flags = ("--provider", "local", "--worker", f"{code}:answer", "--output-processor", f"{code}:go")
    found = call(capsys, "w", *flags, *words)
    assert (found.code, found.err) == (0, "")
    assert [len(results(here / "w", name)) for name in "12"] == [2, 2]
    (log,) = (here / "w" / "logs").iterdir()
    assert "process-output" in log.read_text("utf-8")


@pytest.mark.parametrize("verb", ["retry", "replay"])
def test_a_verb_ends_where_it_began(verb: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for what a person decides."""
    put_settled(here / "w", "1")
    if verb == "replay":
        assert call(capsys, "w").code == 0
    code = here.parent / "mine.py"
    if verb == "retry":
        put(here / "w", "1", output=[])
    flags = ("--output-processor", f"{code}:go", "--provider", "local", "--worker", f"{code}:answer")
    found = call(capsys, verb, "w", "1", *(flags if verb == "retry" else flags[:2]))
    assert (found.code, found.err) == (0, "")
    (log,) = (here / "w" / "logs").iterdir()
    assert "process-output" in log.read_text("utf-8")


def go(_result: Result) -> None:
    """Make the other folder the current one."""
    os.chdir("../other")


def answer(_request: Request) -> dict[str, Any]:
    """Do so too, and answer."""
    os.chdir(Path.cwd().parent / "other")
    return chat("x")


@pytest.mark.parametrize("wait", [False, True])
def test_a_program_reads_what_it_has_made(here: Path, *, wait: bool) -> None:
    """One call after the other on a workspace that was opened by a relative path."""
    put_settled(here / "w", "1")
    workspace = Workspace.open("w", environment=False)
    report = workspace.reconcile(wait=wait, on_result=go)
    assert report.exit_code == 0
    assert len(list(report.batch("1").results())) == len(list(workspace.results())) == 2
    assert workspace.check().findings == []
    assert workspace.path == report.root == str(here / "w")


def test_passes_go_on_in_the_workspace_they_began_in(here: Path) -> None:
    """`reconcile("w", wait=True)`, where each pass looks for the workspace."""
    put(here / "w", "1", input=[request(n) for n in range(2)])
    settings = {"policy.settle_seconds": 0}
    report = reconcile("w", wait=True, provider="local", worker=answer, environment=False, settings=settings)
    assert report.exit_code == 0
    assert [each["text"] for each in results(here / "w", "1")] == ["x", "x"]


def _prompts() -> list[Any]:
    found: list[Any] = prompt_map_sync(
        ["a", "b"], worker=lambda p: answer(p) and p, cache_dir="c", returns="text"
    )
    return found


def _own() -> list[Any]:
    found: list[Any] = prompt_map_sync(
        ["a", "b"], worker=lambda p: answer(p) and p, workspace="w", returns="text"
    )
    return found


def _run() -> list[Any]:
    put(Path("w"), "1", input=[request(n) for n in range(2)])
    run = Run.open("w", provider="local", environment=False, settings={"policy.settle_seconds": 0})
    run.wait(worker=answer)
    return [each.text for each in run.results()]


@pytest.mark.parametrize("asked", [_prompts, _own, _run])
def test_what_was_asked_is_read_where_it_was_put(asked: Callable[[], list[Any]], here: Path) -> None:
    """Prompts over a cache folder or a workspace, and a run."""
    assert asked() in (["a", "b"], ["x", "x"])
    assert len(list(here.iterdir())) == 1
