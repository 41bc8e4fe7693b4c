"""
What a person may ask for a batch that is, or shall be, at a provider.

Pure, like the rest of this package: a plan of one step, or the reason why there is none.
"""

from __future__ import annotations

import attrs

from reconciler.model.identity import ANSWERS, Role
from reconciler.model.operation import Adopt, AdoptFile, AnswerHere, Cancel, Submit
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Attention, Held, Plan
from reconciler.model.policy import LOCAL, NO_PROVIDER, Policy, SubmitPolicy
from reconciler.model.record import Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.model.trouble import Trouble
from reconciler.planner.limiting import UNSENT, end_here, is_turned_away, told_over
from reconciler.planner.planner import plan
from reconciler.planner.safety import asked_at, expects, refuse


def plan_submit(snap: Snapshot, policy: Policy) -> Plan:
    """Send an input now, whatever `[policy] submit` says."""
    decided = plan(attrs.evolve(snap, sample=None), attrs.evolve(policy, submit=SubmitPolicy.AUTO))
    if any(isinstance(step, Submit | AnswerHere) for step in decided.steps):
        return decided
    return Plan(snap.name, decided.because, then=decided.then)


def plan_cancel(snap: Snapshot, policy: Policy) -> Plan:
    """Stop a batch that is under way; what is answered until then is fetched."""
    refusal, record = refuse(snap), snap.record
    if refusal is not None:
        return refusal
    if _is_unsent(snap):
        return Plan(snap.name, "a person decides so", (end_here(snap, ErrorClass.CANCELLED),))
    if record is not None and is_turned_away(record) and not snap.answers and not record.roles:
        return Plan(snap.name, "a person decides so", (end_here(snap, ErrorClass.CANCELLED),))
    if record is not None and record.state is Submission.CREATING and record.batch_id is None:
        because = "its create has left, and nobody knows yet which batch came of it"
        told = (
            f"reconcile WORKSPACE    looks for it\nreconcile adopt WORKSPACE {snap.name} BATCH_ID    names it"
        )
        return Plan(snap.name, because, then=Attention(told))
    if record is None or record.batch_id is None:
        because = "it is at no provider, so there is nothing to stop"
        return Plan(snap.name, because, then=Attention("to withdraw it, move its input out of the workspace"))
    if phase_of(record.status) is not Phase.RUNNING:
        because = f"{record.batch_id} has ended already ({record.status})"
        return Plan(snap.name, because, then=Attention("reconcile WORKSPACE    goes on from there"))
    provider = asked_at(record, policy)
    return _ask(snap, policy, provider, Cancel(snap.name, provider=provider, expects=expects(snap)))


def _is_unsent(snap: Snapshot) -> bool:
    """Whether nothing of an input can have been sent or asked, and no answer of it was ever here."""
    record = snap.record
    if Role.INPUT not in snap.files or snap.answers or snap.quarantined or snap.unowned:
        return False
    if record is None:
        return True
    untouched = record.coverage is None and not record.roles and not record.children
    return untouched and record.batch_id is None and record.status is None and record.state in UNSENT


def plan_adopt(snap: Snapshot, policy: Policy, batch_id: str) -> Plan:
    """Take over the remote batch that a person names."""
    refusal, record = refuse(snap), snap.record
    if refusal is not None:
        return refusal
    if Role.INPUT not in snap.files or snap.answers:
        because = "only an input without answers can be waiting for a remote batch"
        return Plan(snap.name, because, then=Attention("reconcile plan WORKSPACE    tells what it needs"))
    if record is not None and record.batch_id is not None and record.batch_id != batch_id:
        because = f"it is {record.batch_id} already"
        return Plan(snap.name, because, then=Attention(f"move its metadata away to make it {batch_id}"))
    provider = asked_at(record, policy)
    step = Adopt(snap.name, provider=provider, batch_id=batch_id, expects=expects(snap))
    return _ask(snap, policy, provider, step)


def plan_adopt_file(snap: Snapshot, _policy: Policy, path: str) -> Plan:
    """Take over a results file that a person names; nobody is asked."""
    refusal, record = refuse(snap), snap.record
    if refusal is not None:
        return refusal
    halfway = record is not None and any(
        record.roles.get(role) and role not in snap.files for role in ANSWERS
    )
    if Role.INPUT not in snap.files or (snap.answers and not halfway):
        because = "only an input without answers can take over a file of answers"
        return Plan(snap.name, because, then=Attention("reconcile plan WORKSPACE    tells what it needs"))
    if record is not None and record.provider == LOCAL:
        because = "it is answered on this machine, and its progress is here"
        return Plan(snap.name, because, then=Attention("reconcile WORKSPACE    goes on with it"))
    step = AdoptFile(snap.name, path=path, expects=expects(snap))
    return Plan(snap.name, "a person decides so", (step,))


def plan_resubmit(snap: Snapshot, policy: Policy) -> Plan:
    """Send an input once more that may have been sent, or that the provider did not accept or has lost."""
    refusal, record = refuse(snap), snap.record
    if refusal is not None:
        return refusal
    if Role.INPUT not in snap.files or snap.answers:
        because = "only an input without answers can be sent"
        return Plan(snap.name, because, then=Attention("reconcile plan WORKSPACE    tells what it needs"))
    if record is not None and record.children:
        because = f"{', '.join(record.children)} asks some of its requests already"
        return Plan(snap.name, because, then=Attention("put the answer files back; nothing is asked again"))
    if record is None or record.state in (None, Submission.PREPARED, Submission.UPLOADED):
        because = "it was never sent, so it cannot be sent again"
        return Plan(snap.name, because, then=Attention(f"reconcile submit WORKSPACE {snap.name}"))
    if record.is_over(snap.seen_at):
        because = f"{told_over(record)}, and it would be stopped at once"
        return Plan(snap.name, because, then=Attention("give its requests another limit first"))
    provider = asked_at(record, policy)
    until = (record.sent_at or 0.0) + policy.in_doubt_grace_seconds
    step = Submit(
        snap.name,
        provider=provider,
        again=True,
        not_before=until if record.state is Submission.CREATING else 0.0,
        expects=expects(snap),
    )
    return _ask(snap, policy, provider, step)


def _ask(snap: Snapshot, policy: Policy, provider: str, step: Submit | Adopt | Cancel) -> Plan:
    """A plan of one step, if the provider can be asked."""
    if provider in policy.keyless:
        return Plan(
            snap.name, f"there is no key for {provider}", then=Held(policy.keyless[provider], Trouble.NO_KEY)
        )
    if provider == NO_PROVIDER or provider not in policy.reachable:
        because = f"there is no client for provider {provider!r}"
        return Plan(
            snap.name, because, then=Held("set [provider] name in reconciler.toml, or give --provider")
        )
    return Plan(snap.name, "a person decides so", (step,))
