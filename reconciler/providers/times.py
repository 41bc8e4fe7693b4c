"""
Moments as providers write them: seconds since the epoch, the same as text, or ISO 8601.

Pure, and never an error: a time that cannot be read is a time that nobody told.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

DAY: Final = 86_400.0
_LAST: Final = 253_402_300_799.0
"""The end of the year 9999: a number above it counts something else than seconds."""


def seconds(value: Any) -> float | None:
    """
    Seconds since the epoch, None when *value* tells no moment.

    0 tells none either: services that keep no such time write it.
    """
    if isinstance(value, str):
        return _of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and 0 < found <= _LAST else None


def iso(moment: float) -> str:
    """A moment as ISO 8601 in UTC, to the second below it."""
    return datetime.fromtimestamp(math.floor(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_text(text: str) -> float | None:
    """Seconds since the epoch of a number or a date; a date without a zone is in UTC."""
    try:
        return seconds(float(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
        return seconds((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
