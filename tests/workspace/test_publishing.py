"""
A file is published whole or not at all, and over nothing else, whatever stops it and whatever is in the way.

It is private, and on disk once it has its name.
"""

import errno
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import Clash
from reconciler.workspace.effects import TEMPORARY, Effects, temporary_for
from reconciler.workspace.reading import BLOCK
from reconciler.workspace.writing import check_size
from tests.workspace.faults import Crash, Trip, errno_failure, in_child, plant, tree
from tests.workspace.written import NEW, OLD, PATH, content, digest_of, stopped_everywhere

LOCK = ".reconciler/lock"

FAILURES = [
    pytest.param(errno_failure(errno.ENOSPC), False, id="ENOSPC-once"),
    pytest.param(errno_failure(errno.ENOSPC), True, id="ENOSPC-for-good"),
    pytest.param(errno_failure(errno.EIO), False, id="EIO-once"),
    pytest.param(errno_failure(errno.EIO), True, id="EIO-for-good"),
    pytest.param(Crash, True, id="crash"),
]


@pytest.fixture
def fx(tmp_path: Path) -> Iterator[Effects]:
    """The room, on an empty folder."""
    room = Effects(str(tmp_path))
    yield room
    room.close()


@pytest.mark.parametrize(("failure", "sticky"), FAILURES)
def test_published_whole_or_absent(
    tmp_path: Path,
    failure: Callable[[], BaseException],
    sticky: bool,  # noqa: FBT001 - given by parametrize
) -> None:
    """Whichever change fails, the final name is absent or whole, and doing it again leaves nothing else."""
    for root, _ in stopped_everywhere(
        tmp_path, lambda fx: fx.publish(PATH, (NEW,)), failure, {}, sticky=sticky
    ):
        assert content(root) in (None, NEW)
        assert tree(root).keys() <= {"workdir", PATH, temporary_for(PATH)}
        again = Effects(str(root))
        assert again.publish(PATH, (NEW,)) == digest_of(NEW)
        again.close()
        assert tree(root) == {"workdir": None, PATH: NEW}


@pytest.mark.parametrize(("failure", "sticky"), FAILURES)
def test_replaced_whole_or_not_at_all(
    tmp_path: Path,
    failure: Callable[[], BaseException],
    sticky: bool,  # noqa: FBT001 - given by parametrize
) -> None:
    """Whichever change fails, the older file or the newer one stands there, never neither and no mixture."""
    for root, _ in stopped_everywhere(
        tmp_path, lambda fx: fx.publish(PATH, (NEW,), replace=True), failure, {PATH: OLD}, sticky=sticky
    ):
        assert content(root) in (OLD, NEW)
        again = Effects(str(root))
        again.publish(PATH, (NEW,), replace=True)
        again.close()
        assert tree(root) == {"workdir": None, PATH: NEW}


@pytest.mark.parametrize(("failure", "sticky"), FAILURES)
def test_a_failed_publish_touches_no_other_bytes(
    tmp_path: Path,
    failure: Callable[[], BaseException],
    sticky: bool,  # noqa: FBT001 - given by parametrize
) -> None:
    """Whichever change fails on the way to a clash, the file that is in the way keeps its bytes."""

    def clash(fx: Effects) -> None:
        with pytest.raises(Clash):
            fx.publish(PATH, (NEW,))

    for root, _ in stopped_everywhere(tmp_path, clash, failure, {PATH: OLD}, sticky=sticky):
        assert content(root) == OLD


def test_publish_syncs_the_file_before_and_the_folder_after_its_name(tmp_path: Path) -> None:
    """The bytes are on disk before the name is, and the name is on disk on return."""
    trip = Trip()
    room = Effects(str(tmp_path), trip)
    room.make_folder("workdir")
    trip.seen.clear()
    room.publish(PATH, (NEW,))
    assert trip.changes == ["create", "write", "fsync", "link", "unlink", "fsync-folder"]
    trip.seen.clear()
    room.publish(PATH, (OLD,), replace=True)
    assert trip.changes == ["create", "write", "fsync", "rename", "fsync-folder"]
    room.close()


def test_equal_content_passes(fx: Effects, tmp_path: Path) -> None:
    """Publishing the same bytes again is no clash and leaves the very file that was there."""
    fx.publish(PATH, (NEW,))
    before = (tmp_path / PATH).stat()
    assert fx.publish(PATH, (NEW,)) == digest_of(NEW)
    after = (tmp_path / PATH).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert tree(tmp_path) == {"workdir": None, PATH: NEW}


@pytest.mark.parametrize(
    "other", [b"", OLD, NEW[:-1], NEW + b"\n", NEW.swapcase()], ids=["empty", "old", "cut", "more", "as-long"]
)
def test_other_content_is_a_clash(fx: Effects, tmp_path: Path, other: bytes) -> None:
    """Other bytes under the name are never overwritten, and no temporary stays behind."""
    (tmp_path / "workdir").mkdir()
    (tmp_path / PATH).write_bytes(other)
    with pytest.raises(Clash, match="nothing was overwritten"):
        fx.publish(PATH, (NEW,))
    assert tree(tmp_path) == {"workdir": None, PATH: other}


@pytest.mark.parametrize("kind", ["folder", "symlink", "fifo"])
def test_what_is_no_file_is_a_clash(fx: Effects, tmp_path: Path, kind: str) -> None:
    """A folder, a link or a FIFO under the name is a clash; a link's target is neither read nor written."""
    outside = tmp_path / "outside"
    outside.write_bytes(NEW)
    (tmp_path / "workdir").mkdir()
    path = tmp_path / PATH
    plant(path, kind, outside)
    with pytest.raises(Clash):
        fx.publish(PATH, (NEW,))
    assert outside.read_bytes() == NEW
    assert not path.is_file() or path.is_symlink()
    assert not (tmp_path / temporary_for(PATH)).exists()


def test_replacing_a_link_leaves_its_target_alone(fx: Effects, tmp_path: Path) -> None:
    """Replacing takes the place of a link itself; the file that it points to keeps its bytes."""
    outside = tmp_path / "outside"
    outside.write_bytes(OLD)
    (tmp_path / "workdir").mkdir()
    (tmp_path / PATH).symlink_to(outside)
    fx.publish(PATH, (NEW,), replace=True)
    assert not (tmp_path / PATH).is_symlink()
    assert (content(tmp_path), outside.read_bytes()) == (NEW, OLD)


@pytest.mark.parametrize("kind", ["hard-link", "symlink", "fifo"])
def test_a_planted_temporary_is_removed_not_written_to(fx: Effects, tmp_path: Path, kind: str) -> None:
    """Whatever stands under the temporary name is taken away; no byte goes through it."""
    outside = tmp_path / "outside"
    outside.write_bytes(OLD)
    (tmp_path / "workdir").mkdir()
    path = tmp_path / temporary_for(PATH)
    if kind == "hard-link":
        path.hardlink_to(outside)
    else:
        plant(path, kind, outside)
    fx.publish(PATH, (NEW,))
    assert (content(tmp_path), outside.read_bytes()) == (NEW, OLD)
    assert not os.path.lexists(path)


@pytest.mark.parametrize("kind", ["hard-link", "symlink"])
def test_a_temporary_planted_meanwhile_is_not_written_to(tmp_path: Path, kind: str) -> None:
    """Who plants something just before the temporary is made gets an error, and no byte goes through it."""
    outside = tmp_path / "outside"
    outside.write_bytes(OLD)
    path = tmp_path / temporary_for(PATH)

    def tap(change: str, _path: str) -> None:
        if change == "create" and kind == "hard-link":
            path.hardlink_to(outside)
        elif change == "create":
            path.symlink_to(outside)

    room = Effects(str(tmp_path), tap)
    with pytest.raises(FileExistsError):
        room.publish(PATH, (NEW,))
    room.close()
    assert (content(tmp_path), outside.read_bytes()) == (None, OLD)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([], id="none"),
        pytest.param([b""], id="one-empty"),
        pytest.param([b"a", b"", b"b\n"], id="small"),
        pytest.param([b"x" * (BLOCK - 1), b"y", b"z"], id="around-a-block"),
        pytest.param([b"x" * (3 * BLOCK + 5)], id="larger-than-a-block"),
        pytest.param([b"0123456789"] * 250_000, id="many"),
    ],
)
def test_chunks(fx: Effects, tmp_path: Path, chunks: list[bytes]) -> None:
    """However the content is cut, file and digest are those of the whole; no content is an empty file."""
    whole = b"".join(chunks)
    assert fx.publish(PATH, iter(chunks)) == digest_of(whole)
    assert content(tmp_path) == whole


def test_a_source_that_fails_publishes_nothing(fx: Effects, tmp_path: Path) -> None:
    """An error while the content is being made leaves neither a file nor a temporary."""

    def chunks() -> Iterator[bytes]:
        yield b"x" * (2 * BLOCK)
        raise ValueError("the connection broke")

    with pytest.raises(ValueError, match="the connection broke"):
        fx.publish(PATH, chunks())
    assert tree(tmp_path) == {"workdir": None}


@pytest.mark.parametrize("gone", [False, True])
def test_what_arrives_and_fails_leaves_nothing(fx: Effects, tmp_path: Path, gone: bool) -> None:  # noqa: FBT001 - both ways
    """A file that is being received goes with the error that ends it, also when somebody took it away."""

    def cut_off() -> None:
        with fx.receive(PATH):
            if gone:
                (tmp_path / temporary_for(PATH)).unlink()
            raise OSError("cut off")

    with pytest.raises(OSError, match="cut off"):
        cut_off()
    assert tree(tmp_path) == {"workdir": None}


def test_short_writes_publish_nothing(fx: Effects, tmp_path: Path) -> None:
    """Where the system writes less than it was given, publish raises and nothing stands under the name."""
    fx.make_folder("workdir")

    def work() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        try:
            fx.publish(PATH, (b"x" * 200_000,))
        except OSError as error:
            return error.errno or 1
        return 0

    assert in_child(work) == errno.EFBIG
    assert tree(tmp_path) == {"workdir": None}


def test_files_are_private(fx: Effects, tmp_path: Path) -> None:
    """Every file is 0600 and every folder 0700, whatever the mask of the process allows."""
    before = os.umask(0)
    try:
        fx.publish("target/deep/er/7.jsonl", (NEW,))
        fx.publish("target/7.jsonl", (NEW,), replace=True)
        fx.append(".reconciler/ledger.jsonl", b"{}")
        with fx.lock(LOCK):
            pass
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert len(modes) == 8
    assert {path: mode for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_make_folder_goes_on_where_a_crash_left_it(tmp_path: Path) -> None:
    """Whichever folder was made last, making them again ends with all of them."""
    for root, _ in stopped_everywhere(tmp_path, lambda fx: fx.make_folder("a/b/c"), Crash, {}, sticky=True):
        again = Effects(str(root))
        again.make_folder("a/b/c")
        again.close()
        assert tree(root) == {"a": None, "a/b": None, "a/b/c": None}


def test_temporary_names_are_derived() -> None:
    """A temporary stands beside its file and is named after it, so that the next try replaces it."""
    assert temporary_for("a/b/c") == f"a/b/{TEMPORARY}c"
    assert temporary_for("c") == f"{TEMPORARY}c"


@pytest.mark.parametrize("size", [0, 4, 6, 1 << 20])
def test_a_size_that_is_not_the_one_written(tmp_path: Path, size: int) -> None:
    """A file system that has kept less than it took, or more, is told of; that file gets no name."""
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    with path.open("rb") as file:
        check_size(file.fileno(), 5, "a")
        with pytest.raises(OSError, match=f"5 of {size} bytes"):
            check_size(file.fileno(), size, "a")
