"""
What people see: escaped, coloured when a terminal looks on, and never in the way of data.

stdout is data, stderr is for people.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Final

from reconciler.model.words import pasted
from reconciler.screen import colourful as colourful  # noqa: PLC0414 - what people see has one home
from reconciler.screen import lift
from reconciler.screen import paint as paint  # noqa: PLC0414 - likewise

_PLACEHOLDER: Final = re.compile(r"(\breconcile (?:[a-z]+ )?)WORKSPACE(?=\s|$)")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def safe(text: str) -> str:
    """*text* with every character that could move a cursor, hide text or end a line shown as an escape."""
    if text.isprintable():
        return text
    return "".join(each if unicodedata.category(each) not in _HIDDEN else ascii(each)[1:-1] for each in text)


def safe_json(text: str) -> str:
    """The same for JSON, whose own line ends stay: it says the same, and can be read by any program."""
    if text.isprintable():
        return text
    return "".join(
        each if each == "\n" or unicodedata.category(each) not in _HIDDEN else _units(each) for each in text
    )


def _units(each: str) -> str:
    """A character as JSON may spell it."""
    units = each.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def data(blocks: Iterable[bytes], *, as_json: bool) -> None:
    """
    Bytes on stdout, as they are; a terminal gets them without what could speak to it.

    Args:
        blocks: UTF-8, for a terminal.
        as_json: They are JSON, one or many documents.
    """
    if sys.stdout is None:
        return
    sys.stdout.flush()
    if not sys.stdout.isatty():
        sys.stdout.buffer.writelines(blocks)
        sys.stdout.buffer.flush()
        return
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for block in blocks:
        text = decoder.decode(block)
        sys.stdout.write(safe_json(text) if as_json else "\n".join(map(safe, text.split("\n"))))
    sys.stdout.flush()


def typed(hint: str, workspace: str) -> str:
    """A hint whose commands name the workspace as the user typed it, ready for a shell."""
    name = pasted(workspace)
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
    lift()
    if _drawn:
        draw("")
    if sys.stdout is not None:
        sys.stdout.write(text + "\n")


def err(text: str = "") -> None:
    """A line for people; if nobody can be told, the work goes on all the same."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            lift()
            if _drawn:
                draw("")
            sys.stderr.write(text + "\n")
