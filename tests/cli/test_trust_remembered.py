"""
What is trusted is only what was looked at: any change ends it. It is remembered beside the user's file.

The code of these tests leaves a mark when it is imported; where it is refused, there must be none.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.calling import call
from tests.cli.trusting import NAMING, put_all, refused, trusted, write_code, write_settings
from tests.workspaces import files


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What the code leaves when it is imported."""
    return tmp_path / "mark"


@pytest.fixture
def code(workspace: Path, mark: Path) -> Path:
    """A file of code inside the workspace."""
    path = workspace / "hooks.py"
    write_code(path, mark)
    return path


# What ends it


def settings_changed(workspace: Path, _mark: Path) -> Path:
    """A comment more in the settings file."""
    with (workspace / "reconciler.toml").open("a", encoding="utf-8") as stream:
        stream.write("# more\n")
    return workspace


def code_changed(workspace: Path, mark: Path) -> Path:
    """Other code under the same name."""
    write_code(workspace / "hooks.py", mark, "other")
    return workspace


def moved(workspace: Path, _mark: Path) -> Path:
    """The same folder under another name."""
    return workspace.rename(workspace.with_name("moved"))


def copied(workspace: Path, _mark: Path) -> Path:
    """A copy."""
    return Path(shutil.copytree(workspace, workspace.with_name("copied")))


def replaced(workspace: Path, mark: Path) -> Path:
    """A link to another file in place of the code."""
    write_code(workspace.parent / "elsewhere.py", mark, "other")
    (workspace / "hooks.py").unlink()
    (workspace / "hooks.py").symlink_to(workspace.parent / "elsewhere.py")
    return workspace


def gone(workspace: Path, _mark: Path) -> Path:
    """No code any more."""
    (workspace / "hooks.py").unlink()
    return workspace


@pytest.mark.parametrize("change", [settings_changed, code_changed, moved, copied, replaced])
def test_any_change_ends_trust(
    change: Callable[[Path, Path], Path],
    workspace: Path,
    code: Path,
    mark: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another path, another settings file or other code is refused until it is trusted anew."""
    put_all(workspace)
    trusted(workspace, code, capsys)
    workspace = change(workspace, mark)
    before = files(workspace)
    refused(call(capsys, workspace), workspace, before, mark)
    assert call(capsys, "trust", workspace).code == 0
    assert call(capsys, "plan", workspace).code == 0


def test_code_that_is_gone_is_named(
    workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """78, and which file is not there; trust is refused for it too."""
    trusted(workspace, code, capsys)
    gone(workspace, mark)
    for words in (("trust", workspace), (workspace,)):
        said = call(capsys, *words)
        assert said.code == 78
        assert f"there is no such file ({code})" in said.err


def test_trust_of_one_workspace_is_none_of_another(
    workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several are remembered side by side, each for itself."""
    trusted(workspace, code, capsys)
    other = copied(workspace, mark)
    assert call(capsys, other).code == 78
    assert call(capsys, "trust", other).code == 0
    assert [call(capsys, each).code for each in (workspace, other)] == [0, 0]


@pytest.mark.parametrize("by_link", ["trust", "run"])
def test_a_linked_path_is_the_same_workspace(
    by_link: str, workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trust holds for the real path, whichever way one came to it."""
    link = workspace.with_name("link")
    link.symlink_to(workspace)
    write_settings(workspace, NAMING["processor"].format(code.name))
    assert call(capsys, "trust", link if by_link == "trust" else workspace).code == 0
    assert call(capsys, link if by_link == "run" else workspace).code == 0


# The store


def store() -> Path:
    """Where trust is remembered."""
    return Path(os.environ["XDG_CONFIG_HOME"]) / "reconciler" / "trust.json"


def test_without_a_users_file_there_is_no_trust(
    workspace: Path, code: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """RECONCILER_USER_CONFIG="" means no place to remember anything: trust says so, a pass is refused."""
    write_settings(workspace, NAMING["processor"].format(code.name))
    assert call(capsys, "trust", workspace).code == 0
    monkeypatch.setenv("RECONCILER_USER_CONFIG", "")
    said = call(capsys, "trust", workspace)
    assert said.code == 2
    assert "RECONCILER_USER_CONFIG is empty, so there is nowhere to remember whom you trust" in said.err
    assert call(capsys, workspace).code == 78


def test_trust_lies_beside_the_users_own_file(
    workspace: Path,
    code: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another user's file is another user's trust."""
    mine = tmp_path / "mine" / "settings.toml"
    mine.parent.mkdir()
    mine.touch()
    write_settings(workspace, NAMING["processor"].format(code.name))
    monkeypatch.setenv("RECONCILER_USER_CONFIG", str(mine))
    assert call(capsys, "trust", workspace).code == 0
    assert call(capsys, workspace).code == 0
    assert (mine.with_name("trust.json").is_file(), store().exists()) == (True, False)
    monkeypatch.delenv("RECONCILER_USER_CONFIG")
    assert call(capsys, workspace).code == 78


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="torn"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"7", id="number"),
        pytest.param(b"{}", id="no-schema"),
        pytest.param(b'{"schema": 1}', id="no-workspaces"),
        pytest.param(b'{"schema": 1, "workspaces": []}', id="list-of-workspaces"),
        pytest.param(b'{"schema": 1, "workspaces": {"/a": 7}}', id="number-for-a-workspace"),
        pytest.param(b'{"schema": 2, "workspaces": {}}', id="newer"),
        pytest.param(b"\xff\xfe", id="no-utf-8"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "trust"])
def test_a_store_that_cannot_be_read_is_named(  # noqa: PLR0913, PLR0917 - two tables and what they are held against
    verb: str, data: bytes, workspace: Path, code: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """78 and the file; it is never read as "nothing is trusted" and never overwritten."""
    write_settings(workspace, NAMING["processor"].format(code.name))
    store().parent.mkdir(parents=True)
    store().write_bytes(data)
    said = call(capsys, verb, workspace)
    assert said.code == 78
    assert str(store()) in said.err
    assert store().read_bytes() == data
    assert not mark.exists()


def test_the_store_says_what_was_looked_at(
    workspace: Path, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real path of the settings file, its digest, and the digest of each file of code."""
    trusted(workspace, code, capsys)
    document = json.loads(store().read_bytes())
    assert list(document["workspaces"]) == [str((workspace / "reconciler.toml").resolve())]
    (entry,) = document["workspaces"].values()
    assert sorted(entry) == ["code", "settings"]
    assert list(entry["code"]) == ["output.processor = hooks.py:handle"]
