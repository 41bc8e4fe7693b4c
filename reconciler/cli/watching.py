"""`reconcile watch`: signals in, events out, the rest is in `reconciler/watching/`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import typed
from reconciler.cli.options import CAP, DEBUG, HOOKS, JOBS, ONLINE, PROVIDER, with_options
from reconciler.cli.prepare import flags_of, load
from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from reconciler.choices import Prepared
    from reconciler.cli.events import Events
    from reconciler.cli.interrupt import Stop
    from reconciler.providers.calls import Wire
    from reconciler.session import Options
    from reconciler.status import Status
    from reconciler.watching.hooks import Hook
    from reconciler.watching.running import Kept
    from reconciler.watching.systemd import Systemd


@click.command("watch", short_help="Keep workspaces reconciled, until Ctrl-C.")
@click.argument("workspaces", nargs=-1, required=True, metavar="WORKSPACE...", type=click.Path())
@with_options(PROVIDER, *HOOKS, *ONLINE, CAP, JOBS)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    help="How events are told on stderr, one a line.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Say each pass and each call on stderr.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is worth a line in logs/; overrides [log] level.",
)
@with_options(DEBUG)
def watch_(
    workspaces: tuple[str, ...],
    jobs: int | None,
    log_format: str,
    quiet: bool,
    verbose: bool,
    log_level: str | None,
    **flags: Any,
) -> int:
    """Keep workspaces reconciled: new files within seconds, what waits when it is due; until Ctrl-C."""
    from reconciler import __version__
    from reconciler.cli.events import Events
    from reconciler.cli.interrupt import Stop
    from reconciler.watching.running import run
    from reconciler.watching.systemd import Systemd
    from reconciler.workspace.reading import locate

    roots = [locate(each)[0] for each in workspaces]
    if len({*roots}) < len(roots):
        raise UsageError("a workspace is named twice", hint="name each of them once")
    given = {**flags_of(flags), "log.level": log_level, "limits.jobs": jobs}
    events = Events(as_json=log_format == "json", level="warning" if quiet else ("info", "debug")[verbose])
    systemd, stop = Systemd(os.environ, time.monotonic), Stop(told="")
    stop.install()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            # User code may make another folder the current one: a relative path holds no longer than that.
            named = zip(workspaces, roots, strict=True)
            paths = [each if each.startswith("/") else root for each, root in named]
            watches = [_watched(each, given, events, stop) for each in paths]
            kept = [each for pair in watches for each in pair]
            told = f"watching {', '.join(workspaces)}"
            events.tell("info", "watch.started", version=__version__, workspaces=list(workspaces))
            _on_hangup([first for first, _ in watches], systemd, told)
            systemd.ready(told)
            unfinished = run(kept, stop.asked, time.time, systemd.alive, partial(_leaving, events, systemd))
            events.tell("info", "watch.stopped", unfinished=list(unfinished) or None)
    finally:
        stop.restore()
    if unfinished:
        # Threads in the middle of an effect would hold the process; all that they do is resumable.
        sys.stderr.flush()
        os._exit(0)
    return 0


def watched(look: Callable[[], Status], *, everything: bool) -> int:
    """`reconcile status --watch`: what *look* finds, until Ctrl-C."""
    from reconciler.cli.interrupt import Stop
    from reconciler.cli.live_status import follow
    from reconciler.session import nap

    stop = Stop(told="")
    stop.install()
    try:
        follow(look, stop, nap, everything=everything)
    finally:
        stop.restore()
    return 0


def _leaving(events: Events, systemd: Systemd) -> None:
    """Somebody asked for an end."""
    systemd.stopping()
    events.tell("info", "watch.stopping")


def _watched(path: str, given: dict[str, Any], events: Events, stop: Stop) -> tuple[Kept, Kept]:
    """One workspace, ready to be watched, and what tells its hooks."""
    from secrets import SystemRandom

    from reconciler.watching.posting import Posting
    from reconciler.watching.rounds import Ground, Watch
    from reconciler.watching.running import Bell, Kept
    from reconciler.watching.seeing import Observing

    bell, second = Bell(), Bell()
    posting = Posting(
        path, partial(_hooks, stop), events.tell, time.time, stopping=stop.asked, wake=second.ring
    )

    def sight(ready: Prepared) -> Observing:
        return Observing(ready.settings["watch.observer"], ready.settings["watch.polling_seconds"])

    ground = Ground(
        load=partial(load, path, given),
        listening=partial(_listening, path, events, stop),
        sight=sight,
        tell=events.tell,
        clock=time.time,
        chance=SystemRandom().random,
        wake=bell.ring,
        follower=posting.follow,
    )
    try:
        return Kept(Watch(path, ground), bell), Kept(posting, second)
    except ReconcilerError as error:
        error.hint = typed(error.hint, path)
        raise


@contextlib.contextmanager
def _listening(path: str, events: Events, stop: Stop, ready: Prepared) -> Iterator[Options]:
    """Options for one pass; its log is open only as long."""
    from reconciler.cli.logs import LogWatcher
    from reconciler.session import Options

    logs = LogWatcher(path, ready.settings["log.level"], quiet=True, verbose=0, calls=events.calls(path))
    try:
        yield Options(watcher=logs, stopping=stop.asked, plugged=ready.plugged)
    finally:
        logs.close()


def _hooks(stop: Stop, ready: Prepared) -> tuple[Hook, ...]:
    """The hooks that settings name."""
    from reconciler import __version__
    from reconciler.session import nap
    from reconciler.watching.hooks import PATIENT, hooks_of

    def wire() -> Wire:
        from reconciler.providers.http import Http

        return Http(nap, PATIENT, stopping=stop.asked, agent=f"reconciler/{__version__}")

    return hooks_of(ready.settings, os.environ, wire, time.time)


def _on_hangup(kept: list[Kept], systemd: Systemd, told: str) -> None:
    """Read settings anew at SIGHUP."""
    from reconciler.watching.rounds import Watch

    def heard(_number: int, _frame: FrameType | None) -> None:
        systemd.reloading()
        for each in kept:
            if isinstance(each.watch, Watch):
                each.watch.reload()
        systemd.ready(told)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, heard)
