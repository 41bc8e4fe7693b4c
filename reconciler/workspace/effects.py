"""
The room for changing files: every change of the disk that the product makes.

A file appears under its final name only when it is whole and synced: temporary file beside it, write,
fsync, link or rename, fsync of the folder. Temporary names are derived from final ones, so a crash
leaves nothing behind that the same step, done again, would not replace.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.errors import Clash, PermanentError
from reconciler.model.coverage import FileDigest
from reconciler.workspace.folders import Folders, Tap, no_tap
from reconciler.workspace.incoming import Incoming
from reconciler.workspace.locking import one_at_a_time
from reconciler.workspace.reading import BLOCK
from reconciler.workspace.together import Syncs
from reconciler.workspace.writing import blocks, check_size, write_all

__all__ = ["TEMPORARY", "Effects", "Syncs", "Tap", "no_tap", "temporary_for"]

TEMPORARY: Final = ".reconciler-tmp-"
"""Prefix of names under which partial data may stand."""

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class Effects(Folders):
    """Looks at and changes files below one folder; see `Folders` for its arguments."""

    def sharing(self, syncs: Syncs) -> Effects:
        """Another room on the same folder, with the same tap, whose syncs go through *syncs*."""
        room = Effects(self.root, self._tap, syncs, self.now)
        room._lasting, room._unsure = self._lasting, self._unsure
        return room

    def publish(
        self, path: str, chunks: Iterable[bytes], *, replace: bool = False, sync_folder: bool = True
    ) -> FileDigest:
        """
        Write a file so that it is whole under its name, or absent.

        Args:
            path: The final name.
            chunks: The content; written in blocks of a mebibyte.
            replace: Take the place of an older file. Without it, an older file of equal content is
                left as it is and any other is a clash.
            sync_folder: Bring the name to disk too; a caller that leaves it out syncs the folder itself,
                once for many files.

        Raises:
            Clash: Other bytes stand under that name.
            OSError: The disk is full, read-only, failing; nothing stands under the name.
        """
        digest = self.stage(path, chunks)
        if replace:
            self.place(path)
        else:
            self._give_name(temporary_for(path), path, digest)
        if sync_folder:
            self.sync_folder(path.rpartition("/")[0])
        return digest

    def stage(self, path: str, chunks: Iterable[bytes]) -> FileDigest:
        """Write a file whole under its temporary name; `place` gives it its own."""
        self.make_folder(path.rpartition("/")[0])
        self.discard(temporary_for(path))
        return self._write(temporary_for(path), chunks)

    def place(self, path: str) -> None:
        """Give a staged file its name, in place of an older one; the caller syncs the folder."""
        self._take_place(temporary_for(path), path)

    @contextlib.contextmanager
    def receive(self, path: str) -> Iterator[Incoming]:
        """
        A file that arrives in pieces under the temporary name of *path*; `reveal` gives it its own.

        On disk when this ends; gone when it ends with an error.
        """
        self.make_folder(path.rpartition("/")[0])
        temporary = temporary_for(path)
        self.discard(temporary)
        with self._parent(temporary) as (at, leaf):
            self._before("create", temporary)
            opened = os.open(leaf, _CREATE, 0o600, dir_fd=at)
        try:
            try:
                incoming = Incoming(opened, temporary, lambda: self._before("write", temporary))
                yield incoming
                self._before("fsync", temporary)
                self._sync([opened])
                incoming.check()
            finally:
                os.close(opened)
        except Exception:
            with contextlib.suppress(OSError):
                self.discard(temporary)
            raise

    def reveal(self, path: str, digest: FileDigest) -> None:
        """
        Give a staged file its name; an older file of equal content is left as it is.

        Raises:
            Clash: Other bytes stand under that name.
        """
        self._give_name(temporary_for(path), path, digest)

    def unstage(self, path: str) -> None:
        """Take a staged file back."""
        self.discard(temporary_for(path))

    def append(self, path: str, line: bytes, *, sync: bool = True) -> None:
        """Add a line to an append-only file; with *sync*, it is on disk on return."""
        self.make_folder(path.rpartition("/")[0])
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._parent(path) as (at, leaf):
            self._before("append", path)
            opened = os.open(leaf, flags, 0o600, dir_fd=at)
        try:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise PermanentError(f"{path} is not a regular file; nothing was written to it")
            with one_at_a_time(opened):
                size = os.fstat(opened).st_size
                torn = size > 0 and not self._ends_with_newline(path)
                write_all(opened, (b"\n" if torn else b"") + line + b"\n")
            if sync:
                self._sync([opened])
        finally:
            os.close(opened)
        if sync and (size == 0 or path not in self._lasting):
            # Whoever made the file may not have brought its name to disk yet: another batch of the group, or
            # a process that was killed.
            self.sync_folder(path.rpartition("/")[0])
            self._lasting.add(path)

    def try_room(self, path: str, size: int) -> None:
        """
        See whether the disk takes so many bytes more, beside *path*; nothing of them stays.

        Raises:
            OSError: It does not.
        """
        temporary = temporary_for(path)
        self.discard(temporary)
        with self._parent(temporary) as (at, leaf):
            self._before("create", temporary)
            opened = os.open(leaf, _CREATE, 0o600, dir_fd=at)
        try:
            try:
                self._before("write", temporary)
                write_all(opened, bytes(size))
            finally:
                os.close(opened)
        finally:
            self.discard(temporary)

    def sync_files(self, paths: Iterable[str]) -> None:
        """Bring the content of files to disk, whoever wrote them."""
        with contextlib.ExitStack() as stack:
            self._sync([stack.enter_context(self.open(path)).fileno() for path in paths])

    def link(self, source: str, target: str) -> bool:
        """
        Give the file *source* a second name; where links are not possible, copy it.

        Returns:
            Whether it is a link (False: a copy, whose content the caller should compare).
        """
        try:
            with self._parent(source) as (here, old), self._parent(target) as (there, new):
                self._before("link", target)
                os.link(old, new, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self.copy(source, target)
        return True

    def copy(self, source: str, target: str) -> bool:
        """Copy the file *source*; returns False, as `link` does for a copy."""
        with self.open(source) as stream:
            self.publish(target, iter(lambda: stream.read(BLOCK), b""))
        return False

    def _write(self, path: str, chunks: Iterable[bytes]) -> FileDigest:
        """Create *path*, write all of *chunks* and sync it; on an error, remove it again."""
        with self._parent(path) as (at, leaf):
            self._before("create", path)
            opened = os.open(leaf, _CREATE, 0o600, dir_fd=at)
        hasher, size = hashlib.sha256(), 0
        try:
            try:
                for block in blocks(chunks):
                    self._before("write", path)
                    write_all(opened, block)
                    hasher.update(block)
                    size += len(block)
                self._before("fsync", path)
                self._sync([opened])
                check_size(opened, size, path)
            finally:
                os.close(opened)
        except Exception:
            # A failed fsync may have dropped pages: this file must never get its final name.
            with contextlib.suppress(OSError):
                self.discard(path)
            raise
        return FileDigest(hasher.hexdigest(), size)

    def _take_place(self, temporary: str, path: str) -> None:
        """Let a whole file take the place of an older one."""
        try:
            self.rename(temporary, path)
        except IsADirectoryError:
            self.discard(temporary)
            raise Clash(f"{path} is a folder; nothing was overwritten", hint="move it away") from None

    def _give_name(self, temporary: str, path: str, digest: FileDigest) -> None:
        """Name a whole file without taking the place of another."""
        try:
            with self._parent(path) as (at, leaf):
                source = temporary.rpartition("/")[2]
                self._before("link", path)
                os.link(source, leaf, src_dir_fd=at, dst_dir_fd=at, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS | {errno.EEXIST}:
                raise
            if self.kind(path) is None:
                # A file system without hard links: the lock keeps other reconcilers out meanwhile.
                self.rename(temporary, path)
                return
            equal = self.fact(path) is not None and self.digest(path) == digest
            self.discard(temporary)
            if not equal:
                raise Clash(f"{path} is there already with other content; nothing was overwritten") from None
            # Whoever wrote it need not have synced it.
            self.sync_files([path])
        else:
            self.discard(temporary)

    def discard(self, path: str) -> None:
        """Remove a temporary file, if there is one."""
        if self._lstat(path) is not None:
            self.unlink(path)

    def remove(self, path: str) -> None:
        """Remove a file that others may rely on, if there is one: it is gone for good on return."""
        if self._lstat(path) is not None:
            self.unlink(path)
            self.sync_folder(path.rpartition("/")[0])

    def _ends_with_newline(self, path: str) -> bool:
        """Whether the last byte of a file that is not empty is a line feed."""
        with self.open(path) as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"


def temporary_for(path: str) -> str:
    """The temporary name that belongs to a final one, in the same folder."""
    folder, slash, leaf = path.rpartition("/")
    return f"{folder}{slash}{TEMPORARY}{leaf}"
