"""
Let an embedded provider answer many requests, some of them at once.

Knows nothing of files: requests come in through an iterator, and every end goes out through a callback as
soon as it is there. What a worker raises becomes the failure of that request and of no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import attrs

from reconciler.errors import PermanentError, TransientError
from reconciler.model.exchange import Request
from reconciler.providers.base import Body, Embedded

_POLL: Final = 0.1
"""Seconds between two looks at whether someone asked for an end."""

_WORDS: Final = 500
"""Characters of a message that are kept."""


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
    """

    number: int
    request: Request
    code: str
    message: str


End = Answered | Failed


async def answer_all(
    provider: Embedded,
    requests: Iterator[tuple[int, Request]],
    ended: Callable[[Sequence[End]], None],
    stopping: Callable[[], bool],
) -> None:
    """
    Let *provider* answer every request, `concurrency` at once.

    Args:
        provider: Who answers.
        requests: Line number and request; taken one by one, as there is room.
        ended: Called with whatever has ended since the last call; when it returns, that is kept.
        stopping: Whether someone asked for an end: what is under way is waited for, nothing new begins.
    """
    under_way: set[asyncio.Task[End]] = set()
    exhausted = False
    fault: Exception | None = None
    try:
        while True:
            while not exhausted and len(under_way) < provider.concurrency and not stopping():
                try:
                    following = next(requests, None)
                except Exception as error:  # noqa: BLE001 - raised below, once nothing is under way
                    following, fault = None, error
                if following is None:
                    exhausted = True
                else:
                    under_way.add(asyncio.ensure_future(_end_of(provider, *following)))
            if not under_way:
                break
            done, under_way = await asyncio.wait(
                under_way, timeout=_POLL, return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                ended([task.result() for task in done])
    finally:
        for task in under_way:
            task.cancel()
    if fault is not None:
        raise fault


async def _end_of(provider: Embedded, number: int, request: Request) -> End:
    """How one request ends."""
    try:
        body: Any = await provider.answer(request)
    except TransientError as error:
        return Failed(number, request, "server_error", error.message[:_WORDS])
    except PermanentError as error:
        return Failed(number, request, "invalid_request_error", error.message[:_WORDS])
    except TimeoutError as error:
        return Failed(number, request, "timeout", _shown(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
        return Failed(number, request, "worker_error", _shown(error))
    return Answered(number, request, body)


def _shown(error: BaseException) -> str:
    """An exception in one line, whatever its own `__str__` does."""
    try:
        words = str(error)[:_WORDS]
    except Exception:  # noqa: BLE001 - user code may raise anything
        words = "(its message cannot be shown)"
    shown = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return shown.encode("utf-8", "backslashreplace").decode()
