"""
What a terminal is told: colours, and frames that are redrawn in place.

A frame is a list of lines, no wider than the screen; it is written in one go, and only when it differs from
the one before. Nothing here knows what is shown.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Final, TextIO

_STYLES: Final = {
    "settled": "32",
    "pending": "36",
    "waiting": "33",
    "held": "33",
    "needs attention": "31",
    "failed": "31",
    "interrupted": "33",
    "strong": "1",
    "faint": "2",
    "error": "1;31",
}


def colourful(stream: TextIO | None) -> bool:
    """Whether *stream* should get colours: a terminal, and nobody said no."""
    if os.environ.get("NO_COLOR"):
        return False
    forced = os.environ.get("FORCE_COLOR")
    if forced:
        return forced not in ("0", "false")
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """*text* in the colour of *style*, when the stream (stdout unless given) takes colours."""
    code = _STYLES.get(style)
    if code is None or not colourful(stream or sys.stdout):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def cut(text: str, width: int, *, in_the_middle: bool = False) -> str:
    """*text* in at most *width* columns; names are told apart by their ends, too."""
    if len(text) <= width:
        return text
    behind = (width - 1) // 2 if in_the_middle else 0
    return f"{text[: max(0, width - 1 - behind)]}…{text[len(text) - behind :]}"


class Screen:
    """
    Where frames go: over the one before on a terminal, one below the other elsewhere.

    Args:
        stream: Where they are shown; stdout unless given.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        terminal = self._stream is not None and self._stream.isatty()
        self._over = terminal and (colourful(self._stream) or os.environ.get("TERM", "dumb") != "dumb")
        self._lines: list[str] = []
        self._size = (0, 0)
        self._one_at_a_time = threading.Lock()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        if not self._over:
            return 200, 1 << 20
        import shutil  # noqa: PLC0415 - loads four ways to compress

        found = shutil.get_terminal_size()
        return found.columns - 1, found.lines

    @property
    def redraws(self) -> bool:
        """Whether a frame takes the place of the one before."""
        return self._over

    def draw(self, lines: list[str]) -> None:
        """Show a frame, in one write."""
        if not self._over:
            self._stream.write("".join(f"{line}\n" for line in (*lines, "")))
            self._stream.flush()
            return
        with self._one_at_a_time:
            if lines == self._lines and self.size == self._size:
                return
            if self._stream is sys.stderr and self not in _standing:
                _standing.append(self)
            begin = "\x1b[?25l" if not self._lines else f"\x1b[{len(self._lines)}F"
            if self._lines and self.size != self._size:
                # Lines may have been folded; how many there are now is anybody's guess.
                begin = "\x1b[H\x1b[2J"
            self._lines, self._size = lines, self.size
            self._stream.write(begin + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
            self._stream.flush()

    def lift(self) -> None:
        """Take the frame away; the next one stands below what is written meanwhile."""
        with self._one_at_a_time:
            if self._over and self._lines:
                self._stream.write(f"\x1b[{len(self._lines)}F\x1b[J")
                self._stream.flush()
                self._lines = []

    def close(self) -> None:
        """Leave the last frame there."""
        if self in _standing:
            _standing.remove(self)
        if self._over and self._size != (0, 0):
            self._stream.write("\x1b[?25h")
            self._stream.flush()


_standing: Final[list[Screen]] = []
"""Screens whose frame stands on stderr."""


def lift() -> None:
    """Take away what stands on stderr, before a word is written there."""
    for each in _standing:
        each.lift()
