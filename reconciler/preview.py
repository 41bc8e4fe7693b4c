"""What the next pass would do, found out by reading alone: no lock, no change, not even a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import attrs

from reconciler.config import Settings
from reconciler.costs import Costs, costs_of, quote_of
from reconciler.errors import Clash, ReconcilerError
from reconciler.executor.context import Progress, View, viewing
from reconciler.executor.hooks import NOTHING_PLUGGED, Plugged
from reconciler.model.operation import MatchRequestIds
from reconciler.model.plan import Attention, Held, Plan
from reconciler.model.policy import Policy, RetainPolicy
from reconciler.model.report import BatchReport
from reconciler.model.snapshot import Matched, Snapshot
from reconciler.pricing.quote import Quote
from reconciler.selecting import quarantined, select
from reconciler.workspace import walls
from reconciler.workspace.archived import observe_archived
from reconciler.workspace.layout import Layout
from reconciler.workspace.observe import observe
from reconciler.workspace.relocate import twins
from reconciler.workspace.removable import noted
from reconciler.workspace.scan import Listing, scan
from reconciler.workspace.settled import folder_of


@attrs.frozen
class Preview:
    """
    What the next pass would do.

    Attributes:
        layout: The workspace.
        listing: What lies in it.
        batches: Each live batch and its plan, in order.
        asking: What lies in quarantine.
        walls: Why nothing more is sent to some place, for people; plans say `submit` there all the same.
        quotes: What each batch may cost that would be sent; an estimate.
        costs: What was spent and reserved, and the limit.
        removals: What `[retain]` removes of settled batches, where that is known before the pass.
    """

    layout: Layout
    listing: Listing
    batches: tuple[tuple[Snapshot, Plan], ...]
    asking: tuple[BatchReport, ...] = ()
    removals: tuple[Plan, ...] = ()
    walls: tuple[str, ...] = ()
    quotes: Mapping[str, Quote] = attrs.field(factory=dict)
    costs: Costs | None = None


def preview(  # noqa: PLR0913 - what a pass takes, and no more
    path: str,
    settings: Settings,
    *,
    only: Sequence[str] = (),
    deep: bool = False,
    progress: Progress | None = None,
    plugged: Plugged = NOTHING_PLUGGED,
    asked: bool = False,
) -> Preview:
    """
    The plan for every batch.

    Args:
        path: The workspace.
        settings: Every setting.
        only: Names or glob patterns; empty means every batch.
        deep: Read the answers too, so that a plan goes on after match-request-ids.
        progress: Told about long reading.
        plugged: What users have plugged in.
        asked: Tell where batches at a provider stand, not that it would be asked for them.

    Raises:
        UserError: There is no workspace.
    """
    with viewing(path, settings, progress) as view:
        listing = scan(view.look, view.layout)
        seen = [
            attrs.evolve(observe(view.look, view.layout, listing, name), asked=asked)
            for name in select(listing, only)
        ]
        batches = tuple(
            (snap, _foresee(view, snap, plugged.policy_of(snap.name, settings), deep=deep)) for snap in seen
        )
        if settings["policy.max_in_flight"]:
            from reconciler.planner import in_turn  # noqa: PLC0415 - where somebody asks for it

            batches = tuple(in_turn(batches, lambda name: plugged.policy_of(name, settings)))
        removals = tuple(_removals(view, settings, only)) if deep else ()
        asking = tuple(quarantined(listing.quarantined, only))
        known = tuple(wall.told for wall in walls.walls(view.look))
        quotes = _quotes(view, settings, batches, plugged) if deep else {}
        money = costs_of(view.look, settings)
        return Preview(view.layout, listing, batches, asking, removals, known, quotes, money)


def _quotes(
    view: View, settings: Settings, batches: Sequence[tuple[Snapshot, Plan]], plugged: Plugged
) -> dict[str, Quote]:
    """What each batch may cost that would be sent."""
    found = {
        snap.name: quote_of(view, settings, snap, plan, plugged.hooks_of(snap.name)) for snap, plan in batches
    }
    return {name: quote for name, quote in found.items() if quote is not None}


def _removals(view: View, settings: Settings, only: Sequence[str]) -> Iterator[Plan]:
    """The plans for settled batches whose JSONL is to go now, of those that were noted when they settled."""
    policy = settings.policy()
    if policy.retain is RetainPolicy.KEEP:
        return
    from reconciler.planner import plan_removal  # noqa: PLC0415 - where [retain] asks for it

    for name in noted(view.look):
        if not only or any(fnmatchcase(name, pattern) for pattern in only):
            decision = plan_removal(observe_archived(view.look, view.layout, name), policy)
            if decision.steps:
                yield decision


def _foresee(view: View, snap: Snapshot, policy: Policy, *, deep: bool) -> Plan:
    """The plan for one batch; with *deep*, together with the one that follows its matching."""
    from reconciler.planner import plan  # noqa: PLC0415 - only where there is a batch

    first = plan(snap, policy)
    if not deep:
        return _as_last_seen(snap, policy, first)
    if snap.in_done and first.steps:
        return _tail_or_clash(view, snap, first)
    matching = next((step for step in first.steps if isinstance(step, MatchRequestIds)), None)
    if matching is None:
        return first
    from reconciler.executor.matching import match  # noqa: PLC0415 - only where there is something to match

    try:
        matched = match(view, snap.files, snap.record, matching.extraction)
    except (ReconcilerError, OSError):
        return first
    after = plan(attrs.evolve(snap, matched=matched), policy)
    return attrs.evolve(after, steps=(*first.steps, *after.steps))


def _as_last_seen(snap: Snapshot, policy: Policy, first: Plan) -> Plan:
    """Why it needs a person, where it does by the account of the last pass and its files look as then."""
    from reconciler.planner import plan  # noqa: PLC0415 - only where there is a batch

    account = None if snap.record is None else snap.record.coverage
    to_match = any(isinstance(step, MatchRequestIds) for step in first.steps)
    if account is None or not to_match:
        return first
    sizes = {role: digest.size for role, digest in account.digests.items()}
    if sizes != {role: fact.size for role, fact in snap.files.items()}:
        return first
    then = plan(attrs.evolve(snap, matched=Matched(snap.files, account)), policy)
    if then.steps or not isinstance(then.then, Held | Attention):
        return first
    return attrs.evolve(then, because=f"at the last pass {then.because}")


def _tail_or_clash(view: View, snap: Snapshot, finishing: Plan) -> Plan:
    """Whether live files beside `done/<name>/` are an interrupted move's or a clash of names."""
    paths = {role: fact.path for role, fact in snap.files.items()}
    try:
        twins(view.look, paths, folder_of(snap.name))
    except Clash as clash:
        return Plan(snap.name, clash.message, then=Attention(clash.hint))
    return finishing
