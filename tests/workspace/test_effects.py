"""The room for changing files: whole or absent, nothing overwritten, one holder of the lock."""

import errno
import hashlib
import itertools
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.errors import Clash, PermanentError, WorkspaceLocked
from reconciler.model.coverage import FileDigest
from reconciler.workspace.effects import TEMPORARY, Effects, temporary_for
from reconciler.workspace.reading import BLOCK
from reconciler.workspace.together import sync_now
from reconciler.workspace.writing import check_size
from tests.workspace.faults import Crash, Trip, errno_failure, in_child, plant, refusing, tree

PATH = "workdir/batch_output_7.jsonl"
OLD, NEW = b"old\n", b'{"custom_id":"a"}\n' * 3
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


def content(root: Path, path: str = PATH) -> bytes | None:
    """What stands under the name, None when nothing does."""
    file = root / path
    return file.read_bytes() if file.exists() else None


def digest_of(data: bytes) -> FileDigest:
    """The digest that these bytes have."""
    return FileDigest(hashlib.sha256(data).hexdigest(), len(data))


def stopped_everywhere(
    tmp_path: Path,
    work: Callable[[Effects], object],
    failure: Callable[[], BaseException],
    before: dict[str, bytes],
    *,
    sticky: bool,
) -> Iterator[tuple[Path, Trip]]:
    """Do *work* in a fresh folder again and again, failing the first change, then the second, and so on."""
    for at in itertools.count(1):
        root = tmp_path / str(at)
        root.mkdir()
        for path, data in before.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_bytes(data)
        trip = Trip(at, failure, sticky=sticky)
        room = Effects(str(root), trip)
        with suppress(OSError, Crash):
            work(room)
        room.close()
        if not trip.reached:
            assert at > 2, "a change that nobody counts cannot be tested"
            return
        yield root, trip


# Publish


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


# Append


def test_append_adds_lines(fx: Effects, tmp_path: Path) -> None:
    """Lines are added at the end, each with its line feed; what was there stays."""
    fx.append("logs/a.jsonl", b"1")
    fx.append("logs/a.jsonl", b"2", sync=False)
    assert content(tmp_path, "logs/a.jsonl") == b"1\n2\n"


def test_append_ends_a_torn_line_first(fx: Effects, tmp_path: Path) -> None:
    """After a torn line the next one starts on a line of its own; no byte of the torn one is lost."""
    (tmp_path / "torn").write_bytes(b'1\n{"half":')
    fx.append("torn", b"2")
    assert content(tmp_path, "torn") == b'1\n{"half":\n2\n'


def test_append_cut_short_is_mended_by_the_next(fx: Effects, tmp_path: Path) -> None:
    """A full disk may tear the last line; the append raises and the next one keeps both apart."""
    fx.append("a.jsonl", b"1")

    def work() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        try:
            fx.append("a.jsonl", b"x" * 200)
        except OSError as error:
            return error.errno or 1
        return 0

    assert in_child(work) == errno.EFBIG
    fx.append("a.jsonl", b"2")
    assert content(tmp_path, "a.jsonl") == b"1\n" + b"x" * 98 + b"\n2\n"


def test_append_makes_the_name_last_too(tmp_path: Path) -> None:
    """The folder of a file that somebody else has made is synced with the first line, not with the second."""
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    seen: list[str] = []
    fx = Effects(str(tmp_path), lambda change, path: seen.append(f"{change} {path}"))
    fx.append("a.jsonl", b"2")
    assert seen == ["append a.jsonl", "fsync-folder "]
    fx.sharing(lambda _opened: None).append("a.jsonl", b"3")
    assert seen[2:] == ["append a.jsonl"]


def test_what_is_in_doubt_is_synced_before_the_first_change(tmp_path: Path) -> None:
    """What a killed process may have left without a sync is synced before anything follows from it."""
    (tmp_path / "done/7").mkdir(parents=True)
    (tmp_path / "ledger.jsonl").write_bytes(OLD)
    (tmp_path / "link").symlink_to("ledger.jsonl")
    told: list[object] = []

    def synced(opened: Sequence[int]) -> None:
        told.append([str(Path(f"/proc/self/fd/{each}").readlink()) for each in opened])
        sync_now(opened)

    fx = Effects(str(tmp_path), lambda change, path: told.append((change, path)), synced)
    fx.doubt(["", "done", "gone", "link", "ledger.jsonl"])
    assert told == []
    shared = fx.sharing(synced)
    shared.unlink("nothing")
    root = str(tmp_path)
    assert told == [[root, f"{root}/done", f"{root}/ledger.jsonl"], ("unlink", "nothing")]
    fx.unlink("nothing")
    assert told[2:] == [("unlink", "nothing")]


def test_an_equal_file_of_somebody_else_is_brought_to_disk(tmp_path: Path) -> None:
    """What is published is on disk afterwards, also where somebody has just written the same bytes there."""
    told: list[str] = []

    def synced(opened: Sequence[int]) -> None:
        told.extend(str(Path(f"/proc/self/fd/{each}").readlink()) for each in opened)
        sync_now(opened)

    (tmp_path / "a").write_bytes(OLD)
    fx = Effects(str(tmp_path), syncs=synced)
    fx.publish("a", (OLD,))
    fx.close()
    assert f"{tmp_path}/a" in told
    assert content(tmp_path, "a") == OLD


def test_what_is_in_doubt_and_cannot_be_synced_stops_the_change(tmp_path: Path) -> None:
    """Where the disk does not take what was left unsynced, nothing is changed, then and at the next try."""
    (tmp_path / "a").write_bytes(OLD)

    def failing(_opened: Sequence[int]) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    fx = Effects(str(tmp_path), syncs=failing)
    fx.doubt([""])
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            fx.unlink("a")
    fx.close()
    assert content(tmp_path, "a") == OLD


def test_append_writes_into_files_alone(fx: Effects, tmp_path: Path) -> None:
    """A FIFO under the name of an append-only file gets nothing, though somebody reads from it."""
    os.mkfifo(tmp_path / "a.jsonl")
    reader = os.open(tmp_path / "a.jsonl", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(PermanentError, match="not a regular file; nothing was written"):
        fx.append("a.jsonl", b"1")
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_append_follows_no_link(fx: Effects, tmp_path: Path) -> None:
    """A link under the name of an append-only file is not written through."""
    (tmp_path / "outside").write_bytes(OLD)
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "outside")
    with pytest.raises((OSError, PermanentError)):
        fx.append("a.jsonl", b"1")
    assert content(tmp_path, "outside") == OLD


# Link, rename, remove


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


# Lock


def test_lock_holds_within_a_process(tmp_path: Path) -> None:
    """A second reconciler in the same process is turned away, and gets the lock once it is free."""
    first, second = Effects(str(tmp_path)), Effects(str(tmp_path))
    with first.lock(LOCK):
        before = (tmp_path / LOCK).stat()
        with pytest.raises(WorkspaceLocked) as caught, second.lock(LOCK):
            pytest.fail("both hold it")
        after = (tmp_path / LOCK).stat()
    assert caught.value.exit_code == 4
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    with second.lock(LOCK):
        pass
    first.close()
    second.close()


def test_lock_is_freed_by_an_error(fx: Effects, tmp_path: Path) -> None:
    """A pass that breaks off gives the lock back; the file stays, since removing it would be a race."""
    with pytest.raises(Crash), fx.lock(LOCK):
        raise Crash
    with fx.lock(LOCK):
        pass
    assert (tmp_path / LOCK).is_file()


def test_lock_holds_between_processes(tmp_path: Path) -> None:
    """Another process is turned away while the lock is held."""

    def work() -> int:
        room = Effects(str(tmp_path))
        try:
            with room.lock(LOCK):
                return 0
        except WorkspaceLocked:
            return 4

    room = Effects(str(tmp_path))
    with room.lock(LOCK):
        assert in_child(work) == 4
    assert in_child(work) == 0
    room.close()


def test_lock_is_freed_when_its_holder_is_killed(fx: Effects, tmp_path: Path) -> None:
    """After SIGKILL the kernel frees the lock: nobody guesses from its age."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Effects(str(tmp_path)).lock(LOCK):
                os.write(tell, b"held")
                signal.pause()
        finally:
            os._exit(1)
    try:
        assert os.read(told, 4) == b"held"
        with pytest.raises(WorkspaceLocked), fx.lock(LOCK):
            pytest.fail("both hold it")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told)
        os.close(tell)
    with fx.lock(LOCK):
        pass


def test_lock_follows_no_link(fx: Effects, tmp_path: Path) -> None:
    """A link under the lock's name is not opened: the lock of another workspace cannot be borrowed."""
    (tmp_path / ".reconciler").mkdir()
    (tmp_path / LOCK).symlink_to(tmp_path / "outside")
    with pytest.raises((OSError, PermanentError)), fx.lock(LOCK):
        pytest.fail("it was taken through a link")
    assert not (tmp_path / "outside").exists()


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
