"""
Workers for tests of the embedded provider, and passes in which they answer.

Nothing here replaces a part of the product; what a worker did stands in a file that outlives its process.
"""

import json
import os
import sqlite3
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler import engine
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.exchange import Request
from reconciler.model.policy import LOCAL
from reconciler.model.report import Report
from reconciler.providers.local import Local
from reconciler.providers.pacing import Pace
from reconciler.session import Options
from tests.workspaces import put, request, settings

LIVE: Final = ".reconciler/live"
PATIENCE: Final = 20.0
"""Seconds after which calls that should meet are taken not to; nothing waits so long unless it is broken."""
AT_ONCE: Final = Pace(retry_seconds=0)
"""What is sent again is sent at once."""


def chat(text: str) -> dict[str, Any]:
    """A chat completion that says *text*."""
    message = {"role": "assistant", "content": text}
    return {"model": "w", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@attrs.frozen
class Noted:
    """
    A worker that writes each call down before it answers.

    Attributes:
        log: One id a line; appended to, so that it is right whatever kills the process.
        then: What becomes of the call; an answer with the id unless given.
    """

    log: Path
    then: Callable[[Request], Any] = lambda request: chat(f"answer to {request.custom_id}")

    async def __call__(self, request: Request) -> Any:
        """Note the call, then answer."""
        note(self.log, request.custom_id)
        return self.then(request)


def note(log: Path, line: str) -> None:
    """Append a line in one write."""
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(opened, f"{line}\n".encode())
    finally:
        os.close(opened)


def noted(log: Path) -> Counter[str]:
    """How often each id was called."""
    return Counter(log.read_text("utf-8").split()) if log.exists() else Counter()


def plugged(worker: Any, concurrency: int = 4, **hooks: Any) -> Plugged:
    """Hooks in which *worker* answers."""
    made = Hooks(providers={LOCAL: Local(worker, concurrency, AT_ONCE)}, **hooks)
    return Plugged(lambda _name: made)


def answer(
    root: Path,
    worker: Any,
    *,
    concurrency: int = 4,
    options: Mapping[str, Any] | None = None,
    **flags: Any,
) -> Report:
    """One pass in which *worker* answers; inputs count however young they are."""
    chosen = {"provider": LOCAL, "settle_seconds": 0, **flags}
    plugs = plugged(worker, concurrency)
    return engine.reconcile(str(root), settings(**chosen), Options(plugged=plugs, **(options or {})))


def progress(root: Path, name: str) -> Path:
    """Where the progress of a batch stands."""
    return root / ".reconciler" / "live" / f"{name}.sqlite"


def kept(root: Path, name: str) -> set[str]:
    """The ids whose end is in the progress of a batch; a look that a killed process cannot mind."""
    return {json.loads(line)["custom_id"] for line in kept_lines(progress(root, name))}


def kept_lines(path: Path) -> list[bytes]:
    """The answer lines in a file of progress, as they were written down; none where nothing began."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        rows = db.execute("SELECT answers FROM groups").fetchall() if "groups" in tables else []
    return [line for (answers,) in rows for line in answers.splitlines()]


def as_earlier(path: Path) -> None:
    """Make a file of progress what the version before the groups would have written: a row for each end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        groups = db.execute("SELECT role, lines, answers FROM groups").fetchall()
        db.execute("BEGIN")
        db.execute("CREATE TABLE ended (line INTEGER PRIMARY KEY, role TEXT NOT NULL, answer BLOB NOT NULL)")
        for role, lines, answers in groups:
            numbers = struct.unpack(f"<{len(lines) // 8}q", lines)
            ends = zip(numbers, answers.splitlines(), strict=True)
            db.executemany("INSERT INTO ended VALUES (?, ?, ?)", [(n, role, line) for n, line in ends])
        db.execute("DROP TABLE groups")
        db.execute("PRAGMA user_version = 1")
        db.execute("COMMIT")


def ids(path: Path) -> list[str]:
    """The ids of an answer file, in its order."""
    return [json.loads(line)["custom_id"] for line in path.read_bytes().split(b"\n") if line]


def names(count: int) -> list[str]:
    """The ids of so many requests, in input order."""
    return [f"q-{n}" for n in range(count)]


def raising(error: BaseException) -> Callable[[Request], Any]:
    """A worker's answer that is an exception."""

    def then(_asked: Request) -> Any:
        raise error

    return then


def begun(root: Path, log: Path, *, count: int = 6, ended: int = 2) -> None:
    """A batch of which some requests have ended when the pass was stopped."""
    put(root, "1", input=[request(n) for n in range(count)])
    stop = threading.Event()

    def then(asked: Request) -> dict[str, Any]:
        if len(noted(log)) == ended:
            stop.set()
        return chat(asked.custom_id)

    answer(root, Noted(log, then), concurrency=1, options={"stopping": stop.is_set})
    assert kept(root, "1") == set(names(ended))
    log.unlink()
