"""Read the ids of an input once."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from functools import partial
from typing import Final

from reconciler.codec.jsonl import line_at
from reconciler.codec.plain import AskedAt, plain_requests
from reconciler.codec.request import request_id
from reconciler.errors import BadLine
from reconciler.executor.context import View
from reconciler.executor.reading import Lines
from reconciler.model.coverage import FileDigest, digest_id
from reconciler.model.facts import FileFact
from reconciler.native import Native

EXAMPLES: Final = 5
"""How many findings of a kind are named; the rest are counted."""

_WIDTH: Final = 16  # bytes of an id's digest
_SHORT: Final = 64
"""Bytes up to which an id is kept as it is; longer ones are kept as their hash."""


class Asked:
    """
    Every id of an input, once; what is wrong with the input otherwise.

    Args:
        view: Rooms and settings.
        fact: The input.
        digest: Compute the digest of the file on the way.

    Attributes:
        bad: What is wrong, as `file:line: reason`.
        positions: The place of each id in the order of the input, by its key.
        digests: The 16-byte digest of each id, in that order.
        starts: The first byte of the line of each id.
        lines: The number of that line.
    """

    def __init__(self, view: View, fact: FileFact, *, digest: bool = True) -> None:
        self.bad: list[str] = []
        self.positions: dict[bytes, int] = {}
        self.digests = bytearray()
        self.starts, self.lines = array("Q"), array("Q")
        self._lines = Lines(view, fact, digest=digest)
        self._number = self._offset = 0
        try:
            self._read(view, self._lines, fact.path)
        except BadLine as error:
            self._complain(str(error))
        if not self.bad and not self.positions:
            self.bad.append(f"{fact.path}: there is no request in it")

    @property
    def digest(self) -> FileDigest:
        """That of the file, if it was computed."""
        return self._lines.digest

    def _read(self, view: View, lines: Lines, path: str) -> None:
        positions, digests, limit = self.positions, self.digests, view.line_limit
        begins, is_line = self.starts.append, self.lines.append
        left = plain_requests if view.native is None else partial(self._left, view.native)
        for block, end in lines.blocks():
            for at, stop, found in left(block, end):
                self._number += 1
                custom_id = found
                if custom_id is None:
                    line = line_at(bytes(block[at:stop]), path, self._number, self._offset + at, limit)
                    if line is None:
                        continue
                    try:
                        custom_id = request_id(line, path).encode()
                    except BadLine as error:
                        self._complain(str(error))
                        continue
                digest, count = digest_id(custom_id), len(positions)
                key = custom_id if len(custom_id) <= _SHORT else _key_of(digest)
                if positions.setdefault(key, count) != count:
                    self._complain(f"{path}:{self._number}: its custom_id stands on an earlier line too")
                    continue
                digests += digest
                begins(self._offset + at)
                is_line(self._number)
            self._offset += end
            lines.line = self._number

    def _left(self, native: Native, block: bytearray, end: int) -> Iterator[AskedAt]:
        """The lines of a block that native code does not take in."""
        at = 0
        while True:
            where = at, end, self._offset, self._number
            at, digests, starts, lines = native.take_requests(block, *where, self.positions)
            self.digests += digests
            self.starts.frombytes(starts)
            self.lines.frombytes(lines)
            self._number += len(digests) // _WIDTH
            if at == end:
                return
            begun, at = at, block.find(b"\n", at, end) + 1 or end
            raw = bytes(block[begun:at])
            yield from ((begun, at, custom_id) for _, _, custom_id in plain_requests(raw, len(raw)))

    def _complain(self, what: str) -> None:
        if len(self.bad) < EXAMPLES:
            self.bad.append(what)

    def position(self, custom_id: bytes) -> int | None:
        """The place of an id in the order of the input, None when nobody asked for it."""
        return self.positions.get(custom_id if len(custom_id) <= _SHORT else _key_of(digest_id(custom_id)))


def _key_of(digest: bytes) -> bytes:
    """The key of a long id: no id begins with a NUL, so it is taken for none."""
    return b"\0" + digest
