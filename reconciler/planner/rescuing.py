"""
Whether the leftovers of a batch may be asked live.

Pure, like the rest of this package. What would pay twice, or could not be carried
through, is refused before its provider is asked to stop anything.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import Rescue
from reconciler.model.plan import Attention, Held, Plan
from reconciler.model.policy import ECHO, LOCAL, Policy
from reconciler.model.record import Odd, Record, Submission
from reconciler.model.snapshot import Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.model.trouble import Trouble
from reconciler.model.words import pasted
from reconciler.planner.limiting import told_over
from reconciler.planner.safety import asked_at, expects, refuse

ASKED: Final = "asked"
OVERDUE: Final = "overdue"

CHOOSE_WORKER: Final = (
    "reconcile run WORKSPACE --rescue {name} --worker http    asks live endpoints\n"
    "reconcile run WORKSPACE --rescue {name} --worker module:function    asks a function of yours\n"
    "or set [local] worker"
)
_GO_ON: Final = (
    "reconcile run WORKSPACE --only {name} --provider local --worker {worker}    goes on with it\n"
    "reconcile submit WORKSPACE {name} --provider local --worker {worker}    where submit is manual\n"
    "or set [local] worker"
)
_CALLED: Final = "()"
"""What the names of functions end with that a program has handed over."""

_BY_PROGRAM: Final = (
    "run what began it again, be it a program or the same `reconcile prompt`\nor set [local] worker"
)
_LOOK: Final = "reconcile plan WORKSPACE    tells what it needs"


def plan_rescue(snap: Snapshot, policy: Policy) -> Plan:
    """Have the leftovers of a batch that is at a provider, or was, asked live."""
    refusal = refuse(snap) or rescue_refused(snap, policy)
    if refusal is not None:
        return refusal
    return Plan(snap.name, "a person decides so", (Rescue(snap.name, why=ASKED, expects=expects(snap)),))


def is_overdue(snap: Snapshot, record: Record, policy: Policy) -> bool:
    """Whether a batch has been at its provider for longer than the user is patient."""
    after, sent_at, online = policy.rescue_after_seconds, record.sent_at, record.online
    due = after > 0 and sent_at is not None and snap.seen_at >= sent_at + after
    return due and not online.rescue and not online.stopped


def rescue_refused(snap: Snapshot, policy: Policy) -> Plan | None:
    """Why a batch is not rescued, None when it may be."""
    name, record = snap.name, snap.record
    if record is None or Role.INPUT not in snap.files:
        because = "it is at no provider" if record is None else "its input is not here"
        return Plan(name, f"{because}, so nothing of it can be rescued", then=Attention(_LOOK))
    return _where(snap, record) or _how(snap, record, policy)


def live_refused(name: BatchName, policy: Policy) -> Plan | None:
    """Why nothing is asked live in the place of a provider, None when it may be."""
    if not policy.worker_chosen or LOCAL not in policy.reachable:
        because = "no worker is chosen that answers live, and an echo must not stand for an answer"
        return Plan(name, because, then=Held(CHOOSE_WORKER.format(name=name)))
    return None


def stand_in_refused(snap: Snapshot, policy: Policy) -> Plan | None:
    """Why no echo goes on with what a worker began, None where none would, or where nobody is called."""
    name, record = snap.name, snap.record
    began = "" if record is None else record.online.worker
    if record is None or began in ("", ECHO) or policy.worker != ECHO or policy.worker_chosen:
        return None
    over = record.limit is not None and snap.seen_at >= record.limit.until
    if over or any(role not in snap.files for role in record.at_provider):
        # Every request has an end, or gets one because its time is over.
        return None
    because = f"{began} began it, no worker is chosen here, and an echo must not stand for an answer"
    hint = _BY_PROGRAM if began.endswith(_CALLED) else _GO_ON.format(name=name, worker=pasted(began))
    return Plan(name, because, then=Held(hint))


def _where(snap: Snapshot, record: Record) -> Plan | None:
    """Nobody may be asked while somebody else may be answering."""
    name = snap.name
    if record.is_over(snap.seen_at):
        because = f"{told_over(record)}; what is left of it can be rescued once it has settled"
        return Plan(name, because, then=Attention("reconcile WORKSPACE --wait    lets it settle"))
    if record.imported is not None:
        because = "another tool has sent it, and nobody here knows what was asked again there"
        return Plan(name, because, then=Attention(f"reconcile retry WORKSPACE {name}    when you know"))
    if record.online.heard_out(Odd.UNKNOWN):
        because = f"{record.provider} does not know {record.batch_id} any more, and can stop nothing of it"
        hint = f"reconcile resubmit WORKSPACE {name}    to send it again, and pay again"
        return Plan(name, because, then=Attention(hint))
    if record.batch_id is not None or record.online.rescue:
        return None
    if record.provider == LOCAL:
        because = "it is answered on this machine already"
        return Plan(name, because, then=Attention("reconcile WORKSPACE    goes on with it"))
    if record.state in (Submission.CREATING, Submission.SUBMITTED):
        because = f"its create may have reached {record.provider}, which may be answering it"
        hint = (
            "reconcile WORKSPACE    looks for it\n"
            f"reconcile adopt WORKSPACE {name} BATCH_ID    when you find it"
        )
        return Plan(name, because, then=Held(hint, Trouble.IN_DOUBT))
    if record.state is not None or record.parent is None or snap.unowned or snap.answers:
        because = "no provider has it, so nothing of it can be rescued"
        return Plan(name, because, then=Attention(_instead(name, record)))
    return None


def _instead(name: BatchName, record: Record) -> str:
    """What a person may type for a batch that no provider has; one that it was to go to outranks a flag."""
    if record.state is Submission.REJECTED:
        return f"reconcile resubmit WORKSPACE {name}    sends it as it is, if it is not to blame"
    if record.provider not in (None, LOCAL):
        return f"reconcile submit WORKSPACE {name}    sends it to {record.provider}"
    return f"reconcile WORKSPACE --only {name} --provider local --worker http    answers it live"


def _how(snap: Snapshot, record: Record, policy: Policy) -> Plan | None:
    """It must be possible to stop it, to fetch what it answered, and to ask the rest."""
    name, provider = snap.name, asked_at(record, policy)
    refused = live_refused(name, policy)
    if refused is not None:
        return refused
    if record.provider != LOCAL and record.batch_id is not None and record.attempt >= policy.max_attempts:
        limit = f"[policy] max_attempts is {policy.max_attempts}"
        because = f"its requests were sent {record.attempt} times, and {limit}"
        return Plan(name, because, then=Attention("raise [policy] max_attempts"))
    if record.batch_id is None or phase_of(record.status) is not Phase.RUNNING:
        return None
    if provider in policy.keyless:
        because = f"there is no key for {provider}, which is still working on {record.batch_id}"
        return Plan(name, because, then=Held(policy.keyless[provider], Trouble.NO_KEY))
    if provider not in policy.reachable:
        because = f"there is no client for {provider}, which is still working on {record.batch_id}"
        return Plan(name, because, then=Held("set [provider] name in reconciler.toml, or give --provider"))
    if provider not in policy.stoppable:
        because = f"{provider} has no call that stops a batch: {record.batch_id} goes on, and is paid for"
        return Plan(
            name,
            because,
            then=Attention("reconcile WORKSPACE --wait    fetches its answers when it has ended"),
        )
    return None
