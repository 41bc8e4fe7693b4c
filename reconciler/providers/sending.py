"""
Ask one request, as often as it helps: at its turn, each time for so long, and again after a wait.

One `Sending` is shared by all requests of a run, for they share the pace and how many are under way at once.
What nobody asks for (a rate, a time limit) costs nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import attrs
import msgspec

from reconciler.errors import Later
from reconciler.model.exchange import Request
from reconciler.model.outcome import ErrorClass
from reconciler.providers.base import Embedded
from reconciler.providers.deadlines import Deadlines
from reconciler.providers.ends import Answered, End, Failed, Judged, Rules, failure_of
from reconciler.providers.pacing import Crowding, Meter
from reconciler.providers.tokens import taken, thought

T = TypeVar("T")

LONGEST_WAIT: Final = 60.0
"""Seconds before a request is asked again, where nobody names a time."""

LONGEST_ASKED: Final = 3600.0
"""Seconds that a run stands still because the other side asks for it; asked for more, it ends for now."""

_FULL: Final = frozenset({ErrorClass.RATE_LIMIT, ErrorClass.OVERLOADED})
"""Failures that say that too much is asked at once."""


class Sending(Generic[T]):
    """
    Asks requests; made and used on one loop.

    Args:
        provider: Who answers.
        rules: What is made of ends.
        end: Told when no request should begin any more, and why.
        noted: Waits until what was missed is kept.
    """

    def __init__(
        self,
        provider: Embedded,
        rules: Rules[T],
        end: Callable[[BaseException | None], None],
        noted: Callable[[], Awaitable[None]],
    ) -> None:
        self._provider = provider
        self._rules = rules
        self._end = end
        self._noted = noted
        self._time = asyncio.get_running_loop().time
        self._counts_tokens = bool(provider.pace.tokens_per_minute)
        seconds = provider.pace.request_seconds
        self._deadlines = Deadlines(seconds) if seconds else None
        self._gate = provider.gate
        self._crowding = Crowding(provider.concurrency)
        self._meter = Meter()
        self._leave = asyncio.Event()
        self._sending = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._missed: dict[int, str] = {}

    @property
    def room(self) -> int:
        """How many may be under way now."""
        return self._crowding.limit

    @property
    def left(self) -> bool:
        """Whether nothing is asked any more."""
        return self._leave.is_set()

    def rates(self) -> tuple[float, float]:
        """Requests and tokens a minute."""
        return self._meter.rates(self._time())

    def missed(self) -> tuple[int, str]:
        """How many requests are to be asked again, and what the last of them met."""
        return len(self._missed), next(reversed(self._missed.values()), "")

    def leave(self) -> None:
        """Ask nothing again, and let go of those that wait."""
        self._leave.set()
        wake(self._queue, len(self._queue))

    def close(self) -> None:
        """Let go of what outlasts the run."""
        if self._deadlines is not None:
            self._deadlines.close()

    async def asked(self, number: int, request: Request) -> Judged[T] | None:
        """How one request ends, asked as often as it helps; None when it has not ended."""
        rules = self._rules
        sends = rules.sends(number)
        tokens = thought(request) if self._counts_tokens else 0
        # A worker may do with a request as it likes; sent again is what was asked.
        asked = msgspec.json.encode(request.body)
        while self._begins(tokens) or await self._turn(tokens):
            began = self._time()
            try:
                end = await self._once(number, request)
            finally:
                self._sending -= 1
            now = self._time()
            sends += 1
            failed = end if isinstance(end, Failed) else None
            took = taken(end.body) if isinstance(end, Answered) else 0
            self._gate.settle(tokens, took or tokens)
            self._meter.count(now, took)
            if failed is not None and failed.lasting is not None:
                self._end(failed.lasting)
                break
            judged = rules.judge(end)
            self._learn(judged.failed, end, began, now)
            if self._queue:
                wake(self._queue, self._crowding.limit - self._sending)
            away = failed.unreachable if failed is not None else None
            if judged.failed is None or not rules.again(judged.failed, sends):
                # Where nobody has asked anything, a run that goes on would fail every request for nothing.
                if away is not None:
                    self._end(away)
                    break
                self._missed.pop(number, None)
                return judged
            if away is None:
                rules.missed(number, sends)
            self._missed[number] = failed.message if failed is not None else judged.failed.value
            if away is None:
                # A kill must not make it a send that nobody knows of.
                await self._noted()
            after = failed.after if failed is not None else None
            if after is not None and after > LONGEST_ASKED:
                self._end(Later(f"{self._missed[number]}; asked to come back in {after:.0f} s", after))
                break
            if not await self._pause(self._back_off(sends) if after is None else after):
                break
            request = attrs.evolve(request, body=msgspec.json.decode(asked))
        self._missed.pop(number, None)
        return None

    def _begins(self, tokens: float) -> bool:
        """Begin a send where nothing stands against it."""
        now = self._time()
        if self._leave.is_set() or self._sending >= self._crowding.limit or self._gate.wait(now) > 0:
            return False
        self._sending += 1
        self._gate.begin(now, tokens)
        return True

    async def _turn(self, tokens: float) -> bool:
        """Wait until a send begins; False when none does any more."""
        while not self._leave.is_set():
            wait = self._gate.wait(self._time())
            if wait > 0:
                await self._pause(wait)
            elif self._begins(tokens):
                return True
            else:
                place = asyncio.get_running_loop().create_future()
                self._queue.append(place)
                await place
        return False

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
        wait = self._provider.pace.retry_seconds * 2.0 ** min(sends - 1, 10)
        return min(LONGEST_WAIT, wait) * (0.5 + self._rules.chance())

    def _learn(self, failed: ErrorClass | None, end: End, began: float, now: float) -> None:
        """Fewer at once where the other side is full, more where it serves."""
        if failed is None:
            self._crowding.served()
        elif failed in _FULL:
            self._crowding.full(began, now)
            if isinstance(end, Failed) and end.after is not None:
                self._gate.hold(now + end.after)

    async def _once(self, number: int, request: Request) -> End:
        """How one send ends."""
        try:
            call = self._provider.answer(request)
            body = await (call if self._deadlines is None else self._deadlines.within(call))
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            return failure_of(number, request, error)
        return Answered(number, request, body)


def wake(waiting: deque[asyncio.Future[None]], room: int) -> None:
    """Let so many of those that wait look again, first come first served."""
    while waiting and room > 0:
        place = waiting.popleft()
        if not place.done():
            place.set_result(None)
            room -= 1
