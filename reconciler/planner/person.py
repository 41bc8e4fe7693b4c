"""
What a person may ask for one live batch, against what the policy would do by itself.

Pure, like the rest of this package: a plan, or the reason why there is none.
"""

from __future__ import annotations

from typing import Final

from reconciler.model.coverage import NOTHING, Tally
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import ChangeRequests, RetryLeftovers
from reconciler.model.outcome import ErrorClass
from reconciler.model.plan import Attention, Plan
from reconciler.model.policy import Policy
from reconciler.model.record import Limit, Odd
from reconciler.model.snapshot import Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.planner.answers import describe, open_roles
from reconciler.planner.changing import change, plan_change, unchanged
from reconciler.planner.limiting import is_turned_away
from reconciler.planner.safety import expects, refuse, to_match
from reconciler.planner.settling import next_child, provider_of_child
from reconciler.planner.unnamed import held_without, with_unnamed

NOTHING_CHOSEN: Final = Policy()
"""The policy of a caller who only asks what the batch itself says."""


def plan_retry(snap: Snapshot, policy: Policy, chosen: frozenset[ErrorClass] | None = None) -> Plan:
    """
    Ask failed and missing requests of a live batch again, provider configured or not.

    Args:
        snap: The batch.
        policy: What may be decided.
        chosen: The error classes that the person names; None for those of `[policy.classes]`, and what is
            missing.

    Returns:
        A plan whose last step is `retry-leftovers` or `match-request-ids`, or one without steps that
        says why nothing can be asked again.
    """
    matched = plan_match(snap, policy)
    if matched is not None:
        return matched
    verdict = snap.matched
    if verdict is None or verdict.bad_input or verdict.coverage is None:
        because = "; ".join(verdict.bad_input if verdict else ()) or "its input cannot be read"
        return Plan(snap.name, because, then=Attention("mend the input line first"))
    attempt = 1 if snap.record is None else snap.record.attempt
    begun = with_unnamed(snap.record, policy)
    classes = begun.policy.chosen(attempt, chosen)
    missing = verdict.coverage.missing != NOTHING and (chosen is None or ErrorClass.MISSING in chosen)
    if attempt >= policy.max_attempts:
        because = (
            f"its requests have been sent {attempt} times, and [policy] max_attempts is {policy.max_attempts}"
        )
        return Plan(snap.name, because, then=Attention("raise [policy] max_attempts"))
    changes = change(snap, verdict.coverage, begun.policy, classes)
    if isinstance(changes, ChangeRequests):
        return held_without(plan_change(changes), begun, snap.record, verdict.coverage)
    again = verdict.coverage.failed_in(classes) - Tally.of(changes.never)
    if not missing and again == NOTHING and changes.kept:
        because = f"none of its requests may be asked again: {changes.told}"
        return Plan(snap.name, because, then=unchanged(snap.name, changes, begun.policy)[1])
    if not missing and again == NOTHING:
        words = ", ".join(sorted(name.value for name in verdict.coverage.by_class)) or "none failed"
        because = f"none of its requests may be asked again ({words})"
        return Plan(snap.name, because, then=Attention(mend_or_name(snap.name, chosen)))
    step = RetryLeftovers(
        snap.name,
        expects=expects(snap),
        child=next_child(snap.name, () if snap.record is None else snap.record.children, snap.children),
        attempt=attempt + 1,
        provider=provider_of_child(snap.record, policy),
        classes=classes,
        missing=missing,
        never=changes.never,
        changes=changes,
        limit=_limit(snap),
    )
    return Plan(snap.name, "a person asks its leftovers again", (step,))


def _may_be_answered(snap: Snapshot) -> bool:
    """Whether answers may come of a batch of which none is here, or of its being sent again by itself."""
    record = snap.record
    if record is None or record.batch_id is None or snap.answers:
        return False
    phase, online = phase_of(record.status), record.online
    if phase is Phase.RUNNING:
        return not online.heard_out(Odd.UNKNOWN)
    ended = phase in (Phase.DONE, Phase.PARTIAL) and not record.roles
    return is_turned_away(record) or (ended and not online.heard_out(Odd.NO_FILE))


def _limit(snap: Snapshot) -> Limit | None:
    """How long a child may take that a person makes: what is over counts no more for it."""
    record = snap.record
    return None if record is None or record.is_over(snap.seen_at) else record.limit


def mend_or_name(name: BatchName, chosen: frozenset[ErrorClass] | None) -> str:
    """What a person may do about failures that are not asked again."""
    mend = "mend the requests and send them as a new batch"
    if chosen is not None:
        return mend
    return f"{mend}\nreconcile retry WORKSPACE {name} --class CLASS    to ask them again all the same"


def plan_match(snap: Snapshot, policy: Policy = NOTHING_CHOSEN) -> Plan | None:
    """Why a person's decision about these files cannot count yet; None when they are sound and matched."""
    refusal = refuse(snap)
    if refusal is not None:
        return refusal
    if Role.INPUT not in snap.files:
        because = "its input is not here, so nobody can say what was asked"
        return Plan(snap.name, because, then=Attention(f"put batch_input_{snap.name}.jsonl back"))
    fetch = open_roles(snap)
    if fetch:
        words = " and ".join(role.value for role in fetch)
        because = f"its {words} file is still at the provider, and may answer what looks missing"
        return Plan(snap.name, because, then=Attention(f"put the {words} file beside the input first"))
    if not snap.answers and (snap.record is None or snap.record.batch_id is None):
        because = "no answer file is here, so nothing of it can have failed"
        return Plan(snap.name, because, then=Attention("to withdraw it, move its input out of the workspace"))
    if _may_be_answered(snap):
        because = "its provider has it, and may answer it yet"
        hint = f"reconcile WORKSPACE    asks for it\nreconcile cancel WORKSPACE {snap.name}    stops it"
        return Plan(snap.name, because, then=Attention(hint))
    if snap.matched is None:
        return Plan(snap.name, "hold its answers against the input", (to_match(snap, policy),))
    if snap.matched.mismatch is not None:
        because = describe(snap.matched.mismatch) or "its answers do not match its input"
        return Plan(snap.name, because, then=Attention("reconcile WORKSPACE    sets it aside"))
    return None
