"""
A create that carries its requests: the lines of an input as one JSON array, streamed.

Each line goes under its wire id; see `codec/wire.py`. The lines are read twice, first to know how long the
body will be: no more than one of them is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from reconciler.codec.jsonl import Line, line_at
from reconciler.codec.wire import to_wire, wire_id
from reconciler.errors import StaleSnapshot
from reconciler.model.remote import Order
from reconciler.providers.calls import Source

Item: TypeAlias = Callable[[Line, str, str], bytes]
"""From an input line, the name of its file and its id on the wire to what stands in the array."""

_PATH: Final = "the input"
_HEAD: Final = b'{"requests":['
_TAIL: Final = b"]}"


def array_of(source: Source, order: Order, head: bytes = _HEAD, item: Item = to_wire) -> Source:
    """
    The body `{"requests":[...]}` for the lines of *source*.

    Args:
        source: The lines.
        order: What is asked for.
        head: The body up to its first item, for a provider that wants more to be said.
        item: What a line becomes.

    Raises:
        BadLine: A line cannot be sent.
        StaleSnapshot: There are more or fewer lines than *order* says.
    """
    size = len(head) + len(_TAIL)
    count = 0
    for line in _wire_lines(source, order.intent, item):
        size += len(line) + bool(count)
        count += 1
    if count != order.requests:
        raise StaleSnapshot(f"the input has {count} requests, expected {order.requests}")
    return Source(size, lambda offset: _from(offset, _blocks(source, order.intent, head, item)))


def _blocks(source: Source, intent: str, head: bytes, item: Item) -> Iterator[bytes]:
    """The body, a line at a time."""
    yield head
    before = b""
    for line in _wire_lines(source, intent, item):
        yield before + line
        before = b","
    yield _TAIL


def _wire_lines(source: Source, intent: str, item: Item) -> Iterator[bytes]:
    """The lines under their wire ids, which count requests: lines of white space are left out."""
    end = count = 0
    for number, raw in enumerate(_raw_lines(source.read(0)), start=1):
        line = line_at(raw, _PATH, number, end)
        end += len(raw)
        if line is not None:
            count += 1
            yield item(line, _PATH, wire_id(intent, count))


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
