"""
Lengths of time as people say them: `2h30m`, seconds, hours and minutes, or a `timedelta`.

Pure.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Final

from reconciler.errors import UsageError

_PARTS: Final = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?"
    r"(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?"
)
_SECONDS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_LONGEST: Final = 10 * 366 * 86_400.0
"""Seconds; whoever says more has mistaken the unit."""

HINT: Final = "such as 2h30m, 90m, 45s, 1d, or a number of seconds"


def seconds_of(value: str | float | dt.timedelta) -> float:
    """
    A length of time in seconds.

    Raises:
        UsageError: It is none, or not longer than nothing.
    """
    if isinstance(value, dt.timedelta):
        return held(value.total_seconds(), str(value))
    if isinstance(value, str):
        said = value.strip().lower().replace(" ", "")
        found = _PARTS.fullmatch(said)
        mixed = said[-1:].isdigit() and not said.replace(".", "").isdigit()
        if not said or found is None or mixed:  # 2h30: minutes or seconds?
            raise UsageError(f"{value!r:.60} is no length of time", hint=HINT)
        return held(sum(_SECONDS[unit] * float(part) for unit, part in found.groupdict("0").items()), value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{value!r:.60} is no length of time", hint=HINT)
    return held(value, str(value))


def held(seconds: float, said: str) -> float:
    """
    *seconds*, if there are some, and not more than anybody means.

    Raises:
        UsageError: Otherwise.
    """
    if not math.isfinite(seconds) or not 0 < seconds <= _LONGEST:
        raise UsageError(f"a time limit of {said:.60}: it has to be longer than nothing", hint=HINT)
    return float(seconds)


def spelled(seconds: float) -> str:
    """A length of time as `seconds_of` reads it, such as `2h30m`."""
    left = round(seconds)
    if left < 1:
        return f"{seconds:g}s"
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(_SECONDS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
