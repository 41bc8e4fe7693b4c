"""
Bodies of replies: decoded, and never larger than allowed.

Pure. Nobody is asked to compress; whoever does it all the same is decoded within the same bounds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

_STEP: Final = 262_144
_FREE: Final = 1_048_576
"""Bytes that may come out of a compressed body before its ratio counts."""


class BadBody(Exception):
    """A body that cannot be taken."""


class CutBody(BadBody):
    """A body that ended before its end."""


class LargeBody(BadBody):
    """A body above a bound."""


class SlowBody(BadBody):
    """A body that comes too slowly to be waited for."""


@attrs.frozen
class Bounds:
    """
    How much may come.

    Attributes:
        size: Bytes after decoding.
        ratio: Bytes after decoding for each byte before.
    """

    size: int
    ratio: int = 100


def decoded(blocks: Iterable[bytes], encoding: str, bounds: Bounds) -> Iterator[bytes]:
    """
    The blocks of a body, decoded.

    Raises:
        BadBody: It breaks a bound, or is not what its encoding says.
    """
    size = 0
    for block in _plain(blocks, encoding.strip().lower(), bounds.ratio):
        size += len(block)
        if size > bounds.size:
            raise LargeBody(f"the reply is larger than {bounds.size} bytes")
        yield block


def _plain(blocks: Iterable[bytes], encoding: str, ratio: int) -> Iterator[bytes]:
    """Blocks without their encoding."""
    if encoding in {"", "identity"}:
        yield from blocks
        return
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise BadBody("the reply is encoded in a way that nobody asked for")
    taken = given = 0
    machine = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for block in blocks:
            taken += len(block)
            rest, found = block, b"-"
            while found and not machine.eof:
                found = machine.decompress(rest, _STEP)
                rest = machine.unconsumed_tail
                given += len(found)
                if given > max(_FREE, ratio * taken):
                    raise LargeBody(f"the reply unpacks to more than {ratio} times its size")
                if found:
                    yield found
    except zlib.error:
        raise BadBody("the reply is no valid compressed data") from None
    if not machine.eof:
        raise CutBody("the compressed reply ended before its end")
