"""
Who tells that something happens in a folder: the kernel, or where it is blind, a look every few seconds.

What watchdog tells goes into `Arrivals`; nothing hangs on its being complete. On Linux the kernel is heard
directly (`kernel.py`).
"""

from __future__ import annotations

import logging
import platform
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from reconciler.watching.arrivals import Arrivals, Seen
from reconciler.watching.kernel import Kernel
from reconciler.workspace.mounts import filesystem

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

BLIND: Final = frozenset(
    "9p afs beegfs ceph cifs davfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 overlay prl_fs smb2 smb3 "
    "smbfs vboxsf virtiofs vmhgfs".split()
)
"""File systems that may be changed from where the kernel does not see it."""


WATCHDOG: Final = "watchdog"
"""The log that it writes to."""


@attrs.frozen
class How:
    """
    How a folder is watched.

    Attributes:
        events: The kernel tells; otherwise somebody looks every few seconds.
        filesystem: What it lies on, as the kernel calls it.
        why: Why somebody looks, in words; empty where the kernel tells.
    """

    events: bool
    filesystem: str
    why: str = ""


class Sight(Protocol):
    """Watches one folder at a time."""

    def begin(self, folder: str, arrivals: Arrivals) -> How:
        """Begin to watch *folder*, a real path, and end with whatever was watched before."""

    def close(self) -> None:
        """Watch nothing any more."""


def is_blind(kind: str) -> bool:
    """Whether files on a file system of that type may change without the kernel seeing it."""
    return kind in BLIND or kind.startswith("fuse")


class Observing:
    """
    Watches a folder by watchdog.

    Args:
        observer: `auto`, `events` or `polling`.
        seconds: Between two looks, where somebody looks.
    """

    def __init__(self, observer: str = "auto", seconds: float = 2.0) -> None:
        self._wanted = observer
        self._seconds = seconds
        self._observer: BaseObserver | None = None
        self._kernel: Kernel | None = None
        self._warned: logging.Handler | None = None

    def begin(self, folder: str, arrivals: Arrivals) -> How:
        """Begin to watch *folder*; see `Sight`."""
        self.close()
        kind = filesystem(folder)
        why = ""
        if self._wanted == "polling":
            why = 'watch.observer is "polling"'
        elif self._wanted == "auto" and is_blind(kind):
            why = f"on {kind}, files may change without the kernel seeing it"
        if not why:
            try:
                self._begin(folder, arrivals, events=True)
            except OSError as error:
                # Another limit than that of memory: how many folders one user may watch.
                why = f"the kernel does not tell ({error.strerror or error})"
            else:
                return How(events=True, filesystem=kind)
        self._begin(folder, arrivals, events=False)
        return How(events=False, filesystem=kind, why=why)

    def close(self) -> None:
        """Watch nothing any more."""
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            kernel.close()
        observer, self._observer = self._observer, None
        if self._warned is not None:
            logging.getLogger(WATCHDOG).removeHandler(self._warned)
            self._warned = None
        if observer is not None:
            observer.stop()
            observer.join()

    def _begin(self, folder: str, arrivals: Arrivals, *, events: bool) -> None:
        self._warned = _Warned(arrivals)
        logging.getLogger(WATCHDOG).addHandler(self._warned)
        try:
            if events and platform.system() == "Linux":
                self._kernel, arrivals.closes = Kernel(folder, arrivals), True
            else:
                self._observer, arrivals.closes = (
                    _observing(folder, arrivals, self._seconds, events=events),
                    False,
                )
        except OSError:
            self.close()
            raise


def _observing(folder: str, arrivals: Arrivals, seconds: float, *, events: bool) -> BaseObserver:
    """An observer that watches *folder*; none of these tells when files are closed."""
    from watchdog.events import (  # noqa: PLC0415 - only where somebody watches
        DirDeletedEvent,
        FileCreatedEvent,
        FileDeletedEvent,
        FileModifiedEvent,
        FileMovedEvent,
    )

    kinds: list[type[FileSystemEvent]] = [
        *(FileCreatedEvent, FileDeletedEvent, FileModifiedEvent, FileMovedEvent),
        DirDeletedEvent,
    ]
    observer = _observer(seconds, events=events)
    try:
        observer.schedule(_handler(arrivals), folder, event_filter=kinds)
        observer.start()
    except OSError:
        # Threads that have begun end with it.
        observer.stop()
        raise
    return observer


class _Warned(logging.Handler):
    """Hears what watchdog warns of, such as a queue of the kernel that ran over: somebody has to look."""

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__(logging.WARNING)
        self._arrivals = arrivals

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - whatever it was
        """Look."""
        self._arrivals.see(Seen.ANY)


def _observer(seconds: float, *, events: bool) -> BaseObserver:
    """An observer; none of these tells when files are closed."""
    if not events:
        from watchdog.observers.polling import PollingObserver  # noqa: PLC0415 - where it is wanted

        return PollingObserver(timeout=seconds)
    from watchdog.observers import Observer  # noqa: PLC0415 - whatever this system has

    return Observer()


_SEEN: Final = {"created": Seen.APPEARED, "modified": Seen.GREW}


def _handler(arrivals: Arrivals) -> Any:
    """What watchdog calls with each event."""
    from watchdog.events import FileSystemEventHandler  # noqa: PLC0415 - see above

    class Handler(FileSystemEventHandler):
        def dispatch(self, event: FileSystemEvent) -> None:
            if event.is_directory:
                # The folder itself went; the next look says what that means.
                arrivals.see(Seen.ANY)
                return
            if event.event_type in ("deleted", "moved"):
                arrivals.see(Seen.WENT, _leaf(event.src_path))
            if event.event_type == "moved":
                arrivals.see(Seen.WHOLE, _leaf(event.dest_path))
            elif event.event_type in _SEEN:
                arrivals.see(_SEEN[event.event_type], _leaf(event.src_path))

    return Handler()


def _leaf(path: bytes | str) -> str:
    """The last part of a path, as text."""
    text = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
    return text.rpartition("/")[2]
