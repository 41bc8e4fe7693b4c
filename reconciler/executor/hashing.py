"""SHA-256 in a thread of its own, beside the reading of what is hashed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from typing import Protocol

from reconciler.model.coverage import FileDigest


def digest_of(blocks: Iterable[bytes]) -> FileDigest:
    """Size and SHA-256 of what a file would hold."""
    hasher, size = hashlib.sha256(), 0
    for block in blocks:
        hasher.update(block)
        size += len(block)
    return FileDigest(hasher.hexdigest(), size)


class Hasher(Protocol):
    """What of hashlib's objects is needed here."""

    def update(self, block: memoryview, /) -> None:
        """Take in the next bytes."""

    def hexdigest(self) -> str:
        """The digest so far, in hexadecimal."""


class Beside:
    """
    Computes the SHA-256 of blocks in a thread, which hashlib lets run while Python goes on.

    One block is under way at a time. The thread is given its turn explicitly: left to itself, the
    interpreter lets a thread that is ready wait for five milliseconds, ten times as long as a block takes.

    Args:
        hasher: Takes in the blocks; SHA-256 unless it is given.
        patience: Seconds after which a thread that does not come to its end is left alone.
    """

    def __init__(self, hasher: Hasher | None = None, patience: float = 10.0) -> None:
        self._hasher: Hasher = hasher or hashlib.sha256()
        self._patience = patience
        self._block: memoryview | None = None
        self._go, self._begun, self._free = (threading.Lock() for _ in range(3))
        self._go.acquire()
        self._begun.acquire()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def update(self, block: memoryview) -> None:
        """
        Take in the next bytes; waits for those before.

        No copy is made: their memory may change once the next call, or the last one, has returned.
        """
        self._free.acquire()
        self._block = block
        self._go.release()
        self._begun.acquire()

    def close(self) -> None:
        """Let the thread come to its end; called again, it does nothing."""
        # A block takes milliseconds. Who was interrupted between two of these locks shall not wait for ever.
        if self._thread.is_alive() and self._free.acquire(timeout=self._patience):
            self._block = None
            self._go.release()
            self._thread.join()

    def hexdigest(self) -> str:
        """The digest of everything, in hexadecimal; nothing can be added from here on."""
        self.close()
        if self._thread.is_alive():
            raise RuntimeError("the thread that computes a digest has not come to its end")
        return self._hasher.hexdigest()

    def _run(self) -> None:
        while True:
            self._go.acquire()
            block = self._block
            if block is None:
                return
            self._begun.release()
            self._hasher.update(block)
            self._free.release()
