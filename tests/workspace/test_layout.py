"""Which folder is a workspace, and which is refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import ConfigError, NotAWorkspace, UsageError
from reconciler.workspace import ledger
from reconciler.workspace.effects import Effects, temporary_for
from reconciler.workspace.layout import FOLDERS, PRIVATE, WORKDIR, WORKSPACE_ID, Layout, find, mark
from tests.workspace.faults import Crash, Trip, tree


@pytest.mark.parametrize(
    ("names", "live"),
    [
        pytest.param(["workdir/"], "workdir", id="workdir"),
        pytest.param(["workdir/", "batch_input_7.jsonl"], "workdir", id="workdir-before-files-at-the-root"),
        pytest.param(["workdir/", ".reconciler/"], "workdir", id="seen-before"),
        pytest.param(["batch_input_7.jsonl"], "", id="flat"),
        pytest.param(["batch_output_7.jsonl", "done/"], "", id="flat-without-an-input"),
        pytest.param(["batch_metadata_7.jsonl"], "", id="flat-with-metadata-alone"),
        pytest.param([".reconciler/", "done/"], "", id="flat-and-settled"),
    ],
)
def test_workspaces(tmp_path: Path, names: list[str], live: str) -> None:
    """`workdir/` is the live directory where there is one; otherwise batch files or an earlier pass tell."""
    fill(tmp_path, names)
    layout = find(str(tmp_path))
    assert layout == Layout(os.path.realpath(tmp_path), live)
    assert layout.live_path("x") == (f"{live}/x" if live else "x")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="empty"),
        pytest.param(["README.md", "src/"], id="a-project"),
        pytest.param(["batch_input_.jsonl", "batch_input_7.json"], id="almost-batch-files"),
        pytest.param(["done/", "target/"], id="other-folders-of-the-contract"),
    ],
)
def test_not_a_workspace(tmp_path: Path, names: list[str]) -> None:
    """A folder without a sign of batches is refused, with the command that would make one."""
    fill(tmp_path, names)
    before = tree(tmp_path)
    with pytest.raises(NotAWorkspace) as caught:
        find(str(tmp_path))
    assert caught.value.exit_code == 2
    assert caught.value.hint == f"reconcile init {tmp_path}"
    assert tree(tmp_path) == before


def test_a_missing_path(tmp_path: Path) -> None:
    """A path that is not there is wrong usage, not an empty workspace."""
    with pytest.raises(UsageError, match="no such folder") as caught:
        find(str(tmp_path / "nothing"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b""), os.mkfifo], ids=["file", "fifo"])
def test_a_path_that_is_no_folder(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A file is wrong usage, whatever it holds."""
    make(tmp_path / "x")
    with pytest.raises(UsageError, match="not a folder"):
        find(str(tmp_path / "x"))


@pytest.mark.parametrize("name", [*FOLDERS, PRIVATE])
@pytest.mark.parametrize("dangling", ["dangling", "whole"])
def test_a_linked_folder_is_refused(tmp_path: Path, name: str, dangling: str) -> None:
    """A folder of the contract that is a link is refused with 78 and the way to do it."""
    root = tmp_path / "root"
    fill(root, ["batch_input_7.jsonl"])
    if dangling == "whole":
        (tmp_path / "elsewhere").mkdir()
    (root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=f"{name} is a symbolic link") as caught:
        find(str(root))
    assert caught.value.exit_code == 78
    assert "mount" in caught.value.hint


@pytest.mark.parametrize("name", [*FOLDERS, PRIVATE])
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A file under the name of a folder of the contract is refused with 78, and left where it is."""
    fill(tmp_path, ["batch_input_7.jsonl", name])
    with pytest.raises(ConfigError, match=f"{name} is not a folder") as caught:
        find(str(tmp_path))
    assert caught.value.exit_code == 78
    assert (tmp_path / name).is_file()


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """The user may name a workspace through a link; from there on its real path counts."""
    fill(tmp_path / "real", ["workdir/"])
    (tmp_path / "link").symlink_to("real")
    assert find(str(tmp_path / "link")) == Layout(os.path.realpath(tmp_path / "real"), "workdir")


def test_finding_changes_nothing(tmp_path: Path) -> None:
    """Looking for a workspace makes neither `.reconciler/` nor anything else."""
    fill(tmp_path, ["workdir/"])
    before = tmp_path.stat().st_mtime_ns
    find(str(tmp_path))
    assert tree(tmp_path) == {"workdir": None}
    assert tmp_path.stat().st_mtime_ns == before


def test_the_first_pass_gives_an_id(tmp_path: Path) -> None:
    """The id is 32 hexadecimal digits and the live directory; later passes leave the very file alone."""
    fx = Effects(str(tmp_path))
    mark(fx, Layout(fx.root, WORKDIR))
    marked = (tmp_path / WORKSPACE_ID).read_text()
    digits, live = marked.split()
    assert (len(digits), live) == (32, "workdir")
    int(digits, 16)
    ledger.append(fx, "batch.submitted", "7")
    trip = Trip()
    again = Effects(str(tmp_path), trip)
    mark(again, Layout(again.root, WORKDIR))
    assert trip.seen == []
    assert (tmp_path / WORKSPACE_ID).read_text() == marked
    fx.close()
    again.close()


def test_a_vanished_id_stops_everything(tmp_path: Path) -> None:
    """History without an id means that half of the workspace may be missing: no new id is made up."""
    fx = Effects(str(tmp_path))
    mark(fx, Layout(fx.root, WORKDIR))
    ledger.append(fx, "batch.submitted", "7")
    (tmp_path / WORKSPACE_ID).unlink()
    before = tree(tmp_path)
    with pytest.raises(ConfigError, match="has vanished") as caught:
        mark(fx, Layout(fx.root, WORKDIR))
    assert caught.value.exit_code == 78
    assert tree(tmp_path) == before
    fx.close()


@pytest.mark.parametrize(
    "names", [[], ["batch_input_7.jsonl"]], ids=["empty", "with-batch-files-at-the-root"]
)
def test_a_vanished_live_directory(tmp_path: Path, names: list[str]) -> None:
    """Where `workdir/` was at an earlier pass, its absence is never a flat workspace that has settled."""
    fill(tmp_path, ["workdir/", *names])
    fx = Effects(str(tmp_path))
    mark(fx, find(str(tmp_path)))
    fx.close()
    (tmp_path / "workdir").rmdir()
    with pytest.raises(ConfigError, match="workdir/ has vanished") as caught:
        find(str(tmp_path))
    assert caught.value.exit_code == 78
    (tmp_path / "workdir").mkdir()
    assert find(str(tmp_path)).live == "workdir"


def test_a_flat_workspace_stays_flat(tmp_path: Path) -> None:
    """A workspace without `workdir/` that was marked is found again, its last batch gone to `done/`."""
    fill(tmp_path, ["batch_input_7.jsonl"])
    fx = Effects(str(tmp_path))
    mark(fx, find(str(tmp_path)))
    fx.close()
    (tmp_path / "batch_input_7.jsonl").unlink()
    assert find(str(tmp_path)).live == ""


def test_a_crash_while_the_id_is_made(tmp_path: Path) -> None:
    """Wherever the first pass was cut off, the next one ends with one whole id."""
    for at in range(1, 20):
        root = tmp_path / str(at)
        root.mkdir()
        trip = Trip(at, Crash, sticky=True)
        fx = Effects(str(root), trip)
        if crashed(fx):
            again = Effects(str(root))
            mark(again, Layout(again.root, WORKDIR))
            again.close()
        fx.close()
        assert {PRIVATE, WORKSPACE_ID} <= tree(root).keys() <= {PRIVATE, WORKSPACE_ID, LEFT_OVER}
        assert len((root / WORKSPACE_ID).read_text().split()[0]) == 32
        if not trip.reached:
            return
    pytest.fail("there was no end to it")


LEFT_OVER = temporary_for(WORKSPACE_ID)
"""A second name of the whole id, when the crash came just before it was taken away."""


def crashed(fx: Effects) -> bool:
    """Whether giving the workspace its id was cut off."""
    try:
        mark(fx, Layout(fx.root, WORKDIR))
    except Crash:
        return True
    return False


def fill(root: Path, names: list[str]) -> None:
    """Make folders (a name that ends with a slash) and empty files."""
    root.mkdir(exist_ok=True)
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(b"")
