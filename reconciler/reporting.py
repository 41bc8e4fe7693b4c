"""
What is told of a batch when a pass is through with it: its state, and why it did not settle, as a type.

Pure over what the engine hands it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, assert_never

import attrs

from reconciler.errors import (
    BadLine,
    Clash,
    CostLimitExceeded,
    Interrupted,
    KeyRefused,
    Later,
    NoRoom,
    PermanentError,
    ReconcilerError,
    Walled,
)
from reconciler.model.coverage import NOTHING, Coverage
from reconciler.model.failure import BY_TROUBLE, BadInput, Capped, Failure, NameTaken, NoKey, StepFailed
from reconciler.model.failure import Held as HeldBack
from reconciler.model.identity import BatchName
from reconciler.model.operation import ChangeRequests, MatchRequestIds, ProcessOutput
from reconciler.model.plan import Again, Attention, Held, Plan, Settled, Waiting
from reconciler.model.policy import Policy
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, State
from reconciler.model.snapshot import Matched, Snapshot
from reconciler.model.trouble import Trouble
from reconciler.model.words import many
from reconciler.selecting import UNDO
from reconciler.workspace import settled

_OPERATIONS: Final = {
    Trouble.UNHANDLED: ProcessOutput.verb,
    Trouble.FAILED_FOR_GOOD: "process-errors",
    Trouble.REFUSED: "submit",
}
"""The operation that a trouble stands in the way of, where it is not the matching of ids."""


@attrs.frozen
class Ending:
    """
    What is known of a batch at the end.

    Attributes:
        receipts: What was done for it in this pass.
        coverage: Where its ids stand, if anybody has counted.
        matched: The last verdict of this pass.
    """

    receipts: tuple[Receipt, ...] = ()
    coverage: Coverage | None = None
    matched: Matched | None = None


def at_rest(snap: Snapshot, decision: Plan, policy: Policy, live: str, ending: Ending) -> BatchReport:
    """
    The report on a batch for which nothing can be done now.

    Args:
        snap: The last look at it.
        decision: The plan without steps.
        policy: What was decided under.
        live: The live folder, for people.
        ending: What else is known.
    """
    name, then, receipts, coverage = snap.name, decision.then, ending.receipts, ending.coverage
    because = decision.because
    match then:
        case Settled() if receipts and receipts[-1].verb == "quarantine":
            return _set_aside(name, decision, ending)
        case Settled():
            last = "; ".join([receipts[-1].summary, *_given_up(receipts)]) if receipts else because
            path = settled.folder_of(name) if snap.in_done else ""
            hint = _may_ask_again(policy, receipts, coverage) if receipts else ""
            return BatchReport(name, State.SETTLED, last, hint, receipts, coverage, path=path)
        case Waiting(until, behind):
            return BatchReport(
                name, State.WAITING, because, "", receipts, coverage, until, live, behind=behind
            )
        case Held(hint, trouble):
            failure = _failure(trouble, name, because, hint, {})
            return BatchReport(name, State.HELD, because, hint, receipts, coverage, None, live, failure)
        case Attention(hint, trouble):
            failure = _failure(trouble, name, because, hint, _details(trouble, snap, ending))
            return BatchReport(name, State.ATTENTION, because, hint, receipts, coverage, None, live, failure)
        case Again():
            return BatchReport(
                name, State.FAILED, "a plan without steps asked for another look", "", receipts
            )
        case _:
            assert_never(then)


def stopped(
    name: BatchName,
    error: ReconcilerError,
    operation: str,
    receipts: Sequence[Receipt],
    coverage: Coverage | None,
) -> BatchReport:
    """
    The report on a batch whose plan stopped short.

    Args:
        name: The batch.
        error: What stopped it.
        operation: Which of its operations did.
        receipts: What was done before.
        coverage: Where its ids stand, if anybody has counted.
    """
    state = State.FAILED
    if isinstance(error, Later):
        behind = isinstance(error, NoRoom)
        return BatchReport(
            name, State.WAITING, error.message, error.hint, tuple(receipts), coverage, behind=behind
        )
    if isinstance(error, KeyRefused):
        refused = NoKey(batch=name, operation=operation, because=error.message, hint=error.hint)
        return BatchReport(
            name, State.HELD, error.message, error.hint, tuple(receipts), coverage, failure=refused
        )
    if isinstance(error, Walled):
        walled = HeldBack(batch=name, operation=operation, because=error.message, hint=error.hint)
        return BatchReport(
            name, State.HELD, error.message, error.hint, tuple(receipts), coverage, failure=walled
        )
    if isinstance(error, CostLimitExceeded):
        capped = Capped(batch=name, operation=operation, because=error.message, hint=error.hint)
        return BatchReport(
            name, State.HELD, error.message, error.hint, tuple(receipts), coverage, failure=capped
        )
    if isinstance(error, PermanentError):
        state = State.ATTENTION
    elif isinstance(error, Interrupted):
        state = State.INTERRUPTED
    told: dict[str, Any] = {"batch": name, "because": error.message, "hint": error.hint}
    failure: Failure = StepFailed(error=error, operation=operation, **told)
    if isinstance(error, Clash):
        failure = NameTaken(operation=operation, **told)
    elif isinstance(error, BadLine):
        failure = BadInput(lines=(error.message,), operation=operation, **told)
    return BatchReport(name, state, error.message, error.hint, tuple(receipts), coverage, failure=failure)


def interrupted(name: BatchName, receipts: Sequence[Receipt]) -> BatchReport:
    """The report on a batch that the pass did not get to, or not to the end of."""
    error = Interrupted("stopped; everything is resumable")
    return stopped(name, error, "", receipts, None)


def _set_aside(name: BatchName, decision: Plan, ending: Ending) -> BatchReport:
    """The report on a batch that went to quarantine in this pass."""
    facts = ending.receipts[-1].facts
    because, hint = str(facts.get("reason") or decision.because), UNDO.format(name=name)
    found = {} if ending.matched is None else _mismatch(ending.matched)
    failure = _failure(Trouble.ID_MISMATCH, name, because, hint, found)
    return BatchReport(
        name,
        State.ATTENTION,
        because,
        hint,
        ending.receipts,
        ending.coverage,
        path=str(facts["path"]),
        failure=failure,
    )


def _failure(
    trouble: Trouble, name: BatchName, because: str, hint: str, details: Mapping[str, Any]
) -> Failure:
    """The failure that speaks of *trouble*."""
    operation = _OPERATIONS.get(trouble, MatchRequestIds.verb)
    return BY_TROUBLE[trouble](batch=name, operation=operation, because=because, hint=hint, **details)


def _details(trouble: Trouble, snap: Snapshot, ending: Ending) -> Mapping[str, Any]:
    """What a failure knows beyond its words."""
    match trouble:
        case Trouble.MISSING_INPUT:
            return {"present": tuple(snap.files)}
        case Trouble.BAD_INPUT if snap.matched is not None:
            return {"lines": snap.matched.bad_input}
        case Trouble.ID_MISMATCH if snap.matched is not None:
            return _mismatch(snap.matched)
        case Trouble.FAILED_FOR_GOOD if ending.coverage is not None:
            return {"by_class": {name: tally.requests for name, tally in ending.coverage.by_class.items()}}
        case Trouble.UNHANDLED if snap.record is not None:
            found = snap.record.receipts.get(ProcessOutput.verb, {}).get("unhandled", {})
            return {"requests": int(found.get("requests", 0)), "files": tuple(found.get("files", ()))}
        case _:
            return {}


def _mismatch(matched: Matched) -> Mapping[str, Any]:
    """How input and answers differ."""
    missing = 0 if matched.coverage is None else matched.coverage.missing.requests
    total = {"missing": missing} if missing else {}
    if matched.mismatch is None:
        return {"missing": matched.missing, "total": total}
    found = attrs.asdict(matched.mismatch, recurse=False)
    return {**found, "missing": matched.missing, "total": {**total, **matched.mismatch.total}}


def _given_up(receipts: Sequence[Receipt]) -> list[str]:
    """What user code could not change, of requests that were to be asked again."""
    told = [each.facts.get("told") for each in receipts if each.verb == ChangeRequests.verb]
    return [f"of its failures {words}" for words in told if words]


def _may_ask_again(policy: Policy, receipts: Sequence[Receipt], coverage: Coverage | None) -> str:
    """What a person may do about failures that nobody asks again by itself."""
    moved = receipts[-1]
    if coverage is None or "attempt" not in moved.facts:
        return ""
    classes = policy.may_ask_again(moved.facts["attempt"])
    if _given_up(receipts):
        classes -= policy.transforms.keys()
    again = coverage.failed_in(classes)
    if again == NOTHING:
        return ""
    requests = many(again.requests, "request")
    return f"reconcile retry WORKSPACE {moved.name}    asks {requests} again that may succeed"
