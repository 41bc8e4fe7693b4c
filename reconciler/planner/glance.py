"""
What can be told of a batch from the names of its files and its metadata, before anything else is looked at.

Pure, and never more than a first word: the brakes of `safety.py` have not been asked. A plan from here
that has steps is for show; a full look has to come before the first of them.
"""

from __future__ import annotations

from typing import Final

import attrs

from reconciler.model.facts import Expects, FileFact
from reconciler.model.identity import Role
from reconciler.model.operation import MatchRequestIds
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.record import Record
from reconciler.model.snapshot import Glance, Snapshot
from reconciler.planner.answers import TO_MATCH
from reconciler.planner.waiting import plan_waiting

UNSEEN: Final = Expects(generation=-1)
"""What no metadata can meet: the executor refuses a step that was planned at a glance, whatever it is."""

_INPUT: Final = {Role.INPUT: FileFact("", -1, -1, (-1, -1))}


def plan_at_a_glance(seen: Glance, policy: Policy, *, asked: bool = False) -> Plan | None:
    """
    The plan that a full look would lead to, unless it refuses.

    Args:
        seen: Names and metadata.
        policy: What may be decided.
        asked: What its provider last said of it is fresh.

    Returns:
        None where names and metadata do not suffice.
    """
    here, record = seen.roles, seen.record
    if seen.odd or Role.INPUT not in here:
        return None
    if Role.OUTPUT in here or Role.ERROR in here:
        for role in seen.at_provider:
            if role not in here:
                return None
        return Plan(seen.name, TO_MATCH, (MatchRequestIds(seen.name, expects=UNSEEN),))
    if record is None or record.batch_id is None or record.online.refusals or _had_answers(record):
        # What was never sent depends on the age of its input, on done/ and on its parent; what a provider
        # found in an input is told with that one's path.
        return None
    decided = plan_waiting(Snapshot(seen.name, seen.seen_at, _INPUT, record, asked=asked), policy)
    if not decided.steps:
        return decided
    return attrs.evolve(decided, steps=tuple(attrs.evolve(step, expects=UNSEEN) for step in decided.steps))


def _had_answers(record: Record) -> bool:
    """Whether answers were here once; their files may be on the way to `done/` or `quarantine/`."""
    return bool(record.coverage or record.children or record.roles or record.receipts)
