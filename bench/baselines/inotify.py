"""What the kernel tells of a closed file, with nothing between: as soon as anybody can hear of it."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Final

_CLOSE_WRITE: Final = 0x8
_ROOM: Final = 1 << 16


class Bare:
    """The events of one folder."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._opened = libc.inotify_init()
        if libc.inotify_add_watch(self._opened, os.fsencode(folder), _CLOSE_WRITE) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def heard(self, leaf: str) -> float:
        """Wait until the file *leaf* is closed; when that was heard, as `time.perf_counter` counts."""
        while os.fsencode(leaf) not in os.read(self._opened, _ROOM):
            pass
        return time.perf_counter()

    def close(self) -> None:
        """Hear no more."""
        os.close(self._opened)
