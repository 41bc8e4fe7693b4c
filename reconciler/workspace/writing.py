"""Bytes onto an open file, all of them, in large blocks, counted afterwards; part of the room for changes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator

from reconciler.workspace.reading import BLOCK


def blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """*chunks* gathered into blocks of about a mebibyte."""
    gathered: list[bytes] = []
    size = 0
    for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size >= BLOCK:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def check_size(opened: int, size: int, path: str) -> None:
    """Hold the size on disk against what was written; a full file system may cut short without an error."""
    found = os.fstat(opened).st_size
    if found != size:
        raise OSError(errno.EIO, f"{found} of {size} bytes were written", path)


def write_all(opened: int, data: bytes) -> None:
    """os.write may write less than it was given, without an error; go on until all is written."""
    view = memoryview(data)
    while view:
        view = view[os.write(opened, view) :]
