"""
Run the operations of a plan in order, and stop at the first that fails.

Checks what each operation expects just before its effect; knows nothing of how plans are made.
"""

from __future__ import annotations

import contextlib
from typing import assert_never

import attrs

from reconciler.errors import (
    BadMetadata,
    Interrupted,
    ReconcilerError,
    StaleSnapshot,
    TransientError,
)
from reconciler.executor.context import Context, Run
from reconciler.executor.leftovers import retry_leftovers
from reconciler.executor.matching import match_request_ids
from reconciler.executor.moving import move_to_done, quarantine
from reconciler.executor.processing import process_errors, process_output
from reconciler.executor.rescuing import rescue
from reconciler.model.coverage import Coverage
from reconciler.model.operation import (
    Adopt,
    AdoptFile,
    AnswerHere,
    Cancel,
    ChangeRequests,
    CheckOnline,
    Download,
    EndHere,
    FindOrphan,
    MatchRequestIds,
    MoveToDone,
    Operation,
    ProcessErrors,
    ProcessOutput,
    Quarantine,
    RemoveJsonl,
    Rescue,
    RetryLeftovers,
    Submit,
)
from reconciler.model.plan import Plan
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.model.snapshot import Matched


@attrs.frozen
class Execution:
    """
    What became of one plan.

    Attributes:
        receipts: Proof of each operation that took place, in order.
        failure: Why it stopped short, None when every step was done.
        failed_at: The operation that raised it; empty when none did.
        matched: The verdict that match-request-ids drew, if it ran.
        account: Where the ids stood when the batch moved to `done/`, if it did.
    """

    receipts: tuple[Receipt, ...]
    failure: ReconcilerError | None
    failed_at: str
    matched: Matched | None
    account: Coverage | None


def execute(plan: Plan, ctx: Context, known: Matched | None = None) -> Execution:
    """
    Run *plan*; errors become part of what is returned, so that nothing done is forgotten.

    Args:
        plan: What to do.
        ctx: Rooms and settings.
        known: The verdict that the plan was made from; what it tells of its files is not read again.
    """
    run = Run(ctx, known)
    failure: ReconcilerError | None = None
    at = ""
    try:
        for step in plan.steps:
            if ctx.stopping():
                raise Interrupted("stopped between two steps; everything is resumable")
            at = step.verb
            _check(step, run)
            run.receipts.append(_dispatch(step, run))
        _keep_proofs(plan, run)
    except ReconcilerError as error:
        failure = error
        if run.proofs and not isinstance(error, StaleSnapshot):
            # What user code has done must not be done again because a later step did not come.
            with contextlib.suppress(ReconcilerError, OSError):
                _keep_proofs(plan, run)
    except OSError as error:
        failure = TransientError(f"{error.filename or plan.name}: {error.strerror or error}")
    return Execution(tuple(run.receipts), failure, at if failure else "", run.matched, run.account)


def _check(step: Operation, run: Run) -> None:
    """
    Hold the world against what *step* expects.

    Raises:
        StaleSnapshot: A file or the metadata is not what it was when the plan was made.
    """
    for fact in step.expects.files.values():
        if run.ctx.fx.fact(fact.path) != fact:
            raise StaleSnapshot(f"{fact.path} has changed since it was looked at")
    try:
        record: Record | None = run.ctx.record(step.name)
    except BadMetadata as error:
        raise StaleSnapshot(str(error)) from error
    expected = step.expects.generation
    if run.published:
        expected = (expected or 0) + run.published
    if (None if record is None else record.generation) != expected:
        raise StaleSnapshot(f"the metadata of {step.name} has changed since it was looked at")


def _dispatch(step: Operation, run: Run) -> Receipt:
    """The handler of each operation."""
    match step:
        case MatchRequestIds():
            return match_request_ids(step, run)
        case ProcessOutput() | ProcessErrors() | ChangeRequests():
            return _process(step, run)
        case RetryLeftovers():
            return retry_leftovers(step, run)
        case Rescue():
            return rescue(step, run)
        case MoveToDone() | Quarantine() | RemoveJsonl():
            return _put_away(step, run)
        case AnswerHere():
            from reconciler.executor.answering import answer_here  # noqa: PLC0415 - asyncio, SQLite

            return answer_here(step, run)
        case AdoptFile():
            from reconciler.executor.adopting import adopt_file  # noqa: PLC0415 - for a person's verb alone

            return adopt_file(step, run)
        case EndHere():
            from reconciler.executor.limiting import end_here  # noqa: PLC0415 - likewise

            return end_here(step, run)
        case Submit() | FindOrphan() | Adopt() | CheckOnline() | Download() | Cancel():
            from reconciler.executor.asking_providers import ask  # noqa: PLC0415 - most passes ask nobody

            return ask(step, run)
        case _:
            assert_never(step)


def _process(step: ProcessOutput | ProcessErrors | ChangeRequests, run: Run) -> Receipt:
    """The handler of an operation that hands verified answers to somebody."""
    match step:
        case ProcessOutput():
            return process_output(step, run)
        case ProcessErrors():
            return process_errors(step, run)
        case ChangeRequests():
            from reconciler.executor.changing import change_requests  # noqa: PLC0415 - asyncio, for user code

            return change_requests(step, run)
        case _:
            assert_never(step)


def _put_away(step: MoveToDone | Quarantine | RemoveJsonl, run: Run) -> Receipt:
    """The handler of an operation that takes files out of the way."""
    match step:
        case MoveToDone():
            return move_to_done(step, run)
        case Quarantine():
            return quarantine(step, run)
        case RemoveJsonl():
            from reconciler.executor.removing import remove_jsonl  # noqa: PLC0415 - where [retain] asks for it

            return remove_jsonl(step, run)
        case _:
            assert_never(step)


def _keep_proofs(plan: Plan, run: Run) -> None:
    """Write down what processors did for a batch that stays; a settled one has it in its manifest."""
    if not run.proofs or any(isinstance(step, MoveToDone) for step in plan.steps):
        return
    record = run.ctx.record(plan.name) or Record(plan.name)
    run.publish(attrs.evolve(record, receipts={**record.receipts, **run.proofs}))
