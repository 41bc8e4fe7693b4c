"""
The room for the durable progress of local runs: one SQLite file a batch under `.reconciler/live/`.

SQLite's own recovery is trusted: write-ahead log, every commit on disk before it counts. Requests that have
finished stand in it with their answer lines as they will be published, in rows of several (`groups.py`); what
is not there has not finished.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.errors import PermanentError, TransientError
from reconciler.model.facts import Kind
from reconciler.model.identity import ANSWERS, Role
from reconciler.workspace.effects import Effects, temporary_for
from reconciler.workspace.groups import End, Order, numbers_of, rows
from reconciler.workspace.layout import LIVE

SCHEMA: Final = 2
_ROW_EACH: Final = 1
"""The schema in which each request that had ended was a row of its own."""

_SUFFIXES: Final = ("-wal", "-shm", "-journal", "")
"""What SQLite keeps beside a database; the database itself goes last."""


LOST: Final = "restore it; or move it and the batch's metadata file away: every request is then called again"
_SENT: Final = "sent (line INTEGER PRIMARY KEY, sends INTEGER NOT NULL)"
_GROUPS: Final = (
    "groups (number INTEGER PRIMARY KEY, role TEXT NOT NULL, lines BLOB NOT NULL, answers BLOB NOT NULL)"
)
_CARRIED: Final = 100
"""Rows of the earlier schema that are made a group."""

_RESERVE: Final = 1 << 20
"""Bytes that have to be free before anything is called: answers must not be paid for and then lost."""


def path_of(name: str) -> str:
    """Where the progress of a batch stands, relative to the workspace."""
    return f"{LIVE}/{name}.sqlite"


class Live:
    """
    The progress of one batch; to be closed.

    Args:
        fx: The room for file effects, which makes and removes the file's folder.
        name: The batch.
        digest: SHA-256 of the input that is being answered.
        begun: Metadata says that the run has begun, so that an empty file is not a new one.

    Raises:
        PermanentError: The file speaks of another input, is of a newer version, or is no database.
        TransientError: It cannot be opened or written to.
    """

    def __init__(self, fx: Effects, name: str, digest: str, *, begun: bool = False) -> None:
        self.path = path_of(name)
        self._missed: list[tuple[int, int]] = []
        self._order: Order | None = None
        # Whoever is interrupted lets go while another thread may be writing, which SQLite does not outlive.
        self._using = threading.Lock()
        fx.make_folder(LIVE)
        if fx.kind(self.path) is not None and fx.fact(self.path) is None:
            raise PermanentError(f"{self.path} is not a regular file; nothing was touched")
        fx.tell("live-open", self.path)
        with self._explained():
            # One thread writes, the main thread reads before it begins and when it has ended.
            self._db = sqlite3.connect(
                f"{fx.root}/{self.path}", isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(digest, begun=begun)
            except BaseException:
                self._db.close()
                raise
        self._fx = fx

    def forget(self) -> None:
        """It is published and goes: closing it need not bring anything to disk."""
        with self._explained():
            self._db.execute("PRAGMA synchronous = OFF")

    def close(self) -> None:
        """Let go of the file; what another thread is writing to it ends first."""
        with self._using:
            self._db.close()

    def finished(self) -> set[int]:
        """The input lines whose requests have finished."""
        with self._explained():
            found: set[int] = set()
            for (lines,) in self._db.execute("SELECT lines FROM groups"):
                found.update(numbers_of(lines))
            return found

    def sends(self) -> dict[int, int]:
        """How often requests were sent that were to be asked again, by input line."""
        with self._explained():
            return dict(self._db.execute("SELECT line, sends FROM sent"))

    def missed(self, line: int, sends: int) -> None:
        """Remember that a request was sent so often and is to be asked again; kept with the next ends."""
        self._missed.append((line, sends))

    def keep_missed(self) -> None:
        """Keep how often requests were sent of which none has ended since: the next run counts on."""
        if self._missed:
            self.keep(())

    def keep(self, ended: Sequence[End]) -> None:
        """
        Keep what has ended.

        On disk when this returns.
        """
        self._fx.tell("live-commit", self.path)
        with self._using:
            # More may come while this is written, and what could not be written is still to be kept.
            missed = self._missed[:]
            with self._explained():
                self._db.execute("BEGIN IMMEDIATE")
                if missed:
                    self._db.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?)", missed)
                self._add(ended)
                self._db.execute("COMMIT")
            del self._missed[: len(missed)]
        self._order = None

    def reserve(self) -> None:
        """
        Make sure that there is room for the next answers.

        Raises:
            OSError: The disk is full; nothing was called.
        """
        self._fx.try_room(self.path, _RESERVE)

    def sent_again(self) -> Iterator[tuple[int, Role, int, bytes]]:
        """What was sent more than once and has ended: line, file of its answer, sends, that answer."""
        sent = self.sends()
        if sent:
            for role in ANSWERS:
                for line, answer in self._ends(role):
                    if line in sent:
                        yield line, role, sent[line] + 1, answer

    def count(self, role: Role) -> int:
        """How many answer lines go to the file of *role*."""
        return self._ordered().count(role)

    def lines(self, role: Role) -> Iterator[bytes]:
        """The answer lines of one file, newline included, in the order of the input."""
        for _, answer in self._ends(role):
            yield answer + b"\n"

    # Within

    def _add(self, ended: Sequence[End]) -> None:
        """Rows for what has ended."""
        self._db.executemany("INSERT INTO groups (role, lines, answers) VALUES (?, ?, ?)", rows(ended))

    def _ends(self, role: Role) -> Iterator[tuple[int, bytes]]:
        """The ends of one file in the order of the input."""
        with self._explained():
            yield from self._ordered().of(role)

    def _ordered(self) -> Order:
        """What has ended, in the order of the input."""
        if self._order is None:
            with self._explained():
                written = self._db.execute("SELECT number, role, lines FROM groups ORDER BY number")
                self._order = Order(written, self._answers)
        return self._order

    def _answers(self, number: int) -> bytes:
        """The answers of a row."""
        found = self._db.execute("SELECT answers FROM groups WHERE number = ?", (number,)).fetchone()
        return bytes(found[0])

    def _prepare(self, digest: str, *, begun: bool) -> None:
        """Make the tables, or see whether they are ours."""
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA:
            raise PermanentError(
                f"{self.path} was written by a newer version (schema {version}, known {SCHEMA})",
                hint="run the version of reconcile that wrote it, or a newer one",
            )
        if version == 0 and begun:
            raise PermanentError(f"{self.path} is empty though its run has begun", hint=LOST)
        if version == 0:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("CREATE TABLE IF NOT EXISTS run (input TEXT NOT NULL)")
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {_GROUPS}")
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {_SENT}")
            self._db.execute("INSERT INTO run SELECT ? WHERE NOT EXISTS (SELECT 1 FROM run)", (digest,))
            self._db.execute(f"PRAGMA user_version = {SCHEMA}")
            self._db.execute("COMMIT")
        (asked,) = self._db.execute("SELECT input FROM run").fetchone()
        if asked != digest:
            message = f"{self.path} holds answers to another input; it was changed since the run began"
            raise PermanentError(
                message, hint="put the original input back, or give the new one another name"
            )
        if version == _ROW_EACH:
            self._carry_over()

    def _carry_over(self) -> None:
        """Make groups of the rows of the earlier schema, all of them or none."""
        self._db.execute("BEGIN IMMEDIATE")
        # The first version of it asked nothing again by itself.
        self._db.execute(f"CREATE TABLE IF NOT EXISTS {_SENT}")
        self._db.execute(f"CREATE TABLE {_GROUPS}")
        old = self._db.execute("SELECT line, role, answer FROM ended ORDER BY line")
        while few := old.fetchmany(_CARRIED):
            self._add([(line, Role(role), answer) for line, role, answer in few])
        self._db.execute("DROP TABLE ended")
        self._db.execute(f"PRAGMA user_version = {SCHEMA}")
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except (sqlite3.DatabaseError, ValueError) as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.rollback()
            if isinstance(error, sqlite3.OperationalError):
                hint = "is the disk full, or read-only?"
                raise TransientError(f"{self.path}: {error}", hint=hint) from error
            raise PermanentError(f"{self.path}: {error}", hint=LOST) from error


def refuse_links(fx: Effects) -> None:
    """
    Hold the folder of progress to being a folder of this workspace.

    Raises:
        PermanentError: It is a link, or no folder.
    """
    if fx.kind(LIVE) not in (None, Kind.FOLDER):
        raise PermanentError(f"{LIVE} is not a folder; nothing was touched", hint="links are not followed")


def has_progress(fx: Effects, name: str) -> bool:
    """Whether there is a file of progress for a batch."""
    return fx.kind(path_of(name)) is not None


def remove(fx: Effects, name: str) -> None:
    """Remove the progress of a batch whose answers are published, so that no power cut brings it back."""
    fx.discard(temporary_for(path_of(name)))
    there = [path for suffix in _SUFFIXES if fx.kind(path := path_of(name) + suffix) is not None]
    for path in there:
        fx.unlink(path)
    if there:
        fx.sync_folder(LIVE)
