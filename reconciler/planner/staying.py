"""
Why a batch stays though nothing of it is lost, and what a person may do.

Pure; None wherever it may go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.changes import Changes
from reconciler.model.coverage import NOTHING, Coverage, Tally
from reconciler.model.identity import BatchName
from reconciler.model.operation import ProcessErrors
from reconciler.model.outcome import ClassPolicy, ErrorClass
from reconciler.model.overrides import Overrides
from reconciler.model.plan import Attention, Plan
from reconciler.model.policy import FailurePolicy, Policy
from reconciler.model.record import NOTHING_HEARD, Record
from reconciler.model.snapshot import Snapshot
from reconciler.model.trouble import Trouble
from reconciler.model.words import many
from reconciler.planner.changing import unchanged
from reconciler.planner.limiting import told_over
from reconciler.planner.unnamed import is_built_in, once_more


def unanswered(
    snap: Snapshot, coverage: Coverage, classes: frozenset[ErrorClass], policy: Policy, *, again_here: bool
) -> Plan | None:
    """Why ids without an answer are not asked again by themselves, None when they are."""
    name, count = snap.name, many(coverage.missing.requests, "id")
    if not again_here:
        because = f"{count} without an answer, and nobody is asked by itself"
        return Plan(name, because, then=Attention(by_hand(name), Trouble.ID_MISMATCH))
    online = NOTHING_HEARD if snap.record is None else snap.record.online
    if online.stopped and not online.rescue:
        because = f"a person stopped it, and {count} never ran"
        return Plan(name, because, then=Attention(by_hand(name), Trouble.ID_MISMATCH))
    if snap.record is not None and snap.record.is_over(snap.seen_at):
        because = f"{told_over(snap.record)}, and {count} never got an answer"
        return Plan(name, because, then=Attention(by_hand(name), Trouble.ID_MISMATCH))
    if ErrorClass.MISSING not in classes:
        because = f"{count} without an answer, and no attempt is left"
        hint = f"reconcile dismiss WORKSPACE {name}, or raise [policy] max_attempts and run again"
        word = policy.classes[ErrorClass.MISSING]
        if word not in (ClassPolicy.RETRY, ClassPolicy.ONCE):
            because = f'{count} without an answer, and [policy.classes] missing = "{word}"'
            hint = by_hand(name)
        return Plan(name, because, then=Attention(hint, Trouble.ID_MISMATCH))
    return None


def holds(
    snap: Snapshot, final: Tally, coverage: Coverage, asking: Overrides, policy: Policy
) -> tuple[str, Attention] | None:
    """Why failures keep the batch from moving though its ids balance, and what a person may do."""
    name = snap.name
    if final != NOTHING:
        because = f'{many(final.requests, "request")} failed for good, and failed = "attention"'
        if policy.failed is not FailurePolicy.ATTENTION:
            words = sorted(each.value for each in policy.looked_at & coverage.by_class.keys())
            told = ", ".join(f'{word} = "attention"' for word in words)
            because = f"{many(final.requests, 'request')} failed for good, and [policy.classes] {told}"
        return because, Attention(f"reconcile dismiss WORKSPACE {name}", Trouble.FAILED_FOR_GOOD)
    if coverage.failed != NOTHING and asking.attention:
        count = many(len(asking.attention), "failed request")
        found = {} if snap.record is None else snap.record.receipts.get(ProcessErrors.verb, {})
        hint = f"reconcile dismiss WORKSPACE {name}    to give them up"
        because = f"its error processor wants a person to look at {count}"
        if found.get("faults"):
            because = f"its error processor decided nothing about {count}: {found['faults'][0]}"
            mend = "mend the error processor and run again, with the same flags; or\n"
            hint = f"{mend}{once_more(name, policy, 'ask it')}\n{hint}"
        return because, Attention(hint, Trouble.FAILED_FOR_GOOD)
    return None


def unchanged_requests(
    name: BatchName, coverage: Coverage, changes: Changes, policy: Policy
) -> tuple[str, Attention] | None:
    """Why failures that user code could not change keep the batch, and what a person may do."""
    return unchanged(name, changes, policy) if coverage.failed != NOTHING and changes.attention else None


def unhandled_answers(
    name: BatchName, record: Record | None, policy: Policy, output: Mapping[str, Any] | None
) -> tuple[str, Attention] | None:
    """Why answers that the output processor could not handle keep the batch, and what a person may do."""
    found = {} if output is None else output.get("unhandled", {})
    if not found or policy.on_failure is FailurePolicy.SETTLE or _given_up(record, found):
        return None
    because = f"{many(int(found['requests']), 'answer')} could not be handled: {found.get('told', '')}"
    mend = "mend the processor and run again, with the same flags; or\n"
    hint = (
        f"{'' if is_built_in(policy.processor) else mend}{once_more(name, policy, 'hand all answers over')}\n"
        f"reconcile dismiss WORKSPACE {name}    to settle it without them"
    )
    return because, Attention(hint, Trouble.UNHANDLED)


def _given_up(record: Record | None, unhandled: Mapping[str, Any]) -> bool:
    """Whether a person has accepted that these very answers were not handled."""
    given_up = None if record is None else record.dismissed.get("unhandled")
    return given_up is not None and given_up.digest == unhandled.get("ids")


def by_hand(name: BatchName) -> str:
    """What a person may do about missing ids."""
    return (
        "complete the answer file, if the rest is still coming\n"
        f"reconcile retry WORKSPACE {name}    to ask them again\n"
        f"reconcile dismiss WORKSPACE {name}    to give them up"
    )
