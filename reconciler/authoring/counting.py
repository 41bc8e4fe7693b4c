"""
Where a run stands, in numbers: a typed snapshot, counted from its answers and from the files of its batches.

Nothing is kept between two snapshots, so another process counts the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import Final

import attrs

from reconciler.authoring.answers import Answer, Group
from reconciler.executor.lineages import Member
from reconciler.model.coverage import NOTHING
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import Record, Submission
from reconciler.model.snapshot import Place
from reconciler.model.status import Phase, phase_of

ACTIVE: Final = "active"


@attrs.frozen
class Count:
    """
    How many stand where; the parts add up to the total.

    Attributes:
        total: All of them.
        pending: Not sent yet.
        active: Sent, or being answered here.
        completed: Come to a good end.
        failed: Come to none.
        cancelled: Stopped before their end.
    """

    total: int = 0
    pending: int = 0
    active: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        """How many wait for nothing any more."""
        return self.completed + self.failed + self.cancelled


@attrs.frozen
class RunStatus:
    """
    Where a run stands at one moment.

    Attributes:
        requests: Its requests; one that is asked again counts once.
        batches: Its batches, retry children included; one that somebody stopped counts as cancelled, whatever
            it answered before.
        arriving: How many of the active requests have an end already, by the last word of whoever answers
            them; their answers are not here yet.
        cost_usd: What its answers cost, about, as far as their prices are known; None where none is. The
            attempts before the last one are not in it.
        cost_limit_usd: What its workspace may cost at the most, in all; None where nobody has said.
        elapsed: Seconds from when the first of its inputs was written until now, or until the last batch
            settled.
        eta: Seconds until the last answer, by the pace of each batch under way; None where nobody can tell,
            as while something has not been sent or no count has moved.
        seen_at: When this was counted, in seconds since the epoch.
    """

    requests: Count
    batches: Count
    arriving: int = 0
    cost_usd: float | None = None
    cost_limit_usd: float | None = None
    elapsed: float | None = None
    eta: float | None = None
    seen_at: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every request has come to its end."""
        return self.requests.ended == self.requests.total


def counted(
    answers: Iterable[Answer],
    families: Mapping[str, Sequence[Member]],
    now: float,
    limit: float | None = None,
) -> RunStatus:
    """
    One snapshot.

    Args:
        answers: What became of every request.
        families: The members of each lineage, by the name of its first batch.
        now: Seconds since the epoch.
        limit: What it may cost.
    """
    states: dict[str, str] = {each.name: state_of(each) for family in families.values() for each in family}
    told = dict.fromkeys((*Group, ACTIVE), 0)
    ours: set[str] = set()
    costs: list[float] = []
    for answer in answers:
        row = answer.row
        where: str = answer.group
        if row is not None:
            ours.add(row.lineage)
            if answer.group is Group.PENDING and states.get(row.child or row.batch) == ACTIVE:
                where = ACTIVE
        told[where] += 1
        if answer.cost_usd is not None:
            costs.append(answer.cost_usd)
    requests = _count(told)
    members = [each for name, family in families.items() if name in ours for each in family]
    by_state = dict.fromkeys((*Group, ACTIVE), 0)
    for each in members:
        by_state[state_of(each)] += 1
    under_way = [each for each in members if state_of(each) == ACTIVE]
    heard = sum(_ended(each.record) or 0 for each in under_way if each.record and not _is_here(each))
    return RunStatus(
        requests=requests,
        batches=_count(by_state),
        arriving=min(heard, requests.active),
        cost_usd=fsum(costs) if costs else None,
        cost_limit_usd=limit,
        elapsed=_elapsed(members, now, over=requests.ended == requests.total),
        eta=None if by_state[Group.PENDING] else _eta(under_way, now),
        seen_at=now,
    )


def state_of(member: Member) -> str:
    """Where a batch stands: a `Group`, or `active`."""
    if member.set_aside or member.problem:
        return Group.FAILED
    if member.place is Place.DONE:
        account = None if member.manifest is None else member.manifest.coverage
        stopped = account is not None and account.by_class.get(ErrorClass.CANCELLED, NOTHING) != NOTHING
        return Group.CANCELLED if stopped else Group.COMPLETED
    record = member.record
    if _is_here(member):
        return ACTIVE
    if record is None:
        return Group.PENDING
    refused = record.batch_id is not None and phase_of(record.status) is Phase.REFUSED
    if record.state is Submission.REJECTED or (refused and record.online.not_before is None):
        return Group.FAILED
    sent = record.state in (Submission.CREATING, Submission.SUBMITTED)
    # A run on this machine has a status and no submission.
    here = record.state is None and record.status is not None
    return ACTIVE if (sent and not refused) or here else Group.PENDING


def _is_here(member: Member) -> bool:
    """Whether answers of a live batch have arrived."""
    return any(role in member.files for role in ANSWERS)


def _count(told: Mapping[str, int]) -> Count:
    return Count(
        total=sum(told.values()),
        pending=told[Group.PENDING],
        active=told[ACTIVE],
        completed=told[Group.COMPLETED],
        failed=told[Group.FAILED],
        cancelled=told[Group.CANCELLED],
    )


def _ended(record: Record) -> int | None:
    """How many requests of a batch have an end, as last heard; None where nobody has counted."""
    counts = (record.counts.completed, record.counts.failed)
    return None if counts == (None, None) else sum(each or 0 for each in counts)


def _elapsed(members: Sequence[Member], now: float, *, over: bool) -> float | None:
    """How long it has taken so far, or took."""
    inputs = [each.files[Role.INPUT] for each in members if Role.INPUT in each.files]
    if not inputs:
        return None
    began = min(each.mtime_ns / 1e9 for each in inputs)
    ends = [each.manifest.settled_at for each in members if each.manifest is not None]
    until = max(ends) if over and ends else now
    return max(0.0, until - began)


def _eta(under_way: Sequence[Member], now: float) -> float | None:
    """How long the slowest of the batches goes on, each at its own pace; they run side by side."""
    left = [_left(each, now) for each in under_way]
    known = [each for each in left if each is not None]
    return max(known) if known and len(known) == len(left) else None


def _left(member: Member, now: float) -> float | None:
    if _is_here(member):
        return 0.0
    record = member.record
    if record is None or record.sent_at is None or record.input is None:
        return None
    ended = _ended(record)
    if not ended or now <= record.sent_at:
        return None
    pace = (now - record.sent_at) / ended
    return pace * max(0, record.input.requests - ended)
