"""
One pass over a workspace: scan it, then settle its batches, many of them together.

Level-triggered: it looks at what is, never at what happened, so running it again is always safe.
"""

from __future__ import annotations

import attrs

from reconciler.config import Settings
from reconciler.model.identity import BatchName
from reconciler.model.policy import RetainPolicy
from reconciler.model.report import BatchReport, Report, State
from reconciler.selecting import quarantined, select
from reconciler.session import Options, Session, session
from reconciler.workspace.aside import ASIDE, clear
from reconciler.workspace.scan import quarantined_in, scan, scan_kin


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
    if held.settings["results.combined"]:
        from reconciler.combined import Combined  # noqa: PLC0415 - only where somebody wants it

        combined = Combined(held)
        report = _registered(attrs.evolve(held, options=attrs.evolve(held.options, watcher=combined)))
        return attrs.evolve(report, warnings=(*report.warnings, *combined.finish()))
    return _registered(held)


def _registered(held: Session) -> Report:
    """The same, the registry kept where somebody wants it."""
    if held.settings["results.registry"]:
        from reconciler.registry import kept  # noqa: PLC0415 - only where somebody wants it

        with kept(held) as watched:
            return _pass(watched)
    return _pass(held)


def _pass(held: Session) -> Report:
    """The same, whoever watches."""
    ctx, kin = held.ctx, held.options.kin
    listing = scan(ctx.fx, held.layout) if kin is None else scan_kin(ctx.fx, held.layout, kin)
    for path in listing.stale:
        ctx.fx.unlink(path)
    if ctx.fx.kind(ASIDE) is not None:
        # A replay was cut off before anything of this was published.
        clear(ctx.fx)
    reports: dict[BatchName, BatchReport] = {}
    queue = select(listing, held.options.only)
    writing = held.options.writing(ctx, listing)
    for name in (each for each in queue if each in writing):
        because, live = "its files are still being written", held.layout.live or "."
        reports[name] = BatchReport(name, State.WAITING, because, until=writing[name], path=live)
        held.options.watcher.ended(reports[name])
    queue = [name for name in queue if name not in reports]
    if queue:
        from reconciler.batches import settle_all  # noqa: PLC0415 - a pass over nothing loads no more than this

        settle_all(held, listing, queue, reports)
    if held.settings["retain.jsonl"] == RetainPolicy.REMOVE:
        from reconciler.retention import remove_due  # noqa: PLC0415 - where [retain] asks for it

        remove_due(held, reports)
    told = {report.path for report in reports.values()}
    aside = quarantined_in(ctx.fx, None if kin is None else kin.roots)
    asking = [report for report in quarantined(aside, held.options.only) if report.path not in told]
    for report in asking:
        held.options.watcher.ended(report)
    ignored = tuple((each.path, each.why) for each in listing.ignored)
    return Report(ctx.fx.root, (*reports.values(), *asking), ignored)
