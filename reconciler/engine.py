"""
One pass over a workspace: scan, then for each batch observe, plan, execute, and look again.

Level-triggered: it looks at what is, never at what happened, so running it again is always safe. Knows
nothing of how a plan is made or carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, assert_never

import attrs

from reconciler import __version__
from reconciler.config import Settings
from reconciler.errors import (
    Interrupted,
    PermanentError,
    ReconcilerError,
    StaleSnapshot,
    TransientError,
)
from reconciler.executor.context import Context, Progress, Silent
from reconciler.executor.executor import execute
from reconciler.model.coverage import NOTHING, Coverage
from reconciler.model.identity import BatchName
from reconciler.model.operation import RetryLeftovers
from reconciler.model.outcome import retryable_classes
from reconciler.model.plan import Again, Attention, Held, Plan, Settled, Waiting
from reconciler.model.policy import Policy
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, Report, State
from reconciler.model.snapshot import Matched, Snapshot
from reconciler.model.words import many
from reconciler.planner import plan, plan_at_a_glance
from reconciler.preview import UNDO, quarantined, select
from reconciler.workspace import settled
from reconciler.workspace.effects import Effects, Tap
from reconciler.workspace.layout import LOCK, Layout, find, mark
from reconciler.workspace.observe import glance, observe, vet
from reconciler.workspace.scan import Listing, quarantined_in, scan

LOOKS: Final = 12
"""Plans for one batch in one pass; a batch that needs more is chasing a moving world."""


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
        reachable: Providers that this process has clients for.
    """

    only: Sequence[str] = ()
    watcher: Watcher = attrs.field(factory=Unwatched)
    progress: Progress = attrs.field(factory=Silent)
    stopping: Callable[[], bool] = lambda: False
    tap: Tap | None = None
    reachable: frozenset[str] = frozenset()


@attrs.frozen
class Session:
    """
    A locked workspace.

    Attributes:
        ctx: Rooms and settings for handlers.
        policy: What the planner may decide.
        options: What the caller added.
    """

    ctx: Context
    policy: Policy
    options: Options

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
            )
            yield Session(ctx, settings.policy(options.reachable), options)
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
    """One pass over a locked workspace."""
    ctx = held.ctx
    listing = scan(ctx.fx, held.layout)
    for path in listing.stale:
        ctx.fx.unlink(path)
    queue = select(listing, held.options.only)
    reports: list[BatchReport] = []
    for name in queue:
        report = _settle_one(held, listing, name)
        reports.append(report)
        held.options.watcher.ended(report)
        queue += [child for child in _children(report) if child not in queue]
        if report.state is State.INTERRUPTED:
            break
    told = {report.path for report in reports}
    asking = quarantined(quarantined_in(ctx.fx), held.options.only)
    for report in asking:
        if report.path not in told:
            reports.append(report)
            held.options.watcher.ended(report)
    return Report(ctx.fx.root, tuple(reports), tuple((each.path, each.why) for each in listing.ignored))


def _settle_one(held: Session, listing: Listing, name: BatchName) -> BatchReport:
    """Observe, plan and execute one batch until nothing can be done for it now."""
    ctx = held.ctx
    waiting = _waits(held, listing, name)
    if waiting is not None:
        return waiting
    matched: Matched | None = None
    receipts: list[Receipt] = []
    coverage: Coverage | None = None
    stale: ReconcilerError | None = None
    for _ in range(LOOKS):
        if ctx.stopping():
            return BatchReport(
                name, State.INTERRUPTED, "stopped; everything is resumable", receipts=tuple(receipts)
            )
        ctx.fx.refresh()
        try:
            snap = observe(ctx.fx, held.layout, listing, name, matched)
        except OSError as error:
            return _failed(
                name, TransientError(f"{error.filename or name}: {error.strerror or error}"), receipts
            )
        decision = plan(snap, held.policy)
        coverage = _coverage(snap) or coverage
        if not decision.steps:
            return _rest(held, snap, decision, tuple(receipts), coverage)
        held.options.watcher.planned(decision)
        execution = execute(decision, ctx)
        for receipt in execution.receipts:
            receipts.append(receipt)
            held.options.watcher.done(receipt)
        matched = execution.matched or matched
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
                return _failed(name, failure, receipts, coverage)
    return _failed(
        name, stale or TransientError(f"{name} kept changing while it was worked on"), receipts, coverage
    )


def _waits(held: Session, listing: Listing, name: BatchName) -> BatchReport | None:
    """The report on a batch in flight for which nothing can be done now; None when it needs a full look."""
    try:
        seen = glance(held.ctx.fx, held.layout, listing, name)
        first = None if held.ctx.stopping() else plan_at_a_glance(seen, held.policy)
        snap = vet(held.ctx.fx, held.layout, seen) if first is not None and not first.steps else None
    except OSError:
        return None
    decision = None if snap is None else plan(snap, held.policy)
    if snap is None or decision is None or decision.steps:
        return None
    return _rest(held, snap, decision, (), _coverage(snap))


def _coverage(snap: Snapshot) -> Coverage | None:
    """The best account that a snapshot knows."""
    if snap.matched is not None and snap.matched.coverage is not None:
        return snap.matched.coverage
    return None if snap.record is None else snap.record.coverage


def _rest(
    held: Session,
    snap: Snapshot,
    decision: Plan,
    receipts: tuple[Receipt, ...],
    coverage: Coverage | None,
) -> BatchReport:
    """The report on a batch for which nothing can be done now."""
    name, then = snap.name, decision.then
    live = held.layout.live or "."
    match then:
        case Settled() if receipts and receipts[-1].verb == "quarantine":
            facts = receipts[-1].facts
            because = str(facts.get("reason") or decision.because)
            return BatchReport(
                name,
                State.ATTENTION,
                because,
                UNDO.format(name=name),
                receipts,
                coverage,
                path=str(facts["path"]),
            )
        case Settled():
            last = receipts[-1].summary if receipts else decision.because
            path = settled.folder_of(name) if snap.in_done else ""
            hint = _may_ask_again(held.policy, receipts[-1], coverage) if receipts else ""
            return BatchReport(name, State.SETTLED, last, hint, receipts, coverage, path=path)
        case Waiting(until):
            return BatchReport(name, State.WAITING, decision.because, "", receipts, coverage, until, live)
        case Held(hint):
            return BatchReport(name, State.HELD, decision.because, hint, receipts, coverage, path=live)
        case Attention(hint):
            return BatchReport(name, State.ATTENTION, decision.because, hint, receipts, coverage, path=live)
        case Again():
            return BatchReport(
                name, State.FAILED, "a plan without steps asked for another look", "", receipts
            )
        case _:
            assert_never(then)


def _may_ask_again(policy: Policy, moved: Receipt, coverage: Coverage | None) -> str:
    """What a person may do about failures that no provider was there to retry."""
    if coverage is None or policy.configured or "attempt" not in moved.facts:
        return ""
    again = coverage.failed_in(retryable_classes(moved.facts["attempt"], policy.max_attempts))
    if again == NOTHING:
        return ""
    requests = many(again.requests, "request")
    return f"reconcile retry WORKSPACE {moved.name}    asks {requests} again that may succeed"


def _failed(
    name: BatchName, failure: ReconcilerError, receipts: Sequence[Receipt], coverage: Coverage | None = None
) -> BatchReport:
    """The report on a batch whose plan stopped short."""
    state = State.FAILED
    if isinstance(failure, PermanentError):
        state = State.ATTENTION
    elif isinstance(failure, Interrupted):
        state = State.INTERRUPTED
    return BatchReport(name, state, failure.message, failure.hint, tuple(receipts), coverage)


def _children(report: BatchReport) -> list[BatchName]:
    """Batches that this one's operations have made."""
    return [BatchName(str(receipt.facts["child"])) for receipt in report.receipts if "child" in receipt.facts]
