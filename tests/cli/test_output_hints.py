"""A hint can be typed as it stands: it names the workspace as its user did, and is quoted for a shell."""

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.calling import call, put_crossed, put_everything, put_held, put_short, spawn, spoken
from tests.workspaces import request


@pytest.mark.parametrize("verb", [(), ("plan",), ("status",)], ids=" ".join)
@pytest.mark.parametrize("leaf", ["ws", "my ws", "it's", "a;b", "$HOME"])
def test_a_hint_can_be_pasted_into_a_shell(
    leaf: str, verb: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command in a hint names the workspace as it was typed, quoted for the shell."""
    root = tmp_path / leaf
    put_crossed(root)
    call(capsys, root)
    if verb == ("plan",):
        put_short(root, "2")
    said = call(capsys, *verb, root)

    hinted = [line.partition("-> ")[2] for line in said.out.splitlines() if "-> reconcile " in line]
    assert hinted
    assert all(shlex.split(line)[2] == str(root) for line in hinted)


@pytest.mark.parametrize(
    "words", [("{ws}",), ("plan", "{ws}"), ("status", "{ws}"), ("retry", "{ws}", "3")], ids=" ".join
)
@pytest.mark.parametrize("leaf", ["ws", "my ws", "it's"])
def test_a_hint_in_a_document_can_be_pasted_too(
    leaf: str, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hints in JSON hold the workspace as it was typed, quoted, and never the placeholder."""
    root = tmp_path / leaf
    put_everything(root)
    call(capsys, root)
    if words[0] == "plan":
        put_short(root, "6")
    said = call(capsys, *spoken(words, root), "--json")

    hints = [way for each in said.document["batches"] for way in (each["hint"] or "").splitlines()]
    typed = [way for way in hints if way.startswith("reconcile ")]
    assert typed or words[0] == "retry"
    assert all(shlex.split(way)[2] == str(root) for way in typed)
    assert "WORKSPACE" not in said.out


def test_a_hint_of_a_refusal_can_be_pasted_from_the_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint of an error is the same in JSON and on stderr: with the workspace as it was typed."""
    put_held(tmp_path / "my ws")
    said = call(capsys, "retry", tmp_path / "my ws", "7", "--json")
    hint = said.document["error"]["hint"]

    assert shlex.split(hint)[:3] == ["reconcile", "status", str(tmp_path / "my ws")]
    assert f"  -> {hint}\n" in said.err


def test_a_hint_does_not_take_an_option_for_the_workspace(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option with a value may stand before the workspace; hints still name the workspace."""
    put_held(workspace)
    said = call(capsys, "retry", "--log-level", "debug", workspace, "7")

    assert f"-> reconcile status {workspace} " in said.err


def test_a_path_that_holds_the_placeholder_stays_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who types the word WORKSPACE itself is told the path that they typed."""
    said = call(capsys, tmp_path / "WORKSPACE")

    assert said.err.endswith(f"-> reconcile init {tmp_path / 'WORKSPACE'}\n")


def test_a_batch_called_like_the_placeholder_keeps_its_name(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hint about a batch called WORKSPACE names it."""
    put_crossed(workspace, "WORKSPACE")
    said = call(capsys, workspace)

    assert f"-> reconcile dismiss {workspace} WORKSPACE " in said.out


def test_a_relative_workspace_stays_relative_in_hints(tmp_path: Path) -> None:
    """Who typed `./ws` reads `./ws`, not an absolute path."""
    put_crossed(tmp_path / "ws")

    assert "-> reconcile dismiss ./ws 1 " in spawn("./ws", cwd=tmp_path).out


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        pytest.param(("{ws}/no such",), "reconcile init '{ws}/no such'", id="no-such-folder"),
        pytest.param(("init", "{ws}"), "reconcile '{ws}'", id="a-workspace-already"),
        pytest.param(("retry", "{ws}", "7"), "reconcile status '{ws}'", id="no-such-batch"),
        pytest.param(("results", "{ws}", "-o", "{ws}2/x.csv"), "mkdir -p '{ws}2'", id="no-folder"),
        pytest.param(("registry", "export", "{ws}", "{ws}2/x.csv"), "mkdir -p '{ws}2'", id="nor-there"),
    ],
)
def test_a_hint_of_an_error_can_be_pasted_into_a_shell(
    words: tuple[str, ...], typed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command in the hint of an error is quoted for the shell as well."""
    root = tmp_path / "my ws"
    put_held(root)
    said = call(capsys, *spoken(words, root))

    assert f"-> {typed.format(ws=root)}" in said.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("add", "{ws}", "{file}.txt", "--model", "m", "--provider", "openai"), id="add"),
        pytest.param(("split", "{file}.jsonl", "--into", "{ws}", "--segments", "1"), id="split"),
        pytest.param(("prompt", "{file}.txt", "--workspace", "{ws}", "--worker", "echo"), id="prompt"),
    ],
)
def test_hints_of_verbs_that_make_inputs_name_the_workspace(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is refused for its workspace names that workspace, wherever the verb takes it."""
    root = tmp_path / "my ws"
    put_held(root)
    root.chmod(0o777)
    for end in ("jsonl", "txt"):
        (tmp_path / f"asked.{end}").write_text(json.dumps(request(0)) + "\n")
    said = call(capsys, *(word.format(ws=root, file=tmp_path / "asked") for word in words))

    assert said.code == 78
    assert f"-> reconcile trust '{root}' --owner" in said.err


@pytest.mark.parametrize("words", [("status", "--", "-x"), ("--", "-x")], ids=["verb", "run"])
def test_a_hint_names_a_folder_that_begins_with_a_dash(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is hinted at makes that folder, and is not taken for an option."""
    monkeypatch.chdir(tmp_path)
    said = call(capsys, *words)
    (hint,) = [line.partition("-> ")[2] for line in said.err.splitlines() if "-> " in line]

    assert call(capsys, *shlex.split(hint)[1:]).code == 0
    assert (tmp_path / "-x" / "workdir").is_dir()
