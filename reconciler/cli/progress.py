"""Progress of long reading and of runs here, on stderr: drawn on a terminal, else a line now and then."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from reconciler.cli.console import draw, err, safe
from reconciler.executor.context import Progress, Silent
from reconciler.model.words import spoken

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from reconciler.model.standing import Standing

LONG: Final = 32 << 20
"""Bytes from which reading a file is worth a bar."""

REDRAWN: Final = 0.25
"""Seconds between two states of a run on a terminal."""

_WHY: Final = 60
"""Characters of a failure that a line of progress has room for."""

EVERY: Final = 10.0
"""Seconds between two lines where there is no terminal."""


def watched(*, quiet: bool = False) -> Progress:
    """The progress that suits stderr."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else Lines()


class Lines:
    """A line every few seconds, for cron mail and log files."""

    def __init__(self) -> None:
        self._what, self._size, self._read, self._began, self._told = "", 0, 0, 0.0, 0.0

    def start(self, what: str, size: int) -> None:
        """A file is about to be read."""
        self._what, self._size, self._read = what, size, 0
        self._began = self._told = time.monotonic()

    def advance(self, size: int, line: int) -> None:
        """Some more of it was read."""
        self._read += size
        now = time.monotonic()
        if now - self._told >= EVERY and self._read:
            self._told = now
            left = (self._size - self._read) * (now - self._began) / self._read
            share = 100 * self._read // max(self._size, 1)
            err(
                f"{safe(self._what)}: {self._read >> 20} of {self._size >> 20} MiB ({share} %), "
                f"line {line}, {left:.0f} s left"
            )

    def finish(self) -> None:
        """It was read."""

    def answering(self, name: str, standing: Standing) -> None:
        """A run is so far."""
        now = time.monotonic()
        if self._what != name:
            # A run that is over before that time needs no word.
            self._what, self._told = name, now
        elif now - self._told >= EVERY:
            self._told = now
            err(f"{safe(name)}: {told_of(standing)}")


class Bars:
    """A bar for each large file, on a terminal."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._told = 0.0

    def start(self, what: str, size: int) -> None:
        """A file is about to be read; small ones are done before a bar could be drawn."""
        if size < LONG:
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("line {task.fields[line]}"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(safe(what), total=size, line=0)

    def advance(self, size: int, line: int) -> None:
        """Some more of it was read."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=size, line=line)

    def finish(self) -> None:
        """It was read, or given up."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def answering(self, name: str, standing: Standing) -> None:
        """A run is so far: one line, written over again and again, until nothing is left."""
        now = time.monotonic()
        if now - self._told < REDRAWN and standing.left:
            return
        self._told = now
        import shutil

        width = shutil.get_terminal_size().columns - 1
        draw(f"{safe(name)}: {told_of(standing)}"[:width] if standing.left else "")


def told_of(standing: Standing) -> str:
    """How far a run is, in one line."""
    ended = standing.before + standing.answered + standing.failed
    parts = [f"{ended} of {standing.requests} done" if standing.requests else f"{ended} done"]
    if standing.failed:
        parts.append(f"{standing.failed} failed")
    parts.append(f"{standing.under_way} under way")
    if standing.missed:
        parts[-1] += f" ({standing.missed} to be asked again: {safe(standing.why)[:_WHY]})"
    parts.append(f"{standing.requests_per_minute:.0f} requests/min")
    if standing.tokens_per_minute:
        parts.append(f"{standing.tokens_per_minute:.0f} tokens/min")
    left = standing.seconds_left
    if left:
        parts.append(f"about {spoken(left)} left")
    return ", ".join(parts)
