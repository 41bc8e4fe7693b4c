"""
Batches whose create has left, or may have: in doubt, in flight, refused, or with nobody to ask.

Pure ladders of early returns, one comment per leaf.
"""

from __future__ import annotations

from typing import Final

from reconciler.config.table import PROVIDERS
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name
from reconciler.model.operation import Cancel, Download, FindOrphan, Rescue, Submit
from reconciler.model.plan import Attention, Held, Plan, Waiting
from reconciler.model.policy import NO_PROVIDER, InDoubtPolicy, Policy, SubmitPolicy
from reconciler.model.record import Odd, Record, Refusal
from reconciler.model.snapshot import Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.model.trouble import Trouble
from reconciler.planner.answers import ask_after, plan_answers
from reconciler.planner.limiting import is_turned_away, over_there, told_over
from reconciler.planner.rescuing import OVERDUE, is_overdue, rescue_refused
from reconciler.planner.safety import asked_at, expects

SET_PROVIDER = (
    "put the answer files beside the input; or\n"
    'set [provider] name = "local" in reconciler.toml: a function on this machine answers ([local] worker)\n'
    'or name a remote provider there, such as "openai", whose key is in the environment'
)
NAME_IT: Final = (
    "if it is one of your own: install its package, and name it under [provider], in a [[batch]] table"
    " or by --provider"
)
"""What to do about a provider that there is no client for: code that metadata alone names is never loaded."""

FINDINGS: Final = 5
"""How many findings of a provider are told; the rest is counted."""

LONGEST_RUN: Final = 26 * 3600.0
"""Seconds after a create by which its batch has ended: providers take 24 hours at the most."""


LONGEST_WAIT: Final = 3600.0
"""Seconds for which a provider that sent a batch away is left alone, at the most."""


def plan_in_doubt(snap: Snapshot, record: Record, policy: Policy) -> Plan:
    """The create may have left, and no batch id came back: look for it, never repeat it blindly."""
    name, provider = snap.name, asked_at(record, policy)
    because = f"its create may have reached {provider}, and no batch id came back"
    if provider not in policy.reachable:
        return no_client(snap, policy, provider)
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


def plan_in_flight(snap: Snapshot, record: Record, policy: Policy) -> Plan:
    """The provider has the batch; nothing is here yet."""
    name, provider = snap.name, asked_at(record, policy)
    phase = phase_of(record.status)
    named = tuple(role for role in ANSWERS if record.remote_file(role))
    refused = phase is Phase.REFUSED and not named
    lost = phase is Phase.RUNNING and record.online.heard_out(Odd.UNKNOWN)
    if (refused or lost) and record.coverage is not None and record.coverage.balanced:
        # A person has had all of it asked again, or has given it up: nothing of it is waited for any more.
        return plan_answers(snap, policy)
    if refused and not record.online.rescue:
        return _refused(snap, record, policy)
    if phase is Phase.PARTIAL and is_overdue(snap, record, policy) and rescue_refused(snap, policy) is None:
        because = f"{provider} has not answered all of {record.batch_id} in time ({record.status})"
        return Plan(name, because, (Rescue(name, why=OVERDUE, expects=expects(snap)),))
    if phase is Phase.RUNNING:
        return _running(snap, record, policy, provider)
    ended = phase in (Phase.DONE, Phase.PARTIAL)
    # That it was sent away before, or is not known any more, says nothing of its answers.
    unsettled = ended and not named and not record.roles and not record.online.heard_out(Odd.NO_FILE)
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
        return no_client(snap, policy, provider)
    because = f"{provider} has finished {record.batch_id} ({record.status})"
    if record.online.odd is Odd.SHORT and not snap.asked:
        # A file may have been named since.
        return Plan(
            name, f"{because}, and less came down than was asked", (ask_after(snap, record, provider),)
        )
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
        return no_client(snap, policy, provider)
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
    if is_turned_away(record) and record.imported is None:
        until = record.online.not_before or 0.0
        told = f"{because}, because its quota was full ({refusals[0].code})"
        if is_to_come(snap, until):
            return Plan(name, told, then=Waiting(until))
        if policy.submit is SubmitPolicy.AUTO and provider in policy.reachable:
            return Plan(name, told, (to_submit(snap, provider, policy),))
    return told_refusals(snap, record, because)


def is_to_come(snap: Snapshot, not_before: float) -> bool:
    """Whether a time is to be waited for; one too far ahead was written by a clock that was wrong."""
    return snap.seen_at < not_before <= snap.seen_at + LONGEST_WAIT


def told_refusals(snap: Snapshot, record: Record, because: str) -> Plan:
    """An input that its provider does not take is for a person, with what the provider has found."""
    refusals, fact = record.online.refusals, snap.files.get(Role.INPUT)
    path = file_name(Role.INPUT, snap.name) if fact is None else fact.path
    told = "; ".join(_words_of(each, path) for each in refusals[:FINDINGS])
    if len(refusals) > FINDINGS:
        told += f"; and {len(refusals) - FINDINGS} more"
    hint = (
        "mend the input and give it another name; its metadata holds all that was found\n"
        f"reconcile resubmit WORKSPACE {snap.name}    sends it as it is, if it is not to blame"
    )
    return Plan(snap.name, f"{because}{': ' if told else ''}{told}", then=Attention(hint, Trouble.REFUSED))


def _words_of(refusal: Refusal, path: str) -> str:
    """A finding of the provider, held against the file that it was sent from."""
    where = "" if refusal.line is None else f"{path}:{refusal.line}: "
    code = f" ({refusal.code})" if refusal.code else ""
    return f"{where}{refusal.message or 'no reason given'}{code}"


def no_client(snap: Snapshot, policy: Policy, provider: str) -> Plan:
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
    by_hand = "put the answer files beside the input by hand"
    return Plan(snap.name, because, then=Held(by_hand if provider in PROVIDERS else f"{NAME_IT}\n{by_hand}"))


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
