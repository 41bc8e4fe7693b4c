"""
When a workspace is to be looked at again because of what its last pass said.

Pure but for chance. A pass that was woken by a file asks no provider for what it was asked a moment ago:
this remembers when each batch is due.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def after(self, report: Report, now: float, poll_seconds: float) -> None:
        """The pass that has begun has ended at *now*."""
        before, self._due = self._due, {}
        tries, self._tries = self._tries, {}
        wakes: list[float] = []
        for batch in report.batches:
            name, kept = batch.name, before.get(batch.name, 0.0)
            fresh = kept - self._slack > self._now
            if batch.state is State.WAITING:
                until = now + poll_seconds if batch.until is None else batch.until
                self._due[name] = kept if fresh else until
                wakes.append(min(kept, until) if fresh else until)
            elif batch.state in (State.FAILED, State.HELD) and not _set_aside(batch):
                self._tries[name] = tries.get(name, 0) + (not fresh)
                self._due[name] = kept if fresh else now + back_off(self._tries[name])
                if batch.state is State.FAILED:
                    wakes.append(self._due[name])
            if name in tries and name not in self._tries and fresh:
                self._tries[name] = tries[name]
        first = min(wakes, default=None)
        self.next = None if first is None else now + max(0.0, first - now) * (1 + SPREAD * self._chance())


def _set_aside(batch: BatchReport) -> bool:
    """Whether a report is about a folder in `quarantine/`."""
    return batch.path.startswith("quarantine/")
