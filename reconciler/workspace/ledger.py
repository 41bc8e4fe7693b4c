"""
`.reconciler/ledger.jsonl`: the append-only history of a workspace.

It is read only by `check`, and by steps that a crash may have cut off before their line.
Each line carries a checksum of its own content; a torn last line is skipped and reported.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.workspace.effects import Effects
from reconciler.workspace.reading import Reading

PATH: Final = ".reconciler/ledger.jsonl"


TORN: Final = "the line is torn"


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


def append_once(fx: Effects, event: str, batch: str, **facts: Any) -> None:
    """
    Add one line unless history holds an equal one, but for its time.

    For steps that a crash may have cut off between their effect and their line; reads the whole ledger.
    """
    wanted = msgspec.json.decode(msgspec.json.encode({"event": event, "batch": batch, **facts}))
    for entry in entries(fx):
        if {key: value for key, value in entry.fields.items() if key not in ("at", "crc")} == wanted:
            return
    append(fx, event, batch, **facts)


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


def _entry(number: int, line: bytes) -> Entry:
    """One line of the ledger, checked against its own checksum."""
    body, mark, crc = line.rstrip(b"\n").rpartition(b',"crc":"')
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Entry(number, "", {}, TORN)
    if not isinstance(fields, dict) or not mark or b'%08x"}' % zlib.crc32(body + b"}") != crc:
        return Entry(number, "", {}, "the line does not match its checksum")
    return Entry(number, str(fields.get("event", "")), fields)
