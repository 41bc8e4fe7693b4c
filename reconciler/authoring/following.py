"""
Snapshots of a run while it goes on, for a function of the caller's and for a terminal.

A thread of its own looks from outside, as another process would, and changes nothing. Whatever goes wrong in
it is kept for the report and stops nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, Final, Self, TypeAlias

import attrs

from reconciler.authoring.counting import Count, RunStatus
from reconciler.authoring.reading import Asking, first_batches, status
from reconciler.choices import Choices
from reconciler.errors import ReconcilerError, UsageError
from reconciler.executor.context import Progress, Silent
from reconciler.model.standing import Standing
from reconciler.model.words import spoken, words_of
from reconciler.pricing.money import nano, shown
from reconciler.screen import Screen, cut, paint

Listener: TypeAlias = Callable[[RunStatus], Any]
"""A function of a snapshot, plain or async; what it returns is passed over."""

SHARE: Final = 10
"""How much longer than a look the time until the next one is, at the least."""

_BAR: Final = 40
_PROBLEMS: Final = 5
"""Faults of listeners that are told of; the rest is much the same."""


class Follower:
    """
    Tells listeners where a run stands: at once, every so often, and at its end.

    It is also a `Progress`: what a run on this machine says of itself goes into the snapshots.

    Args:
        asking: The run.
        listeners: Who is told.
        every: Seconds between two snapshots; more where looking takes long.
        behind: Who is told about long reading besides.
        loop: Where what listeners give to be awaited is awaited; None for a loop of its own.
    """

    def __init__(
        self,
        asking: Asking,
        listeners: Sequence[Listener],
        every: float = 1.0,
        behind: Progress | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not 0 < every < float("inf"):
            raise UsageError(f"progress_interval={every!r:.40}: it is a number of seconds above 0")
        self.problems: list[str] = []
        self._asking, self._listeners, self._every = asking, listeners, every
        self._behind, self._loop = behind or Silent(), loop
        self._narrowed: Asking | None = None
        self._last: RunStatus | None = None
        self._runs: dict[str, Standing] = {}
        self._first, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="reconciler-progress", daemon=True)

    def __enter__(self) -> Self:
        """Tell the first snapshot, then go on; where nobody listens, nothing is read."""
        if self._listeners:
            self._thread.start()
            self._first.wait()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Tell the last one."""
        self._over.set()
        if self._listeners:
            self._thread.join()
        for listener in self._listeners:
            if isinstance(listener, Display):
                listener.screen.close()
        for each in self.problems if error is not None else ():
            error.add_note(each)  # type: ignore[union-attr]

    def start(self, what: str, size: int) -> None:
        """Reading of a file begins."""
        self._behind.start(what, size)

    def advance(self, size: int, line: int) -> None:
        """Some of it was read."""
        self._behind.advance(size, line)

    def finish(self) -> None:
        """It was read."""
        self._behind.finish()

    def answering(self, name: str, standing: Standing) -> None:
        """So far is a run here."""
        self._runs[name] = standing
        self._behind.answering(name, standing)

    def _follow(self) -> None:
        try:
            over = False
            while not over:
                began = time.monotonic()
                self._tell()
                self._first.set()
                over = self._over.wait(max(self._every, SHARE * (time.monotonic() - began)))
            self._tell()
        finally:
            self._first.set()

    def _tell(self) -> None:
        try:
            self._last = self._look()
        except (ReconcilerError, OSError) as error:
            # A pass moves files, say; the next look will do.
            if self._over.is_set():
                self._note(f"the last snapshot is an older one: {words_of(error)}")
        if self._last is None:
            return
        for listener in self._listeners:
            try:
                given = listener(self._last)
                if inspect.isawaitable(given):
                    self._await(given)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                self._note(f"on_progress raised {type(error).__name__}: {words_of(error)}; the run went on")

    def _await(self, given: Awaitable[Any]) -> None:
        async def awaited() -> None:
            await given

        if self._loop is None:
            asyncio.run(awaited())
        else:
            asyncio.run_coroutine_threadsafe(awaited(), self._loop).result()

    def _note(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < _PROBLEMS:
            self.problems.append(problem)

    def _look(self) -> RunStatus:
        if self._narrowed is None:
            # Looked for once: what else stands in the workspace is not read again and again.
            first = first_batches(self._asking)
            self._narrowed = attrs.evolve(self._asking, names=sorted(first)) if first else self._asking
        found = status(self._narrowed)
        # A run that has ended has said so with nothing left; its answers are here by then, or about to be.
        going = [each for each in list(self._runs.values()) if each.left]
        ended = sum(each.before + each.answered + each.failed for each in going)
        left = [each.seconds_left for each in going]
        known = [each for each in left if each is not None]
        eta = found.eta
        if known and len(known) == len(left) and not found.requests.pending:
            eta = max(*known, eta or 0.0)
        arriving = min(found.arriving + ended, found.requests.active)
        return attrs.evolve(found, arriving=arriving, eta=eta)


def follower(
    asking: Asking,
    choices: Choices,
    on_progress: Listener | None,
    every: float,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Follower:
    """Who follows a run for a call of the library, by what the call chooses."""
    chosen = choices.get("progress", False)
    listeners = [] if on_progress is None else [on_progress]
    if chosen is True:
        screen = Screen(sys.stderr)
        listeners += [Display(screen)] if screen.redraws else []
    behind = None if isinstance(chosen, bool) else chosen
    return Follower(asking, listeners, every, behind, loop)


@attrs.frozen
class Display:
    """Draws snapshots on a terminal, each over the one before."""

    screen: Screen

    def __call__(self, found: RunStatus) -> None:
        """Draw one."""
        self.screen.draw(frame(found, self.screen.size[0]))


def frame(found: RunStatus, width: int) -> list[str]:
    """A snapshot in lines that fit."""
    share = found.requests.ended / found.requests.total if found.requests.total else 0.0
    size = max(4, min(_BAR, width - 8))
    full = int(share * size)
    coming = int((found.requests.ended + found.arriving) / max(1, found.requests.total) * size) - full
    lines = [
        f"[{'#' * full}{'+' * coming}{'.' * (size - full - coming)}] {int(100 * share):3d} %",
        _line("requests", found.requests, f" ({found.arriving:,} arriving)" if found.arriving else ""),
        _line("batches", found.batches),
    ]
    if found.cost_usd is not None or found.cost_limit_usd is not None:
        limit = "" if found.cost_limit_usd is None else f" of {_dollars(found.cost_limit_usd)}"
        lines.append(f"cost      about {_dollars(found.cost_usd or 0.0)}{limit}")
    if found.elapsed is not None:
        left = "" if found.eta is None else f", about {spoken(found.eta)} left"
        lines.append(f"time      {spoken(found.elapsed)}{left}")
    fitting = [cut(line, width) for line in lines]
    failed = found.requests.failed or found.batches.failed
    return [paint(fitting[0], "failed" if failed else "settled", sys.stderr), *fitting[1:]]


def _line(what: str, count: Count, arriving: str = "") -> str:
    parts = [
        f"{number:,} {word}"
        for word, number in (
            ("failed", count.failed),
            ("cancelled", count.cancelled),
            (f"active{arriving}", count.active),
            ("pending", count.pending),
        )
        if number
    ]
    return f"{what:<8}  {count.ended:,} of {count.total:,} done{': ' if parts else ''}{', '.join(parts)}"


def _dollars(amount: float) -> str:
    return shown(nano(Decimal(repr(amount))))
