"""
One pass over a workspace: scan, then for each batch observe, plan, execute, and look again.

Level-triggered: it looks at what is, never at what happened, so running it again is always safe. Knows
nothing of how a plan is made or carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import sleep
from typing import Final, Protocol

import attrs

from reconciler import __version__
from reconciler.config import Settings
from reconciler.errors import ReconcilerError, StaleSnapshot, TransientError
from reconciler.executor.ahead import Ahead, usable_cores
from reconciler.executor.context import Context, Progress, Silent
from reconciler.executor.executor import execute
from reconciler.executor.hooks import NOTHING_PLUGGED, Plugged
from reconciler.model.coverage import Coverage
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.operation import RetryLeftovers
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, Report, State
from reconciler.model.snapshot import Matched, Snapshot
from reconciler.planner import plan, plan_at_a_glance
from reconciler.preview import quarantined, select
from reconciler.reporting import Ending, at_rest, interrupted, stopped
from reconciler.workspace.effects import Effects, Tap
from reconciler.workspace.layout import LOCK, Layout, find, mark
from reconciler.workspace.observe import glance, observe, vet
from reconciler.workspace.scan import Listing, quarantined_in, scan

LOOKS: Final = 12
"""Plans for one batch in one pass; a batch that needs more is chasing a moving world."""

PATIENCE: Final = 5.0
"""Seconds that a pass waits at its end, at the most, for inputs that were written a moment ago."""


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
        pause: Waits so many seconds.
    """

    only: Sequence[str] = ()
    watcher: Watcher = attrs.field(factory=Unwatched)
    progress: Progress = attrs.field(factory=Silent)
    stopping: Callable[[], bool] = lambda: False
    tap: Tap | None = None
    plugged: Plugged = NOTHING_PLUGGED
    pause: Callable[[float], None] = lambda seconds: sleep(max(0.0, seconds))


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
        """How many processes may match ahead of the pass."""
        return self.settings["limits.jobs"] or usable_cores()

    def policy_of(self, name: str) -> Policy:
        """What the planner may decide for one batch."""
        return self.options.plugged.policy_of(name, self.settings)

    @property
    def layout(self) -> Layout:
        """The workspace."""
        return self.ctx.layout


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
        with fx.lock(LOCK):
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
            )
            yield Session(ctx, settings, options)
    finally:
        fx.close()


def reconcile(path: str, settings: Settings, options: Options | None = None) -> Report:
    """
    Do for every batch of a workspace all that can be done now.

    Args:
        path: The workspace.
        settings: Every setting.
        options: What else the caller wants.

    Raises:
        UserError: There is no workspace, or another reconciler holds it.
    """
    with session(path, settings, options or Options()) as held:
        return one_pass(held)


def one_pass(held: Session) -> Report:
    """One pass over a locked workspace; inputs that were too young are looked at again at its end."""
    ctx = held.ctx
    listing = scan(ctx.fx, held.layout)
    for path in listing.stale:
        ctx.fx.unlink(path)
    reports: dict[BatchName, BatchReport] = {}
    young = _settle_all(held, listing, select(listing, held.options.only), reports)
    if young and not ctx.stopping():
        held.options.pause(max(report.until or 0.0 for report in young) - ctx.fx.now())
        young = _settle_all(held, listing, [report.name for report in young], reports)
    for report in young:
        held.options.watcher.ended(report)
    told = {report.path for report in reports.values()}
    asking = [
        report for report in quarantined(quarantined_in(ctx.fx), held.options.only) if report.path not in told
    ]
    for report in asking:
        held.options.watcher.ended(report)
    ignored = tuple((each.path, each.why) for each in listing.ignored)
    return Report(ctx.fx.root, (*reports.values(), *asking), ignored)


def _settle_all(
    held: Session, listing: Listing, queue: list[BatchName], reports: dict[BatchName, BatchReport]
) -> list[BatchReport]:
    """
    Work through *queue*, and through the children that come of it.

    Returns:
        The batches that wait only because their input was written a moment ago; nobody was told of them yet.
    """
    young: list[BatchReport] = []
    with Ahead(held.ctx, [name for name in queue if _has_answers(listing, name)], held.jobs) as ahead:
        held = attrs.evolve(held, ctx=attrs.evolve(held.ctx, drawn=ahead.take))
        for name in queue:
            reports[name] = report = _settle_one(held, listing, name)
            ahead.passed(name)
            if _is_young(held, report):
                young.append(report)
            else:
                held.options.watcher.ended(report)
            queue += [child for child in _children(report) if child not in queue]
            if report.state is State.INTERRUPTED:
                break
    return young


def _has_answers(listing: Listing, name: BatchName) -> bool:
    """Whether a batch has something to match, by the names of its files."""
    roles = listing.batches.get(name, {})
    return Role.INPUT in roles and not roles.keys().isdisjoint(ANSWERS)


def _is_young(held: Session, report: BatchReport) -> bool:
    """Whether a batch waits for no more than its input to stand still, and that within a moment."""
    patience = min(held.policy_of(report.name).settle_seconds, PATIENCE)
    return report.until is not None and report.until - held.ctx.fx.now() <= patience


def _settle_one(held: Session, listing: Listing, name: BatchName) -> BatchReport:
    """Observe, plan and execute one batch until nothing can be done for it now."""
    ctx, policy = held.ctx, held.policy_of(name)
    waiting = _waits(held, policy, listing, name)
    if waiting is not None:
        return waiting
    matched: Matched | None = None
    verdict: Matched | None = None
    receipts: list[Receipt] = []
    coverage: Coverage | None = None
    stale: ReconcilerError | None = None
    for _ in range(LOOKS):
        if ctx.stopping():
            return interrupted(name, receipts)
        ctx.fx.refresh()
        try:
            snap = observe(ctx.fx, held.layout, listing, name, matched)
        except OSError as error:
            told = TransientError(f"{error.filename or name}: {error.strerror or error}")
            return stopped(name, told, "", receipts, coverage)
        decision = plan(snap, policy)
        coverage = _coverage(snap) or coverage
        if not decision.steps:
            ending = Ending(tuple(receipts), coverage, verdict)
            return at_rest(snap, decision, policy, held.layout.live or ".", ending)
        held.options.watcher.planned(decision)
        execution = execute(decision, ctx, snap.matched)
        for receipt in execution.receipts:
            receipts.append(receipt)
            held.options.watcher.done(receipt)
        matched = verdict = execution.matched or matched
        if any(receipt.verb == RetryLeftovers.verb for receipt in execution.receipts):
            # The verdict was drawn before the ids went over to the child.
            matched = None
        coverage = execution.account or coverage
        match execution.failure:
            case None:
                pass
            case StaleSnapshot():
                stale, matched = execution.failure, None
            case failure:
                return stopped(name, failure, execution.failed_at, receipts, coverage)
    moving = stale or TransientError(f"{name} kept changing while it was worked on")
    return stopped(name, moving, "", receipts, coverage)


def _waits(held: Session, policy: Policy, listing: Listing, name: BatchName) -> BatchReport | None:
    """The report on a batch in flight for which nothing can be done now; None when it needs a full look."""
    try:
        seen = glance(held.ctx.fx, held.layout, listing, name)
        first = None if held.ctx.stopping() else plan_at_a_glance(seen, policy)
        snap = vet(held.ctx.fx, held.layout, seen) if first is not None and not first.steps else None
    except OSError:
        return None
    decision = None if snap is None else plan(snap, policy)
    if snap is None or decision is None or decision.steps:
        return None
    return at_rest(snap, decision, policy, held.layout.live or ".", Ending(coverage=_coverage(snap)))


def _coverage(snap: Snapshot) -> Coverage | None:
    """The best account that a snapshot knows."""
    if snap.matched is not None and snap.matched.coverage is not None:
        return snap.matched.coverage
    return None if snap.record is None else snap.record.coverage


def _children(report: BatchReport) -> list[BatchName]:
    """Batches that this one's operations have made."""
    return [BatchName(str(receipt.facts["child"])) for receipt in report.receipts if "child" in receipt.facts]
