"""
Batches whose every id is accounted for, or may be asked again: process, retry, archive.

Pure ladders of early returns, one comment per leaf.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

from reconciler.model.coverage import NOTHING, Coverage, Tally
from reconciler.model.identity import BatchName, child_name, child_number, lineage_root
from reconciler.model.operation import (
    MoveToDone,
    Operation,
    ProcessErrors,
    ProcessOutput,
    Rescue,
    RetryLeftovers,
)
from reconciler.model.outcome import ClassPolicy, ErrorClass
from reconciler.model.overrides import NO_OVERRIDES, Overrides, read_overrides
from reconciler.model.plan import Attention, Plan
from reconciler.model.policy import LOCAL, FailurePolicy, Policy, RetainPolicy
from reconciler.model.receipt import STARTED, invocation_token
from reconciler.model.record import NOTHING_HEARD, Record
from reconciler.model.snapshot import ChildFact, Snapshot
from reconciler.model.trouble import Trouble
from reconciler.model.words import many
from reconciler.planner.rescuing import OVERDUE, is_overdue, rescue_refused
from reconciler.planner.safety import expects

_NEVER_RAN: Final = frozenset({ErrorClass.MISSING, ErrorClass.EXPIRED, ErrorClass.CANCELLED})


def plan_settling(snap: Snapshot, coverage: Coverage, policy: Policy) -> Plan:
    """Every id is accounted for, or may be asked again: process, retry, archive."""
    name, record = snap.name, snap.record
    if record is not None and _left_overdue(snap, record, coverage, policy):
        # Its provider calls it finished, and has let its requests expire all the same.
        because = f"{record.provider} has left some of it, and [policy] rescue_after_seconds are over"
        return Plan(name, because, (Rescue(name, why=OVERDUE, expects=expects(snap)),))
    attempt = 1 if record is None else record.attempt
    again_here = asks_again(record, policy)
    classes = _asked_again(record, attempt, policy) if again_here else frozenset()
    missing = coverage.missing != NOTHING
    unanswered = _unanswered(snap, coverage, classes, policy, again_here=again_here) if missing else None
    if unanswered is not None:
        return unanswered
    asking = _ask(snap, coverage, policy, classes, missing=missing)
    if isinstance(asking, ProcessErrors):
        # What it answers decides who is asked again.
        return Plan(name, "its failures go to the error processor", (asking,))
    again = coverage.failed_in(classes) - Tally.of(asking.never) + Tally.of(asking.again)
    child = next_child(name, _owned(snap), snap.children) if missing or again != NOTHING else None
    leftovers: dict[str, Any] = {
        "child": child,
        "classes": classes if child else frozenset(),
        "missing": missing,
        "again": asking.again,
        "never": asking.never,
    }
    final = coverage.failed_in(policy.looked_at)
    if policy.failed is FailurePolicy.ATTENTION:
        final -= again
    token = token_of(name, record, coverage, policy, child)
    earlier = _of_another(name, record, policy, coverage)
    output = earlier or _receipt(record, "process-output", token)
    stays = _holds(name, final, coverage, asking, policy)
    rests = stays is not None and _summed_up(record)
    done = output is not None and (earlier is not None or policy.processor_may_fail or rests)
    steps: list[Operation] = []
    if not done:
        steps.append(ProcessOutput(name, expects=expects(snap), token=token, **leftovers))
        if coverage.failed != NOTHING and policy.error_processor is None:
            steps.append(ProcessErrors(name, expects=expects(snap), **leftovers))
        if policy.processor_may_fail:
            # What it cannot handle decides whether the batch may move.
            return Plan(name, "its answers go to the output processor", tuple(steps))
    if child:
        steps.append(
            RetryLeftovers(
                name,
                expects=expects(snap),
                child=child,
                attempt=attempt + 1,
                provider=provider_of_child(record, policy),
                classes=classes,
                missing=missing,
                again=asking.again,
                never=asking.never,
            )
        )
    stays = stays or _unhandled(name, record, policy, output)
    if stays is not None:
        return Plan(name, stays[0], tuple(steps), stays[1])
    removable = policy.retain is RetainPolicy.REMOVE
    steps.append(MoveToDone(name, expects=expects(snap), removable=removable))
    return Plan(name, _told(coverage, child), tuple(steps))


def _left_overdue(snap: Snapshot, record: Record, coverage: Coverage, policy: Policy) -> bool:
    """Whether a batch came back too late, with requests that never ran, of which nobody asks any yet."""
    left = coverage.failed_in(_NEVER_RAN) != NOTHING and record.batch_id is not None
    free = not snap.children and not snap.quarantined
    return left and free and is_overdue(snap, record, policy) and rescue_refused(snap, policy) is None


def _unanswered(
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
    if ErrorClass.MISSING not in classes:
        because = f"{count} without an answer, and no attempt is left"
        hint = f"reconcile dismiss WORKSPACE {name}, or raise [policy] max_attempts and run again"
        word = policy.classes[ErrorClass.MISSING]
        if word not in (ClassPolicy.RETRY, ClassPolicy.ONCE):
            because = f'{count} without an answer, and [policy.classes] missing = "{word}"'
            hint = by_hand(name)
        return Plan(name, because, then=Attention(hint, Trouble.ID_MISMATCH))
    return None


def asks_again(record: Record | None, policy: Policy) -> bool:
    """
    Whether failures are asked again without a person: a provider is configured.

    The embedded one asks only what it has asked itself: its worker may be a stand-in for trying things out,
    and must not answer for somebody else's failures. Of a batch that another tool has sent, nobody here knows
    what was asked again elsewhere. What a rescued batch leaves is asked by whoever its user chose for that.
    """
    if record is not None and record.online.rescue:
        return True
    if record is not None and record.imported is not None:
        return False
    if policy.provider == LOCAL:
        return record is not None and record.provider == LOCAL
    return policy.configured


def _asked_again(record: Record | None, attempt: int, policy: Policy) -> frozenset[ErrorClass]:
    """The classes that a batch may ask again by itself."""
    classes = policy.may_ask_again(attempt)
    if record is not None and record.online.rescue and attempt < policy.max_attempts:
        return classes | _NEVER_RAN
    if record is not None and record.online.stopped:
        # What a person has stopped is not begun again by itself.
        return classes - {ErrorClass.CANCELLED, ErrorClass.MISSING}
    return classes


def provider_of_child(record: Record | None, policy: Policy) -> str | None:
    """Who is asked again: whoever answered, or else the provider of today, but never a stand-in by itself."""
    if record is not None and record.online.rescue:
        return LOCAL
    if record is not None and record.provider is not None:
        return record.provider
    return policy.provider if policy.configured and policy.provider != LOCAL else None


def _ask(
    snap: Snapshot, coverage: Coverage, policy: Policy, classes: frozenset[ErrorClass], *, missing: bool
) -> Overrides | ProcessErrors:
    """What a custom error processor has answered, or the step that asks it."""
    if policy.error_processor is None or coverage.failed == NOTHING:
        return NO_OVERRIDES
    parts = [policy.error_processor, *sorted(each.value for each in classes)]
    token = invocation_token(snap.name, " ".join(parts), coverage.digests, extraction=coverage.extraction)
    answered = _receipt(snap.record, "process-errors", token)
    if answered is not None:
        return read_overrides(answered)
    again = coverage.failed_in(classes) != NOTHING
    return ProcessErrors(
        snap.name, expects=expects(snap), token=token, classes=classes, missing=missing, plans_retry=again
    )


def _holds(
    name: BatchName, final: Tally, coverage: Coverage, asking: Overrides, policy: Policy
) -> tuple[str, Attention] | None:
    """Why failures keep the batch from moving though its ids balance, and what a person may do."""
    if final != NOTHING:
        because = f'{many(final.requests, "request")} failed for good, and failed = "attention"'
        if policy.failed is not FailurePolicy.ATTENTION:
            words = sorted(each.value for each in policy.looked_at & coverage.by_class.keys())
            told = ", ".join(f'{word} = "attention"' for word in words)
            because = f"{many(final.requests, 'request')} failed for good, and [policy.classes] {told}"
        return because, Attention(f"reconcile dismiss WORKSPACE {name}", Trouble.FAILED_FOR_GOOD)
    if coverage.failed != NOTHING and asking.attention:
        count = many(len(asking.attention), "failed request")
        because = f"its error processor wants a person to look at {count}"
        hint = f"reconcile dismiss WORKSPACE {name}    to give them up"
        return because, Attention(hint, Trouble.FAILED_FOR_GOOD)
    return None


def _of_another(
    name: BatchName, record: Record | None, policy: Policy, coverage: Coverage
) -> Mapping[str, Any] | None:
    """
    The receipt of another processor that has ended on these very files, where nobody chose the one of today.

    A pass that was merely started without the flag must neither publish over what that one made of the
    answers nor settle what it could not handle.
    """
    found = {} if record is None else record.receipts.get("process-output", {})
    identity = found.get("processor", policy.processor)
    if policy.processor_chosen or policy.processor_may_fail or identity == policy.processor:
        return None
    token = invocation_token(name, identity, coverage.digests, extraction=coverage.extraction)
    same = found.get("token") == token
    return found if same and found.get("state") != STARTED else None


def _unhandled(
    name: BatchName, record: Record | None, policy: Policy, output: Mapping[str, Any] | None
) -> tuple[str, Attention] | None:
    """Why answers that the output processor could not handle keep the batch, and what a person may do."""
    found = {} if output is None else output.get("unhandled", {})
    if not found or policy.on_failure is FailurePolicy.SETTLE or _given_up(record, found):
        return None
    because = f"{many(int(found['requests']), 'answer')} could not be handled: {found.get('told', '')}"
    hint = (
        "mend the processor and run again, with the same flags; or\n"
        f"reconcile process WORKSPACE {name}    to hand all its answers over once more\n"
        f"reconcile dismiss WORKSPACE {name}    to settle it without them"
    )
    return because, Attention(hint, Trouble.UNHANDLED)


def _given_up(record: Record | None, unhandled: Mapping[str, Any]) -> bool:
    """Whether a person has accepted that these very answers were not handled."""
    given_up = None if record is None else record.dismissed.get("unhandled")
    return given_up is not None and given_up.digest == unhandled.get("ids")


def _receipt(record: Record | None, verb: str, token: str) -> Mapping[str, Any] | None:
    """The receipt of this very work, if it has ended."""
    found = {} if record is None else record.receipts.get(verb, {})
    return found if found.get("token") == token and found.get("state") != STARTED else None


def _summed_up(record: Record | None) -> bool:
    """Whether the failures of a batch that had to stay were summed up."""
    return record is not None and "process-errors" in record.receipts


def token_of(
    name: BatchName, record: Record | None, coverage: Coverage, policy: Policy, child: BatchName | None = None
) -> str:
    """
    What makes this invocation of the output processor the same as another.

    Args:
        name: The batch.
        record: What its metadata says, which names its children.
        coverage: Its account, which names the files.
        policy: Which processor it is.
        child: The child that this plan is about to make.
    """
    if policy.processor_may_fail:
        # User code is handed the same answers, whoever asks the failures again.
        retried: list[str] = []
    else:
        owners = {} if record is None else record.children
        retried = [*owners, *([child] if child else [])]
    return invocation_token(name, policy.processor, coverage.digests, retried, coverage.extraction)


def next_child(name: BatchName, owned: Container[BatchName], taken: Sequence[ChildFact]) -> BatchName:
    """
    The child to make of a batch's leftovers.

    Args:
        name: The batch.
        owned: Children that its record, or its manifest, names already.
        taken: Every name of the lineage that is in use, in order.

    Returns:
        The child whose making was interrupted, or else the next free name of the lineage.
    """
    for fact in taken:
        if fact.parent == name and fact.name not in owned:
            return fact.name
    k = max((child_number(each) for each in (name, *(fact.name for fact in taken))), default=0) + 1
    while child_name(lineage_root(name), k) in owned:
        k += 1
    return child_name(lineage_root(name), k)


def _owned(snap: Snapshot) -> Container[BatchName]:
    """The children that own ids of this batch."""
    return () if snap.record is None else snap.record.children


def by_hand(name: BatchName) -> str:
    """What a person may do about missing ids."""
    return (
        "complete the answer file, if the rest is still coming\n"
        f"reconcile retry WORKSPACE {name}    to ask them again\n"
        f"reconcile dismiss WORKSPACE {name}    to give them up"
    )


def _told(coverage: Coverage, child: BatchName | None) -> str:
    """The account in one line."""
    parts = [f"{coverage.answered.requests} of {coverage.input.requests} answered"]
    for word in ("failed", "retried", "dismissed", "missing"):
        tally = getattr(coverage, word)
        if tally != NOTHING:
            parts.append(f"{tally.requests} {word}")
    return ", ".join(parts) + (f"; what may be asked again goes to {child}" if child else "")
