"""
Give another time limit to batches that are there already, because their author has said another one.

The same limit said again changes nothing, so a script that is started once more does not push the end back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import attrs

from reconciler.codec.request import request_id
from reconciler.errors import BadLine
from reconciler.executor.context import Context, Run
from reconciler.executor.lineages import Member, lineages
from reconciler.executor.reading import Lines
from reconciler.model.identity import Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import Limit
from reconciler.model.snapshot import Place
from reconciler.workspace import ledger, settled


def give_another(ctx: Context, asked: Collection[str], limit: Limit) -> None:
    """
    Let *limit* count for the live batches that ask any of these ids, where another one counted.

    What a limit has ended already, and what a person has made of that, stays as it is.

    Args:
        ctx: Rooms and settings.
        asked: The ids that the author has asked with this limit.
        limit: How long they may take from now on.
    """
    freed = frozenset(_freed(ctx))
    for lineage in lineages(ctx):
        members = [
            member
            for member in lineage.members
            if member.name not in freed and _may_change(ctx, member, limit)
        ]
        if members and _asks(ctx, lineage.root, asked):
            for member in members:
                if member.record is not None:
                    Run(ctx).publish(attrs.evolve(member.record, limit=limit))


def _freed(ctx: Context) -> Iterator[str]:
    """The children in which a person asks what a limit has ended: without one, as they have chosen."""
    for entry in ledger.entries(ctx.fx):
        chosen = entry.fields.get("chosen")
        if entry.event == "batch.retried" and isinstance(chosen, list) and ErrorClass.TIME_LIMIT in chosen:
            yield str(entry.fields.get("child"))


def _may_change(ctx: Context, member: Member, limit: Limit) -> bool:
    """Whether a batch has another limit that is still to count."""
    record = member.record
    if member.place is not Place.LIVE or record is None or record.online.limited or record.online.stopped:
        return False
    if record.limit is not None and record.limit.seconds == limit.seconds:
        return False
    return ctx.fx.kind(settled.folder_of(member.name)) is None


def _asks(ctx: Context, root: Member, asked: Collection[str]) -> bool:
    """Whether a batch holds one of these ids."""
    fact = root.files.get(Role.INPUT)
    if fact is None:
        return False
    for line in Lines(ctx, fact):
        try:
            if request_id(line, fact.path) in asked:
                return True
        except BadLine:
            continue
    return False
