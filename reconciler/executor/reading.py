"""Read the files of a batch line by line, with digest, progress and a check that they stood still."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Container, Iterator, Mapping
from typing import Final

from reconciler.codec.jsonl import Line, iter_lines
from reconciler.codec.request import request_id
from reconciler.errors import Interrupted, PermanentError, StaleSnapshot
from reconciler.executor.context import View
from reconciler.executor.hashing import Beside, Hasher
from reconciler.model.coverage import FileDigest, hash_id
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.record import Child
from reconciler.workspace.layout import DONE, QUARANTINE
from reconciler.workspace.reading import BLOCK
from reconciler.workspace.scan import batch_of_folder

BESIDE: Final = 8 << 20
"""Bytes from which a file is worth a thread for its digest."""


class Lines:
    """
    The lines of one file that is expected to stand still.

    Args:
        view: Rooms and settings.
        fact: The file as it was seen.
        digest: Compute the digest on the way.
        passed: Numbers of lines that nobody wants.

    Attributes:
        path: The file.
        line: How far reading has come; who takes `blocks` apart counts lines here.
    """

    def __init__(
        self, view: View, fact: FileFact, *, digest: bool = False, passed: Container[int] = ()
    ) -> None:
        self._view = view
        self._passed = passed
        self._fact = fact
        self._digest = digest
        self._hasher: Hasher | None = None
        self._size = 0
        self.path = fact.path
        self.line = 0

    def __iter__(self) -> Iterator[Line]:
        """
        Every line that is not blank.

        Raises:
            BadLine: A line is over the limit.
            StaleSnapshot: The file was written to meanwhile.
        """
        path, limit = self._fact.path, self._view.line_limit
        with self._watched(), self._view.look.open(path, self._block) as stream:
            for line in iter_lines(stream, path, limit=limit, passed=self._passed):
                self.line = line.number
                yield line

    def blocks(self) -> Iterator[tuple[bytearray, int]]:
        r"""
        The file in blocks of whole lines, each with its end; what stands behind the end is of no account.

        A block may be looked at until the next one is asked for. No line in it has more bytes than the limit
        and its "\n"; of a longer one, so many stand at the end of the last block.

        Raises:
            StaleSnapshot: The file was written to meanwhile.
        """
        fact, most = self._fact, self._view.line_limit + 1
        with (
            self._watched(beside=fact.size >= BESIDE),
            self._view.look.open_raw(fact.path, self._block) as stream,
        ):
            block = bytearray(min(BLOCK, most, fact.size + 1))
            # The digest of a block may still be under way when the next one is read.
            other = bytearray(len(block)) if isinstance(self._hasher, Beside) else block
            filled = 0
            while size := stream.readinto(memoryview(block)[filled:]):
                end = block.rfind(b"\n", filled, filled + size) + 1
                filled += size
                if end:
                    yield block, end
                    if len(other) < len(block):
                        other = bytearray(len(block))
                    filled -= end
                    memoryview(other)[:filled] = memoryview(block)[end : end + filled]
                    block, other = other, block
                elif filled == most:
                    break
                elif filled == len(block):
                    longer = bytearray(min(2 * filled, most))
                    memoryview(longer)[:filled] = block
                    block = longer
            if filled:
                yield block, filled

    @contextlib.contextmanager
    def _watched(self, *, beside: bool = False) -> Iterator[None]:
        """Around a reading to the end; with *beside*, a thread hashes blocks, which stay as they are."""
        view, path = self._view, self._fact.path
        if self._digest:
            self._hasher = Beside() if beside else hashlib.sha256()
        try:
            view.progress.start(path, self._fact.size)
            yield
        finally:
            view.progress.finish()
            if isinstance(self._hasher, Beside):
                self._hasher.close()
        if self._size != self._fact.size or view.look.fact(path) != self._fact:
            raise StaleSnapshot(f"{path} was written to while it was read")

    @property
    def digest(self) -> FileDigest:
        """The digest of everything read so far; of the whole file once iteration has ended."""
        if self._hasher is None:
            raise ValueError(f"{self._fact.path} was read without a digest")
        return FileDigest(self._hasher.hexdigest(), self._size)

    def _block(self, block: memoryview) -> None:
        if self._view.stopping():
            raise Interrupted("stopped while reading; everything is resumable")
        if self._hasher is not None:
            self._hasher.update(block)
        self._size += len(block)
        self._view.progress.advance(len(block), self.line)


def owners_of(view: View, children: Mapping[BatchName, Child]) -> dict[int, BatchName]:
    """
    Which child owns which id, by the hash of the id, read from the very inputs that the children were given.

    Raises:
        PermanentError: A child's input is nowhere to be found.
    """
    owners: dict[int, BatchName] = {}
    for child, given in children.items():
        owners |= dict.fromkeys(_given(view, child, given), child)
    return owners


def _given(view: View, child: BatchName, given: Child) -> list[int]:
    """The hashes of the ids of a child's input; a file of that name with other bytes is not it."""
    for path in child_paths(view, child):
        fact = view.look.fact(path)
        if fact is not None and fact.size == given.digest.size:
            lines = Lines(view, fact, digest=True)
            hashes = [hash_id(request_id(line, path)) for line in lines]
            if lines.digest == given.digest:
                return hashes
    message = f"the input that retry child {child} was given is nowhere to be found"
    raise PermanentError(message, hint="put it back; it says which ids the child owns")


def child_paths(view: View, child: BatchName) -> list[str]:
    """Every place where the input of a child may stand."""
    leaf = file_name(Role.INPUT, child)
    folders = [f"{DONE}/{child}"]
    folders += [
        f"{QUARANTINE}/{entry.name}"
        for entry in view.look.listing(QUARANTINE)
        if batch_of_folder(entry.name) == child
    ]
    return [view.layout.live_path(leaf), *(f"{folder}/{leaf}" for folder in folders)]
