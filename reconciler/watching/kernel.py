"""
What the kernel of Linux tells of one folder, handed on by the thread that hears it.

Beside `seeing.py` the only importer of watchdog, of which this takes the reader alone: its observers hand
each event through three threads, and keep all of them back for half a second where a file was moved away.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from reconciler.watching.arrivals import Arrivals, Seen

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent, InotifyFD


class Kernel:
    """
    Hears what happens in *folder*, which is watched from here on.

    Args:
        folder: A real path.
        arrivals: Told what happens.

    Raises:
        OSError: The kernel does not tell, as where too many folders are watched.
    """

    def __init__(self, folder: str, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._closing = False
        self._reader = self._begun(folder)

    def close(self) -> None:
        """Hear no more."""
        self._closing = True
        self._reader.stop()
        self._reader.join()

    # By the thread that hears

    def on_event(self, event: InotifyEvent) -> None:
        """Something happened."""
        if event.is_directory:
            if not event.name:
                # The folder itself went; the next look says what that means.
                self._arrivals.see(Seen.ANY)
            return
        seen = _what(event)
        if seen is not None:
            self._arrivals.see(seen, os.fsdecode(event.name))

    def on_queue_overflow(self) -> None:
        """Events were lost: somebody has to look at everything."""
        self._arrivals.see(Seen.ANY)

    def on_watch_deleted(self, wd: int) -> None:  # noqa: ARG002 - there is one
        """The folder is watched no more, as where it went or was unmounted."""
        if not self._closing:
            self._arrivals.see(Seen.ANY)

    # Within

    def _begun(self, folder: str) -> InotifyFD:
        try:
            from watchdog.observers.inotify_c import (  # noqa: PLC0415 - only where somebody watches
                CallbackId,
                InotifyConstants,
                InotifyFD,
                Mask,
            )
        except ImportError as error:
            # It is a part of watchdog that may change; a look every few seconds stands in for it.
            raise OSError(errno.ENOSYS, "another version of watchdog than this one knows") from error

        told = InotifyConstants
        mask = (
            (told.IN_CREATE | told.IN_MODIFY | told.IN_CLOSE_WRITE | told.IN_DELETE)
            | (told.IN_MOVED_FROM | told.IN_MOVED_TO | told.IN_DELETE_SELF)
            | (told.IN_ONLYDIR | told.IN_DONT_FOLLOW)
        )
        reader = InotifyFD()
        reader.start()
        try:
            watched = reader.add_callback(os.fsencode(folder), Mask(mask), self, CallbackId(id(self)))
            if watched < 0:
                # The one refusal that the reader keeps to itself.
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        except OSError:
            self._closing = True
            reader.stop()
            reader.join()
            raise
        return reader


def _what(event: InotifyEvent) -> Seen | None:
    """What an event says of a file."""
    if event.is_close_write or event.is_moved_to:
        return Seen.WHOLE
    if event.is_modify:
        return Seen.GREW
    if event.is_create:
        return Seen.APPEARED
    return Seen.WENT if event.is_delete or event.is_moved_from else None
