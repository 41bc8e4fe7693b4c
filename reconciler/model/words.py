"""
Words for messages: numbers with their nouns, and whatever foreign exceptions say.

Pure.
"""

from __future__ import annotations

import shlex


def many(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 id`, `2 ids`; *nouns* where adding an s is not enough."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"


def spoken(seconds: float) -> str:
    """A duration in the words of people: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:  # noqa: PLR2004 - up to there seconds say more
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - likewise


def words_of(error: BaseException, limit: int = 500) -> str:
    """The first words of an exception, as text that any file takes, whatever its own `__str__` does."""
    try:
        words = str(error)[:limit]
    except Exception:  # noqa: BLE001 - user code may raise anything
        return "(its message cannot be shown)"
    return words.encode("utf-8", "backslashreplace").decode()


def pasted(path: str) -> str:
    """A path as a shell and our own command line take it, whatever it begins with or holds."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)
