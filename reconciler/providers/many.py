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
from reconciler.model.words import words_of
from reconciler.providers.base import Body, Embedded

_POLL: Final = 0.1
"""Seconds between two looks at whether someone asked for an end."""


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
        ended: Called with whatever has ended since the last call; when it returns, that is kept. When it
            raises, nothing new begins, what is under way is waited for, and it gets all of it once more.
        stopping: Whether someone asked for an end: what is under way is waited for, nothing new begins.
    """
    crowd = _Crowd(provider, requests, ended, stopping)
    try:
        await crowd.run()
    finally:
        for task in crowd.under_way:
            task.cancel()
    if crowd.fault is not None:
        raise crowd.fault


@attrs.define
class _Crowd:
    """The requests that are under way, and what has ended and is not kept yet."""

    provider: Embedded
    requests: Iterator[tuple[int, Request]]
    ended: Callable[[Sequence[End]], None]
    stopping: Callable[[], bool]
    under_way: set[asyncio.Task[End]] = attrs.field(factory=set)
    unkept: list[End] = attrs.field(factory=list)
    exhausted: bool = False
    fault: Exception | None = None

    async def run(self) -> None:
        """Begin, wait, keep; until nothing is under way and nothing is left."""
        self._begin()
        while self.under_way:
            done, self.under_way = await asyncio.wait(
                self.under_way, timeout=_POLL, return_when=asyncio.FIRST_COMPLETED
            )
            self.unkept += [task.result() for task in done]
            if self.unkept and self.fault is None:
                self._keep()
            self._begin()
        if self.unkept:
            # Each of them may have been paid for: try once more before they are given up.
            self._keep()

    def _begin(self) -> None:
        """Begin as many requests as there is room for."""
        room = self.provider.concurrency
        while not self.exhausted and len(self.under_way) < room and not self.stopping():
            try:
                following = next(self.requests, None)
            except Exception as error:  # noqa: BLE001 - raised once nothing is under way
                following, self.fault = None, error
            if following is None:
                self.exhausted = True
            else:
                self.under_way.add(asyncio.ensure_future(_end_of(self.provider, *following)))

    def _keep(self) -> None:
        """Hand over what has ended; on a fault nothing new begins."""
        try:
            self.ended(self.unkept)
        except Exception as error:  # noqa: BLE001 - raised once nothing is under way
            self.exhausted, self.fault = True, self.fault or error
        else:
            self.unkept = []


async def _end_of(provider: Embedded, number: int, request: Request) -> End:
    """How one request ends."""
    try:
        body: Any = await provider.answer(request)
    except TransientError as error:
        return Failed(number, request, "server_error", words_of(error))
    except PermanentError as error:
        return Failed(number, request, "invalid_request_error", words_of(error))
    except TimeoutError as error:
        return Failed(number, request, "timeout", _shown(error))
    except ConnectionError as error:
        return Failed(number, request, "connection_error", _shown(error))
    except BaseException as error:  # noqa: BLE001 - user code may raise anything, CancelledError too
        return Failed(number, request, "worker_error", _shown(error))
    return Answered(number, request, body)


def _shown(error: BaseException) -> str:
    """An exception in one line."""
    words = words_of(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
