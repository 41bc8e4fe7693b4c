"""`reconcile init` makes a workspace that works at once, and never touches one that is there."""

from pathlib import Path

import pytest

from reconciler.config import SETTINGS, settle
from tests.cli.calling import call, put_settled, spawn
from tests.workspaces import files

FOLDERS = ["done", "failed-items", "failed-json-repairs", "logs", "quarantine", "target", "workdir"]


def test_a_new_workspace_has_the_folders_of_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders and the template's files are made; stdout is the real path, stderr says what comes next."""
    root = tmp_path / "ws"
    said = call(capsys, "init", root)

    assert (said.code, said.out) == (0, f"{root.resolve()}\n")
    assert f"reconcile {root}" in said.err
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == FOLDERS
    assert sorted(files(root)) == ["README.md", "reconciler.toml"]


def test_a_new_workspace_is_settled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb that looks at all of it ends with 0."""
    root = tmp_path / "ws"
    call(capsys, "init", root)

    assert [call(capsys, *words).code for words in ([root], ["plan", root], ["status", root])] == [0, 0, 0]
    assert call(capsys, "check", root).code == 0


def test_a_new_workspace_takes_a_batch_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A batch put into it settles in the first pass."""
    root = tmp_path / "ws"
    call(capsys, "init", root)
    put_settled(root)

    assert call(capsys, root).code == 0
    assert (root / "target" / "1.results.jsonl").is_file()


def test_the_settings_of_the_template_are_the_defaults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The template sets one thing, the embedded provider; each key that it shows as a comment exists."""
    root = tmp_path / "ws"
    call(capsys, "init", root)
    text = (root / "reconciler.toml").read_text("utf-8")
    shown = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line.partition("#")[2] else line
        for line in text.splitlines()
    )

    defaults = {each.name: each.default for each in SETTINGS} | {"provider.name": "local"}
    assert dict(settle([("template", text)]).values) == defaults
    assert dict(settle([("template", shown)]).values) == defaults


def test_a_folder_with_other_files_becomes_a_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are there stay as they are, a README among them."""
    (tmp_path / "README.md").write_text("mine", "utf-8")
    (tmp_path / "notes").write_text("mine too", "utf-8")

    assert call(capsys, "init", tmp_path).code == 0
    assert (tmp_path / "README.md").read_text("utf-8") == "mine"
    assert (tmp_path / "notes").read_text("utf-8") == "mine too"


def test_init_in_the_current_folder(tmp_path: Path) -> None:
    """`reconcile init .` works, and says how to go on."""
    said = spawn("init", ".", cwd=tmp_path)

    assert (said.code, said.out) == (0, f"{tmp_path.resolve()}\n")
    assert "./workdir/" in said.err


@pytest.mark.parametrize(
    "there",
    [
        pytest.param("workdir/x", id="workspace"),
        pytest.param("batch_input_1.jsonl", id="flat-workspace"),
        pytest.param("reconciler.toml", id="settings"),
    ],
)
def test_what_is_there_is_left_alone(there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A workspace, a flat one included, is refused with 2 and not a file of it changes."""
    path = tmp_path / there
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    before = files(tmp_path)
    said = call(capsys, "init", tmp_path)

    assert (said.code, files(tmp_path)) == (2, before)
    assert f"reconcile {tmp_path}" in said.err


def test_a_file_is_no_place_for_a_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the way is refused with 2 and stays."""
    (tmp_path / "ws").write_bytes(b"mine")

    assert call(capsys, "init", tmp_path / "ws").code == 2
    assert (tmp_path / "ws").read_bytes() == b"mine"


def test_a_missing_parent_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path whose parent is missing is most likely a slip: 2, with the command that makes it."""
    said = call(capsys, "init", tmp_path / "a" / "ws")

    assert (said.code, said.out, list(tmp_path.iterdir())) == (2, "", [])
    assert f"mkdir -p {tmp_path / 'a'}" in said.err


def test_an_empty_path_is_no_path(tmp_path: Path) -> None:
    """`reconcile init "$UNSET"` makes nothing in the current folder."""
    said = spawn("init", "", cwd=tmp_path)

    assert (said.code, said.out, list(tmp_path.iterdir())) == (2, "", [])
