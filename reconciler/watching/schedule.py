"""
When a workspace is to be looked at again because of what its last pass said.

Pure but for chance. A pass that was woken by a file asks no provider for what it was asked a moment ago:
this remembers when each batch is due.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from heapq import heappop, heappush
from typing import Final

from reconciler.model.identity import BatchName
from reconciler.model.report import BatchReport, Report, State
from reconciler.waiting import SPREAD

SOONEST: Final = 5.0
"""Seconds before what failed is tried again the first time; each further time takes twice as long."""

LATEST: Final = 300.0
"""Seconds before what failed is tried again, at the most."""


def back_off(tries: int) -> float:
    """Seconds to wait after so many failures in a row, the first being 1."""
    return float(min(SOONEST * 2 ** min(tries - 1, 10), LATEST))


class Schedule:
    """
    When each batch is due.

    Args:
        chance: 0 to 1, another number each time.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._due: dict[BatchName, float] = {}
        self._tries: dict[BatchName, int] = {}
        self._wakes: dict[BatchName, float] = {}
        # The wakes in order; one that does not stand in `_wakes` any more says nothing.
        self._order: list[tuple[float, BatchName]] = []
        self._first: float | None = None
        self._now = 0.0
        self._slack = 0.0
        self.next: float | None = None

    def begin(self, now: float, poll_seconds: float) -> None:
        """A pass begins."""
        # Those that are due in a moment go along, so that a thousand batches are not a thousand passes.
        self._now, self._slack = now, SPREAD * poll_seconds

    def fresh(self, name: BatchName) -> bool:
        """Whether a batch need not be asked for in the pass that has begun."""
        return self._due.get(name, 0.0) - self._slack > self._now

    def due(self) -> list[BatchName]:
        """The batches because of which the pass that has begun is made; none where it has another reason."""
        if self.next is None or self.next > self._now:
            return []
        return [name for name, at in self._wakes.items() if at - self._slack <= self._now]

    def after(
        self, report: Report, now: float, poll_seconds: float, looked_at: Collection[BatchName] | None = None
    ) -> None:
        """
        The pass that has begun has ended at *now*.

        Args:
            report: What came of it.
            now: When it ended.
            poll_seconds: How often a batch at a provider is asked for.
            looked_at: The batches that it was made for; None for all. The others stand as they stood.
        """
        reported = {batch.name for batch in report.batches}
        before = {name: self._due[name] for name in self._due.keys() & reported}
        tries = {name: self._tries[name] for name in self._tries.keys() & reported}
        if looked_at is None:
            self._due, self._tries, self._wakes = {}, {}, {}
        else:
            for known in (self._due, self._tries, self._wakes):
                for name in reported.union(looked_at):
                    known.pop(name, None)
        for batch in report.batches:
            name, kept = batch.name, before.get(batch.name, 0.0)
            fresh = kept - self._slack > self._now
            if batch.state is State.WAITING:
                until = now + poll_seconds if batch.until is None else batch.until
                self._due[name] = kept if fresh else until
                self._wake(name, min(kept, until) if fresh else until)
            elif batch.state in (State.FAILED, State.HELD) and not _set_aside(batch):
                self._tries[name] = tries.get(name, 0) + (not fresh)
                self._due[name] = kept if fresh else now + back_off(self._tries[name])
                if batch.state is State.FAILED:
                    self._wake(name, self._due[name])
            if name in tries and name not in self._tries and fresh:
                self._tries[name] = tries[name]
        self._settle_next(now)

    def _wake(self, name: BatchName, at: float) -> None:
        self._wakes[name] = at
        heappush(self._order, (at, name))

    def _settle_next(self, now: float) -> None:
        """When the first of them is due, and a little later."""
        if len(self._order) > 2 * len(self._wakes):
            self._order = sorted((at, name) for name, at in self._wakes.items())
        while self._order and self._wakes.get(self._order[0][1]) != self._order[0][0]:
            heappop(self._order)
        first = self._order[0][0] if self._order else None
        if first is None:
            self.next = None
        elif first != self._first or self.next is None or self.next <= now:
            self.next = now + max(0.0, first - now) * (1 + SPREAD * self._chance())
        self._first = first


def _set_aside(batch: BatchReport) -> bool:
    """Whether a report is about a folder in `quarantine/`."""
    return batch.path.startswith("quarantine/")
