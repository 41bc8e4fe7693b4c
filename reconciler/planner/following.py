"""
Whether a batch may follow those that went ahead of it.

Pure, like the rest of this package. What it waits for stands in its metadata, so every process obeys.
"""

from __future__ import annotations

from reconciler.model.plan import Attention, Plan, Waiting
from reconciler.model.policy import Policy
from reconciler.model.record import Record, Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.model.trouble import Trouble

_FEW = 3


def held_by_canary(snap: Snapshot, policy: Policy) -> Plan | None:
    """Why a batch does not go yet, None where nothing that went ahead of it stands in its way."""
    record, sample = snap.record, snap.sample
    if record is None or record.after is None or sample is None:
        return None
    after = record.after
    told = ", ".join(after.batches[:_FEW]) + (", ..." if len(after.batches) > _FEW else "")
    if sample.gone:
        because = f"{told} goes ahead of it, and {', '.join(sample.gone[:_FEW])} is not here any more"
        return Plan(snap.name, because, then=_choice(snap))
    stuck = [name for name, found in sample.going.items() if _needs_person(found, snap.seen_at, policy)]
    if stuck:
        because = f"{told} goes ahead of it, and {', '.join(stuck[:_FEW])} needs a person"
        return Plan(snap.name, because, then=_choice(snap))
    if sample.going:
        because = f"{told} goes ahead; it follows once that has settled, with enough valid answers"
        return Plan(snap.name, because, then=Waiting(snap.seen_at + policy.poll_seconds, behind=True))
    if sample.share >= after.share:
        return None
    share = f"{sample.answered} of {sample.requests} valid answers, and {after.share:.0%} were asked for"
    return Plan(snap.name, f"{told} went ahead: {share}", then=_choice(snap))


def _choice(snap: Snapshot) -> Attention:
    """What a person may do."""
    return Attention(
        "reconcile resume WORKSPACE    lets all that were held for it go\n"
        f"reconcile submit WORKSPACE {snap.name}    lets this one go\n"
        f"reconcile cancel WORKSPACE {snap.name}    drops it: it is never sent",
        Trouble.HELD,
    )


def _needs_person(record: Record | None, now: float, policy: Policy) -> bool:
    """Whether a batch that has not settled will hardly do so by itself."""
    if record is None:
        return False
    if record.batch_id is None:
        in_doubt = record.state in (Submission.CREATING, Submission.SUBMITTED)
        over = now >= (record.sent_at or 0.0) + policy.in_doubt_grace_seconds
        return record.state is Submission.REJECTED or (in_doubt and over) or record.coverage is not None
    phase = phase_of(record.status)
    refused = phase is Phase.REFUSED and record.online.not_before is None
    return refused or (record.coverage is not None and phase is not Phase.RUNNING)
