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
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, TypeVar

import attrs

from reconciler.model.exchange import Request
from reconciler.model.outcome import ErrorClass
from reconciler.model.standing import Standing
from reconciler.providers.base import Embedded
from reconciler.providers.ends import Answered, End, Failed, Judged, Rules, failure_of
from reconciler.providers.pacing import Crowding, Gate, Meter
from reconciler.providers.tokens import taken, thought

T = TypeVar("T")

_POLL: Final = 0.1
"""Seconds between two looks at whether someone asked for an end."""

LONGEST_WAIT: Final = 60.0
"""Seconds before a request is asked again, where nobody names a time."""

TELL: Final = 1.0
"""Seconds between two words about a run in which nothing ends."""

_FULL: Final = frozenset({ErrorClass.RATE_LIMIT, ErrorClass.OVERLOADED})
"""Failures that say that too much is asked at once."""


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
        ended: Called, in a thread of its own, with whatever has ended since the last call; when it returns,
            that is kept. When it raises, nothing new begins, what is under way is waited for, and it gets all
            of it once more.
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


@attrs.define(eq=False)
class _Crowd(Generic[T]):
    """The requests that are under way, and what has ended and is not kept yet."""

    provider: Embedded
    requests: Iterator[tuple[int, Request]]
    ended: Callable[[Sequence[T]], None]
    stopping: Callable[[], bool]
    rules: Rules[T]
    fault: BaseException | None = None
    _gate: Gate = attrs.field(init=False)
    _crowding: Crowding = attrs.field(init=False)
    _meter: Meter = attrs.field(factory=Meter)
    _lanes: list[asyncio.Task[None]] = attrs.field(factory=list)
    _over: bool = False
    _leave: asyncio.Event = attrs.field(factory=asyncio.Event)
    _sending: int = 0
    _queue: deque[asyncio.Future[None]] = attrs.field(factory=deque)
    _unkept: list[T] = attrs.field(factory=list)
    _next_kept: asyncio.Future[None] | None = None
    _keeping: asyncio.Task[None] | None = None
    _writer: ThreadPoolExecutor = attrs.field(factory=lambda: ThreadPoolExecutor(1, "reconciler-keeper"))
    _counts: list[int] = attrs.field(factory=lambda: [0, 0, 0])
    _missed: dict[int, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._gate = Gate(self.provider.pace)
        self._crowding = Crowding(self.provider.concurrency)

    async def run(self) -> None:
        """Until nothing is under way and nothing is left, or someone asks for an end."""
        watch = asyncio.create_task(self._watch())
        try:
            self._widen()
            for lane in self._lanes:
                await lane
        finally:
            watch.cancel()
            for lane in self._lanes:
                lane.cancel()
        if self._unkept:
            # Each of them may have been paid for: try once more before they are given up.
            try:
                await self._handed_over(self._unkept)
            except Exception as error:  # noqa: BLE001 - the first fault is the one that is told
                self.fault = self.fault or error

    def close(self) -> None:
        """Let go of the writing thread; what it is writing ends first."""
        self._writer.shutdown(wait=True)

    # Beginning

    async def _lane(self) -> None:
        """Take one request after the other to its end; as many lanes as may be under way at once."""
        while not self._over and (following := self._following()) is not None:
            self._widen()
            self._counts[2] += 1
            try:
                judged = await self._asked(*following)
                self._missed.pop(following[0], None)
                if judged is not None:
                    await self._kept(judged)
            finally:
                self._counts[2] -= 1

    def _widen(self) -> None:
        """One more lane, while there may be more of them."""
        if len(self._lanes) < self._crowding.most and not self._over:
            self._lanes.append(asyncio.create_task(self._lane()))

    def _following(self) -> tuple[int, Request] | None:
        """The next request, None when none begins any more."""
        if self.stopping():
            self._end()
            return None
        try:
            following = next(self.requests, None)
        except Exception as error:  # noqa: BLE001 - raised once nothing is under way
            self._end(error)
            return None
        if following is None:
            self._over = True
        return following

    def _end(self, fault: BaseException | None = None) -> None:
        """Begin nothing new and ask nothing again."""
        self._over = True
        self.fault = self.fault or fault
        self._leave.set()
        self._wake(len(self._queue))

    async def _watch(self) -> None:
        """Look now and then whether someone asked for an end, or the time is up."""
        loop = asyncio.get_running_loop()
        most = self.provider.pace.run_seconds
        until = loop.time() + most if most else None
        told = loop.time()
        while not self._leave.is_set():
            now = loop.time()
            if self.stopping() or (until is not None and now >= until):
                self._end()
                return
            if now - told >= TELL:
                # Where nothing ends for long, somebody wants to know why.
                told = now
                self._tell(0)
            await asyncio.sleep(_POLL)

    # Asking

    async def _asked(self, number: int, request: Request) -> Judged[T] | None:
        """How one request ends, asked as often as it helps; None when it has not ended."""
        sends = self.rules.sends(number)
        tokens = thought(request) if self.provider.pace.tokens_per_minute else 0
        while await self._turn(tokens):
            began = asyncio.get_running_loop().time()
            try:
                end = await self._once(number, request)
            finally:
                self._sending -= 1
            now = asyncio.get_running_loop().time()
            sends += 1
            took = taken(end.body) if isinstance(end, Answered) else 0
            self._gate.settle(tokens, took or tokens)
            self._meter.count(now, took)
            if isinstance(end, Failed) and end.lasting is not None:
                self._end(end.lasting)
                return None
            judged = self.rules.judge(end)
            self._learn(judged.failed, end, began, now)
            self._wake(self._crowding.limit - self._sending)
            away = end.unreachable if isinstance(end, Failed) else None
            if judged.failed is None or not self.rules.again(judged.failed, sends):
                if away is not None:
                    # Nobody has asked anything: a run that goes on would fail every request for nothing.
                    self._end(away)
                    return None
                self._counts[judged.failed is not None] += 1
                return judged
            if away is None:
                self.rules.missed(number, sends)
            self._missed[number] = end.message if isinstance(end, Failed) else judged.failed.value
            after = end.after if isinstance(end, Failed) else None
            if not await self._pause(self._back_off(sends) if after is None else after):
                return None
        return None

    async def _turn(self, tokens: float) -> bool:
        """Wait for this request's turn; False when nothing begins any more."""
        loop = asyncio.get_running_loop()
        while not self._leave.is_set():
            wait = self._gate.wait(loop.time())
            if wait > 0:
                await self._pause(wait)
            elif self._sending < self._crowding.limit:
                self._sending += 1
                self._gate.begin(loop.time(), tokens)
                return True
            else:
                place = loop.create_future()
                self._queue.append(place)
                await place
        return False

    def _wake(self, room: int) -> None:
        """Let so many of those look again that wait for room, first come first served."""
        while self._queue and room > 0:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                room -= 1

    async def _pause(self, seconds: float) -> bool:
        """Wait; False when someone asked for an end meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._leave.wait()
        except TimeoutError:
            return True
        return False

    def _back_off(self, sends: int) -> float:
        """Seconds before a request is asked again, longer each time, and never the same for two."""
        wait = self.provider.pace.retry_seconds * 2.0 ** min(sends - 1, 10)
        return min(LONGEST_WAIT, wait) * (0.5 + self.rules.chance())

    def _learn(self, failed: ErrorClass | None, end: End, began: float, now: float) -> None:
        """Fewer at once where the other side is full, more where it serves."""
        if failed in _FULL:
            self._crowding.full(began, now)
            if isinstance(end, Failed) and end.after is not None:
                self._gate.hold(now + end.after)
        elif failed is None:
            self._crowding.served()

    async def _once(self, number: int, request: Request) -> End:
        """How one send ends."""
        try:
            async with asyncio.timeout(self.provider.pace.request_seconds or None):
                body: Any = await self.provider.answer(request)
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            return failure_of(number, request, error)
        return Answered(number, request, body)

    # Keeping

    async def _kept(self, judged: Judged[T]) -> None:
        """Until the end of a request is kept, together with what else has ended by then."""
        self._unkept.append(judged.kept)
        if self.fault is not None:
            return
        if self._next_kept is None:
            self._next_kept = asyncio.get_running_loop().create_future()
        following = self._next_kept
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())
        await following

    async def _keep(self) -> None:
        """Hand over what has ended, again and again while something has."""
        # Whatever ends in this turn of the loop goes along.
        await asyncio.sleep(0)
        while self._unkept and self._next_kept is not None:
            ends, self._unkept = self._unkept, []
            group, self._next_kept = self._next_kept, None
            try:
                await self._handed_over(ends)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError):
                    raise
                # Raised once nothing is under way; whoever waits to be kept must not wait for ever.
                self._unkept = ends + self._unkept
                self._end(error)
            group.set_result(None)
            if self.fault is not None:
                break
            if not self._tell(len(ends)):
                break
        if self._next_kept is not None and not self._next_kept.done():
            self._next_kept.set_result(None)
        self._keeping = self._next_kept = None

    async def _handed_over(self, ends: Sequence[T]) -> None:
        """Keep, in the thread that writes."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self.ended, ends)

    def _tell(self, kept: int) -> bool:
        """Say how far the run is, *kept* ends having just been kept; False where nobody can be told."""
        answered, failed, under_way = self._counts
        rates = self._meter.rates(asyncio.get_running_loop().time())
        why = next(reversed(self._missed.values()), "")
        missed = (len(self._missed), why)
        try:
            self.rules.heard(
                Standing(answered, failed, under_way - kept, self._crowding.limit, *rates, 0, 0, *missed)
            )
        except Exception as error:  # noqa: BLE001 - raised once nothing is under way
            self._end(error)
            return False
        return True
