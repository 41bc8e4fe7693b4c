"""Hold an open lock file, or a file that several processes add to; part of the room for changes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from reconciler.errors import ConfigError, WorkspaceLocked

_HELD: Final = frozenset({errno.EWOULDBLOCK, errno.EACCES})
NO_FOLDERS: Final = frozenset(
    {errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EISDIR}
)
"""What a file system says that locks files but no folders, as NFS."""


@contextmanager
def hold(opened: int, root: str, path: str) -> Iterator[None]:
    """
    Hold the lock file *path* of *root*, open as *opened*, and close it at the end.

    Raises:
        WorkspaceLocked: Another process holds it.
        ConfigError: It is no regular file.
    """
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ConfigError(f"{root}/{path} is not a regular file", hint="move it away")
        _take(opened, f"another reconciler is working on {root}; nothing was changed")
        yield
    finally:
        os.close(opened)


@contextmanager
def hold_folder(opened: int, root: str, path: str) -> Iterator[None]:
    """
    Hold the folder *path* of *root*, open as *opened*, where its file system can; close it at the end.

    Raises:
        WorkspaceLocked: Another process holds it, under whatever name.
    """
    try:
        shared = f"{root}/{path}" if path else root
        told = f"another reconciler is working in {shared}, as part of another workspace"
        _take(opened, told, unlockable=NO_FOLDERS)
        yield
    finally:
        os.close(opened)


def _take(opened: int, message: str, unlockable: Collection[int] = ()) -> None:
    """Take a lock, now; go without one where the file system says one of *unlockable*."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise WorkspaceLocked(message, hint="wait for it to end, then run again") from error
        if error.errno not in unlockable:
            raise


@contextmanager
def one_at_a_time(opened: int, unlockable: Collection[int] = ()) -> Iterator[None]:
    """
    Keep others that ask for the same from what is open as *opened*: a line stays in one piece.

    Nobody is kept from it where the file system says one of *unlockable*.
    """
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in unlockable:
            raise
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # what could not be taken cannot be let go of
            fcntl.flock(opened, fcntl.LOCK_UN)
