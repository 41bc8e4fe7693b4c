"""A wrong word is told like every other error: what is wrong, what to type, as a document if asked for."""

from pathlib import Path
from typing import Final

import pytest

from reconciler.cli.main import SHELVES, cli
from tests.cli.calling import Said, call, put_held, python, spawn
from tests.workspaces import files

WRONG: Final = (
    pytest.param(("{ws}", "--nosuch"), "run", "--nosuch", id="option-of-run"),
    pytest.param(("--nosuch", "{ws}"), "run", "--nosuch", id="option-first"),
    pytest.param(("plan", "{ws}", "--nosuch"), "plan", "--nosuch", id="option"),
    pytest.param(("status", "{ws}", "-v"), "status", "-v", id="option-of-another-verb"),
    pytest.param(("plan",), "plan", "WORKSPACE", id="no-workspace"),
    pytest.param(("run",), "run", "WORKSPACE", id="no-workspace-to-run"),
    pytest.param(("dismiss", "{ws}"), "dismiss", "NAME", id="no-name-to-dismiss"),
    pytest.param(("check", "{ws}", "{ws}"), "check", "{ws}", id="two-workspaces"),
    pytest.param(("{ws}", "--log-level", "loud"), "run", "loud", id="no-such-choice"),
    pytest.param(("{ws}", "--only"), "run", "--only", id="no-value"),
)
"""Words, the verb whose help they need, and what has to be named."""

FAULT: Final = """
import sys
import click
from reconciler.cli import commands, options
from reconciler.cli.main import cli, main

@cli.command("broken")
@click.option("--json", "as_json", is_flag=True)
@options.DEBUG
def broken(as_json):
    return [][1]

sys.exit(main(sys.argv[1:]))
"""
"""The command line with a verb that is at fault."""


def told(said: Said, message: str, hint: str) -> bool:
    """Whether stderr is this error with this hint and nothing else."""
    return said.err == f"error: {message}\n  -> {hint}\n"


@pytest.mark.parametrize(("words", "verb", "names"), WRONG)
def test_a_wrong_word_is_an_error_with_the_help_to_read(
    words: tuple[str, ...], verb: str, names: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two lines on stderr: what is wrong, and the help of the very verb; 2, and nothing is touched."""
    put_held(workspace)
    before = files(workspace)
    said = call(capsys, *(word.format(ws=workspace) for word in words))
    message = said.err.partition("error: ")[2].partition("\n")[0]

    assert (said.code, said.out, files(workspace)) == (2, "", before)
    assert names.format(ws=workspace) in message
    assert told(said, message, f"reconcile {verb} --help")


@pytest.mark.parametrize(("words", "verb", "names"), WRONG)
def test_a_wrong_word_is_a_document_too(
    words: tuple[str, ...], verb: str, names: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--json` the same words are a document as well, message, hint and code."""
    spoken = [word.format(ws=workspace) for word in words]
    if spoken[-1] == "--only":
        spoken.insert(0, "--json")
    else:
        spoken.append("--json")
    said = call(capsys, *spoken)
    error = said.document["error"]

    assert said.document == {"schema": 1, "error": error, "exit_code": 2}
    assert (said.code, error["hint"]) == (2, f"reconcile {verb} --help")
    assert names.format(ws=workspace) in error["message"]
    assert told(said, error["message"], error["hint"])


@pytest.mark.parametrize(
    "slip", ["statsu status", "plann plan", "chek check", "dismis dismiss", "inti init", "rety retry"]
)
@pytest.mark.parametrize("more", [("{ws}",), (), ("{ws}", "--json")], ids=" ".join)
def test_a_slip_in_a_verb_is_named_with_what_was_meant(
    more: tuple[str, ...],
    slip: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A first word close to a verb, and no folder, is a typing mistake: not a workspace to be made."""
    typed, meant = slip.split()
    monkeypatch.chdir(workspace)
    said = call(capsys, typed, *(word.format(ws=workspace) for word in more))
    message = f"no folder and no verb is called {typed}; did you mean {meant}?"

    assert said.code == 2
    assert told(said, message, "reconcile --help")
    assert ("--json" not in more) or said.document["error"]["message"] == message


def test_a_folder_called_almost_like_a_verb_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where `statsu/` is a workspace, `reconcile statsu` is a pass over it."""
    (tmp_path / "statsu" / "workdir").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    assert (call(capsys, "statsu").code, call(capsys, "statsu", "--json").document["batches"]) == (0, [])


def test_a_word_unlike_any_verb_is_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`reconcile invoices` without such a folder says how to make it, and guesses no verb."""
    monkeypatch.chdir(tmp_path)

    assert told(call(capsys, "invoices"), "invoices: no such folder", "reconcile init invoices")


@pytest.mark.parametrize("words", [("help",), ("--help",), ("-h",)], ids=" ".join)
def test_help_can_be_asked_for_in_every_way(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """`reconcile help` is `reconcile --help`: verbs and exit codes on stdout, nothing on stderr."""
    said = call(capsys, *words)

    assert (said.code, said.err) == (0, "")
    assert said.out == call(capsys, "--help").out
    for shown in ("init", "plan", "status", "check", "retry", "dismiss", "demo", "75 ", "130 "):
        assert f"\n  {shown}" in said.out or f"\n    {shown}" in said.out


def test_no_word_at_all_gives_the_help_to_read(capsys: pytest.CaptureFixture[str]) -> None:
    """`reconcile` alone shows the help as lines, on whichever stream."""
    said = call(capsys)

    assert call(capsys, "--help").out.strip() in said.out + said.err


@pytest.mark.parametrize("words", [("--json", "plan", "{ws}"), ("-q", "retry", "{ws}", "1")], ids=" ".join)
def test_an_option_before_the_verb_is_put_right(
    words: tuple[str, ...], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`reconcile --json plan ws` says how to write it, ends with 2 and touches nothing."""
    put_held(workspace)
    before = files(workspace)
    said = call(capsys, *(word.format(ws=workspace) for word in words))
    message = f"put the verb first: reconcile {words[1]} WORKSPACE {words[0]}"

    assert (said.code, files(workspace)) == (2, before)
    assert told(said, message, "reconcile --help")
    assert words[0] != "--json" or said.document["error"]["message"] == message


@pytest.mark.parametrize(
    "words",
    [
        ("",),
        ("run", ""),
        ("plan", ""),
        ("status", ""),
        ("check", ""),
        ("retry", "", "1"),
        ("dismiss", "", "1"),
        ("init", ""),
        ("demo", "--keep", ""),
    ],
    ids=lambda words: " ".join(words) or "alone",
)
def test_an_empty_path_is_refused_everywhere(words: tuple[str, ...], workspace: Path) -> None:
    """`reconcile <verb> "$UNSET"` is 2 for every verb: the current folder, a workspace, is not meant."""
    put_held(workspace)
    before = files(workspace)
    said = spawn(*words, cwd=workspace)

    assert (said.code, said.out, files(workspace)) == (2, "", before)
    assert said.err.startswith("error: ")
    assert "empty" in said.err
    assert sorted(path.name for path in workspace.iterdir()) == ["workdir"]


def test_an_unexpected_fault_is_told_as_one() -> None:
    """An exception that nobody foresaw is one line, how to report it, and 1; no traceback."""
    said = python(FAULT, "broken")

    assert (said.code, said.out) == (1, "")
    assert told(
        said,
        "a fault of reconcile itself (IndexError: list index out of range); nothing was lost",
        "run it again with --debug and report it",
    )


def test_an_unexpected_fault_is_a_document_too() -> None:
    """With `--json` the fault is a document with its message and its code."""
    said = python(FAULT, "broken", "--json")

    assert said.document["exit_code"] == said.code == 1
    assert said.document["error"]["message"].startswith("a fault of reconcile itself (IndexError: ")


def test_an_unexpected_fault_shows_where_it_comes_from() -> None:
    """`--debug` shows the traceback instead."""
    said = python(FAULT, "broken", "--debug")

    assert said.code == 1
    assert "Traceback" in said.err
    assert said.err.endswith("IndexError: list index out of range\n")


def test_help_shows_every_verb_once_and_by_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is new finds `run`, `plan`, `status` and `check` first, and each verb in one place."""
    text = call(capsys, "--help").out
    shown = [line.split()[0] for line in text.partition("What happens by itself:")[2].splitlines() if line]
    listed = [word for word in shown if word in cli.commands]

    assert listed[:4] == ["run", "plan", "status", "check"]
    assert sorted(listed) == sorted(cli.commands)
    assert {name for _, names in SHELVES for name in names} <= cli.commands.keys()
