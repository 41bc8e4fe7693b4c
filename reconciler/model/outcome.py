"""
What became of one request, and which failures are worth asking again.

Pure. The outcome belongs to a line, never to the file in which the line stands.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.errors import UsageError


class Outcome(enum.StrEnum):
    """What one answer line says of its request."""

    ANSWERED = "answered"
    FAILED = "failed"


class ErrorClass(enum.StrEnum):
    """Why a request failed, in words that hold for every provider."""

    RATE_LIMIT = "rate-limit"
    SERVER_ERROR = "server-error"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    MISSING = "missing"
    INVALID_REQUEST = "invalid-request"
    OVER_LENGTH = "over-length"
    CONTENT_FILTER = "content-filter"
    AUTHENTICATION = "authentication"
    BILLING = "billing"
    NOT_FOUND = "not-found"
    INVALID_ANSWER = "invalid-answer"
    TIME_LIMIT = "time-limit"
    """The time that its author gave it was over before it ran."""
    UNKNOWN = "unknown"


RETRYABLE: Final = frozenset(
    {
        ErrorClass.RATE_LIMIT,
        ErrorClass.SERVER_ERROR,
        ErrorClass.OVERLOADED,
        ErrorClass.TIMEOUT,
        ErrorClass.EXPIRED,
        ErrorClass.CANCELLED,
        ErrorClass.MISSING,
    }
)
"""Classes that may succeed when the same bytes are sent again."""

RETRYABLE_ONCE: Final = frozenset({ErrorClass.UNKNOWN})
"""Classes that are sent a second time, never a third."""


class ClassPolicy(enum.StrEnum):
    """What is done about failures of one class."""

    RETRY = "retry"
    """They are sent again, as often as `max_attempts` says."""
    ONCE = "once"
    """They are sent a second time, never a third."""
    NEVER = "never"
    """They are final: reported, collected, and their batch settles."""
    ATTENTION = "attention"
    """They are final, and their batch stays until a person has looked."""


def _default(error_class: ErrorClass) -> ClassPolicy:
    """What is done where nobody says otherwise; a class that nothing is known of is never sent again."""
    if error_class in RETRYABLE:
        return ClassPolicy.RETRY
    return ClassPolicy.ONCE if error_class in RETRYABLE_ONCE else ClassPolicy.NEVER


DEFAULT_CLASSES: Final[Mapping[ErrorClass, ClassPolicy]] = {each: _default(each) for each in ErrorClass}
"""The table of `[policy.classes]` where nobody has written one."""


def parse_classes(words: Iterable[str]) -> frozenset[ErrorClass] | None:
    """
    The classes that *words* name; None for no word at all.

    Raises:
        UsageError: One is no error class.
    """
    found = set()
    for word in words:
        if word not in ErrorClass.__members__.values():
            import difflib  # noqa: PLC0415 - for mistakes alone

            known = [each.value for each in ErrorClass]
            close = difflib.get_close_matches(word, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            raise UsageError(f"{word!r:.60} is no error class", hint=hint)
        found.add(ErrorClass(word))
    return frozenset(found) or None


def retryable_classes(
    attempt: int, max_attempts: int, table: Mapping[ErrorClass, ClassPolicy] = DEFAULT_CLASSES
) -> frozenset[ErrorClass]:
    """
    The classes that may be sent again after *attempt* sends.

    Empty once *attempt* has reached *max_attempts*; both count the first send as 1, over all batches that
    have asked these requests.

    Args:
        attempt: How often the requests have been sent.
        max_attempts: How often they may be sent.
        table: What is done about each class.
    """
    if attempt >= max_attempts:
        return frozenset()
    words = {ClassPolicy.RETRY, ClassPolicy.ONCE} if attempt == 1 else {ClassPolicy.RETRY}
    return frozenset(each for each, word in table.items() if word in words)
