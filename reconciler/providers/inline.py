"""
A create that carries its requests: the lines of an input as one JSON array, streamed.

Each line goes under its wire id; see `codec/wire.py`. The lines are read twice, first to know how long the
body will be: no more than one of them is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.codec.jsonl import line_at
from reconciler.codec.wire import to_wire, wire_id
from reconciler.errors import StaleSnapshot
from reconciler.model.remote import Order
from reconciler.providers.calls import Source

_PATH: Final = "the input"


def array_of(source: Source, order: Order) -> Source:
    """
    The body `{"requests":[...]}` for the lines of *source*.

    Raises:
        BadLine: A line cannot be sent.
        StaleSnapshot: There are more or fewer lines than *order* says.
    """
    size = len(_HEAD) + len(_TAIL)
    count = 0
    for line in _wire_lines(source, order.intent):
        size += len(line) + bool(count)
        count += 1
    if count != order.requests:
        raise StaleSnapshot(f"the input has {count} requests, expected {order.requests}")
    return Source(size, lambda offset: _from(offset, _blocks(source, order.intent)))


_HEAD: Final = b'{"requests":['
_TAIL: Final = b"]}"


def _blocks(source: Source, intent: str) -> Iterator[bytes]:
    """The body, a line at a time."""
    before = _HEAD
    for line in _wire_lines(source, intent):
        yield before + line
        before = b","
    yield _TAIL


def _wire_lines(source: Source, intent: str) -> Iterator[bytes]:
    """The lines under their wire ids, which count requests: lines of white space are left out."""
    end = count = 0
    for number, raw in enumerate(_raw_lines(source.read(0)), start=1):
        line = line_at(raw, _PATH, number, end)
        end += len(raw)
        if line is not None:
            count += 1
            yield to_wire(line, _PATH, wire_id(intent, count))


def _raw_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file that comes in blocks, as they stand."""
    begun: list[bytes] = []
    for block in blocks:
        first, *others = block.split(b"\n")
        begun.append(first)
        for other in others:
            yield b"".join(begun) + b"\n"
            begun = [other]
    last = b"".join(begun)
    if last:
        yield last


def _from(offset: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """What *blocks* hold after their first *offset* bytes."""
    for block in blocks:
        if offset < len(block):
            yield block[offset:]
        offset = max(0, offset - len(block))
