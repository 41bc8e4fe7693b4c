"""
The batches of one pass: one after the other, or, where there are many with answers, in groups.

Knows what one batch needs to know of another; what is done for each is in `looking.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from math import inf
from typing import Final

import attrs

from reconciler.crew import Crew
from reconciler.errors import ReconcilerError
from reconciler.executor.ahead import Ahead
from reconciler.looking import settle_one
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name, lineage_root
from reconciler.model.report import BatchReport, State
from reconciler.session import Session
from reconciler.workspace.scan import Listing, scan
from reconciler.workspace.together import MOST, Together

MANY: Final = 8
"""Batches with answers from which a pass settles them in groups."""

_AT_PROVIDER: Final = frozenset({Role.INPUT, Role.METADATA})
"""The files of a batch that was sent and is not answered yet."""

TOGETHER: Final = 16 << 20
"""Bytes of answers in one group: results are kept in memory until they are published."""


def settle_all(
    held: Session, listing: Listing, queue: list[BatchName], reports: dict[BatchName, BatchReport]
) -> None:
    """
    Work through *queue*; inputs that were too young are looked at again at the end.

    Args:
        held: A locked workspace.
        listing: What lies in it.
        queue: The batches, in order; children that come of them are added.
        reports: Where the reports go, by batch.
    """
    asked = dict.fromkeys(queue)
    queue, listing = _by_a_crew(held, listing, queue, reports)
    young = _work_through(held, listing, queue, reports)
    if young and not held.ctx.stopping():
        seconds = max(report.until or 0.0 for report in young) - held.ctx.fx.now()
        held.options.pause(seconds, held.ctx.stopping)
        young = _work_through(held, listing, [report.name for report in young], reports)
    for report in young:
        held.options.watcher.ended(report)
    # Reports stand in the order of the queue, whoever settled what.
    for name in (*asked, *(each for each in [*reports] if each not in asked)):
        if name in reports:
            reports[name] = reports.pop(name)


def _by_a_crew(
    held: Session, listing: Listing, queue: Sequence[BatchName], reports: dict[BatchName, BatchReport]
) -> tuple[list[BatchName], Listing]:
    """
    Have worker processes settle what they may, where there is enough of it.

    Returns:
        The batches that are left, in order, the children that came of the others, and what lies there now.
    """
    if len(queue) < 2:  # noqa: PLR2004 - one alone is nobody else's
        return [*queue], listing
    families = Counter(lineage_root(name) for name in queue)
    shared = [name for name in queue if _may_share(held, listing, name)]
    # Of a lineage all or none: a batch may look at its parent, and has its turn after it.
    whole = Counter(lineage_root(name) for name in shared)
    names = [name for name in shared if whole[lineage_root(name)] == families[lineage_root(name)]]
    children: list[BatchName] = []
    interrupted = False
    with Crew(held, listing, names) as crew:
        for report in crew.reports():
            reports[report.name] = report
            held.options.watcher.ended(report)
            children += _children(report)
            interrupted = interrupted or report.state is State.INTERRUPTED
    if interrupted:
        return [], listing
    if crew.lost:
        held.doubt()
        # A worker that died may have left what only a scan sees: a folder in quarantine, a temporary file.
        listing = scan(held.ctx.fx, held.layout)
        for path in listing.stale:
            held.ctx.fx.unlink(path)
    return list(dict.fromkeys(name for name in (*queue, *children) if name not in reports)), listing


def _work_through(
    held: Session, listing: Listing, queue: list[BatchName], reports: dict[BatchName, BatchReport]
) -> list[BatchReport]:
    """
    Work through *queue*, and through the children that come of it.

    Returns:
        The batches that wait only because their input was written a moment ago; nobody was told of them yet.
    """
    young: list[BatchReport] = []
    _most_urgent_first(held, listing, queue)
    answered = [name for name in queue if _has_answers(listing, name)]
    with Ahead(held.ctx, answered, held.jobs, held.policy_of) as ahead, ThreadPoolExecutor(MOST) as pool:
        held = attrs.evolve(held, ctx=attrs.evolve(held.ctx, drawn=ahead.take))
        at = 0
        while at < len(queue):
            group = _group(held, listing, queue, at) if len(answered) >= MANY else [queue[at]]
            at += len(group)
            for report in _settle(held, listing, group, pool):
                reports[report.name] = report
                ahead.passed(report.name)
                if _is_young(held, report):
                    young.append(report)
                else:
                    held.options.watcher.ended(report)
                queue += [child for child in _children(report) if child not in queue]
            if reports[group[-1]].state is State.INTERRUPTED:
                break
    return young


def _most_urgent_first(held: Session, listing: Listing, queue: list[BatchName]) -> None:
    """Let batches at a provider come in the order in which their results vanish there; the others stay."""
    remote = [at for at, name in enumerate(queue) if listing.batches.get(name, {}).keys() == _AT_PROVIDER]
    if len(remote) < 2:  # noqa: PLR2004 - one alone is in order
        return

    def vanishes(name: BatchName) -> float:
        try:
            record = held.ctx.record(name)
        except (ReconcilerError, OSError):
            record = None
        return inf if record is None or record.results_until is None else record.results_until

    for at, name in zip(remote, sorted((queue[at] for at in remote), key=vanishes), strict=True):
        queue[at] = name


def _settle(held: Session, listing: Listing, group: Sequence[BatchName], pool: Executor) -> list[BatchReport]:
    """Settle batches together, or one alone."""
    if len(group) == 1:
        return [settle_one(held, listing, group[0])]

    def member(name: BatchName) -> BatchReport:
        # Open folders are a room's own, so that nobody closes those of another.
        fx = held.ctx.fx.sharing(together.sync)
        try:
            return settle_one(attrs.evolve(held, ctx=attrs.evolve(held.ctx, look=fx)), listing, name)
        finally:
            fx.close()

    together = Together([partial(member, name) for name in group], pool, held.options.syncs)
    return together.run()


def _group(held: Session, listing: Listing, queue: Sequence[BatchName], at: int) -> list[BatchName]:
    """
    The next batches of a queue, as many as may be settled together.

    Their answers are here, no user code looks at them, and none is another's child: nothing of one depends on
    another.
    """
    group = [queue[at]]
    if not _may_share(held, listing, queue[at]):
        return group
    roots = {lineage_root(queue[at])}
    size = _size(held, queue[at])
    for name in queue[at + 1 : at + MOST]:
        size += _size(held, name)
        if size > TOGETHER or lineage_root(name) in roots or not _may_share(held, listing, name):
            break
        roots.add(lineage_root(name))
        group.append(name)
    return group


def _may_share(held: Session, listing: Listing, name: BatchName) -> bool:
    """Whether a batch is one that goes from its answers to `done/` without asking anybody."""
    hooks = held.options.plugged.hooks_of(name)
    return _has_answers(listing, name) and hooks.plain and hooks.error is None and not hooks.transforms


def _size(held: Session, name: BatchName) -> int:
    """Bytes of a batch's answers: as much as may be kept until they are published."""
    facts = (held.ctx.fx.fact(held.layout.live_path(file_name(role, name))) for role in ANSWERS)
    return sum(fact.size for fact in facts if fact is not None)


def _has_answers(listing: Listing, name: BatchName) -> bool:
    """Whether a batch has something to match, by the names of its files."""
    roles = listing.batches.get(name, {})
    return Role.INPUT in roles and not roles.keys().isdisjoint(ANSWERS)


def _is_young(held: Session, report: BatchReport) -> bool:
    """Whether a batch waits for no more than its input to stand still, and that within a moment."""
    patience = min(held.policy_of(report.name).settle_seconds, held.options.patience)
    if report.until is None or report.until - held.ctx.fx.now() > patience:
        return False
    # A run on this machine whose time is up waits for the next pass: it has had all of its time in this one.
    try:
        record = held.ctx.record(report.name)
    except (ReconcilerError, OSError):
        return False
    return record is None or record.status is None or record.state is not None


def _children(report: BatchReport) -> list[BatchName]:
    """Batches that this one's operations have made."""
    return [BatchName(str(receipt.facts["child"])) for receipt in report.receipts if "child" in receipt.facts]
