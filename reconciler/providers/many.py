"""
Let an embedded provider answer many requests: some at once, at a rate, each again where that may help.

Knows nothing of files: requests come in through an iterator, and every end goes out through a callback that
keeps it. A request is under way until its end is kept, so what a kill can lose is bounded by the number of
requests that are under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from reconciler.model.exchange import Request
from reconciler.model.standing import Standing
from reconciler.providers.base import Embedded
from reconciler.providers.ends import Rules
from reconciler.providers.keeping import Keeper
from reconciler.providers.sending import Sending, wake

T = TypeVar("T")

_POLL: Final = 0.1
"""Seconds between two looks at whether someone asked for an end."""

TELL: Final = 1.0
"""Seconds between two words about a run in which nothing ends."""


async def answer_all(
    provider: Embedded,
    requests: Iterator[tuple[int, Request]],
    ended: Callable[[Sequence[T]], None],
    stopping: Callable[[], bool],
    rules: Rules[T],
) -> None:
    """
    Let *provider* answer every request, at its concurrency and pace.

    Args:
        provider: Who answers.
        requests: Number and request; taken one by one, as there is room.
        ended: Called, in a thread of its own, with whatever has ended since the last call, be it nothing;
            when it returns, that is kept, and so is what was missed before. When it raises, nothing new
            begins, what is under way is waited for, and it gets all of it once more.
        stopping: Whether someone asked for an end: what is under way is waited for, nothing new begins, and
            nothing is asked again.
        rules: What is made of ends.

    Raises:
        KeyRefused: The key was refused; nothing new began, and the requests that met it have not ended.
        PermanentError: Likewise, for want of credit.
        Exception: What *requests* or *ended* raised.
    """
    crowd = _Crowd(provider, requests, ended, stopping, rules)
    try:
        await crowd.run()
    finally:
        crowd.close()
        await provider.close()
    if crowd.fault is not None:
        raise crowd.fault


class _Crowd(Generic[T]):
    """The requests that are under way, in lanes, and how far the run is."""

    def __init__(
        self,
        provider: Embedded,
        requests: Iterator[tuple[int, Request]],
        ended: Callable[[Sequence[T]], None],
        stopping: Callable[[], bool],
        rules: Rules[T],
    ) -> None:
        self.fault: BaseException | None = None
        self._requests = requests
        self._stopping = stopping
        self._heard = rules.heard
        self._most = provider.concurrency
        self._seconds = provider.pace.run_seconds
        self._keeper = Keeper(ended, self._kept, self._end)
        self._sending = Sending(provider, rules, self._end, self._keeper.noted)
        self._lanes: list[asyncio.Task[None]] = []
        self._idle: deque[asyncio.Future[None]] = deque()
        self._called = False
        self._over = False
        self._under_way = 0
        self._counts = [0, 0]

    async def run(self) -> None:
        """Until nothing is under way and nothing is left, or someone asks for an end."""
        watch = asyncio.create_task(self._watch())
        try:
            self._widen()
            for lane in self._lanes:
                await lane
            await self._keeper.last()
        except Exception as error:  # noqa: BLE001 - the first fault is the one that is told
            self.fault = self.fault or error
        finally:
            watch.cancel()
            for lane in self._lanes:
                lane.cancel()

    def close(self) -> None:
        """Let go of the writing thread; what it is writing ends first."""
        self._sending.close()
        self._keeper.close()

    async def _lane(self) -> None:
        """
        Take one request after the other to its end, while there is room.

        A request takes up room until its end is kept. The lane does not wait for that: as long as others are
        kept, it goes on.
        """
        try:
            self._called = False
            while not self._over:
                if self._under_way >= self._most:
                    await self._room()
                elif (following := self._following()) is not None:
                    self._under_way += 1
                    self._widen()
                    judged = await self._sending.asked(*following)
                    if judged is None:
                        self._under_way -= 1
                    else:
                        self._counts[judged.failed is not None] += 1
                        self._keeper.put(judged.kept)
        except Exception as error:  # noqa: BLE001 - raised once nothing is under way
            self._end(error)

    async def _room(self) -> None:
        """Wait until this lane is called."""
        place = asyncio.get_running_loop().create_future()
        self._idle.append(place)
        await place
        self._called = False

    def _widen(self) -> None:
        """Call one more lane, where there is room for it; that one calls the next."""
        if self._called or self._over or self._under_way >= self._most:
            return
        if self._idle:
            self._called = True
            wake(self._idle, 1)
        elif len(self._lanes) < self._most:
            self._called = True
            self._lanes.append(asyncio.create_task(self._lane()))

    def _following(self) -> tuple[int, Request] | None:
        """The next request, None when none begins any more."""
        if self._stopping():
            self._end()
            return None
        try:
            following = next(self._requests, None)
        except Exception as error:  # noqa: BLE001 - raised once nothing is under way
            self._end(error)
            return None
        if following is None:
            self._close_lanes()
        return following

    def _close_lanes(self) -> None:
        """Nothing follows: lanes that wait for room have no more to do."""
        self._over = True
        wake(self._idle, len(self._idle))

    def _end(self, fault: BaseException | None = None) -> None:
        """Begin nothing new and ask nothing again."""
        self.fault = self.fault or fault
        self._close_lanes()
        self._sending.leave()

    async def _watch(self) -> None:
        """Look now and then whether someone asked for an end, or the time is up."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds if self._seconds else None
        told = loop.time()
        while not self._sending.left:
            now = loop.time()
            if self._stopping() or (until is not None and now >= until):
                self._end()
                return
            if now - told >= TELL:
                # Where nothing ends for long, somebody wants to know why.
                told = now
                self._tell()
            await asyncio.sleep(_POLL)

    def _kept(self, count: int) -> None:
        """So many ends are on disk: there is room for as many requests."""
        self._under_way -= count
        self._tell()
        self._widen()

    def _tell(self) -> None:
        """Say how far the run is; where nobody can be told, it ends."""
        sending = self._sending
        answered, failed = self._counts
        told = (answered, failed, self._under_way, sending.room, *sending.rates())
        missed, why = sending.missed()
        try:
            self._heard(Standing(*told, missed=missed, why=why))
        except Exception as error:  # noqa: BLE001 - raised once nothing is under way
            self._end(error)
