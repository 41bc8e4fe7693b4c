"""
What became of one request, and which failures are worth asking again.

Pure. The outcome belongs to a line, never to the file in which the line stands.
"""

from __future__ import annotations

import enum
from typing import Final


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


def retryable_classes(attempt: int, max_attempts: int) -> frozenset[ErrorClass]:
    """
    The classes that may be sent again after *attempt* sends.

    Empty once *attempt* has reached *max_attempts*; both count the first send as 1.
    """
    if attempt >= max_attempts:
        return frozenset()
    return RETRYABLE | RETRYABLE_ONCE if attempt == 1 else RETRYABLE
