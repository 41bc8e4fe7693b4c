"""
Cut a file of request lines into inputs, streamed: the cuts first, then the bytes, which stay as they are.

The file is read twice, once to hold it to being an input and once to copy it. Of a request no more is kept
between the two than where it begins. What lies between two requests, such as blank lines, goes with the first
of them, so that the parts put together are the file.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import attrs

from reconciler.codec.jsonl import Line
from reconciler.errors import BadLine, Interrupted, StaleSnapshot, UsageError
from reconciler.executor.context import View
from reconciler.executor.inputs import check_input
from reconciler.model.coverage import FileDigest
from reconciler.model.exchange import Dialect, Request
from reconciler.model.facts import FileFact
from reconciler.model.remote import Limits
from reconciler.model.shares import Shares
from reconciler.model.words import many
from reconciler.workspace.reading import BLOCK

UNLIMITED: Final = Limits(requests=None, size=1 << 62)
"""Limits of nobody in particular."""


@attrs.frozen
class Part:
    """
    One stretch of a file, to be an input of its own.

    Attributes:
        offset: Where it begins, in bytes.
        size: Its bytes.
        requests: How many requests stand in it.
    """

    offset: int
    size: int
    requests: int


@attrs.frozen
class Cuts:
    """
    Where a file is cut.

    Attributes:
        fact: The file as it was read.
        digest: What stood in it.
        parts: The stretches, in order; together they are the file.
    """

    fact: FileFact
    digest: FileDigest
    parts: tuple[Part, ...]

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return sum(part.requests for part in self.parts)


def cut(
    view: View,
    fact: FileFact,
    shares: Shares,
    limits: Limits = UNLIMITED,
    dialects: frozenset[Dialect] = frozenset(Dialect),
) -> Cuts:
    """
    Hold a file to being an input, and find where to cut it.

    Args:
        view: Rooms and settings; the file lies below its root.
        fact: The file.
        shares: Into how many parts, or how large ones.
        limits: What a provider takes in one batch; by size, a part ends early where it would go beyond.
        dialects: The shapes of lines that a provider takes.

    Raises:
        BadLine: A line is no request, or not one that can be in a batch with the first; an id is given twice.
        UsageError: There are too few requests, or a segment goes beyond the limits.
        StaleSnapshot: The file was written to meanwhile.
    """
    starts = array("Q")
    alike = _Alike(fact.path, dialects, limits)

    def take(request: Request, line: Line) -> None:
        alike.take(request, line)
        starts.append(line.offset)

    asked = check_input(view, fact, take)
    # What stands before the first request, such as a byte order mark, goes with it.
    starts[0] = 0
    starts.append(fact.size)
    if shares.segments is not None:
        parts = list(_parts(starts, shares.of(asked.requests)))
        _refuse_large(fact, parts, limits)
    else:
        parts = list(_filled(starts, shares.batch_size, limits))
    return Cuts(fact, asked.digest, tuple(parts))


class _Alike:
    """What all lines of a file have to agree on, as the batches made of it would have to."""

    def __init__(self, path: str, dialects: frozenset[Dialect], limits: Limits) -> None:
        self._path = path
        self._dialects = dialects
        self._most = limits.size
        self._first: Request | None = None

    def take(self, request: Request, line: Line) -> None:
        """
        Look at one request.

        Raises:
            BadLine: It is of another shape, for another endpoint, or larger than a batch may be.
        """
        size = len(line.data) + 1  # it is sent with its end
        if size > self._most:
            told = f"a line of {size} bytes; the provider takes {self._most} in one batch"
            raise BadLine(self._path, line.number, told)
        if request.dialect not in self._dialects:
            wanted = " or ".join(sorted(self._dialects))
            told = f"a line in the shape of {request.dialect.value}; the provider takes lines of {wanted}"
            raise BadLine(self._path, line.number, told)
        first = self._first = self._first or request
        if request.dialect is not first.dialect:
            told = (
                f"a line in the shape of {request.dialect.value}; the first is one of {first.dialect.value}"
            )
            raise BadLine(self._path, line.number, told)
        if request.url != first.url:
            told = f"its url is {request.url}, and that of the first line is {first.url}; a batch has one"
            raise BadLine(self._path, line.number, told)


def _parts(starts: Sequence[int], sizes: Sequence[int]) -> Iterator[Part]:
    """The stretches that hold so many requests each."""
    at = 0
    for requests in sizes:
        begin, end = starts[at], starts[at + requests]
        yield Part(begin, end - begin, requests)
        at += requests


def _filled(starts: Sequence[int], most: int | None, limits: Limits) -> Iterator[Part]:
    """Stretches as full as they may be."""
    bounds = [bound for bound in (most, limits.requests) if bound is not None]
    most = min(bounds) if bounds else len(starts)
    begin = at = 0
    for number, (start, end) in enumerate(pairwise(starts)):
        if number > at and (number - at == most or end - begin > limits.size):
            yield Part(begin, start - begin, number - at)
            begin, at = start, number
    yield Part(begin, starts[-1] - begin, len(starts) - 1 - at)


def _refuse_large(fact: FileFact, parts: Sequence[Part], limits: Limits) -> None:
    """
    Hold segments to what a provider takes; their number is what was asked for, so they are not cut further.

    Raises:
        UsageError: One is too large.
    """
    for part in parts:
        beyond = (limits.requests is not None and part.requests > limits.requests) or part.size > limits.size
        if beyond:
            most = "" if limits.requests is None else f"{many(limits.requests, 'request')} and "
            told = f"a segment of {fact.path} has {many(part.requests, 'request')} and {part.size} bytes"
            raise UsageError(
                f"{told}; the provider takes {most}{limits.size} bytes",
                hint="ask for more segments, or for --batch-size, which ends a batch at the limits",
            )


def write_parts(
    view: View, cuts: Cuts, write: Callable[[int, Iterator[bytes]], FileDigest]
) -> list[FileDigest]:
    """
    Copy each part.

    Args:
        view: The room that the file lies in.
        cuts: Where it is cut.
        write: Takes the number of a part, from 0, and its bytes.

    Returns:
        What each part is, in order.

    Raises:
        StaleSnapshot: The file is not what was looked at any more; the parts must not be used.
    """
    whole = hashlib.sha256()
    digests: list[FileDigest] = []
    view.progress.start(cuts.fact.path, cuts.fact.size)
    try:
        with view.look.open_random(cuts.fact.path) as read:
            for number, part in enumerate(cuts.parts):
                digests.append(write(number, _copied(view, read, part, whole.update)))
    finally:
        view.progress.finish()
    if view.look.fact(cuts.fact.path) != cuts.fact or whole.hexdigest() != cuts.digest.sha256:
        raise StaleSnapshot(f"{cuts.fact.path} was written to while it was read")
    return digests


def _copied(
    view: View, read: Callable[[int, int], bytes], part: Part, tell: Callable[[bytes], None]
) -> Iterator[bytes]:
    """The bytes of one part, block by block."""
    at, end = part.offset, part.offset + part.size
    while at < end:
        if view.stopping():
            raise Interrupted("stopped while copying; nothing was published")
        block = read(at, min(BLOCK, end - at))
        if not block:
            return
        tell(block)
        view.progress.advance(len(block), 0)
        yield block
        at += len(block)
