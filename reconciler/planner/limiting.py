"""
What is done once the time that an author has given a batch is over.

Pure, like the rest of this package. What is under way is stopped and harvested, what was never sent is ended
here; a person who has stopped a batch came first.
"""

from __future__ import annotations

import attrs

from reconciler.model.durations import spelled
from reconciler.model.identity import ANSWERS
from reconciler.model.operation import Cancel, CheckOnline, EndHere
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Plan, Waiting
from reconciler.model.policy import LOCAL, Policy
from reconciler.model.record import Odd, Record, Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.planner.safety import expects

UNSENT = (None, Submission.PREPARED, Submission.UPLOADED)
"""How far a submission may have come that nobody can have paid for."""


def told_over(record: Record) -> str:
    """That the time is over, in words."""
    return f"its time limit{'' if record.limit is None else f' of {spelled(record.limit.seconds)}'} is over"


def by_the_limit(snap: Snapshot, decided: Plan) -> Plan:
    """A plan that waits for no longer than the time limit allows."""
    limit = None if snap.record is None else snap.record.limit
    if limit is None or not isinstance(decided.then, Waiting) or not snap.seen_at < limit.until:
        return decided
    then = attrs.evolve(decided.then, until=min(decided.then.until, limit.until))
    return attrs.evolve(decided, then=then)


def never_runs(snap: Snapshot, record: Record) -> Plan | None:
    """The plan for a batch that no provider has, and that will not be sent any more; None for others."""
    if snap.unowned or snap.quarantined or record.coverage is not None or record.children:
        return None
    if _is_withdrawn(record):
        # A person has ended it before anything of it ran, or the file that says so did not get its name.
        return Plan(snap.name, "a person has ended it", (end_here(snap, ErrorClass.CANCELLED),))
    if not record.is_over(snap.seen_at) or not _is_nowhere(record):
        return None
    because = f"{told_over(record)}, and nothing of it was sent"
    if record.batch_id is not None:
        because = f"{told_over(record)}, and {record.provider} has answered nothing of {record.batch_id}"
    return Plan(snap.name, because, (end_here(snap, ErrorClass.TIME_LIMIT),))


def end_here(snap: Snapshot, why: ErrorClass) -> EndHere:
    """The step that ends a batch without sending it."""
    return EndHere(snap.name, why=why, expects=expects(snap))


def over_there(snap: Snapshot, record: Record, policy: Policy, provider: str) -> Plan:
    """A batch that is under way: its provider is asked to stop it, and what it has answered is waited for."""
    name, online = snap.name, record.online
    stopping = "cancel" in (record.status or "").lower()
    can = provider in policy.stoppable and not online.unstoppable
    stop = Cancel(name, provider=provider, limited=True, expects=expects(snap))
    look = CheckOnline(name, provider=provider, expects=expects(snap))
    because = f"{told_over(record)}, and {record.batch_id} is still at {provider}"
    if not snap.asked:
        # It may have ended by now. Where it shall stop and does not say so, a pass may have been cut off.
        return Plan(name, because, (stop if can and not stopping and online.limited else look,))
    if can and not stopping and not online.limited:
        return Plan(name, because, (stop,))
    how = "was asked to stop it" if can or stopping else "cannot be stopped: it goes on, and is paid for"
    told = f"{told_over(record)}; {provider} {how}, and has {record.batch_id} ({record.status})"
    return Plan(name, told, then=Waiting(snap.seen_at + policy.poll_seconds))


def _is_withdrawn(record: Record) -> bool:
    """Whether a person has asked for the end of a batch that was never sent, or that a full quota refused."""
    if record.batch_id is None:
        return record.online.stopped and bool(record.roles)
    return record.online.stopped and not record.online.rescue and is_turned_away(record)


def _is_nowhere(record: Record) -> bool:
    """Whether no answer of a batch can be anywhere."""
    if record.batch_id is None:
        begun_here = record.provider == LOCAL and record.status is not None
        # Answers that came by another way have their names in metadata before they have them on disk.
        arrived = bool(record.roles) and not record.online.limited
        return record.state in UNSENT and not begun_here and not arrived
    if any(record.remote_file(role) for role in ANSWERS):
        return False
    phase = phase_of(record.status)
    if phase is Phase.REFUSED:
        return is_turned_away(record)
    # A file may be named later than the end, and a batch that is lost may have been answered.
    heard_out = record.online.heard_out(Odd.NO_FILE)
    return phase is Phase.PARTIAL and heard_out and are_leftovers(record, 0, 0)


def is_turned_away(record: Record) -> bool:
    """Whether a full quota is all why its provider has refused a batch, so that it may be sent again."""
    refusals, named = record.online.refusals, any(record.remote_file(role) for role in ANSWERS)
    refused = phase_of(record.status) is Phase.REFUSED and not named
    return refused and bool(refusals) and all(each.code in QUOTA_CODES for each in refusals)


QUOTA_CODES = frozenset({"token_limit_exceeded"})
"""Codes of a batch that was refused only because too much is queued (openai-python#2084)."""


def are_leftovers(record: Record, here: int, ran: int) -> bool:
    """
    Whether the provider itself agrees that ids without an answer were never answered.

    Args:
        record: What it has said.
        here: How many requests have a line.
        ran: How many of these have run.
    """
    phase, counts = phase_of(record.status), record.counts
    said = None if counts.completed is None or counts.failed is None else counts.completed + counts.failed
    if phase is Phase.PARTIAL:
        # What never ran is missing, or has a line that says so. An answer that is counted there and is not
        # here was paid for: asking it again would pay twice.
        return said is None or said <= ran
    if phase is Phase.REFUSED and record.online.rescue:
        return not said and not here
    # One that says it is completed, and has neither a file nor a count to show, agrees with nothing.
    return phase is Phase.DONE and said == here > 0
