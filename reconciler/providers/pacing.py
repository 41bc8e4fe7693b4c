"""
When the next request may begin: rates of requests and tokens, how many at once, a pause that was asked for.

Pure: the time is an argument. Everything is in seconds of a clock that only goes forward.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

MINUTE: Final = 60.0
_SHARE: Final = 600
"""A burst is this part of what a minute may see: a tenth of a second's worth."""


@attrs.frozen
class Pace:
    """
    How fast requests that are answered one by one may go.

    Attributes:
        requests_per_minute: How many sends there may be in any minute, repeated ones included; 0: any number.
        tokens_per_minute: Tokens that they may take, in and out together; 0: any number.
        request_seconds: How long one send may take; 0: any time.
        run_seconds: How long a run may begin new requests; 0: any time.
        retry_seconds: About how long to wait before a request is sent a second time, where nobody names a
            time; twice as long before each further one.
    """

    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    request_seconds: float = 0.0
    run_seconds: float = 0.0
    retry_seconds: float = 1.0


UNHURRIED: Final = Pace()


@attrs.define
class Gate:
    """
    Gives requests their turns.

    Requests are spaced evenly, but for a burst of a tenth of a second's worth, so that no minute sees more
    than the rate allows. Tokens are taken from a store that fills at the rate: a request begins while
    anything is in it; what it took in the end, more or less than was thought, is set right afterwards.

    Attributes:
        pace: The rates.
        cool: Nothing begins before that time.
    """

    pace: Pace
    cool: float = 0.0
    _next: float = 0.0
    _tokens: float | None = None
    _filled: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a request may begin; 0 for now."""
        return max(self.cool - now, self._of_requests(now), self._of_tokens(now), 0.0)

    def begin(self, now: float, tokens: float = 0.0) -> None:
        """A request begins that will take about so many tokens."""
        rate = self.pace.requests_per_minute
        if rate:
            spacing = MINUTE / (rate - self._burst)
            self._next = max(self._next, now - self._burst * spacing) + spacing
        if self.pace.tokens_per_minute:
            self._fill(now)
            self._tokens = (self._tokens or 0.0) - tokens

    def settle(self, thought: float, taken: float) -> None:
        """A request took other than the tokens that it was thought to."""
        if self.pace.tokens_per_minute and self._tokens is not None:
            self._tokens += thought - taken

    def hold(self, until: float) -> None:
        """Begin nothing before that time."""
        self.cool = max(self.cool, until)

    # Within

    @property
    def _burst(self) -> int:
        """Requests that may follow at once where nothing went before."""
        return int(self.pace.requests_per_minute) // _SHARE

    def _of_requests(self, now: float) -> float:
        return self._next - now if self.pace.requests_per_minute else 0.0

    def _of_tokens(self, now: float) -> float:
        rate = self.pace.tokens_per_minute
        if not rate:
            return 0.0
        self._fill(now)
        lack = -(self._tokens or 0.0)
        # A whole token, so that the wait does not go on in ever smaller parts.
        return 0.0 if lack < 0 else (lack + 1.0) / self._refill

    def _fill(self, now: float) -> None:
        """What has come into the store since the last look."""
        full = self.pace.tokens_per_minute / 10
        if self._tokens is None:
            self._tokens = full
        else:
            self._tokens = min(full, self._tokens + (now - self._filled) * self._refill)
        self._filled = now

    @property
    def _refill(self) -> float:
        """Tokens a second; with a full store at the beginning, a minute still sees no more than its rate."""
        return self.pace.tokens_per_minute * 0.9 / MINUTE


@attrs.define
class Crowding:
    """
    How many requests may be under way: fewer where the other side is full, slowly more where it is not.

    Attributes:
        most: The most that the settings allow.
        limit: How many it is now.
    """

    most: int
    limit: int = attrs.field(init=False)
    _gained: float = attrs.field(default=0.0, init=False)
    _cut_at: float = attrs.field(default=float("-inf"), init=False)

    def __attrs_post_init__(self) -> None:
        self.limit = self.most

    def full(self, began: float, now: float) -> None:
        """
        The other side turned a request away that began at *began*.

        Half as many from now on; what was under way by then says nothing new.
        """
        if began >= self._cut_at:
            self.limit, self._gained, self._cut_at = max(1, self.limit // 2), 0.0, now

    def served(self) -> None:
        """A request was served; a whole round of them earns room for one more."""
        if self.limit < self.most:
            self._gained += 1.0 / self.limit
            if self._gained >= 1.0:
                self.limit, self._gained = self.limit + 1, 0.0


@attrs.define
class Meter:
    """What the last minute saw, by the second."""

    _seconds: deque[list[float]] = attrs.field(factory=deque)
    _began: float | None = None

    def count(self, now: float, tokens: float) -> None:
        """A request has ended that took so many tokens."""
        second = float(int(now))
        if self._began is None:
            self._began = now
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0.0, 0.0])
            self._forget(now)
        last = self._seconds[-1]
        last[1] += 1
        last[2] += tokens

    def rates(self, now: float) -> tuple[float, float]:
        """Requests and tokens a minute, over the last minute or what there was of it."""
        self._forget(now)
        if self._began is None:
            return 0.0, 0.0
        share = MINUTE / min(MINUTE, max(now - self._began, 1.0))
        requests = sum(each[1] for each in self._seconds)
        return requests * share, sum(each[2] for each in self._seconds) * share

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] <= now - MINUTE:
            self._seconds.popleft()
