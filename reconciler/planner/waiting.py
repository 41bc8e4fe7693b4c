"""
Batches without any answer file: not sent yet, being sent, in flight, or without an input.

Pure ladders of early returns, one comment per leaf.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.coverage import NOTHING
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name, lineage_root
from reconciler.model.operation import Cancel, Download, FindOrphan, Rescue, Submit
from reconciler.model.plan import Attention, Held, Plan, Settled, Waiting
from reconciler.model.policy import LOCAL, NO_PROVIDER, InDoubtPolicy, Policy, SubmitPolicy
from reconciler.model.record import Record, Refusal, Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.model.trouble import Trouble
from reconciler.planner.answers import answer_here, ask_after, open_roles, plan_answers
from reconciler.planner.following import held_by_canary
from reconciler.planner.limiting import QUOTA_CODES, never_runs, over_there, told_over
from reconciler.planner.rescuing import OVERDUE, is_overdue, live_refused, rescue_refused
from reconciler.planner.safety import PATIENCE, asked_at, expects

SET_PROVIDER = (
    "put the answer files beside the input; or\n"
    'set [provider] name = "local" in reconciler.toml: a function on this machine answers ([local] worker)\n'
    'or name a remote provider there, such as "openai", whose key is in the environment'
)
FINDINGS: Final = 5
"""How many findings of a provider are told; the rest is counted."""

LONGEST_RUN: Final = 26 * 3600.0
"""Seconds after a create by which its batch has ended: providers take 24 hours at the most."""

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
        return _in_flight(snap, record, policy)
    if record.state is Submission.REJECTED:
        because = f"{record.provider or policy.provider} rejected it when it was created"
        path = _input_path(snap)
        told = "; ".join(_words_of(each, path) for each in record.online.refusals[:FINDINGS])
        hint = "its metadata says why; mend the input and give it another name"
        return Plan(
            snap.name, f"{because}{': ' if told else ''}{told}", then=Attention(hint, Trouble.REFUSED)
        )
    if record.state in (Submission.CREATING, Submission.SUBMITTED):
        return _in_doubt(snap, record, policy)
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


def to_submit(snap: Snapshot, provider: str, policy: Policy) -> Submit:
    """The step that sends a batch."""
    probes, wait = policy.probe_batches, policy.poll_seconds
    return Submit(
        snap.name,
        provider=provider,
        probes=probes,
        wait=wait,
        most=policy.max_in_flight,
        most_tokens=policy.max_enqueued_tokens,
        expects=expects(snap),
    )


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
        return _no_client(snap, policy, provider)
    return held_by_canary(snap, policy) or _now_or_soon(snap, policy, provider)


def _now_or_soon(snap: Snapshot, policy: Policy, provider: str) -> Plan:
    """It goes as soon as its provider and its writer let it."""
    name = snap.name
    not_before = None if snap.record is None else snap.record.online.not_before
    if not_before is not None and snap.seen_at < not_before:
        return Plan(name, f"{provider} asked to come back later", then=Waiting(not_before))
    young = _written_still(snap, policy)
    if young is not None:
        return young
    if provider == LOCAL:
        return Plan(name, "it is answered in this process", (answer_here(snap, policy),))
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


def _in_doubt(snap: Snapshot, record: Record, policy: Policy) -> Plan:
    """The create may have left, and no batch id came back: look for it, never repeat it blindly."""
    name, provider = snap.name, asked_at(record, policy)
    because = f"its create may have reached {provider}, and no batch id came back"
    if provider not in policy.reachable:
        return _no_client(snap, policy, provider)
    if not snap.asked:
        return Plan(name, because, (FindOrphan(name, provider=provider, expects=expects(snap)),))
    sent_at = record.sent_at or 0.0
    if record.online.candidates:
        found = ", ".join(record.online.candidates)
        if snap.seen_at < sent_at + LONGEST_RUN:
            told = f"{because}; {found} may be it, which shows when it has ended"
            return Plan(name, told, then=Waiting(snap.seen_at + policy.poll_seconds))
        told = f"{because}; {found} may be it, and its answers cannot be read, which would tell"
        return Plan(name, told, then=Held(_choice(name, record, provider), Trouble.IN_DOUBT))
    until = sent_at + policy.in_doubt_grace_seconds
    if snap.seen_at < until:
        next_look = min(until, snap.seen_at + policy.poll_seconds)
        return Plan(name, f"{because}; it may still appear there", then=Waiting(next_look))
    if record.is_over(snap.seen_at):
        told = f"{because}, none was found, and {told_over(record)}"
        return Plan(name, told, then=Held(_choice(name, record, provider), Trouble.IN_DOUBT))
    if policy.in_doubt is InDoubtPolicy.RESUBMIT:
        step = Submit(name, provider=provider, again=True, expects=expects(snap))
        return Plan(name, f"{because}, and none was found", (step,))
    return Plan(
        name, f"{because}, and none was found", then=Held(_choice(name, record, provider), Trouble.IN_DOUBT)
    )


def _choice(name: BatchName, record: Record, provider: str) -> str:
    """What a person may do about a create of which nobody knows whether it took effect."""
    ids = record.online.candidates[:FINDINGS] or ("BATCH_ID",)
    adopting = "\n".join(f"reconcile adopt WORKSPACE {name} {each}" for each in ids)
    return (
        f"every pass looks for it again; when you find it in the list of batches at {provider}:\n"
        f"{adopting}\n"
        f"reconcile resubmit WORKSPACE {name}    to send it again, and maybe pay for it twice"
    )


def _in_flight(snap: Snapshot, record: Record, policy: Policy) -> Plan:
    """The provider has the batch; nothing is here yet."""
    name, provider = snap.name, asked_at(record, policy)
    phase = phase_of(record.status)
    named = tuple(role for role in ANSWERS if record.remote_file(role))
    if phase is Phase.REFUSED and not named and not record.online.rescue:
        return _refused(snap, record, policy)
    if phase is Phase.PARTIAL and is_overdue(snap, record, policy) and rescue_refused(snap, policy) is None:
        because = f"{provider} has not answered all of {record.batch_id} in time ({record.status})"
        return Plan(name, because, (Rescue(name, why=OVERDUE, expects=expects(snap)),))
    if phase is Phase.RUNNING:
        return _running(snap, record, policy, provider)
    ended = phase in (Phase.DONE, Phase.PARTIAL)
    unsettled = ended and not named and not record.roles and record.online.tries < PATIENCE
    if unsettled:
        if not snap.asked:
            return _look_there(snap, record, policy, provider)
        told = f"{provider} says that {record.batch_id} is {record.status}, and names no file yet"
        return Plan(name, told, then=Waiting(snap.seen_at + policy.poll_seconds))
    missing = tuple(role for role in named if record.roles.get(role, ...) is not None)
    if not missing:
        # Finished without one answer file: every id is missing, and matching says so.
        return plan_answers(snap, policy)
    if provider not in policy.reachable:
        return _no_client(snap, policy, provider)
    because = f"{provider} has finished {record.batch_id} ({record.status})"
    step = Download(name, provider=provider, roles=missing, expects=expects(snap))
    return Plan(name, because, (step,))


def _running(snap: Snapshot, record: Record, policy: Policy, provider: str) -> Plan:
    """The provider is working on it, as far as anybody knows."""
    if provider in policy.reachable and record.is_over(snap.seen_at):
        return over_there(snap, record, policy, provider)
    if not snap.asked:
        return _look_there(snap, record, policy, provider)
    told = f"{provider} is still working on {record.batch_id} ({record.status or 'no word'})"
    if is_overdue(snap, record, policy):
        return _overdue(snap, policy, provider, told)
    return Plan(snap.name, told, then=Waiting(snap.seen_at + policy.poll_seconds))


def _look_there(snap: Snapshot, record: Record, policy: Policy, provider: str) -> Plan:
    """Its provider is asked how it is doing, if it can be asked."""
    if provider not in policy.reachable:
        return _no_client(snap, policy, provider)
    because = f"it is at {provider} as {record.batch_id}"
    return Plan(snap.name, because, (ask_after(snap, record, provider),))


def _overdue(snap: Snapshot, policy: Policy, provider: str, told: str) -> Plan:
    """The user's patience is over: its provider is asked to stop, and what it leaves is asked live."""
    refused = rescue_refused(snap, policy)
    if refused is not None:
        because = f"{told}, and [policy] rescue_after_seconds are over; {refused.because}"
        return Plan(snap.name, because, then=Waiting(snap.seen_at + policy.poll_seconds))
    note = Rescue(snap.name, why=OVERDUE, expects=expects(snap))
    stop = Cancel(snap.name, provider=provider, expects=expects(snap))
    return Plan(snap.name, f"{told}, and [policy] rescue_after_seconds are over", (note, stop))


def _refused(snap: Snapshot, record: Record, policy: Policy) -> Plan:
    """The provider did not accept the input: nothing ran and nothing was paid."""
    name, provider = snap.name, asked_at(record, policy)
    refusals = record.online.refusals
    because = f"{provider} refused {record.batch_id} ({record.status}): nothing ran"
    if refusals and record.imported is None and all(each.code in QUOTA_CODES for each in refusals):
        until = record.online.not_before or 0.0
        told = f"{because}, because its quota was full ({refusals[0].code})"
        if snap.seen_at < until:
            return Plan(name, told, then=Waiting(until))
        if policy.submit is SubmitPolicy.AUTO and provider in policy.reachable:
            return Plan(name, told, (to_submit(snap, provider, policy),))
    path = _input_path(snap)
    told = "; ".join(_words_of(each, path) for each in refusals[:FINDINGS])
    if len(refusals) > FINDINGS:
        told += f"; and {len(refusals) - FINDINGS} more"
    hint = "mend the input and give it another name"
    return Plan(name, f"{because}{': ' if told else ''}{told}", then=Attention(hint, Trouble.REFUSED))


def _input_path(snap: Snapshot) -> str:
    """Where the input is; by its bare name where it is not here."""
    fact = snap.files.get(Role.INPUT)
    return file_name(Role.INPUT, snap.name) if fact is None else fact.path


def _words_of(refusal: Refusal, path: str) -> str:
    """A finding of the provider, held against the file that it was sent from."""
    where = "" if refusal.line is None else f"{path}:{refusal.line}: "
    code = f" ({refusal.code})" if refusal.code else ""
    return f"{where}{refusal.message or 'no reason given'}{code}"


def _no_client(snap: Snapshot, policy: Policy, provider: str) -> Plan:
    """A provider is named that this process cannot talk to, or none is."""
    batch_id = None if snap.record is None else snap.record.batch_id
    if provider == NO_PROVIDER:
        where = f"it was sent as {batch_id}, and " if batch_id else ""
        return Plan(snap.name, f"{where}no provider is configured", then=Held(SET_PROVIDER))
    where = f"it is at {provider} as {batch_id}, and " if batch_id else ""
    if provider in policy.keyless:
        because = f"{where}there is no key for {provider}"
        return Plan(snap.name, because, then=Held(policy.keyless[provider], Trouble.NO_KEY))
    because = f"{where}this version has no client for provider {provider!r}"
    return Plan(snap.name, because, then=Held("put the answer files beside the input by hand"))
