"""
The answers of a run, read from the files of its workspace: in the order of adding, streamed.

Takes no lock and changes nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TypeAlias

import attrs

from reconciler.authoring.answers import Answer, answer_of
from reconciler.authoring.counting import RunStatus, counted
from reconciler.authoring.items import Item
from reconciler.config import Settings
from reconciler.executor.context import viewing
from reconciler.executor.lineages import Member, lineages
from reconciler.executor.repeats import asked_twice
from reconciler.model.coverage import digest_id
from reconciler.model.identity import BatchName
from reconciler.model.rows import ResultRow
from reconciler.model.snapshot import Place
from reconciler.pricing.money import dollars
from reconciler.results import Results
from reconciler.workspace import cost_limit

Families: TypeAlias = dict[str, list[Member]]
"""The batches that first asked something, by name, each with its children."""


@attrs.frozen
class Asking:
    """
    Which requests of a workspace make up a run.

    Attributes:
        path: The workspace.
        settings: Every setting.
        names: Names or patterns of batches; empty for all of them.
        asked: Each request that was added with its id, in order; None for every request of these batches.
    """

    path: str
    settings: Settings
    names: Sequence[str] = ()
    asked: Sequence[tuple[str, Item]] | None = None


def read(asking: Asking) -> Iterator[Answer]:
    """
    What became of each request, in the order in which they were added.

    Raises:
        UserError: There is no workspace, or a name matches no batch.
        TransientError: A pass moved files while they were read.
    """
    return _answers(asking, families(asking))


def status(asking: Asking) -> RunStatus:
    """
    Where a run stands now.

    Raises:
        UserError, TransientError: As `read`.
    """
    found = families(asking)
    with viewing(asking.path, asking.settings) as view:
        now = view.look.now()
        cap = asking.settings.cap.lower(cost_limit.read(view.look)).nano
    limit = None if cap is None else float(dollars(cap))
    return counted(_answers(asking, found), found, now, limit)


def families(asking: Asking) -> Families:
    """Every batch of the workspace that a name asks for, with its children; ids are not looked at."""
    found: Families = {}
    with viewing(asking.path, asking.settings) as view:
        for lineage in lineages(view, asking.names):
            # Twins in quarantine have the name of the batch that was put right.
            found.setdefault(lineage.root.name, []).extend(lineage.members)
    return found


def first_batches(asking: Asking) -> frozenset[str]:
    """The batches that first asked the requests of a run; no others will."""
    if asking.asked is None:
        return frozenset(families(asking))
    wanted = {custom_id for custom_id, _ in asking.asked}
    rows = Results(asking.path, asking.settings)
    return frozenset(row.lineage for row in rows if row.custom_id in wanted)


def live_batches(asking: Asking, first: Container[str]) -> list[BatchName]:
    """The live batches of some lineages, in order."""
    members = [each for name, family in families(asking).items() if name in first for each in family]
    return [each.name for each in members if each.place is Place.LIVE]


def _answers(asking: Asking, found: Families) -> Iterator[Answer]:
    ids: dict[str, str | None] = {
        each.name: _batch_id(each) for family in found.values() for each in reversed(family)
    }
    rows = Results(asking.path, asking.settings, asking.names)
    prices = asking.settings.prices
    if asking.asked is None:
        for row in rows:
            yield answer_of(row.custom_id, row, None, ids.get(row.batch), prices)
        return
    with viewing(asking.path, asking.settings) as view:
        twice = asked_twice(view)
    models = (item.wanted.response_model for _, item in asking.asked)
    ordered = _in_order(rows, [custom_id for custom_id, _ in asking.asked], twice)
    for (custom_id, each), model in zip(ordered, models, strict=True):
        yield answer_of(custom_id, each, model, None if each is None else ids.get(each.batch), prices)


def _batch_id(member: Member) -> str | None:
    known = member.manifest or member.record
    return None if known is None else known.batch_id


def _in_order(
    rows: Iterable[ResultRow], ids: Sequence[str], twice: Container[bytes]
) -> Iterator[tuple[str, ResultRow | None]]:
    """
    The row of each id, in the order of the ids; only what comes before its turn is kept.

    An answer counts more than whatever else stands under its id, and is waited for where there is more.
    """
    places = {custom_id: at for at, custom_id in enumerate(ids)}
    held: dict[int, ResultRow] = {}
    turn = 0
    for row in rows:
        at = places.get(row.custom_id, -1)
        if at < turn:
            continue
        if at not in held or not held[at].answered:
            held[at] = row
        while turn in held and (held[turn].answered or digest_id(ids[turn].encode()) not in twice):
            yield ids[turn], held.pop(turn)
            turn += 1
    for at in range(turn, len(ids)):
        yield ids[at], held.get(at)
