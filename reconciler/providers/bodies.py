"""
Bodies of replies: decoded, and never larger than allowed.

Pure. Nobody is asked to compress; whoever does it all the same is decoded within the same bounds.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from reconciler.errors import Interrupted
from reconciler.providers.http_settings import HttpSettings

_STEP: Final = 262_144
_MINUTE: Final = 60.0
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


@attrs.define(eq=False)
class Watch:
    """
    Sees to it that a body comes in time.

    Attributes:
        settings: How long it may take.
        clock: Seconds that only ever go forward.
        stopping: Whether someone asked for an end.
        streams: Whether it is a download, which takes as long as it takes, but has to move.
    """

    settings: HttpSettings
    clock: Callable[[], float]
    stopping: Callable[[], bool]
    streams: bool = attrs.field(kw_only=True)
    _began: float = attrs.field(init=False)
    _had: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self.clock()

    def came(self, received: int) -> None:
        """
        Take note that so many bytes are there.

        Raises:
            SlowBody: It takes too long.
            Interrupted: Someone asked for an end during a download.
        """
        passed = self.clock() - self._began
        if not self.streams:
            if passed > self.settings.reply:
                raise SlowBody(f"the reply was not whole within {self.settings.reply:g} s")
            return
        if self.stopping():
            raise Interrupted("interrupted during a download")
        if passed > _MINUTE:
            if received - self._had < self.settings.slowest:
                raise SlowBody("the file comes too slowly")
            self._began, self._had = self.clock(), received


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
