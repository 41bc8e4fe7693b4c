"""A locked workspace, and what the caller of a pass may add to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Protocol

import attrs

from reconciler import __version__
from reconciler.config import Settings
from reconciler.executor.calling import Calls
from reconciler.executor.context import Context, Progress, Silent
from reconciler.executor.hooks import NOTHING_PLUGGED, Plugged
from reconciler.executor.remotes import Remotes
from reconciler.model.identity import BatchName
from reconciler.model.policy import Policy
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport
from reconciler.workspace import cost_limit, ledger, walls
from reconciler.workspace.effects import Effects, Syncs, Tap, no_tap
from reconciler.workspace.layout import LIVE, LOCK, Layout, find, mark, standing
from reconciler.workspace.scan import Kin, Listing
from reconciler.workspace.together import sync_now

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from reconciler.model.plan import Plan
    from reconciler.providers.calls import Exchange, Wire
    from reconciler.providers.http import Http


class Watcher(Protocol):
    """Told what a pass does, as it does it; logs and screens are watchers."""

    def planned(self, decision: Plan) -> None:
        """A batch got a plan that has steps."""

    def done(self, receipt: Receipt) -> None:
        """An operation took place."""

    def ended(self, report: BatchReport) -> None:
        """The pass is through with a batch."""

    def called(self, exchange: Exchange) -> None:
        """A call to a provider was made."""


class Unwatched:
    """A watcher that keeps its peace."""

    def planned(self, decision: Plan) -> None:
        """Say nothing."""

    def done(self, receipt: Receipt) -> None:
        """Say nothing."""

    def ended(self, report: BatchReport) -> None:
        """Say nothing."""

    def called(self, exchange: Exchange) -> None:
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


@attrs.define
class Pace:
    """
    How often the file over all finished batches is written, over the passes of one call.

    Attributes:
        patient: Passes follow one another: what need not be written now may be written after a later one.
        due: When it may be written again (seconds since the epoch); None before the first pass.
        written: It was written before.
        owed: It was put off.
    """

    patient: bool = False
    due: float | None = None
    written: bool = False
    owed: bool = False


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
        wire: Makes calls to providers; None for the network.
        clock: Seconds since the epoch.
        chance: 0 to 1, another number each time.
        token: Makes a token that nobody made before: 32 hexadecimal digits.
        syncs: Brings open files and folders to disk; tests look there at what is not on disk yet.
        workers: When there are worker processes, and how they start.
        pace: How often the file over all finished batches is written.
        loop: Makes the loop that user code and live requests run on; None for asyncio's own.
        patience: Seconds that a pass waits at its end, at the most, for inputs written a moment ago.
        writing: Batches whose files are seen to be written still, and until when they are left alone.
        fresh: Whether what its provider last said of a batch needs no asking in this pass.
        kin: The lineages that are looked at, and no other; None for whatever lies there.
    """

    only: Sequence[str] = ()
    watcher: Watcher = attrs.field(factory=Unwatched)
    progress: Progress = attrs.field(factory=Silent)
    stopping: Callable[[], bool] = lambda: False
    tap: Tap | None = None
    plugged: Plugged = NOTHING_PLUGGED
    pause: Callable[[float, Callable[[], bool]], None] = nap
    wire: Callable[[], Wire] | None = None
    clock: Callable[[], float] = time
    chance: Callable[[], float] = lambda: int.from_bytes(os.urandom(4)) / 2**32
    token: Callable[[], str] = lambda: os.urandom(16).hex()
    syncs: Syncs = sync_now
    workers: Workers = attrs.field(factory=Workers)
    pace: Pace = attrs.field(factory=Pace)
    loop: Callable[[], AbstractEventLoop] | None = None
    patience: float = 5.0
    writing: Callable[[Context, Listing], Mapping[BatchName, float]] = lambda _ctx, _listing: {}
    fresh: Callable[[BatchName], bool] = lambda _name: False
    kin: Kin | None = None


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

    def doubt(self) -> None:
        """A process that worked here has died, and may have left something without a sync."""
        self.ctx.fx.doubt(_relied_on(self.layout))


def _relied_on(layout: Layout) -> tuple[str, ...]:
    """The folders and files of which another process takes for true what one has written there."""
    return (*standing(layout), LIVE, walls.FOLDER, ledger.PATH)


def usable_cores(most: int = 8) -> int:
    """How many cores this process may use, *most* at the most."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), most)
    return min(os.cpu_count() or 1, most)


class Network:
    """The way to providers, opened with the first call of a pass."""

    def __init__(self, settings: Settings, options: Options) -> None:
        self._settings = settings
        self._options = options
        self._http: Http | None = None

    def open(self) -> Wire:
        """The room for calls, ready to make them."""
        from reconciler.providers.http import Http  # noqa: PLC0415 - most passes ask nobody
        from reconciler.providers.http_settings import HttpSettings  # noqa: PLC0415 - likewise

        settings, options = self._settings, self._options
        self._http = Http(
            options.pause,
            HttpSettings(settings["provider.max_retries"], settings["provider.per_batch_delay"]),
            stopping=options.stopping,
            heard=options.watcher.called,
            agent=f"reconciler/{__version__}",
            tap=options.tap or no_tap,
        )
        return self._http

    def close(self) -> None:
        """Let go of all connections."""
        if self._http is not None:
            self._http.close()


@contextmanager
def session(path: str, settings: Settings, options: Options) -> Iterator[Session]:
    """
    Lock the workspace at *path* for one pass.

    Raises:
        UserError: There is no workspace, or another reconciler holds it.
    """
    layout = find(path)
    fx = Effects(layout.root, options.tap or no_tap, options.syncs, options.clock)
    try:
        with (
            fx.lock(LOCK),
            fx.lock_folder(layout.live),
            Calls(options.stopping, options.loop) as calls,
            closing(Network(settings, options)) as network,
        ):
            fx.doubt(_relied_on(layout))
            mark(fx, layout, options.token)
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
                remotes=Remotes(options.wire or network.open),
                token=options.token,
                csv=settings["results.csv"],
                prices=settings.prices,
                cap=settings.cap.lower(cost_limit.read(fx)),
            )
            yield Session(ctx, settings, options)
    finally:
        fx.close()
