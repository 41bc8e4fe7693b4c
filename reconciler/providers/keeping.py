"""
Hand over what has ended, group by group, to a thread that keeps it.

Knows nothing of requests. One group is written at a time; whatever ends meanwhile is the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Keeper(Generic[T]):
    """
    Keeps ends; made and used on one loop, and closed there.

    Args:
        keep: Called in a thread of its own with a group; when it returns, the group is kept.
        kept: Told how many are kept now, on the loop.
        failed: Told what *keep* raised: the group and whatever ends from then on is left for `last`.
    """

    def __init__(
        self,
        keep: Callable[[Sequence[T]], None],
        kept: Callable[[int], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._keep = keep
        self._kept = kept
        self._failed = failed
        self._unkept: list[T] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._writing = False
        self._fault = False
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] | None = None
        self._writer = ThreadPoolExecutor(1, "reconciler-keeper")

    def put(self, end: T) -> None:
        """One more has ended; it is kept with whatever else ends in this turn of the loop."""
        self._unkept.append(end)
        if not self._writing and not self._fault:
            self._writing = True
            self._loop.call_soon(self._hand_over)

    async def noted(self) -> None:
        """Wait until a group has been written that begins from now on, be it an empty one."""
        if not self._fault:
            place = self._loop.create_future()
            self._waiting.append(place)
            if not self._writing:
                self._writing = True
                self._loop.call_soon(self._hand_over)
            await place

    async def last(self) -> None:
        """
        Wait until nothing is being written; what could not be kept is tried once more.

        Raises:
            Exception: What *keep* raised then.
        """
        if self._writing:
            self._over = self._loop.create_future()
            await self._over
        if self._unkept:
            # Each of them may have been paid for.
            error = await self._loop.run_in_executor(self._writer, self._tried, self._unkept)
            if error is not None:
                raise error

    def close(self) -> None:
        """Let go of the thread; what it is writing ends first."""
        self._writer.shutdown(wait=True)

    def _hand_over(self) -> None:
        """Give all that has ended to the thread."""
        ends, self._unkept = self._unkept, []
        waiting, self._waiting = self._waiting, []
        writing = self._loop.run_in_executor(self._writer, self._tried, ends)
        writing.add_done_callback(partial(self._written, ends, waiting))

    def _tried(self, ends: list[T]) -> BaseException | None:
        """Why they could not be kept; asyncio complains of what is raised where nobody waits any more."""
        try:
            self._keep(ends)
        except BaseException as error:  # noqa: BLE001 - the loop hears of it
            return error
        return None

    def _written(
        self,
        ends: list[T],
        waiting: list[asyncio.Future[None]],
        writing: asyncio.Future[BaseException | None],
    ) -> None:
        """A group has been written, or could not be."""
        error = None if writing.cancelled() else writing.result()
        if error is None:
            if ends:
                self._kept(len(ends))
        else:
            self._unkept = ends + self._unkept
            self._fault = True
            self._failed(error)
            waiting, self._waiting = waiting + self._waiting, []
        for place in waiting:
            if not place.done():
                place.set_result(None)
        self._writing = bool(self._unkept or self._waiting) and not self._fault
        if self._writing:
            self._hand_over()
        elif self._over is not None and not self._over.done():
            self._over.set_result(None)
