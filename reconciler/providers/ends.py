"""
How requests end that are asked live, and what is made of their ends.

What a worker raises becomes the failure of that request and of no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import attrs

from reconciler.codec.classify import classify
from reconciler.errors import CallRefused, KeyRefused, Later, PermanentError, TransientError, Unreachable
from reconciler.model.exchange import Request
from reconciler.model.outcome import ErrorClass
from reconciler.model.standing import Standing
from reconciler.model.words import words_of
from reconciler.providers.base import Body

T = TypeVar("T")

_LASTING: Final = frozenset({ErrorClass.AUTHENTICATION, ErrorClass.BILLING})
"""Failures that every later request would meet too."""


@attrs.frozen
class Answered:
    """A request that has an answer."""

    number: int
    request: Request
    body: Body


@attrs.frozen
class Failed:
    """
    A request whose worker raised.

    Attributes:
        number: Its line in the input.
        request: The request.
        code: A word for what went wrong.
        message: The same for people.
        status: The HTTP status, None where there was none.
        after: How long the other side asks to wait, in seconds; None where it does not say.
        lasting: What every later request would meet too, None for a failure of this request alone.
        unreachable: Nobody was there, so that nothing can have been asked, let alone paid for.
    """

    number: int
    request: Request
    code: str
    message: str
    status: int | None = None
    after: float | None = None
    lasting: KeyRefused | PermanentError | None = None
    unreachable: Unreachable | None = None


End = Answered | Failed


@attrs.frozen
class Judged(Generic[T]):
    """
    An end, ready to be kept.

    Attributes:
        kept: What is handed over to be kept.
        failed: Why the request failed, None for an answer.
    """

    kept: T
    failed: ErrorClass | None = None


def as_they_are(end: End) -> Judged[End]:
    """Keep ends as they are."""
    return Judged(end, classify([end.code], end.status, end.message) if isinstance(end, Failed) else None)


def never_again(_failed: ErrorClass, _sends: int) -> bool:
    """Ask nothing twice."""
    return False


def _unheard(_standing: Standing) -> None:
    """Tell nobody."""


@attrs.frozen(kw_only=True)
class Rules(Generic[T]):
    """
    What is made of ends.

    Attributes:
        judge: Makes of an end what is kept, and says whether it is a failure.
        again: Whether a request that failed so, after so many sends, is asked again.
        sends: How often a request had been sent before this run, by number.
        missed: Told of each send that failed and is made again: the number, and its sends so far.
        heard: Told how far the run is, each time that ends were kept.
        chance: 0 to 1, another number each time.
    """

    judge: Callable[[End], Judged[T]]
    again: Callable[[ErrorClass, int], bool] = never_again
    sends: Callable[[int], int] = lambda _number: 0
    missed: Callable[[int, int], None] = lambda _number, _sends: None
    heard: Callable[[Standing], None] = _unheard
    chance: Callable[[], float] = lambda: 0.5


def failure_of(number: int, request: Request, error: BaseException) -> Failed:
    """What a worker raised, as the failure of its request."""
    match error:
        case Later():
            return Failed(number, request, "rate_limit_exceeded", words_of(error), 429, error.seconds)
        case KeyRefused():
            return Failed(number, request, "authentication_error", words_of(error), lasting=error)
        case CallRefused():
            found = classify([error.code], error.status, error.told)
            lasting = error if found in _LASTING else None
            return Failed(number, request, error.code, words_of(error), error.status, lasting=lasting)
        case Unreachable():
            return Failed(number, request, "connection_error", words_of(error), unreachable=error)
        case TransientError():
            return Failed(number, request, "server_error", words_of(error))
        case PermanentError():
            return Failed(number, request, "invalid_request_error", words_of(error))
        case TimeoutError():
            return Failed(number, request, "timeout", _shown(error))
        case ConnectionError():
            return Failed(number, request, "connection_error", _shown(error))
        case _:
            # User code may raise anything, CancelledError too.
            return Failed(number, request, "worker_error", _shown(error))


def _shown(error: BaseException) -> str:
    """An exception in one line."""
    words = words_of(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
