"""
Pass after pass until nothing waits any more: `--wait`.

The lock is held for each pass and never between two, so another reconciler, or a person, gets a turn.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import attrs

from reconciler import combined
from reconciler.config import Settings
from reconciler.engine import reconcile
from reconciler.errors import Interrupted, WorkspaceLocked
from reconciler.model.report import BatchReport, Report, State
from reconciler.session import Options, Pace, session

Pass: TypeAlias = Callable[[str, Settings, Options], Report]

LEAST: Final = 1.0
"""Seconds between two passes, at the least."""

SPREAD: Final = 0.1
"""By how much a wait may be longer, as a part of it: who began at once shall not ask at once for ever."""

_GOES_ON: Final = frozenset({State.WAITING, State.FAILED})
"""States that another pass may end: what failed in a way that a re-run may mend is tried again."""


def reconcile_until_settled(
    path: str,
    settings: Settings,
    options: Options,
    timeout: float | None = None,
    one_pass: Pass = reconcile,
) -> Report:
    """
    Reconcile again and again, each time when the first batch that waits is due.

    Args:
        path: The workspace.
        settings: Every setting.
        options: What else the caller wants; its `pause` waits between passes.
        timeout: Seconds after which to stop, however much still waits; None for never.
        one_pass: Makes a pass.

    Returns:
        The last word on every batch that any of the passes looked at, with all that was done for it.

    Raises:
        Interrupted: Someone asked for an end between two passes.
        UserError: There is no workspace, or another reconciler holds it at the first pass.
    """
    options = attrs.evolve(options, pace=Pace(patient=True))
    report = _until_settled(partial(one_pass, path, settings, options), settings, options, timeout)
    if options.pace.owed:
        # Somebody else at work will write it.
        with suppress(WorkspaceLocked), session(path, settings, options) as held:
            report = attrs.evolve(report, warnings=(*report.warnings, *combined.refresh(held)))
    return report


def _until_settled(
    one_pass: Callable[[], Report], settings: Settings, options: Options, timeout: float | None
) -> Report:
    """The passes."""
    now = options.clock
    ends = None if timeout is None else now() + timeout
    told: dict[tuple[str, bool], BatchReport] = {}
    report: Report | None = None
    while True:
        try:
            report = one_pass()
        except WorkspaceLocked:
            if report is None:
                raise
        _remember(told, report)
        whole = attrs.evolve(report, batches=tuple(told.values()))
        going = [batch for batch in report.batches if batch.state in _GOES_ON]
        if any(batch.state is State.INTERRUPTED for batch in report.batches) or not going:
            return whole
        if not report.changed and all(batch.behind for batch in going):
            # What they wait for goes on no more: it needs a person.
            return whole
        if ends is not None and now() >= ends:
            return whole
        wait = _until_next(report, settings, now(), ends) * (1 + SPREAD * options.chance())
        options.pause(wait if ends is None else min(wait, max(ends - now(), LEAST)), options.stopping)
        if options.stopping():
            raise Interrupted("stopped between two passes; everything is resumable")


def _until_next(report: Report, settings: Settings, now: float, ends: float | None) -> float:
    """Seconds until the first batch is due."""
    poll = settings["provider.poll_seconds"]
    due = [
        now + poll if batch.until is None else batch.until
        for batch in report.batches
        if batch.state in _GOES_ON
    ]
    first = min(due) if ends is None else min(*due, ends)
    return max(first - now, LEAST)


def _remember(told: dict[tuple[str, bool], BatchReport], report: Report) -> None:
    """Let the newest word on each batch count, and keep what was done for it before."""
    here = {batch.name for batch in report.batches if not _set_aside(batch)}
    for batch in report.batches:
        key = (batch.name, _set_aside(batch))
        before = told.pop(key, None)
        if key[1] and batch.name not in here:
            # It went there in this pass, and nothing of it waits any more.
            before = told.pop((batch.name, False), before)
        earlier = () if before is None else before.receipts
        told[key] = attrs.evolve(batch, receipts=(*earlier, *batch.receipts))


def _set_aside(batch: BatchReport) -> bool:
    """Whether a report is about a folder in `quarantine/`."""
    return batch.path.startswith("quarantine/")
