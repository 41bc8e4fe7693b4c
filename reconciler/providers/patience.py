"""Waiting between calls: between the tries of one, and between many to one provider."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

import attrs
from tenacity import Retrying, retry_if_result

from reconciler.errors import Interrupted
from reconciler.providers.retrying import Fault, Tally

T = TypeVar("T")


@attrs.define(eq=False)
class Patience:
    """
    Waits; may be used by several threads.

    Attributes:
        pause: Waits so many seconds, or until someone asks for an end.
        stopping: Whether someone asked for an end.
        clock: Seconds that only ever go forward.
        spacing: Seconds between two paced calls to one origin.
    """

    pause: Callable[[float, Callable[[], bool]], None]
    stopping: Callable[[], bool]
    clock: Callable[[], float]
    spacing: float
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)
    _next: dict[Hashable, float] = attrs.field(factory=dict, init=False, repr=False)

    def wait(self, seconds: float) -> None:
        """
        Wait.

        Raises:
            Interrupted: Someone asked for an end meanwhile.
        """
        self.pause(seconds, self.stopping)
        if self.stopping():
            raise Interrupted("interrupted while waiting for a provider")

    def keep_apart(self, place: Hashable) -> None:
        """Wait for this call's turn among the paced ones to *place*."""
        with self._lock:
            now = self.clock()
            turn = max(now, self._next.get(place, now))
            self._next[place] = turn + self.spacing
        if turn > now:
            self.wait(turn - now)

    def repeated(self, once: Callable[[int], T | Fault], tally: Tally) -> T:
        """
        Try until it brings something, or the tally is full.

        Raises:
            ReconcilerError: Why it brought nothing.
        """
        retrying = Retrying(
            retry=retry_if_result(tally.again), wait=lambda _state: tally.wait(), sleep=self.wait
        )
        return raised(retrying(lambda: once(tally.number)))


def raised(found: T | Fault) -> T:
    """What a try brought, or its error."""
    if isinstance(found, Fault):
        raise found.error
    return found
