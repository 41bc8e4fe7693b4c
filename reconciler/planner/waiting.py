"""
Batches without any answer file: not sent yet, being answered here, or without an input; see `in_flight` too.

Pure ladders of early returns, one comment per leaf.
"""

from __future__ import annotations

from reconciler.model.coverage import NOTHING
from reconciler.model.identity import Role, lineage_root
from reconciler.model.plan import Attention, Held, Plan, Settled, Waiting
from reconciler.model.policy import LOCAL, Policy, SubmitPolicy
from reconciler.model.record import Record, Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.trouble import Trouble
from reconciler.planner.answers import answer_here, open_roles
from reconciler.planner.following import held_by_canary
from reconciler.planner.in_flight import (
    SET_PROVIDER,
    is_to_come,
    no_client,
    plan_in_doubt,
    plan_in_flight,
    to_submit,
    told_refusals,
)
from reconciler.planner.limiting import never_runs
from reconciler.planner.rescuing import live_refused, stand_in_refused
from reconciler.planner.safety import asked_at

PUT_BACK = "put the answer files back; nothing is asked again"


def plan_empty(snap: Snapshot) -> Plan:
    """No file of the triple is here."""
    if snap.record is None:
        return Plan(snap.name, "there is nothing here", then=Settled())
    if Role.INPUT in snap.history:
        # The Rust tools leave a metadata file behind when they move a finished batch.
        return Plan(snap.name, "an earlier tool finished it and left its metadata behind", then=Settled())
    hint = "put the input back, or move the metadata file out of the workspace"
    because = "its metadata is here but its input is gone"
    return Plan(snap.name, because, then=Attention(hint, Trouble.MISSING_INPUT))


def plan_orphaned(snap: Snapshot) -> Plan:
    """Answers to questions nobody can see: a person must say where the input is."""
    there = " and ".join(snap.files[role].path for role in snap.answers)
    because = f"{there}: answers without their input"
    hint = f"put batch_input_{snap.name}.jsonl beside it, or move the answers out of the workspace"
    return Plan(snap.name, because, then=Attention(hint, Trouble.MISSING_INPUT))


def plan_waiting(snap: Snapshot, policy: Policy) -> Plan:
    """An input without answers: metadata decides."""
    record = snap.record
    if record is None:
        return _unsent(snap, policy)
    ended = never_runs(snap, record)
    if ended is not None:
        # What is being written still would be ended, and archived, without the rest of it.
        return _written_still(snap, policy) or ended
    can_fetch = (
        (record.batch_id is not None or record.provider == LOCAL)
        and bool(open_roles(snap))
        and asked_at(record, policy, here=True) in policy.reachable
    )
    if _were_answered(record) and not can_fetch:
        # Asking them again would pay again for what has been answered.
        because = "answers were here at an earlier pass and are gone now"
        return Plan(snap.name, because, then=Attention(PUT_BACK, Trouble.ANSWERS_GONE))
    if record.batch_id is not None:
        return plan_in_flight(snap, record, policy)
    if record.state is Submission.REJECTED:
        because = f"{record.provider or policy.provider} rejected it when it was created"
        return told_refusals(snap, record, because)
    if record.state in (Submission.CREATING, Submission.SUBMITTED):
        return plan_in_doubt(snap, record, policy)
    if snap.unowned:
        # Sending it would ask ids that its parent has answered for.
        because = f"its parent {record.parent} has not handed these requests over to it"
        hint = f"reconcile retry WORKSPACE {record.parent}    to complete it\nor move this child elsewhere"
        return Plan(snap.name, because, then=Attention(hint))
    return _rescued(snap, policy) if record.online.rescue and not snap.quarantined else _unsent(snap, policy)


def _were_answered(record: Record) -> bool:
    """Whether an earlier pass has seen answers of this batch."""
    if record.coverage is not None and record.coverage.given != NOTHING:
        return True
    begun = record.batch_id is not None
    return not begun and bool(record.coverage or record.children or record.roles or record.receipts)


def _unsent(snap: Snapshot, policy: Policy) -> Plan:
    """Nothing of this input can have been paid for: it was never sent, or cut off before its create."""
    name = snap.name
    if snap.quarantined:
        because = f"quarantine/{snap.quarantined[-1]}/ holds files of this batch, and maybe its answers"
        return Plan(name, because, then=Attention("move those files back too, or out of the workspace"))
    if snap.record is None and lineage_root(name) != name:
        because = "it is named like a retry child, and has no metadata that says whose"
        return Plan(name, because, then=Attention("put its metadata back, or give the input another name"))
    named = snap.record and snap.record.provider
    if not policy.configured and named in (None, LOCAL):
        because = "no provider is configured, so nothing is sent"
        return Plan(name, because, then=Held(SET_PROVIDER))
    if policy.submit is SubmitPolicy.MANUAL:
        because = 'submit = "manual": a person decides when it is sent'
        hint = f'reconcile submit WORKSPACE {name}    to send it now\nset [policy] submit = "auto"'
        return Plan(name, because, then=Held(hint))
    provider = named or policy.provider
    if provider not in policy.reachable:
        return no_client(snap, policy, provider)
    return held_by_canary(snap, policy) or _now_or_soon(snap, policy, provider)


def _now_or_soon(snap: Snapshot, policy: Policy, provider: str) -> Plan:
    """It goes as soon as its provider and its writer let it."""
    name = snap.name
    not_before = None if snap.record is None else snap.record.online.not_before
    if not_before is not None and is_to_come(snap, not_before):
        return Plan(name, f"{provider} asked to come back later", then=Waiting(not_before))
    young = _written_still(snap, policy)
    if young is not None:
        return young
    if provider == LOCAL:
        here = Plan(name, "it is answered in this process", (answer_here(snap, policy),))
        return stand_in_refused(snap, policy) or here
    because = f"it has not been sent to {provider} yet"
    return Plan(name, because, (to_submit(snap, provider, policy),))


def _written_still(snap: Snapshot, policy: Policy) -> Plan | None:
    """A file that still grows would be sent, or ended, short; a child was published whole."""
    child = snap.record is not None and snap.record.parent is not None
    quiet_at = snap.files[Role.INPUT].mtime_ns / 1e9 + policy.settle_seconds
    if snap.seen_at >= quiet_at or child:
        return None
    told = "its input was written a moment ago"
    if quiet_at > snap.seen_at + 2 * policy.settle_seconds:
        told = "its input bears a time that is still to come, so a clock was wrong: touch it, and it goes"
    return Plan(snap.name, told, then=Waiting(quiet_at))


def _rescued(snap: Snapshot, policy: Policy) -> Plan:
    """Leftovers of a batch at a provider, to be answered live; that was decided when it was rescued."""
    refused = live_refused(snap.name, policy)
    if refused is not None:
        return refused
    return Plan(snap.name, "it was rescued, and is answered in this process", (answer_here(snap, policy),))
