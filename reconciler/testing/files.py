"""
The fake's own disk: the content of files in a private temporary folder, so that large ones take no memory.

A room of its own: nothing else in the fake opens a file, and this opens none outside its folder.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs

CHUNK: Final = 1 << 18


@attrs.define
class Content:
    """The bytes of one file: where they are, how many, and their digest."""

    path: Path
    size: int = 0
    sha256: bytes = b""

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from *start* up to *stop*, in pieces; between two of them no file is open."""
        end = self.size if stop is None else stop
        while start < end:
            with self.path.open("rb") as file:
                file.seek(start)
                data = file.read(min(CHUNK, end - start))
            if not data:
                return
            start += len(data)
            yield data

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Every line that is not blank, with its 1-based number."""
        return ((number, line) for number, line in self.every_line() if line.strip())

    def every_line(self) -> Iterator[tuple[int, bytes]]:
        """Every line with its 1-based number; line feeds alone end a line."""
        with self.path.open("rb") as file:
            yield from enumerate(file, 1)

    def places(self) -> list[tuple[int, int]]:
        """The offset and length of every line that is not blank."""
        found, at = [], 0
        for _, line in self.every_line():
            if line.strip():
                found.append((at, len(line)))
            at += len(line)
        return found

    def line_at(self, places: Iterator[tuple[int, int]]) -> Iterator[bytes]:
        """The pieces at *places*, each an offset and a length."""
        with self.path.open("rb") as file:
            for offset, length in places:
                file.seek(offset)
                yield file.read(length)

    @contextmanager
    def mapped(self) -> Iterator[memoryview]:
        """All bytes as a view on the file: they stay on disk until they are read."""
        if not self.size:
            yield memoryview(b"")
            return
        with self.path.open("rb") as file:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            yield memoryview(whole)
        finally:
            # Whatever still looks at a piece keeps the mapping; it goes with the last of them.
            with suppress(BufferError):
                whole.close()


class Writer:
    """A file that is being written; `close` hands back its content."""

    def __init__(self, path: Path) -> None:
        self.content = Content(path)
        self._file = path.open("wb")
        self._digest = hashlib.sha256()

    @property
    def size(self) -> int:
        """How many bytes are written."""
        return self.content.size

    @property
    def closed(self) -> bool:
        """Whether no more bytes come."""
        return self._file.closed

    def write(self, data: bytes) -> None:
        """Put *data* at the end."""
        self._file.write(data)
        self._digest.update(data)
        self.content.size += len(data)

    def close(self) -> Content:
        """No more bytes; a second time is nothing."""
        self._file.close()
        self.content.sha256 = self._digest.digest()
        return self.content


class Disk:
    """The private folder; it goes with `close`."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="reconciler-fake-")
        self._made = 0
        self._open: list[Writer] = []

    def new(self) -> Writer:
        """Begin a new file."""
        self._made += 1
        self._open = [writer for writer in self._open if not writer.closed]
        self._open.append(Writer(Path(self._folder.name) / f"{self._made:08}"))
        return self._open[-1]

    def drop(self, content: Content) -> None:
        """Give a file's room back."""
        content.path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Close what nobody finished: refused creates, uploads that broke off."""
        for writer in self._open:
            writer.close()

    def close(self) -> None:
        """Remove the folder with all files."""
        self.abandon()
        self._folder.cleanup()
