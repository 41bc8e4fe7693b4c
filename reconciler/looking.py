"""
One batch: look, plan, execute, and look again, until nothing can be done for it now.

Knows nothing of how a plan is made or carried out, nor of any other batch.
"""

from __future__ import annotations

from typing import Final

import attrs

from reconciler.errors import Later, ReconcilerError, StaleSnapshot, TransientError
from reconciler.executor.context import Context
from reconciler.executor.executor import Execution, execute
from reconciler.model.coverage import Coverage
from reconciler.model.identity import BatchName
from reconciler.model.operation import Adopt, Cancel, CheckOnline, FindOrphan, RetryLeftovers, Submit
from reconciler.model.policy import Policy
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport
from reconciler.model.snapshot import Matched, Snapshot
from reconciler.planner import plan, plan_at_a_glance
from reconciler.reporting import Ending, at_rest, interrupted, stopped
from reconciler.session import Session
from reconciler.workspace.observe import glance, observe, vet
from reconciler.workspace.scan import Listing

LOOKS: Final = 12
"""Plans for one batch in one pass; a batch that needs more is chasing a moving world."""


_ASKED: Final = frozenset({Submit.verb, FindOrphan.verb, Adopt.verb, CheckOnline.verb, Cancel.verb})
"""Operations after which the provider's word is fresh."""


def settle_one(held: Session, listing: Listing, name: BatchName) -> BatchReport:
    """Observe, plan and execute one batch until nothing can be done for it now."""
    ctx, policy = held.ctx, held.policy_of(name)
    asked = held.options.fresh(name)
    waiting = _waits(held, policy, listing, name, asked=asked)
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
            snap = attrs.evolve(snap, asked=asked) if asked else snap
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
            asked = asked or (receipt.verb in _ASKED and "uncertain" not in receipt.facts)
        matched = verdict = execution.matched or matched
        if any(receipt.verb == RetryLeftovers.verb for receipt in execution.receipts):
            # The verdict was drawn before the ids went over to the child.
            matched = None
        coverage = execution.account or coverage
        if isinstance(execution.failure, StaleSnapshot):
            stale, matched = execution.failure, None
        elif execution.failure is not None:
            return _cut_short(ctx, snap, execution, receipts, coverage)
    moving = stale or TransientError(f"{name} kept changing while it was worked on")
    return stopped(name, moving, "", receipts, coverage)


def _waits(
    held: Session, policy: Policy, listing: Listing, name: BatchName, *, asked: bool
) -> BatchReport | None:
    """The report on a batch in flight for which nothing can be done now; None when it needs a full look."""
    try:
        seen = glance(held.ctx.fx, held.layout, listing, name)
        first = None if held.ctx.stopping() else plan_at_a_glance(seen, policy, asked=asked)
        snap = vet(held.ctx.fx, held.layout, seen) if first is not None and not first.steps else None
    except OSError:
        return None
    decision = None if snap is None else plan(attrs.evolve(snap, asked=asked) if asked else snap, policy)
    if snap is None or decision is None or decision.steps:
        return None
    return at_rest(snap, decision, policy, held.layout.live or ".", Ending(coverage=_coverage(snap)))


def _cut_short(
    ctx: Context, snap: Snapshot, execution: Execution, receipts: list[Receipt], coverage: Coverage | None
) -> BatchReport:
    """The report on a batch of which a step failed, or was put off."""
    error = execution.failure or TransientError(f"{snap.name} stopped short")
    report = stopped(snap.name, error, execution.failed_at, receipts, coverage)
    if not isinstance(error, Later):
        return report
    until, now = ctx.fx.now() + error.seconds, ctx.fx.now()
    limit = None if snap.record is None else snap.record.limit
    # Whatever it waits for, its own time ends it.
    return attrs.evolve(report, until=min(until, limit.until) if limit and now < limit.until else until)


def _coverage(snap: Snapshot) -> Coverage | None:
    """The best account that a snapshot knows."""
    if snap.matched is not None and snap.matched.coverage is not None:
        return snap.matched.coverage
    return None if snap.record is None else snap.record.coverage
