"""A new workspace: what it holds, and where none is made."""

import errno
import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from reconciler.errors import UsageError
from reconciler.workspace.layout import FOLDERS, SETTINGS, Layout, find
from reconciler.workspace.template import create
from tests.workspace.faults import in_child, tree


@pytest.mark.parametrize("there", ["nothing", "empty-folder", "folder-with-files"])
def test_a_new_workspace(tmp_path: Path, there: str) -> None:
    """The folders of the contract and the settings are made, and the result is found as a workspace."""
    path = tmp_path / "new"
    if there != "nothing":
        path.mkdir()
    if there == "folder-with-files":
        (path / "notes.txt").write_bytes(b"mine\n")
        (path / "README.md").write_bytes(b"mine too\n")
    root = create(str(path))
    assert root == os.path.realpath(path)
    assert find(str(path)) == Layout(root, "workdir")
    made = tree(path)
    assert {name for name, data in made.items() if data is None} == set(FOLDERS)
    assert made[SETTINGS]
    if there == "folder-with-files":
        assert (made["notes.txt"], made["README.md"]) == (b"mine\n", b"mine too\n")


def test_it_is_private(tmp_path: Path) -> None:
    """A new workspace is its owner's alone."""
    path = tmp_path / "new"
    create(str(path))
    modes = {each: stat.S_IMODE(each.stat().st_mode) for each in (path, *path.rglob("*"))}
    assert {each: mode for each, mode in modes.items() if mode != (0o700 if each.is_dir() else 0o600)} == {}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["workdir/"], id="workdir"),
        pytest.param([".reconciler/"], id="seen-before"),
        pytest.param([SETTINGS], id="settings"),
        pytest.param(["batch_input_7.jsonl"], id="flat"),
    ],
)
def test_a_workspace_is_left_as_it_is(tmp_path: Path, names: list[str]) -> None:
    """What is a workspace already is refused, and nothing in it changes."""
    for name in names:
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_bytes(b"")
    before = tree(tmp_path)
    with pytest.raises(UsageError) as caught:
        create(str(tmp_path))
    assert caught.value.hint == f"reconcile {tmp_path}"
    assert tree(tmp_path) == before


def test_twice(tmp_path: Path) -> None:
    """The second time it is a workspace already."""
    create(str(tmp_path / "new"))
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="already"):
        create(str(tmp_path / "new"))
    assert tree(tmp_path) == before


def test_where_no_workspace_can_be(tmp_path: Path) -> None:
    """A file is in the way, or the folder above is missing: nothing is made."""
    (tmp_path / "file").write_bytes(b"")
    for path in ("file", "nothing/new", "file/new", "new\0"):
        with pytest.raises(UsageError):
            create(str(tmp_path / path))
    with pytest.raises(UsageError, match="names no folder"):
        create("")
    assert tree(tmp_path) == {"file": b""}


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    """When the disk is full the error is raised and no half file has a final name."""

    def work() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        try:
            create(str(tmp_path / "new"))
        except OSError as error:
            return error.errno or 1
        return 0

    assert in_child(work) == errno.EFBIG
    assert tree(tmp_path) == {"new": None}


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_names_no_folder(path: str) -> None:
    """Nothing, and what no file system takes, are told before anything is made."""
    with pytest.raises(UsageError, match="names no folder"):
        create(path)
