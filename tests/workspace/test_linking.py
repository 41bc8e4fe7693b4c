"""Second names, renamed folders and removed files: nothing is replaced, and what is done is done on disk."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import Clash
from reconciler.workspace.effects import Effects
from reconciler.workspace.reading import BLOCK
from tests.workspace.faults import Trip, errno_failure, refusing, tree
from tests.workspace.written import NEW, OLD, PATH


@pytest.fixture
def fx(tmp_path: Path) -> Iterator[Effects]:
    """The room, on an empty folder."""
    room = Effects(str(tmp_path))
    yield room
    room.close()


def test_link_gives_a_second_name(fx: Effects, tmp_path: Path) -> None:
    """Where links are possible the file itself gets the second name, without a copy."""
    (tmp_path / "a").write_bytes(NEW)
    assert fx.link("a", "b")
    assert (tmp_path / "a").samefile(tmp_path / "b")


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_link_copies_where_it_cannot_link(tmp_path: Path, number: int) -> None:
    """Across devices, and where links are not allowed, the content is copied and the caller is told so."""
    (tmp_path / "a").write_bytes(b"x" * (BLOCK + 3))
    trip = Trip(1, errno_failure(number))  # the first change only: the copy may link its own temporary
    room = Effects(str(tmp_path), trip)
    assert not room.link("a", "b")
    room.close()
    assert trip.seen[:1] == [("link", "b")]
    assert tree(tmp_path) == {"a": b"x" * (BLOCK + 3), "b": b"x" * (BLOCK + 3)}
    assert not (tmp_path / "a").samefile(tmp_path / "b")


def test_a_disk_without_links(tmp_path: Path) -> None:
    """Where no file can have two names, files are still published whole and linked ones copied."""
    room = Effects(str(tmp_path), refusing("link", errno.EPERM))
    room.publish("a", (NEW,))
    assert not room.link("a", "b")
    room.close()
    assert tree(tmp_path) == {"a": NEW, "b": NEW}


def test_link_never_replaces(fx: Effects, tmp_path: Path) -> None:
    """A name that is taken stays what it is, whether a link or a copy was tried."""
    (tmp_path / "a").write_bytes(NEW)
    (tmp_path / "b").write_bytes(OLD)
    with pytest.raises(OSError, match="File exists"):
        fx.link("a", "b")
    with pytest.raises(Clash):
        fx.copy("a", "b")
    assert tree(tmp_path) == {"a": NEW, "b": OLD}


@pytest.mark.parametrize("kind", ["folder", "file", "symlink", "dangling-symlink"])
def test_rename_folder_replaces_nothing(fx: Effects, tmp_path: Path, kind: str) -> None:
    """A folder is published under a free name only; what is in the way keeps its bytes."""
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging/a").write_bytes(NEW)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b").write_bytes(OLD)
    final = tmp_path / "final"
    if kind == "folder":
        final.mkdir()
        (final / "b").write_bytes(OLD)
    elif kind == "file":
        final.write_bytes(OLD)
    else:
        final.symlink_to("elsewhere" if kind == "symlink" else "nowhere")
    before = tree(tmp_path)
    with pytest.raises(Clash, match="nothing was overwritten"):
        fx.rename_folder("staging", "final")
    assert tree(tmp_path) == before
    assert final.is_symlink() == kind.endswith("symlink")


def test_rename_folder_syncs_both_sides(tmp_path: Path) -> None:
    """The folder's own names are on disk before it is published, its new name on return."""
    (tmp_path / "done").mkdir()
    (tmp_path / "done/.staging-7").mkdir()
    trip = Trip()
    room = Effects(str(tmp_path), trip)
    room.rename_folder("done/.staging-7", "done/7")
    room.close()
    assert trip.seen == [("fsync-folder", "done/.staging-7"), ("rename", "done/7"), ("fsync-folder", "done")]
    assert tree(tmp_path) == {"done": None, "done/7": None}


def test_removing_what_is_gone_is_no_error(fx: Effects, tmp_path: Path) -> None:
    """A step that is done again finds nothing left to remove and says nothing."""
    (tmp_path / "workdir").mkdir()
    fx.unlink(PATH)
    fx.remove_folder("done/.staging-7")
    assert tree(tmp_path) == {"workdir": None}


def test_what_is_removed_for_good_is_gone_on_disk(tmp_path: Path) -> None:
    """A file that others rely on is gone from its folder on disk; one that is not there costs nothing."""
    trip = Trip()
    room = Effects(str(tmp_path), trip)
    (tmp_path / "a").touch()
    room.remove("a")
    room.remove("a")
    room.close()
    assert trip.seen == [("unlink", "a"), ("fsync-folder", "")]


def test_only_an_empty_folder_is_removed(fx: Effects, tmp_path: Path) -> None:
    """A folder in which something stands stays, with what stands in it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/mine").write_bytes(OLD)
    fx.remove_if_empty("a")
    assert tree(tmp_path) == {"a": None, "a/mine": OLD}
    (tmp_path / "a/mine").unlink()
    fx.remove_if_empty("a")
    assert tree(tmp_path) == {}
