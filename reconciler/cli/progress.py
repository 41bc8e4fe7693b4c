"""Progress of long reading, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from reconciler.cli.console import err, safe
from reconciler.executor.context import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LONG: Final = 32 << 20
"""Bytes from which reading a file is worth a bar."""

EVERY: Final = 10.0
"""Seconds between two lines where there is no terminal."""


def watched(*, quiet: bool = False) -> Progress:
    """The progress that suits stderr."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


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


class Bars:
    """A bar for each large file, on a terminal."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None

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
