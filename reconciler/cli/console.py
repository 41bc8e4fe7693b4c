"""
What people see: escaped, coloured when a terminal looks on, and never in the way of data.

stdout is data, stderr is for people.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import unicodedata
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
_PLACEHOLDER: Final = re.compile(r"(\breconcile (?:[a-z]+ )?)WORKSPACE(?=\s|$)")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def safe(text: str) -> str:
    """*text* with every character that could move a cursor, hide text or end a line shown as an escape."""
    if text.isprintable():
        return text
    return "".join(each if unicodedata.category(each) not in _HIDDEN else ascii(each)[1:-1] for each in text)


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


def typed(hint: str, workspace: str) -> str:
    """A hint whose commands name the workspace as the user typed it, ready for a shell."""
    name = shlex.quote(workspace)
    return _PLACEHOLDER.sub(lambda found: found[1] + name, hint)


def complain(message: str, hint: str) -> None:
    """An error, with the next thing to type."""
    err(f"{paint('error:', 'error', sys.stderr)} {safe(message)}")
    for way in hint.splitlines():
        err(f"  -> {safe(way)}")


_drawn: Final[list[str]] = []
"""The line that stands on the terminal and is written over."""


def draw(text: str) -> None:
    """Show a line on the terminal of stderr until the next word there; without text, nothing."""
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()
    _drawn[:] = [text] if text else []


def out(text: str = "") -> None:
    """A line of data."""
    if _drawn:
        draw("")
    if sys.stdout is not None:
        sys.stdout.write(text + "\n")


def err(text: str = "") -> None:
    """A line for people."""
    if _drawn:
        draw("")
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
