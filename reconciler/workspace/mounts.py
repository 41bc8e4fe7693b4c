"""Which folder stands at a path, and on what kind of file system; part of the room for looking."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Final

MOUNTS: Final = "/proc/self/mounts"
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")


def identity(path: str) -> tuple[int, int] | None:
    """What tells the folder at *path* from every other: device and inode; None when no folder is there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def is_empty(path: str) -> bool:
    """Whether the folder at *path* holds nothing."""
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        return next(entries, None) is None
    return False


def filesystem(path: str, mounts: str = MOUNTS) -> str:
    """
    The type of the file system that *path* lies on, as the kernel calls it; empty where nobody says.

    Args:
        path: A real path.
        mounts: The list of what is mounted.
    """
    try:
        with open(mounts, "rb") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return ""
    wanted, best, kind = os.fsencode(path).rstrip(b"/") + b"/", b"", ""
    for line in lines:
        parts = line.split(b" ")
        if len(parts) < 3:  # noqa: PLR2004 - device, place, type
            continue
        place = _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), parts[1]).rstrip(b"/") + b"/"
        # Of two at one place the later one lies on top.
        if wanted.startswith(place) and len(place) >= len(best):
            best, kind = place, parts[2].decode("ascii", "replace")
    return kind
