"""A locked workspace, and what the caller of a pass may add to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Protocol

import attrs

from reconciler import __version__
from reconciler.config import Settings
from reconciler.executor.calling import Calls
from reconciler.executor.context import Context, Progress, Silent
from reconciler.executor.hooks import NOTHING_PLUGGED, Plugged
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport
from reconciler.workspace.effects import Effects, Tap
from reconciler.workspace.layout import LOCK, Layout, find, mark


class Watcher(Protocol):
    """Told what a pass does, as it does it; logs and screens are watchers."""

    def planned(self, decision: Plan) -> None:
        """A batch got a plan that has steps."""

    def done(self, receipt: Receipt) -> None:
        """An operation took place."""

    def ended(self, report: BatchReport) -> None:
        """The pass is through with a batch."""


class Unwatched:
    """A watcher that keeps its peace."""

    def planned(self, decision: Plan) -> None:
        """Say nothing."""

    def done(self, receipt: Receipt) -> None:
        """Say nothing."""

    def ended(self, report: BatchReport) -> None:
        """Say nothing."""


def nap(seconds: float, stopping: Callable[[], bool]) -> None:
    """Wait, looking up four times a second whether someone asks for an end."""
    until = monotonic() + seconds
    while (left := until - monotonic()) > 0 and not stopping():
        sleep(min(left, 0.25))


@attrs.frozen
class Workers:
    """
    When worker processes settle batches, and how one is started.

    Attributes:
        worth: Bytes of batches with answers from which starting processes pays.
        boot: The program of a worker; its argument is the descriptor of its pipe.
    """

    worth: int = 50 << 20
    boot: str = "import sys; from reconciler.hand import main; main(int(sys.argv[1]))"


@attrs.frozen
class Options:
    """
    What a caller may add to a pass.

    Attributes:
        only: Names or glob patterns; empty means every batch.
        watcher: Told what happens.
        progress: Told about long reading.
        stopping: Whether someone asked for an end.
        tap: Called before each change of the disk.
        plugged: What users have plugged in.
        pause: Waits so many seconds, or until someone asks for an end.
        workers: When there are worker processes, and how they start.
    """

    only: Sequence[str] = ()
    watcher: Watcher = attrs.field(factory=Unwatched)
    progress: Progress = attrs.field(factory=Silent)
    stopping: Callable[[], bool] = lambda: False
    tap: Tap | None = None
    plugged: Plugged = NOTHING_PLUGGED
    pause: Callable[[float, Callable[[], bool]], None] = nap
    workers: Workers = attrs.field(factory=Workers)


@attrs.frozen
class Session:
    """
    A locked workspace.

    Attributes:
        ctx: Rooms and settings for handlers.
        settings: Every setting.
        options: What the caller added.
    """

    ctx: Context
    settings: Settings
    options: Options

    @property
    def jobs(self) -> int:
        """How many cores a pass may use, with processes beside this one."""
        return self.settings["limits.jobs"] or usable_cores()

    def policy_of(self, name: str) -> Policy:
        """What the planner may decide for one batch."""
        return self.options.plugged.policy_of(name, self.settings)

    @property
    def layout(self) -> Layout:
        """The workspace."""
        return self.ctx.layout


def usable_cores(most: int = 8) -> int:
    """How many cores this process may use, *most* at the most."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), most)
    return min(os.cpu_count() or 1, most)


@contextmanager
def session(path: str, settings: Settings, options: Options) -> Iterator[Session]:
    """
    Lock the workspace at *path* for one pass.

    Raises:
        UserError: There is no workspace, or another reconciler holds it.
    """
    layout = find(path)
    fx = Effects(layout.root, options.tap) if options.tap else Effects(layout.root)
    try:
        with fx.lock(LOCK), Calls(options.stopping) as calls:
            mark(fx, layout)
            limit = settings["limits.line_bytes"]
            ctx = Context(
                look=fx,
                layout=layout,
                line_limit=limit,
                progress=options.progress,
                stopping=options.stopping,
                version=__version__,
                plugged=options.plugged,
                calls=calls,
            )
            yield Session(ctx, settings, options)
    finally:
        fx.close()
