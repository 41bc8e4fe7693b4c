"""The room for durable progress: what was kept is there for the next process, in order, once."""

import errno
import os
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from reconciler.errors import PermanentError, TransientError
from reconciler.model.identity import Role
from reconciler.workspace import live
from reconciler.workspace.effects import Effects
from reconciler.workspace.groups import End
from reconciler.workspace.layout import LIVE
from tests.workspace.faults import Trip, errno_failure, in_child
from tests.workspaces import scratch

DIGEST: Final = "a" * 64
PATH: Final = ".reconciler/live/7.sqlite"


@pytest.fixture
def fx() -> Iterator[Effects]:
    """The room for files of an empty workspace, in memory."""
    with scratch() as folder:
        room = Effects(str(folder))
        yield room
        room.close()


def opened(fx: Effects, digest: str = DIGEST) -> live.Live:
    """The progress of batch 7."""
    return live.Live(fx, "7", digest)


def rows(fx: Effects) -> dict[Role, list[bytes]]:
    """The answer lines of both files, as a later process sees them."""
    with closing(opened(fx)) as found:
        return {role: list(found.lines(role)) for role in (Role.OUTPUT, Role.ERROR)}


def test_lines_come_back_by_file_in_input_order(fx: Effects) -> None:
    """Whatever order requests end in, each file's lines stand in the order of the input."""
    with closing(opened(fx)) as progress:
        progress.keep([(3, Role.OUTPUT, b"c"), (2, Role.ERROR, b"b")])
        progress.keep([(1, Role.OUTPUT, b"a"), (10, Role.OUTPUT, b"j")])
        assert progress.finished() == {1, 2, 3, 10}
        assert (progress.count(Role.OUTPUT), progress.count(Role.ERROR)) == (3, 1)
    assert rows(fx) == {Role.OUTPUT: [b"a\n", b"c\n", b"j\n"], Role.ERROR: [b"b\n"]}


def test_the_first_end_of_a_request_holds(fx: Effects) -> None:
    """A request that has ended does not end again with another answer."""
    with closing(opened(fx)) as progress:
        progress.keep([(1, Role.OUTPUT, b"first")])
        progress.keep([(1, Role.ERROR, b"second"), (2, Role.OUTPUT, b"other")])
    assert rows(fx) == {Role.OUTPUT: [b"first\n", b"other\n"], Role.ERROR: []}


def test_sends_that_could_not_be_written_down_are_kept_with_the_next(fx: Effects) -> None:
    """Neither a disk that is full for a while forgets a send, nor a run in which nothing has ended."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(opened(fx)) as progress:
        progress.missed(1, 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, limits[1]))
        try:
            with pytest.raises(TransientError):
                progress.keep([(2, Role.OUTPUT, bytes(1 << 20))])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        progress.missed(3, 1)
        progress.keep_missed()
    with closing(opened(fx)) as found:
        assert (found.sends(), found.finished()) == ({1: 2, 3: 1}, set())


class Closing(list[End]):
    """Ends that are being written when another thread lets go of the file."""

    def __init__(self, progress: live.Live, ends: list[End]) -> None:
        super().__init__(ends)
        self.closing = threading.Thread(target=progress.close)

    def __iter__(self) -> Iterator[End]:
        """Begin to let go, give that its chance, and go on writing."""
        if self.closing.ident is None:
            self.closing.start()
            self.closing.join(0.05)
        return super().__iter__()


def test_whoever_lets_go_waits_for_what_is_being_written(fx: Effects) -> None:
    """A second Ctrl-C must not close the database under the thread that writes to it."""
    progress = opened(fx)
    ends = Closing(progress, [(1, Role.OUTPUT, b"a")])
    progress.keep(ends)
    ends.closing.join()
    with pytest.raises(PermanentError, match="closed"):
        progress.finished()
    assert rows(fx)[Role.OUTPUT] == [b"a\n"]


def test_what_was_kept_survives_a_killed_process(fx: Effects) -> None:
    """When `keep` has returned, the process may vanish without closing anything."""
    root = fx.root

    def work() -> int:
        opened(Effects(root)).keep([(1, Role.OUTPUT, b"a")])
        os.kill(os.getpid(), 9)
        return 0

    assert in_child(work) == -9
    assert rows(fx)[Role.OUTPUT] == [b"a\n"]


def test_ends_are_kept_together_or_not_at_all(fx: Effects) -> None:
    """A fault before the commit keeps none of them."""
    trip = Trip()
    room = Effects(fx.root, trip)
    with closing(live.Live(room, "7", DIGEST)) as progress:
        trip.at, trip.failure = len(trip.seen) + 1, errno_failure(errno.ENOSPC)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            progress.keep([(1, Role.OUTPUT, b"a"), (2, Role.OUTPUT, b"b")])
        assert trip.seen[-1] == ("live-commit", PATH)
        assert progress.finished() == set()
    room.close()


def test_opening_and_each_commit_are_told_to_the_tap(fx: Effects) -> None:
    """A test can stop the world before each of them."""
    trip = Trip()
    room = Effects(fx.root, trip)
    with closing(live.Live(room, "7", DIGEST)) as progress:
        progress.keep([(1, Role.OUTPUT, b"a")])
        progress.keep([(2, Role.OUTPUT, b"b")])
    room.close()
    assert [change for change, path in trip.seen if path == PATH] == [
        "live-open",
        "live-commit",
        "live-commit",
    ]


def test_progress_of_another_input_is_refused(fx: Effects) -> None:
    """Answers belong to the very bytes that were asked."""
    opened(fx).close()
    with pytest.raises(PermanentError, match="holds answers to another input") as caught:
        opened(fx, "b" * 64)
    assert "put the original input back" in caught.value.hint
    assert rows(fx) == {Role.OUTPUT: [], Role.ERROR: []}


def test_a_writer_that_is_still_there_is_told_as_a_passing_fault(fx: Effects) -> None:
    """Where SQLite says busy, a re-run may mend it."""
    with closing(opened(fx)) as progress, closing(sqlite3.connect(f"{fx.root}/{PATH}")) as other:
        progress._db.execute("PRAGMA busy_timeout = 0")  # noqa: SLF001 - so that nothing waits
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match=r"7\.sqlite: database is locked"):
            progress.keep([(1, Role.OUTPUT, b"a")])


def test_remove_leaves_nothing(fx: Effects) -> None:
    """Neither the database nor what SQLite keeps beside it; done twice, it comes to the same."""
    progress = opened(fx)
    progress.keep([(1, Role.OUTPUT, b"a")])
    folder = Path(fx.root, LIVE)
    assert len(list(folder.iterdir())) > 1
    progress.close()
    (folder / "7.sqlite-journal").touch()
    (folder / "70.sqlite").touch()
    for _ in range(2):
        live.remove(fx, "7")
        assert [path.name for path in folder.iterdir()] == ["70.sqlite"]
    assert not live.has_progress(fx, "7")
    assert live.has_progress(fx, "70")


def test_every_commit_is_synced(fx: Effects) -> None:
    """A write-ahead log that is synced at each commit: what counts as kept survives a power cut."""
    with closing(opened(fx)) as progress:
        db = progress._db  # noqa: SLF001 - what SQLite was told cannot be seen from outside
        asked = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert asked == {"journal_mode": "wal", "synchronous": 2}


def test_what_is_removed_stays_away() -> None:
    """The names are gone on disk too before anything else is done: no power cut brings progress back."""
    with scratch() as folder:
        trip = Trip()
        fx = Effects(str(folder), trip)
        try:
            opened(fx).close()
            trip.seen.clear()
            live.remove(fx, "7")
            assert trip.seen[-1] == ("fsync-folder", LIVE)
            assert ("unlink", PATH) in trip.seen
        finally:
            fx.close()


# Progress of an earlier version


def earlier(path: Path, *, sent: bool) -> None:
    """A file of progress as versions before the groups wrote it: a row each, the first ones without sends."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE run (input TEXT NOT NULL)")
        db.execute("CREATE TABLE ended (line INTEGER PRIMARY KEY, role TEXT NOT NULL, answer BLOB NOT NULL)")
        db.execute("INSERT INTO run VALUES (?)", (DIGEST,))
        ends = [(line, "error" if line % 7 == 0 else "output", b"%d" % line) for line in range(1, 301)]
        db.executemany("INSERT INTO ended VALUES (?, ?, ?)", ends)
        if sent:
            db.execute("CREATE TABLE sent (line INTEGER PRIMARY KEY, sends INTEGER NOT NULL)")
            db.execute("INSERT INTO sent VALUES (7, 2), (900, 1)")
        db.execute("PRAGMA user_version = 1")


@pytest.mark.parametrize("sent", [True, False], ids=["with-sends", "without-sends"])
def test_progress_of_an_earlier_version_is_carried_over(sent: bool, fx: Effects) -> None:  # noqa: FBT001 - a parameter
    """Every end and every send is there, once, and new ends stand beside them."""
    earlier(Path(fx.root, PATH), sent=sent)
    with closing(live.Live(fx, "7", DIGEST, begun=True)) as progress:
        assert progress.finished() == set(range(1, 301))
        assert progress.sends() == ({7: 2, 900: 1} if sent else {})
        progress.keep([(301, Role.OUTPUT, b"301")])
    found = rows(fx)
    assert found[Role.ERROR] == [b"%d\n" % line for line in range(7, 301, 7)]
    assert found[Role.OUTPUT] == [b"%d\n" % line for line in range(1, 302) if line % 7 or line > 300]


def test_carrying_over_is_done_whole_or_not_at_all(fx: Effects) -> None:
    """Where the disk has no room for both, the file stays as it was, and another try carries it over."""
    path = Path(fx.root, PATH)
    earlier(path, sent=True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 10, limits[1]))
    try:
        with pytest.raises(TransientError):
            opened(fx)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM ended").fetchone() == (300,)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'groups'").fetchone() == (0,)
    with closing(opened(fx)) as progress:
        assert progress.finished() == set(range(1, 301))


def test_progress_of_another_input_is_not_carried_over(fx: Effects) -> None:
    """What is refused stays as it is."""
    path = Path(fx.root, PATH)
    earlier(path, sent=True)
    with pytest.raises(PermanentError, match="holds answers to another input"):
        opened(fx, "b" * 64)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_damaged_group_is_told(fx: Effects) -> None:
    """Numbers without their answers: nothing is published by guessing."""
    with closing(opened(fx)) as progress:
        progress.keep([(1, Role.OUTPUT, b"a"), (2, Role.OUTPUT, b"b")])
    with closing(sqlite3.connect(Path(fx.root, PATH), isolation_level=None)) as db:
        db.execute("UPDATE groups SET answers = ?", (b"a\n",))
    with pytest.raises(PermanentError, match=r"7\.sqlite: row 1 has 1 answers"):
        rows(fx)
