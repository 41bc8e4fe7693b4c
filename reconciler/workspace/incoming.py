"""A file that arrives in pieces, under a temporary name; part of the room for changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from reconciler.model.coverage import FileDigest
from reconciler.workspace.writing import check_size, write_all


class Incoming:
    """
    An open temporary file that grows.

    Args:
        opened: Its descriptor, open for writing.
        path: Its name, for messages.
        before: Called before each write.
    """

    def __init__(self, opened: int, path: str, before: Callable[[], None]) -> None:
        self._opened = opened
        self._path = path
        self._before = before
        self._hasher = hashlib.sha256()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self._size

    @property
    def digest(self) -> FileDigest:
        """What has arrived."""
        return FileDigest(self._hasher.hexdigest(), self._size)

    def write(self, block: bytes) -> None:
        """
        Take the next bytes.

        Raises:
            OSError: The disk is full or failing.
        """
        self._before()
        write_all(self._opened, block)
        self._hasher.update(block)
        self._size += len(block)

    def restart(self) -> None:
        """Forget what has arrived."""
        self._before()
        os.ftruncate(self._opened, 0)
        os.lseek(self._opened, 0, os.SEEK_SET)
        self._hasher = hashlib.sha256()
        self._size = 0

    def check(self) -> None:
        """
        Hold the size on disk against what arrived.

        Raises:
            OSError: The file system has cut it short.
        """
        check_size(self._opened, self._size, self._path)
