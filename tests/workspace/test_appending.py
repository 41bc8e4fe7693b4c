"""Lines are added whole, to files alone; and what others may have left unsynced is synced before a change."""

import errno
import os
import resource
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from reconciler.errors import PermanentError
from reconciler.workspace.effects import Effects
from reconciler.workspace.together import sync_now
from tests.workspace.faults import in_child
from tests.workspace.written import OLD, content


@pytest.fixture
def fx(tmp_path: Path) -> Iterator[Effects]:
    """The room, on an empty folder."""
    room = Effects(str(tmp_path))
    yield room
    room.close()


def test_append_adds_lines(fx: Effects, tmp_path: Path) -> None:
    """Lines are added at the end, each with its line feed; what was there stays."""
    fx.append("logs/a.jsonl", b"1")
    fx.append("logs/a.jsonl", b"2", sync=False)
    assert content(tmp_path, "logs/a.jsonl") == b"1\n2\n"


@pytest.mark.parametrize("sync", [True, False])
def test_a_line_is_on_disk_on_return_where_that_is_wanted(tmp_path: Path, *, sync: bool) -> None:
    """What was added is synced, and nothing is where the caller can lose it."""
    (tmp_path / "a.jsonl").write_bytes(OLD)
    told: list[bytes] = []

    def synced(opened: Sequence[int]) -> None:
        told.extend((tmp_path / "a.jsonl").read_bytes() for each in opened if os.fstat(each).st_size)
        sync_now(opened)

    fx = Effects(str(tmp_path), syncs=synced)
    fx.append("a.jsonl", b"1")
    told.clear()
    fx.append("a.jsonl", b"2", sync=sync)
    fx.close()
    assert told == ([OLD + b"1\n2\n"] if sync else [])


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
