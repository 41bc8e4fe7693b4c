"""
Batches with answers: match them, then settle them, retry what may be retried, or call a person.

Pure ladders of early returns, one comment per leaf.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from reconciler.model.coverage import NOTHING, Coverage
from reconciler.model.identity import ANSWERS, BatchName, Role, child_name, child_number, lineage_root
from reconciler.model.operation import (
    CheckOnline,
    Download,
    MatchRequestIds,
    MoveToDone,
    Operation,
    ProcessErrors,
    ProcessOutput,
    Quarantine,
    RetryLeftovers,
)
from reconciler.model.outcome import ErrorClass, retryable_classes
from reconciler.model.plan import Attention, Held, Plan, Waiting
from reconciler.model.policy import FailurePolicy, Policy
from reconciler.model.receipt import invocation_token
from reconciler.model.record import Record
from reconciler.model.snapshot import ChildFact, Matched, Mismatch, Snapshot
from reconciler.model.status import Phase, phase_of
from reconciler.model.words import many
from reconciler.planner.safety import expects

TO_MATCH: Final = "its answers are here: hold them against the input"


def plan_answers(snap: Snapshot, policy: Policy) -> Plan:
    """Answers are here: fetch what is not closed, match, then decide by the account."""
    fetch = open_roles(snap)
    if fetch:
        return _fetch(snap, policy, fetch)
    if snap.matched is None:
        return Plan(snap.name, TO_MATCH, (MatchRequestIds(snap.name, expects=expects(snap)),))
    return _by_verdict(snap, snap.matched, policy)


def open_roles(snap: Snapshot) -> tuple[Role, ...]:
    """Answer files that the provider has and this folder has not."""
    return open_in(snap.record, snap.files)


def open_in(record: Record | None, here: Container[Role]) -> tuple[Role, ...]:
    """Answer files that *record* knows of at the provider and that are not among those *here*."""
    if record is None:
        return ()
    return tuple(
        role
        for role in ANSWERS
        if role not in here
        and (record.roles[role] is not None if role in record.roles else bool(record.remote_file(role)))
    )


def _fetch(snap: Snapshot, policy: Policy, roles: tuple[Role, ...]) -> Plan:
    """One file came down and the other did not: an archived half would lose paid answers."""
    record = snap.record
    provider = (record.provider if record else None) or policy.provider
    words = " and ".join(role.value for role in roles)
    because = f"{provider} has its {words} file too, which is not here yet"
    if provider not in policy.reachable:
        hint = f"download the {words} file by hand: this version has no client for provider {provider!r}"
        return Plan(snap.name, because, then=Held(hint))
    return Plan(snap.name, because, (Download(snap.name, roles=roles, expects=expects(snap)),))


def _by_verdict(snap: Snapshot, matched: Matched, policy: Policy) -> Plan:
    """Matching has spoken."""
    name = snap.name
    if matched.bad_input or matched.coverage is None:
        # Nothing in the answers can mend an input that cannot be read.
        because = "; ".join(matched.bad_input) or "its input cannot be read"
        return Plan(name, because, then=Attention("mend the input line, then run again"))
    if matched.mismatch is not None:
        because = describe(matched.mismatch)
        step = Quarantine(name, expects=expects(snap), reason=because, details=_details(matched.mismatch))
        return Plan(name, because, (step,))
    if matched.late:
        because = f"answered here after it went over to a retry child: {', '.join(matched.late)}"
        hint = "take these lines out of the answer file, or the child's files out of the workspace"
        return Plan(name, because, then=Attention(hint))
    coverage = matched.coverage
    if not coverage.conserved:
        because = "the parts of its account do not add up; nothing was touched"
        return Plan(name, because, then=Attention("this is a fault of the reconciler; please report it"))
    if coverage.missing != NOTHING and not _missing_are_leftovers(snap.record, coverage):
        return _incomplete(snap, matched, coverage, policy)
    return _settle(snap, coverage, policy)


def _missing_are_leftovers(record: Record | None, coverage: Coverage) -> bool:
    """Whether the provider itself agrees that the missing ids were never answered."""
    if record is None or record.batch_id is None:
        return False
    phase = phase_of(record.status)
    if phase is Phase.PARTIAL:
        return True
    counts, here = record.counts, coverage.input - coverage.missing
    said = None if counts.completed is None or counts.failed is None else counts.completed + counts.failed
    return phase is Phase.DONE and said == here.requests


def _incomplete(snap: Snapshot, matched: Matched, coverage: Coverage, policy: Policy) -> Plan:
    """Ids without an answer, and nobody has said that no more are coming."""
    name, record = snap.name, snap.record
    count = coverage.missing.requests
    verb = "has" if count == 1 else "have"
    because = (
        f"{count} of {many(coverage.input.requests, 'id')} {verb} no answer: {_some(matched.missing, count)}"
    )
    if record is None or record.batch_id is None:
        return Plan(name, because, then=Attention(_by_hand(name)))
    provider = record.provider or policy.provider
    if provider not in policy.reachable:
        return Plan(
            name, f"{because}; it is at {provider} as {record.batch_id}", then=Attention(_by_hand(name))
        )
    if phase_of(record.status) is Phase.RUNNING:
        if snap.asked:
            told = f"{because}; {provider} is still working on it ({record.status or 'no word'})"
            return Plan(name, told, then=Waiting(snap.seen_at + policy.poll_seconds))
        return Plan(name, because, (CheckOnline(name, expects=expects(snap)),))
    roles = tuple(role for role in ANSWERS if record.remote_file(role))
    if roles and "download-again" not in record.receipts:
        # A cut download looks like this; the second look is free.
        return Plan(name, because, (Download(name, roles=roles, expects=expects(snap)),))
    return Plan(name, f"{because}, and {provider} has no more", then=Attention(_by_hand(name)))


def _by_hand(name: BatchName) -> str:
    """What a person may do about missing ids."""
    return (
        "complete the answer file, if the rest is still coming\n"
        f"reconcile retry WORKSPACE {name}    to ask them again\n"
        f"reconcile dismiss WORKSPACE {name}    to give them up"
    )


def _settle(snap: Snapshot, coverage: Coverage, policy: Policy) -> Plan:
    """Every id is accounted for, or may be asked again: process, retry, archive."""
    name, record = snap.name, snap.record
    attempt = 1 if record is None else record.attempt
    classes = retryable_classes(attempt, policy.max_attempts) if policy.configured else frozenset()
    again = coverage.failed_in(classes)
    missing = coverage.missing != NOTHING
    if missing and not policy.configured:
        because = f"{many(coverage.missing.requests, 'id')} without an answer, and no provider is configured"
        return Plan(name, because, then=Attention(_by_hand(name)))
    if missing and ErrorClass.MISSING not in classes:
        because = f"{many(coverage.missing.requests, 'id')} without an answer, and no attempt is left"
        hint = f"reconcile dismiss WORKSPACE {name}, or raise [policy] max_attempts and run again"
        return Plan(name, because, then=Attention(hint))
    child = next_child(name, _owned(snap), snap.children) if missing or again != NOTHING else None
    if child is None:
        classes = frozenset()
    held = policy.failed is FailurePolicy.ATTENTION and coverage.failed != again
    token = _token(snap, coverage, policy, child)
    steps: list[Operation] = []
    if not (held and _processed(record, token)):
        output = ProcessOutput(
            name, expects=expects(snap), token=token, child=child, classes=classes, missing=missing
        )
        steps.append(output)
        if coverage.failed != NOTHING:
            again_to = ProcessErrors(
                name, expects=expects(snap), child=child, classes=classes, missing=missing
            )
            steps.append(again_to)
    if child:
        steps.append(
            RetryLeftovers(
                name,
                expects=expects(snap),
                child=child,
                attempt=attempt + 1,
                classes=classes,
                missing=missing,
            )
        )
    if held:
        final = (coverage.failed - again).requests
        because = f'{many(final, "request")} failed for good, and failed = "attention"'
        return Plan(name, because, tuple(steps), Attention(f"reconcile dismiss WORKSPACE {name}"))
    steps.append(MoveToDone(name, expects=expects(snap)))
    return Plan(name, _told(coverage, child), tuple(steps))


def _processed(record: Record | None, token: str) -> bool:
    """Whether this very work was done for a batch that had to stay."""
    receipts = {} if record is None else record.receipts
    return "process-errors" in receipts and receipts.get("process-output", {}).get("token") == token


def _token(snap: Snapshot, coverage: Coverage, policy: Policy, child: BatchName | None) -> str:
    """What makes this invocation of the output processor the same as another."""
    owners = {} if snap.record is None else snap.record.children
    retried = [*owners, *([child] if child else [])]
    return invocation_token(snap.name, policy.processor, coverage.digests, retried)


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


def _told(coverage: Coverage, child: BatchName | None) -> str:
    """The account in one line."""
    parts = [f"{coverage.answered.requests} of {coverage.input.requests} answered"]
    for word in ("failed", "retried", "dismissed", "missing"):
        tally = getattr(coverage, word)
        if tally != NOTHING:
            parts.append(f"{tally.requests} {word}")
    return ", ".join(parts) + (f"; what may be asked again goes to {child}" if child else "")


def describe(mismatch: Mismatch) -> str:
    """The exact difference in one line, with the first few of each kind."""
    parts = []
    for kind, words in (
        ("corrupt", ("line that cannot be read", "lines that cannot be read")),
        ("unknown", ("answer to an id that was never asked", "answers to ids that were never asked")),
        ("duplicate", ("answer too many for its id", "answers too many for their ids")),
    ):
        examples: tuple[str, ...] = getattr(mismatch, kind)
        if examples:
            total = mismatch.total.get(kind, len(examples))
            parts.append(f"{many(total, *words)}: {_some(examples, total)}")
    return "; ".join(parts)


def _some(examples: tuple[str, ...], total: int) -> str:
    """The first few of *total* findings."""
    shown = ", ".join(examples) or "none is named"
    return f"{shown} and {total - len(examples)} more" if total > len(examples) else shown


def _details(mismatch: Mismatch) -> dict[str, object]:
    """A mismatch as `reason.json` holds it."""
    return {
        "corrupt": list(mismatch.corrupt),
        "unknown": list(mismatch.unknown),
        "duplicate": list(mismatch.duplicate),
        "total": dict(mismatch.total),
    }
