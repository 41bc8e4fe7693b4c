"""
Batches whose every id is accounted for, or may be asked again: process, retry, archive.

Pure ladders of early returns, one comment per leaf.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

import attrs

from reconciler.model.coverage import NOTHING, Coverage, Tally
from reconciler.model.identity import BatchName, child_name, child_number, lineage_root
from reconciler.model.operation import (
    ChangeRequests,
    MoveToDone,
    Operation,
    ProcessErrors,
    ProcessOutput,
    Rescue,
    RetryLeftovers,
)
from reconciler.model.outcome import ErrorClass
from reconciler.model.overrides import NO_OVERRIDES, Overrides, read_overrides
from reconciler.model.plan import Plan
from reconciler.model.policy import LOCAL, FailurePolicy, Policy, RetainPolicy
from reconciler.model.receipt import STARTED, invocation_token
from reconciler.model.record import Record
from reconciler.model.snapshot import ChildFact, Snapshot
from reconciler.planner.changing import change, plan_change
from reconciler.planner.rescuing import OVERDUE, is_overdue, rescue_refused
from reconciler.planner.safety import expects
from reconciler.planner.staying import holds, unanswered, unchanged_requests, unhandled_answers
from reconciler.planner.unnamed import Unnamed, held_without, with_unnamed

_NEVER_RAN: Final = frozenset({ErrorClass.MISSING, ErrorClass.EXPIRED, ErrorClass.CANCELLED})


def plan_settling(snap: Snapshot, coverage: Coverage, policy: Policy) -> Plan:
    """Every id is accounted for, or may be asked again: process, retry, archive."""
    record = snap.record
    if record is not None and _left_overdue(snap, record, coverage, policy):
        # Its provider calls it finished, and has let its requests expire all the same.
        because = f"{record.provider} has left some of it, and [policy] rescue_after_seconds are over"
        return Plan(snap.name, because, (Rescue(snap.name, why=OVERDUE, expects=expects(snap)),))
    begun = with_unnamed(record, policy)
    decision = _settle(snap, coverage, begun)
    there = attrs.evolve(policy, provider=begun.asked)
    here_and_there = {"again_here": asks_again(record, policy), "again_there": asks_again(record, there)}
    return held_without(decision, begun, record, coverage, **here_and_there)


def _settle(snap: Snapshot, coverage: Coverage, begun: Unnamed) -> Plan:
    """The same for whatever nobody has to rescue, as if all code were named that was at work on it."""
    name, record, policy = snap.name, snap.record, begun.policy
    attempt = _attempt_of(snap.name, record)
    again_here = asks_again(record, policy)
    over = record is not None and record.is_over(snap.seen_at)
    # What its time limit has ended is asked again by a person alone.
    classes = _asked_again(record, attempt, policy) if again_here and not over else frozenset()
    missing = coverage.missing != NOTHING
    kept = unanswered(snap, coverage, classes, policy, again_here=again_here) if missing else None
    if kept is not None:
        return kept
    asking = _ask(snap, coverage, begun, classes, missing=missing)
    if isinstance(asking, ProcessErrors):
        # What it answers decides who is asked again.
        return Plan(name, "its failures go to the error processor", (asking,))
    changes = change(snap, coverage, policy, classes, asking.never, policy.error_processor or "")
    if isinstance(changes, ChangeRequests):
        # What cannot be changed is not asked again.
        return plan_change(changes)
    asking = attrs.evolve(asking, never=asking.never | changes.never)
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
    output = _receipt(record, "process-output", token)
    stays = holds(snap, final, coverage, asking, policy)
    stays = stays or unchanged_requests(name, coverage, changes, policy)
    rests = stays is not None and _summed_up(record)
    final_word = policy.processor_may_fail or ProcessOutput.verb in begun.absent
    done = output is not None and (final_word or rests)
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
                changes=changes,
                limit=None if record is None else record.limit,
            )
        )
    stays = stays or unhandled_answers(name, record, policy, output)
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


def _attempt_of(name: BatchName, record: Record | None) -> int:
    """How often its requests have been sent; where metadata was lost that said so, as its name allows."""
    if record is not None and record.parent is not None:
        return record.attempt
    return max(1 if record is None else record.attempt, child_number(name) + 1)


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
    snap: Snapshot, coverage: Coverage, begun: Unnamed, classes: frozenset[ErrorClass], *, missing: bool
) -> Overrides | ProcessErrors:
    """What a custom error processor has answered, or the step that asks it."""
    asker = begun.policy.error_processor
    if asker is None or coverage.failed == NOTHING:
        return NO_OVERRIDES
    token = asking_token(snap.name, asker, coverage, classes)
    answered = _receipt(snap.record, "process-errors", token)
    if answered is not None:
        return read_overrides(answered)
    if ProcessErrors.verb in begun.absent and not classes:
        # Nobody is asked again today; what it wants looked at counts all the same.
        answered = _answered_once(snap, asker, coverage)
        if answered is not None:
            return Overrides(attention=read_overrides(answered).attention)
    again = coverage.failed_in(classes) != NOTHING
    return ProcessErrors(
        snap.name, expects=expects(snap), token=token, classes=classes, missing=missing, plans_retry=again
    )


def _answered_once(snap: Snapshot, asker: str, coverage: Coverage) -> Mapping[str, Any] | None:
    """The receipt of an error processor that has answered for these files, whoever was asked again then."""
    found = {} if snap.record is None else snap.record.receipts.get("process-errors", {})
    words = found.get("classes_asked")
    known = [each for each in ErrorClass if isinstance(words, list) and each.value in words]
    return _receipt(snap.record, "process-errors", asking_token(snap.name, asker, coverage, frozenset(known)))


def asking_token(name: BatchName, asker: str, coverage: Coverage, classes: frozenset[ErrorClass]) -> str:
    """What makes one invocation of an error processor the same as another."""
    parts = " ".join([asker, *sorted(each.value for each in classes)])
    return invocation_token(name, parts, coverage.digests, extraction=coverage.extraction)


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
    k = max(child_number(each) for each in (name, *(fact.name for fact in taken))) + 1
    while child_name(lineage_root(name), k) in owned:
        k += 1
    return child_name(lineage_root(name), k)


def _owned(snap: Snapshot) -> Container[BatchName]:
    """The children that own ids of this batch."""
    return () if snap.record is None else snap.record.children


def _told(coverage: Coverage, child: BatchName | None) -> str:
    """The account in one line."""
    parts = [f"{coverage.answered.requests} of {coverage.input.requests} answered"]
    for word in ("failed", "retried", "dismissed", "missing"):
        tally = getattr(coverage, word)
        if tally != NOTHING:
            parts.append(f"{tally.requests} {word}")
    return ", ".join(parts) + (f"; what may be asked again goes to {child}" if child else "")
