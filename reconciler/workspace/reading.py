"""
The room for looking at files: everything the product can see of the disk without changing it.

`plan`, `status` and `check` hold nothing but this, so they cannot change anything. Paths are relative
to the workspace, with `/` between their parts. Each part is opened without following links, so nothing
outside the workspace can be reached through it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

from reconciler.errors import PermanentError
from reconciler.model.coverage import FileDigest
from reconciler.model.facts import FileFact, Kind
from reconciler.workspace.told import Told

BLOCK: Final = 1 << 20
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


_ELSEWHERE: Final = frozenset({"", ".", ".."})
"""Parts that no path of ours has: they would lead elsewhere."""
_ABOVE: Final = frozenset({".", ".."})


class Entry(NamedTuple):
    """One name in a folder."""

    name: str
    kind: Kind


class Owned(NamedTuple):
    """
    Who may change what stands in a folder.

    Attributes:
        uid: Whose it is.
        open: Whether everybody may write to it.
    """

    uid: int
    open: bool


class Reading:
    """
    Looks at files below one folder.

    Args:
        root: The workspace, a real path.
        clock: Seconds since the epoch.
    """

    def __init__(self, root: str, clock: Callable[[], float] = time.time) -> None:
        self.root = root
        self.now = clock
        self._open: dict[str, int] = {}

    def close(self) -> None:
        """Release the folders that were held open."""
        for folder in self._open.values():
            os.close(folder)
        self._open.clear()

    def refresh(self) -> None:
        """Look each folder up anew from here on: one may have been renamed meanwhile."""
        self.close()

    def listing(self, folder: str) -> list[Entry]:
        """The names in *folder*, unordered; empty when there is no such folder."""
        files, others = self.names(folder)
        return [*(Entry(name, Kind.FILE) for name in files), *others]

    def names(self, folder: str) -> tuple[list[str], list[Entry]]:
        """
        What `listing` tells, for folders with very many files: no object for each of them.

        Returns:
            The regular files by name alone, and every other entry.
        """
        files: list[str] = []
        others: list[Entry] = []
        try:
            with self._folder(folder) as at, os.scandir(at) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        files.append(entry.name)
                    else:
                        others.append(Entry(entry.name, _kind_of_entry(entry)))
        except FileNotFoundError:
            pass
        return files, others

    def kind(self, path: str) -> Kind | None:
        """What stands at *path*, None when nothing does; links are not followed."""
        found = self._lstat(path)
        return None if found is None else _kind_of_mode(found.st_mode)

    def fact(self, path: str) -> FileFact | None:
        """What can be seen of the regular file at *path* without opening it; None when there is none."""
        found = self._lstat(path)
        if found is None or not stat.S_ISREG(found.st_mode):
            return None
        return _fact(path, found)

    def seen(self, path: str) -> FileFact | Kind | None:
        """What `fact` tells of a regular file, or else what `kind` tells."""
        found = self._lstat(path)
        if found is None:
            return None
        return _fact(path, found) if stat.S_ISREG(found.st_mode) else _kind_of_mode(found.st_mode)

    def mode(self, path: str) -> int | None:
        """Who may do what with the file or folder at *path*; None when there is neither."""
        found = self._lstat(path)
        if found is None or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            return None
        return stat.S_IMODE(found.st_mode)

    def readable(self, path: str) -> bool:
        """Whether this process may read *path*."""
        folder, _, leaf = path.rpartition("/")
        at = self._open.get(folder)
        if at is not None and leaf not in _ELSEWHERE:
            return os.access(leaf, os.R_OK, dir_fd=at, effective_ids=True)
        with self._parent(path) as (at, leaf):
            return os.access(leaf, os.R_OK, dir_fd=at, effective_ids=True)

    def open(self, path: str, on_block: Callable[[memoryview], None] | None = None) -> BinaryIO:
        """
        Open a regular file for reading, buffered by the mebibyte.

        Args:
            path: The file.
            on_block: Told every block that is read from disk, in order.

        Raises:
            PermanentError: It is a link, a folder, a FIFO or another special file.
            FileNotFoundError: It is not there.
        """
        opened, _ = self._regular(path)
        if on_block is None:
            return os.fdopen(opened, "rb", buffering=BLOCK)
        return io.BufferedReader(Told(os.fdopen(opened, "rb", buffering=0), on_block), BLOCK)

    def open_raw(self, path: str, on_block: Callable[[memoryview], None]) -> io.RawIOBase:
        """The same without a buffer of its own: what is told stands in the memory that the caller lends."""
        opened, _ = self._regular(path)
        return Told(os.fdopen(opened, "rb", buffering=0), on_block)

    @contextlib.contextmanager
    def open_random(self, path: str) -> Iterator[Callable[[int, int], bytes]]:
        """Open a regular file for reading anywhere: yields `(offset, size) -> bytes`."""
        with self.open(path) as stream:
            opened = stream.fileno()
            yield lambda offset, size: os.pread(opened, size, offset)

    def read(self, path: str) -> bytes:
        """The whole content of a small file."""
        opened, size = self._regular(path)
        try:
            found = os.read(opened, size + 1)
            if len(found) != size:
                # It grew meanwhile, or is larger than one call may read.
                found += b"".join(iter(lambda: os.read(opened, BLOCK), b""))
            return found
        finally:
            os.close(opened)

    def peek(self, path: str, limit: int) -> bytes | None:
        """
        A small file in as few calls as there can be; for a folder that stays open.

        Returns:
            Its content; None when it is not there, is no regular file, may not be read or has *limit* bytes
            or more. `read` says which.
        """
        folder, _, leaf = path.rpartition("/")
        if leaf in _ELSEWHERE or folder in _ABOVE or "/" in folder:
            raise PermanentError(f"{path!r} is no path that can be peeked at")
        try:
            at = self._open.get(folder)
            opened = os.open(leaf, _READ, dir_fd=self._top(folder) if at is None else at)
        except OSError:
            return None
        try:
            # At an offset: what is no file, such as a FIFO, has none.
            found = os.pread(opened, limit, 0)
        except OSError:
            return None
        finally:
            os.close(opened)
        return found if len(found) < limit else None

    def digest(self, path: str) -> FileDigest:
        """Size and SHA-256 of a file, read in blocks."""
        hasher, size = hashlib.sha256(), 0
        with self.open(path) as stream:
            while block := stream.read(BLOCK):
                hasher.update(block)
                size += len(block)
        return FileDigest(hasher.hexdigest(), size)

    # Within

    def _regular(self, path: str) -> tuple[int, int]:
        """
        An open regular file and its size.

        Raises:
            PermanentError: It is something else.
            FileNotFoundError: It is not there.
        """
        with self._parent(path) as (at, leaf):
            try:
                opened = os.open(leaf, _READ, dir_fd=at)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENXIO):
                    raise PermanentError(f"{path}: not a regular file; it was not read") from error
                raise
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            os.close(opened)
            raise PermanentError(f"{path}: not a regular file; it was not read")
        return opened, found.st_size

    def _lstat(self, path: str) -> os.stat_result | None:
        """lstat, None when nothing is there."""
        folder, _, leaf = path.rpartition("/")
        try:
            at = self._open.get(folder)
            if at is not None and leaf not in _ELSEWHERE:
                return os.stat(leaf, dir_fd=at, follow_symlinks=False)
            with self._parent(path) as (at, leaf):
                return os.stat(leaf, dir_fd=at, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
                return None
            raise

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The open folder of *path* and its last part."""
        folder, _, leaf = path.rpartition("/")
        if leaf in _ELSEWHERE:
            raise PermanentError(f"{path!r} is no path inside the workspace")
        with self._folder(folder) as at:
            yield at, leaf

    @contextlib.contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        """An open folder; those right below the workspace stay open for the next time."""
        if path and not _ELSEWHERE.isdisjoint(path.split("/")):
            raise PermanentError(f"{path!r} is no path inside the workspace")
        head, _, rest = path.partition("/")
        at = self._top(head)
        opened: list[int] = []
        try:
            for part in rest.split("/") if rest else ():
                at = os.open(part, _FOLDER, dir_fd=at)
                opened.append(at)
            yield at
        finally:
            for folder in opened:
                os.close(folder)

    def _top(self, name: str) -> int:
        """The workspace itself (empty name) or a folder right below it, opened once."""
        if name not in self._open:
            if name == "":
                self._open[""] = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            else:
                self._open[name] = os.open(name, _FOLDER, dir_fd=self._top(""))
        return self._open[name]


def _fact(path: str, found: os.stat_result) -> FileFact:
    """What a stat result says of a regular file."""
    return FileFact(path, found.st_size, found.st_mtime_ns, (found.st_dev, found.st_ino))


def _kind_of_mode(mode: int) -> Kind:
    """The kind that a mode stands for."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISLNK(mode):
        return Kind.SYMLINK
    return Kind.FOLDER if stat.S_ISDIR(mode) else Kind.OTHER


def _kind_of_entry(entry: os.DirEntry[str]) -> Kind:
    """The kind of a directory entry that is no regular file, from the listing itself: no stat call."""
    if entry.is_symlink():
        return Kind.SYMLINK
    return Kind.FOLDER if entry.is_dir(follow_symlinks=False) else Kind.OTHER


def locate(path: str) -> tuple[str, Kind | None]:
    """The real path of what the user named, and what stands there; the root itself may be a link."""
    if not path or "\0" in path:
        return path, None
    root = os.path.realpath(path)
    try:
        return root, _kind_of_mode(os.stat(root).st_mode)
    except OSError:
        return root, None


def owned(path: str) -> Owned | None:
    """Whose the folder at *path* is, which need not be readable; None when there is no folder."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return None
    return Owned(found.st_uid, bool(found.st_mode & stat.S_IWOTH))
