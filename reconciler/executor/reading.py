"""Read the files of a batch line by line, with digest, progress and a check that they stood still."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from reconciler.codec.jsonl import Line, iter_lines
from reconciler.codec.request import request_id
from reconciler.errors import Interrupted, PermanentError, StaleSnapshot
from reconciler.executor.context import View
from reconciler.executor.hashing import Beside, Hasher
from reconciler.model.coverage import FileDigest, hash_id
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import FileFact
from reconciler.model.record import Child
from reconciler.workspace.layout import DONE, QUARANTINE
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

    Attributes:
        line: How far reading has come; who reads `raw` lines counts them here.
    """

    def __init__(self, view: View, fact: FileFact, *, digest: bool = False) -> None:
        self._view = view
        self._fact = fact
        self._digest = digest
        self._hasher: Hasher | None = None
        self._size = 0
        self.line = 0

    def __iter__(self) -> Iterator[Line]:
        """
        Every line that is not blank.

        Raises:
            BadLine: A line is over the limit.
            StaleSnapshot: The file was written to meanwhile.
        """
        with self.raw() as stream:
            for line in iter_lines(stream, self._fact.path, limit=self._view.line_limit):
                self.line = line.number
                yield line

    @contextlib.contextmanager
    def raw(self) -> Iterator[BinaryIO]:
        """
        The stream itself, for who takes its lines apart; it has to be read to its end.

        Raises:
            StaleSnapshot: The file was written to meanwhile.
        """
        view, path = self._view, self._fact.path
        if self._digest:
            self._hasher = Beside() if self._fact.size >= BESIDE else hashlib.sha256()
        try:
            view.progress.start(path, self._fact.size)
            with view.look.open(path, self._block) as stream:
                yield stream
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
