"""A stream that tells what is read from it; it opens nothing itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any


class Told(io.RawIOBase):
    """A raw stream that tells someone every block it reads."""

    def __init__(self, raw: io.RawIOBase, on_block: Callable[[memoryview], None]) -> None:
        self._raw = raw
        self._on_block = on_block

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read a block and tell."""
        size = self._raw.readinto(buffer) or 0
        if size:
            self._on_block(memoryview(buffer)[:size])
        return size

    def close(self) -> None:
        """Close the file below."""
        self._raw.close()
        super().close()
