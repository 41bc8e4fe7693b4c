"""
Which failed calls are made again, and when.

Pure: statuses, headers and failures go in; what to raise, whether to try again and how long to wait come out.
A create is never made again: it either surely did not happen, or is uncertain.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import attrs

from reconciler.errors import (
    CallRefused,
    KeyRefused,
    Later,
    NotThere,
    PermanentError,
    ReconcilerError,
    TransientError,
    Uncertain,
)
from reconciler.providers.calls import Kind
from reconciler.providers.refusals import Said

PROVES_REFUSAL: Final = frozenset(
    {400, 401, 402, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 426, 428}
    | {429, 431, 451}
)
"""Statuses that say that a create did not happen; any other leaves it uncertain."""

TRY_AGAIN: Final = frozenset({408, 409, 425, 429})
"""Statuses below 500 that a later try may mend."""

SHORTEST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 8.0
"""Bounds of the back-off between tries, in seconds, where the provider names no time."""

COME_BACK: Final = 60.0
"""Seconds until the next look at a provider that is full and does not say for how long."""

_SECONDS: Final = re.compile(r"[+-]?[0-9]{1,300}(?:\.[0-9]{0,300})?", re.ASCII)
_BILLING: Final = "there is no credit left: add some, or raise the limit, in the provider's console"
_AGAIN: Final = "run again later; nothing is lost"
_SEARCHED: Final = "it is searched for at the provider before anything is sent again"


@attrs.frozen
class Fault:
    """
    A try that brought nothing.

    Attributes:
        error: What is raised when there is no further try.
        again: Whether a further try may mend it.
        after: How long the provider asks to wait, in seconds; None where it does not say.
        progress: Whether the try brought the call nearer to its end all the same.
    """

    error: ReconcilerError
    again: bool = False
    after: float | None = None
    progress: bool = False


@attrs.frozen
class Trouble:
    """
    No reply, or none that can be used.

    Attributes:
        words: What happened, for people, with the name of the provider.
        sent: Whether anything of the call may have arrived.
        hint: What to do.
        again: Whether another try may mend it.
        lasting: Whether no later pass will mend it either.
    """

    words: str
    sent: bool = True
    hint: str = ""
    again: bool = True
    lasting: bool = False


def fault_of_trouble(kind: Kind, trouble: Trouble) -> Fault:
    """What follows from a call without a usable reply."""
    if kind is Kind.CREATE:
        if trouble.sent:
            return Fault(_uncertain(trouble.words))
        return Fault(TransientError(f"{trouble.words}; nothing was sent", hint=trouble.hint))
    error = PermanentError if trouble.lasting else TransientError
    return Fault(error(trouble.words, hint=trouble.hint), again=trouble.again and not trouble.lasting)


def fault_of_status(
    kind: Kind, said: Said, headers: Mapping[str, str], *, now: float, longest: float
) -> Fault:
    """
    What follows from a reply that is no success.

    Args:
        kind: What the call does.
        said: The status, and what the body says.
        headers: Of the reply, by name in lower case.
        now: Seconds since the epoch.
        longest: A wait above this is not waited for here.
    """
    if kind is Kind.CREATE and said.status not in PROVES_REFUSAL:
        return Fault(_uncertain(said.words))
    after = retry_after(headers, now)
    after = said.after if after is None else after
    again = kind is not Kind.CREATE and _may_mend(kind, said, headers)
    if again and after is not None and after > longest:
        return Fault(Later(said.words, after))
    return Fault(_error_of(kind, said, after), again, after)


def _may_mend(kind: Kind, said: Said, headers: Mapping[str, str]) -> bool:
    """Whether another try may succeed."""
    if said.status < HTTPStatus.BAD_REQUEST or said.no_credit:
        return False
    asked = headers.get("x-should-retry", "").strip().lower()
    if asked in {"true", "false"}:
        return asked == "true"
    if said.status == HTTPStatus.CONFLICT and kind is Kind.CHANGE:
        return False
    return said.status in TRY_AGAIN or said.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _error_of(kind: Kind, said: Said, after: float | None) -> ReconcilerError:
    """The typed error for a status."""
    status = said.status
    if said.about_key:
        return KeyRefused(said.words, hint="check that the key is whole, and meant for this address")
    if said.no_credit:
        return CallRefused(said.words, status=status, code=said.code, told=said.told, hint=_BILLING)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Later(said.words, COME_BACK if after is None else after)
    if status == HTTPStatus.NOT_FOUND:
        return NotThere(said.words, status=status, code=said.code, told=said.told)
    # What a change conflicts with is for the caller to look at: most often it is done already.
    refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in TRY_AGAIN
    if refusal or (status == HTTPStatus.CONFLICT and kind is Kind.CHANGE):
        return CallRefused(said.words, status=status, code=said.code, told=said.told)
    return TransientError(said.words, hint=said.hint or _AGAIN)


def _uncertain(words: str) -> Uncertain:
    """A create whose end nobody knows."""
    return Uncertain(f"{words}; a batch may have been created all the same", hint=_SEARCHED)


@attrs.define(eq=False)
class Tally:
    """
    Counts the tries of one call.

    Attributes:
        retries: Further tries after one that failed without progress.
        most: Further tries in all.
        chance: 0 to 1.
        number: The try that comes, or is on its way, from 1.
        failures: Tries in a row that failed without progress.
        last: Why the last one failed.
    """

    retries: int
    most: int
    chance: Callable[[], float]
    number: int = 1
    failures: int = 0
    last: Fault | None = None

    def again(self, found: object) -> bool:
        """Take note of what a try brought; whether another one follows."""
        if not isinstance(found, Fault):
            return False
        self.last = found
        self.failures = 0 if found.progress else self.failures + 1
        if not found.again or self.failures > self.retries or self.number > self.most:
            return False
        self.number += 1
        return True

    def wait(self) -> float:
        """Seconds until the next try."""
        asked = None if self.last is None else self.last.after
        return back_off(self.failures, self.chance()) if asked is None else asked


def back_off(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row, *chance* being 0 to 1."""
    wait = SHORTEST_WAIT * 2.0 ** min(max(failures, 1) - 1, 10)
    return min(LONGEST_WAIT, wait * (1 + chance / 2))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    How many seconds a reply asks to wait, None where it does not say or no such time exists.

    `retry-after-ms` comes before `retry-after`, which is seconds (with decimals or without) or a date. A date
    is held against the reply's own `date`: the clocks of two machines differ.
    """
    millis = _number(headers.get("retry-after-ms", ""))
    if millis is not None:
        return millis / 1000 if millis > 0 else None
    asked = headers.get("retry-after", "")
    seconds = _number(asked)
    if seconds is None:
        until = _date(asked)
        if until is None:
            return None
        there = _date(headers.get("date", ""))
        seconds = until - (now if there is None else there)
    return seconds if seconds > 0 else None


def _number(text: str) -> float | None:
    """A decimal number, None for anything else."""
    text = text.strip()
    if not _SECONDS.fullmatch(text):
        return None
    found = float(text)
    return found if math.isfinite(found) else None


def _date(text: str) -> float | None:
    """An HTTP date in seconds since the epoch, None for anything else."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
