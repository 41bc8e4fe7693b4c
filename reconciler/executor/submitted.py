"""What a provider says of a batch, taken over into its metadata."""

from __future__ import annotations

import attrs

from reconciler.executor import charging
from reconciler.executor.context import Run
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.record import Counts, Odd, Record, Submission
from reconciler.model.remote import RemoteBatch
from reconciler.model.status import Phase, phase_of


def heard(record: Record, told: RemoteBatch) -> Record:
    """*record* with what the provider says of its batch now; unchanged when that is nothing new."""
    after = attrs.evolve(
        record,
        input_file_id=told.input_file_id or record.input_file_id,
        output_file_id=told.files.get(Role.OUTPUT) or record.output_file_id,
        error_file_id=told.files.get(Role.ERROR) or record.error_file_id,
        status=told.status,
        # Answers that were counted once were paid for, whether they are counted still or not.
        counts=record.counts if told.counts == Counts() else told.counts,
        results_until=told.results_until if told.results_until is not None else record.results_until,
    )
    again = record.online.odd is not Odd.UNKNOWN and _answers_of(after) == _answers_of(record)
    online = attrs.evolve(
        record.online,
        refusals=told.refusals,
        error=told.error or record.online.error,
        candidates=(),
        not_before=record.online.not_before if again and record.online.odd else None,
        odd=record.online.odd if again else None,
        looks=record.online.looks if again else 0,
        tries=0 if _runs(told.status) else record.online.tries,
    )
    return attrs.evolve(after, online=online)


def _answers_of(record: Record) -> tuple[str | None, ...]:
    """What is known of where a batch stands and where its answers are."""
    return (record.status, *(record.remote_file(role) for role in ANSWERS))


def _runs(status: str) -> bool:
    """Whether a batch has got past the gate: no quota has sent it away, and its provider knows it well."""
    return phase_of(status) is Phase.RUNNING and status.strip().lower() not in ("", "validating", "queued")


def submitted(run: Run, record: Record, made: RemoteBatch) -> Record:
    """Write down which remote batch this is; what was reserved for one that was refused is free."""
    after = heard(attrs.evolve(record, state=Submission.SUBMITTED, batch_id=made.batch_id), made)
    charging.let_go(run.ctx, after)
    return run.publish(after)
