"""
How many batches may be at a provider at once, and which of those that are ready go first.

Pure, like the rest of this package. Nothing is remembered: metadata says what is under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from reconciler.model.identity import BatchName
from reconciler.model.operation import Submit
from reconciler.model.plan import Plan, Waiting
from reconciler.model.policy import LOCAL, Policy
from reconciler.model.record import Record, Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.model.words import many


def is_under_way(record: Record | None) -> bool:
    """Whether a provider works on a batch, as far as anybody knows; a create in doubt counts."""
    if record is None or record.provider in (None, LOCAL):
        return False
    if record.batch_id is None:
        return record.state in (Submission.CREATING, Submission.SUBMITTED)
    return phase_of(record.status) is Phase.RUNNING


def told_full(provider: str, most: int) -> str:
    """Why a batch waits, in words."""
    return f"{many(most, 'batch', 'batches')} at {provider}, and [policy] max_in_flight allows no more"


def in_turn(
    seen: Sequence[tuple[Snapshot, Plan]], policy_of: Callable[[BatchName], Policy]
) -> Iterator[tuple[Snapshot, Plan]]:
    """
    The plans of a workspace, those that would find no room shown as waiting, in the order of batches.

    Args:
        seen: Each batch and what it needs.
        policy_of: What the settings say of a batch.
    """
    there = Counter(
        snap.record.provider for snap, _ in seen if snap.record is not None and is_under_way(snap.record)
    )
    for snap, plan in seen:
        step = next((each for each in plan.steps if isinstance(each, Submit)), None)
        if step is None:
            yield snap, plan
            continue
        if step.most and there[step.provider] >= step.most:
            until = snap.seen_at + policy_of(snap.name).poll_seconds
            yield snap, Plan(snap.name, told_full(step.provider, step.most), then=Waiting(until, behind=True))
            continue
        there[step.provider] += 1
        yield snap, plan
