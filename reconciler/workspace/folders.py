"""The part of the room for changes that knows names and folders: make, rename, remove, sync, lock."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator

from reconciler.errors import Clash, ReconcilerError
from reconciler.model.facts import Kind
from reconciler.workspace.locking import NO_FOLDERS, hold, hold_folder, one_at_a_time
from reconciler.workspace.reading import Reading
from reconciler.workspace.together import Syncs, sync_now

Tap = Callable[[str, str], None]
"""Called with the name and path of each change just before it is made; tests stop the world there."""


def no_tap(_change: str, _path: str) -> None:
    """Let every change through."""


class Folders(Reading):
    """
    Looks at files below one folder, and changes the names that stand there.

    Args:
        root: The workspace, a real path.
        tap: Called before each change.
        syncs: Brings open files and folders to disk.
        clock: Seconds since the epoch.

    Attributes:
        locks: The lock files that are held, open; a process that inherits one holds the lock too.
    """

    def __init__(
        self,
        root: str,
        tap: Tap = no_tap,
        syncs: Syncs = sync_now,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(root, clock)
        self._tap = tap
        self._sync = syncs
        self.locks: list[int] = []
        self._lasting: set[str] = set()
        """Files that only grow whose names this process has brought to disk."""
        self._unsure: list[str] = []

    def tell(self, change: str, path: str) -> None:
        """Let the tap know of a change that another room is about to make."""
        self._tap(change, path)

    def doubt(self, paths: Iterable[str]) -> None:
        """
        Bring these files and folders to disk before anything is changed here.

        A process that was killed may have left them without a sync. What follows from what they say must not
        outlive it in a power cut: of a batch whose old names are gone, `done/` has to hold the new one.
        """
        self._unsure.extend(paths)

    def make_sure(self) -> None:
        """Bring what is in doubt to disk now: somebody else is about to change things here."""
        if self._unsure:
            with contextlib.ExitStack() as stack:
                self._sync([at for each in self._unsure for at in self._opened(each, stack)])
            self._unsure.clear()

    def _before(self, change: str, path: str) -> None:
        """Just before a change."""
        self.make_sure()
        self._tap(change, path)

    def _opened(self, path: str, stack: contextlib.ExitStack) -> Iterator[int]:
        """A file or folder, open until the *stack* ends; nothing where it cannot be opened."""
        kind = self.kind(path) if path else Kind.FOLDER
        with contextlib.suppress(OSError, ReconcilerError):
            if kind is Kind.FOLDER:
                yield stack.enter_context(self._folder(path))
            elif kind is Kind.FILE:
                yield stack.enter_context(self.open(path)).fileno()

    def make_folder(self, path: str, *, sync: bool = True) -> None:
        """
        Make a folder, and those above it, where they do not exist yet.

        Without *sync* its own name may be lost in a power cut: for folders that are renamed later.
        """
        if path == "" or self.kind(path) is Kind.FOLDER:
            return
        parent = path.rpartition("/")[0]
        self.make_folder(parent)
        with self._parent(path) as (at, leaf):
            self._before("mkdir", path)
            # Another process may be making the same workspace its own.
            with contextlib.suppress(FileExistsError):
                os.mkdir(leaf, 0o700, dir_fd=at)
        if sync:
            self.sync_folder(parent)

    def sync_folder(self, path: str) -> None:
        """Bring a folder's names to disk, so that they survive a power cut."""
        with self._folder(path) as at:
            self._before("fsync-folder", path)
            self._sync([at])

    def rename(self, source: str, target: str) -> None:
        """
        Rename within the workspace.

        A file replaces a file. A folder replaces nothing that has content: rename(2) refuses a folder
        that is not empty.
        """
        with self._parent(source) as (here, old), self._parent(target) as (there, new):
            self._before("rename", target)
            os.rename(old, new, src_dir_fd=here, dst_dir_fd=there)

    def rename_folder(self, source: str, target: str) -> None:
        """
        Publish a folder under its final name, in one step.

        Raises:
            Clash: Something stands under that name.
        """
        self.sync_folder(source)
        try:
            self.rename(source, target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise Clash(f"{target}/ is there already; nothing was overwritten") from error
            raise
        self.sync_folder(target.rpartition("/")[0])

    def unlink(self, path: str) -> None:
        """Remove a name; nothing happens when it is not there."""
        with self._parent(path) as (at, leaf), contextlib.suppress(FileNotFoundError):
            self._before("unlink", path)
            os.unlink(leaf, dir_fd=at)

    def narrow(self, path: str, mode: int) -> None:
        """
        Let a file or a folder have *mode*.

        Raises:
            OSError: It is a link, or somebody else's.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._parent(path) as (at, leaf):
            opened = os.open(leaf, flags, dir_fd=at)
        try:
            self._before("chmod", path)
            os.fchmod(opened, mode)
        finally:
            os.close(opened)

    def remove_folder(self, path: str) -> None:
        """Remove a staging folder with the files in it; never called for a final name."""
        if self.kind(path) is None:
            return
        for entry in self.listing(path):
            self.unlink(f"{path}/{entry.name}")
        with self._parent(path) as (at, leaf):
            self._before("rmdir", path)
            os.rmdir(leaf, dir_fd=at)

    def remove_if_empty(self, path: str) -> None:
        """Remove a folder that holds nothing; one that still holds something stays."""
        if not self.listing(path):
            with self._parent(path) as (at, leaf):
                self._before("rmdir", path)
                os.rmdir(leaf, dir_fd=at)

    @contextlib.contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """
        Hold the lock file at *path*; the kernel frees it when the process dies.

        Raises:
            WorkspaceLocked: Another process holds it.
        """
        self.make_folder(path.rpartition("/")[0])
        with self._parent(path) as (at, leaf):
            if self._lstat(path) is None:
                self._before("lock", path)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            held = os.open(leaf, flags, 0o600, dir_fd=at)
        with hold(held, self.root, path):
            self.locks.append(held)
            try:
                yield
            finally:
                self.locks.remove(held)

    @contextlib.contextmanager
    def lock_folder(self, path: str) -> Iterator[None]:
        """
        Hold the folder at *path* itself: mounted twice, it has two workspaces, and two locks.

        Raises:
            WorkspaceLocked: Another process holds it.
        """
        with self._folder(path) as at:
            held = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
        with hold_folder(held, self.root, path):
            self.locks.append(held)
            try:
                yield
            finally:
                self.locks.remove(held)

    @contextlib.contextmanager
    def queue(self, path: str) -> Iterator[None]:
        """Keep others that ask for the same from the folder at *path*: who comes second waits."""
        with self._folder(path) as at, one_at_a_time(at, unlockable=NO_FOLDERS):
            yield
