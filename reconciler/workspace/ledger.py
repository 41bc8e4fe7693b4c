"""
`.reconciler/ledger.jsonl`: the append-only history of a workspace.

It is read only by `check` and the audit, by steps that a crash may have cut off before their line, to refuse
an input that was sent before, to tell under which tokens it was sent, and to sum what was spent.
Each line carries a checksum of its own content; a torn last line is skipped and reported.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from io import SEEK_END
from threading import Lock
from typing import Any, Final

import attrs
import msgspec

from reconciler.workspace.effects import Effects
from reconciler.workspace.nesting import shallow
from reconciler.workspace.reading import Reading
from reconciler.workspace.spending import Spending

PATH: Final = ".reconciler/ledger.jsonl"

PAID: Final = frozenset({"batch.begun", "batch.creating", "batch.imported", "batch.settled"})
"""Events after which an input may have been paid for."""

SENT: Final = frozenset({"batch.submitted", "batch.adopted", "batch.imported"})
"""Events after which a batch lies at a provider, with its id there."""

TORN: Final = "the line is torn"
_DEEP: Final = "the line is nested too deeply"


@attrs.frozen
class Entry:
    """
    One line of history.

    Attributes:
        number: 1-based line number.
        event: What happened, as `noun.past-verb`.
        fields: The whole line; empty when it cannot be read.
        problem: Why it cannot be trusted, None when it can.
    """

    number: int
    event: str
    fields: Mapping[str, Any]
    problem: str | None = None


def append(fx: Effects, event: str, batch: str, **facts: Any) -> None:
    """Add one line, on disk when this returns."""
    fields = {"at": round(fx.now(), 3), "event": event, "batch": batch, **facts}
    body = msgspec.json.encode(fields)
    line = body[:-1] + b',"crc":"%08x"}' % zlib.crc32(body)
    fx.append(PATH, line)


def append_once(fx: Effects, history: History, event: str, batch: str, **facts: Any) -> None:
    """
    Add one line unless history holds an equal one, but for its time.

    For steps that a crash may have cut off between their effect and their line.
    """
    wanted = msgspec.json.decode(msgspec.json.encode({"event": event, "batch": batch, **facts}))
    if not history.holds(fx, wanted):
        append(fx, event, batch, **facts)


class History:
    """
    What the ledger holds, read once in a pass and then only where it has grown.

    Of each line a hash is kept, of each input that may have been paid for who had it, and what was spent.

    Attributes:
        spending_lock: Held while something is reserved, from looking to writing.
    """

    def __init__(self) -> None:
        self.spending_lock = Lock()
        self._lines: set[int] = set()
        self._spending = Spending()
        self._inputs: dict[str, list[str]] = {}
        self._intents: dict[str, list[str]] = {}
        self._end = 0
        self._lock = Lock()

    def holds(self, look: Reading, fields: Mapping[str, Any]) -> bool:
        """Whether there is a line that says *fields*, whenever it was written."""
        with self._lock:
            self._catch_up(look)
            return _hash(fields) in self._lines

    def payers(self, look: Reading, sha256: str) -> tuple[str, ...]:
        """The batches whose input had this digest when it may have been paid for, the earliest first."""
        with self._lock:
            self._catch_up(look)
            return tuple(self._inputs.get(sha256, ()))

    def intents(self, look: Reading, sha256: str) -> tuple[str, ...]:
        """The tokens of the creates that an input with this digest was, or may have been, sent by."""
        with self._lock:
            self._catch_up(look)
            return tuple(self._intents.get(sha256, ()))

    def spending(self, look: Reading) -> Spending:
        """What was spent and what is reserved, as of now."""
        with self._lock:
            self._catch_up(look)
            return self._spending

    def _catch_up(self, look: Reading) -> None:
        """Read what is new. A last line without its end is read, and read again when it has one."""
        try:
            stream = look.open(PATH)
        except FileNotFoundError:
            return
        with stream:
            if stream.seek(0, SEEK_END) < self._end:
                self._lines, self._inputs, self._intents, self._end = set(), {}, {}, 0
                self._spending = Spending()
            stream.seek(self._end)
            for line in stream:
                entry = _entry(0, line) if line.strip() else None
                if entry is not None and entry.problem is None:
                    self._take(entry)
                if line.endswith(b"\n"):
                    self._end += len(line)

    def _take(self, entry: Entry) -> None:
        """Keep what one line says."""
        told = {key: value for key, value in entry.fields.items() if key not in ("at", "crc")}
        self._lines.add(_hash(told))
        self._spending.take(entry.event, entry.fields)
        digest = entry.fields.get("input")
        if entry.event in PAID and isinstance(digest, str):
            names = self._inputs.setdefault(digest, [])
            if (name := str(entry.fields.get("batch"))) not in names:
                names.append(name)
            if isinstance(intent := entry.fields.get("intent"), str):
                self._intents.setdefault(digest, []).append(intent)


def _hash(fields: Mapping[str, Any]) -> int:
    """The same for equal fields in any order."""
    return hash(msgspec.json.encode(fields, order="deterministic"))


def entries(fx: Reading) -> Iterator[Entry]:
    """Every line, first to last; lines that cannot be trusted carry their problem."""
    try:
        stream = fx.open(PATH)
    except FileNotFoundError:
        return
    with stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield _entry(number, line)


def size(look: Reading) -> int:
    """How many bytes of history there are."""
    fact = look.fact(PATH)
    return 0 if fact is None else fact.size


def since(look: Reading, start: int) -> tuple[list[Entry], int]:
    """The whole lines from the byte *start* on, without their numbers, and where the next one will begin."""
    if start > size(look):
        # It is another history than the one that was read.
        return [], size(look)
    found: list[Entry] = []
    try:
        stream = look.open(PATH)
    except FileNotFoundError:
        return found, start
    with stream:
        stream.seek(start)
        for line in stream:
            if not line.endswith(b"\n"):
                break
            start += len(line)
            if line.strip():
                found.append(_entry(0, line))
    return found, start


def _entry(number: int, line: bytes) -> Entry:
    """One line of the ledger, checked against its own checksum."""
    body, mark, crc = line.rstrip(b"\n").rpartition(b',"crc":"')
    try:
        fields = msgspec.json.decode(line)
    except RecursionError:
        return Entry(number, "", {}, _DEEP)
    except (msgspec.MsgspecError, ValueError):
        return Entry(number, "", {}, TORN)
    if not isinstance(fields, dict) or not mark or b'%08x"}' % zlib.crc32(body + b"}") != crc:
        return Entry(number, "", {}, "the line does not match its checksum")
    try:
        shallow(line, fields)
    except ValueError:
        return Entry(number, "", {}, _DEEP)
    return Entry(number, str(fields.get("event", "")), fields)
