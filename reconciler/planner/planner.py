"""
The one decision: a snapshot and a policy in, a plan out.

Pure and total: every shape, every record and every status leads to exactly one plan.
"""

from __future__ import annotations

from typing import assert_never

from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.snapshot import Snapshot
from reconciler.model.triple import Shape
from reconciler.planner.answers import plan_answers
from reconciler.planner.limiting import by_the_limit
from reconciler.planner.safety import refuse
from reconciler.planner.waiting import plan_empty, plan_orphaned, plan_waiting


def plan(snapshot: Snapshot, policy: Policy) -> Plan:
    """
    Decide what the batch in *snapshot* needs under *policy*.

    Returns:
        The ordered operations that can be done now, why, and what comes after them. Equal arguments
        give equal plans.
    """
    refusal = refuse(snapshot)
    return refusal if refusal is not None else by_the_limit(snapshot, _by_shape(snapshot, policy))


def _by_shape(snapshot: Snapshot, policy: Policy) -> Plan:
    """The decision about a batch that may be touched."""
    match snapshot.shape:
        case Shape.EMPTY:
            return plan_empty(snapshot)
        case Shape.WAITING:
            return plan_waiting(snapshot, policy)
        case Shape.ANSWERED | Shape.FAILED | Shape.MIXED:
            return plan_answers(snapshot, policy)
        case Shape.ORPHANED:
            return plan_orphaned(snapshot)
        case shape:
            assert_never(shape)
