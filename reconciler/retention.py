"""
`[retain]`: remove the JSONL of settled batches, at the end of a pass and by `reconcile retain`.

A pass goes through what was noted when it settled; only the verb looks at all of `done/`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import attrs

from reconciler.config import Settings
from reconciler.errors import Interrupted, PermanentError, ReconcilerError, UsageError
from reconciler.executor.context import View, viewing
from reconciler.executor.executor import execute
from reconciler.model.archived import Archived
from reconciler.model.identity import BatchName, lineage_root, parse_name
from reconciler.model.operation import RemoveJsonl
from reconciler.model.plan import Plan
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, State
from reconciler.planner import plan_removal
from reconciler.registry import refresh
from reconciler.reporting import stopped
from reconciler.session import Options, Session, session
from reconciler.workspace import removable, settled
from reconciler.workspace.archived import observe_archived
from reconciler.workspace.reading import Reading

_NOBODY: Final[Mapping[BatchName, Retained]] = {}


class Jsonl(enum.StrEnum):
    """What became of the JSONL of a settled batch."""

    REMOVED = "removed"
    KEPT = "kept"
    GONE = "gone"


@attrs.frozen
class Retained:
    """
    One settled batch that `[retain]` was applied to.

    Attributes:
        name: The batch.
        jsonl: Removed now (in a dry run: to be removed), kept, or gone before.
        because: What was removed, or why it was kept.
        size: Bytes that were removed.
        failure: What kept it from being removed although that was decided.
    """

    name: BatchName
    jsonl: Jsonl
    because: str
    size: int = 0
    failure: ReconcilerError | None = None


@attrs.frozen
class Retention:
    """
    What `reconcile retain` did.

    Attributes:
        root: The workspace.
        batches: Every settled batch that was looked at, in order.
        dry_run: Nothing was touched.
    """

    root: str
    batches: tuple[Retained, ...]
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """3 when a removal was refused for what its files turned out to be, 1 when a re-run may mend it."""
        codes = {each.failure.exit_code for each in self.batches if each.failure is not None}
        pressing = (Interrupted.exit_code, PermanentError.exit_code)
        return next((code for code in pressing if code in codes), 1 if codes else 0)


def retain(
    path: str,
    settings: Settings,
    names: Sequence[str] = (),
    options: Options | None = None,
    *,
    dry_run: bool = False,
) -> Retention:
    """
    Remove the JSONL of every settled batch that `[retain]` lets go.

    Args:
        path: The workspace.
        settings: Every setting.
        names: Only these batches; all of `done/` unless given.
        options: What else the caller wants.
        dry_run: Only say what would be removed, and why the rest would be kept.

    Raises:
        UsageError: A name is no settled batch.
        UserError: There is no workspace, or another reconciler holds it.
    """
    options = options or Options()
    if dry_run:
        with viewing(path, settings) as view:
            foreseen: dict[BatchName, Retained] = {}
            for name in _chosen(view.look, names):
                foreseen[name] = _foreseen(view, settings, name, foreseen)
            return Retention(view.look.root, tuple(foreseen.values()), dry_run=True)
    with session(path, settings, options) as held:
        found = []
        for name in _chosen(held.ctx.fx, names):
            if held.ctx.stopping():
                raise Interrupted("stopped between two batches; everything is resumable")
            decision = _decided(held.ctx, settings, name)[1]
            found.append(_removed(held, decision) if decision.steps else _foreseen(held.ctx, settings, name))
        refresh(held)
        return Retention(held.ctx.fx.root, tuple(found))


def remove_due(held: Session, reports: dict[BatchName, BatchReport]) -> None:
    """
    At the end of a pass: remove the JSONL of what was noted and may go now.

    Args:
        held: A locked workspace.
        reports: The reports of the pass; what is done for a batch is added to its own.
    """
    only, kin = held.options.only, held.options.kin
    for name in removable.noted(held.ctx.fx):
        if kin is not None and lineage_root(name) not in kin.roots:
            continue
        if only and not any(fnmatchcase(name, pattern) for pattern in only):
            continue
        if held.ctx.stopping():
            return
        seen, decision = _decided(held.ctx, held.settings, name)
        if not decision.steps:
            if seen.removing and not seen.files:
                # The removal was cut off just before its end; its names may be on disk still.
                held.ctx.fx.sync_folder(settled.folder_of(name))
                removable.forget(held.ctx.fx, name)
            continue
        done = execute(decision, held.ctx)
        for receipt in done.receipts:
            held.options.watcher.done(receipt)
            reports[name] = _added(reports.get(name), receipt)
        if done.failure is not None and not isinstance(done.failure, PermanentError):
            # What has become of the files since is no reason to disturb anybody: they are kept.
            receipts = reports[name].receipts if name in reports else ()
            reports[name] = stopped(name, done.failure, RemoveJsonl.verb, receipts, seen.coverage)


def _chosen(look: Reading, names: Sequence[str]) -> list[BatchName]:
    """The settled batches that were asked for, each after its parent."""
    if not names:
        return removable.parents_first(list(settled.names(look)))
    found = []
    for name in names:
        parsed = parse_name(name)
        if parsed is None or look.kind(settled.folder_of(parsed)) is None:
            hint = "reconcile status WORKSPACE --all    lists them"
            raise UsageError(f"no settled batch is called {name!r:.100}", hint=hint)
        found.append(parsed)
    return removable.parents_first(list(dict.fromkeys(found)))


def _decided(
    view: View, settings: Settings, name: BatchName, before: Mapping[BatchName, Retained] = _NOBODY
) -> tuple[Archived, Plan]:
    """A look at one settled batch, and what is decided for it once those *before* are done."""
    view.look.refresh()
    seen = observe_archived(view.look, view.layout, name)
    if seen.parent is not None and seen.parent in before and before[seen.parent].jsonl is Jsonl.REMOVED:
        seen = attrs.evolve(seen, parent=None)
    return seen, plan_removal(seen, settings.policy())


def _foreseen(
    view: View, settings: Settings, name: BatchName, before: Mapping[BatchName, Retained] = _NOBODY
) -> Retained:
    """What is decided for one batch, as if it were done."""
    seen, decision = _decided(view, settings, name, before)
    if decision.steps:
        size = sum(fact.size for fact in seen.files.values())
        return Retained(name, Jsonl.REMOVED, decision.because, size)
    gone = seen.problem is None and not seen.files
    return Retained(name, Jsonl.GONE if gone else Jsonl.KEPT, decision.because)


def _removed(held: Session, decision: Plan) -> Retained:
    """Carry a removal out."""
    done = execute(decision, held.ctx)
    for receipt in done.receipts:
        held.options.watcher.done(receipt)
    if done.failure is not None:
        return Retained(decision.name, Jsonl.KEPT, done.failure.message, failure=done.failure)
    (receipt,) = done.receipts
    return Retained(decision.name, Jsonl.REMOVED, receipt.summary, int(receipt.facts["bytes"]))


def _added(report: BatchReport | None, receipt: Receipt) -> BatchReport:
    """The report of a batch with one thing more that was done for it."""
    if report is not None:
        because = f"{report.because}; {receipt.summary}"
        return attrs.evolve(report, because=because, receipts=(*report.receipts, receipt))
    path = settled.folder_of(receipt.name)
    return BatchReport(receipt.name, State.SETTLED, receipt.summary, receipts=(receipt,), path=path)
