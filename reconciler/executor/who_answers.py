"""
Who answers a batch on this machine: the one that began it, or another worker, but no echo among answers.

Metadata remembers it (docs/decisions/0089-a-batch-remembers-its-worker.md). What an echo must not go on with
is held by the planner; whether there are echoes shows in the progress alone, which is looked at here.
"""

from __future__ import annotations

from typing import Final

import attrs

from reconciler.errors import PermanentError
from reconciler.executor.context import Run
from reconciler.model.operation import AnswerHere
from reconciler.model.policy import ECHO
from reconciler.model.record import Record
from reconciler.workspace import live

RUNNING: Final = "in_progress"
"""The status of a batch that is being answered here."""


def worker_of(step: AnswerHere, run: Run) -> str:
    """Who answers in this pass."""
    return run.ctx.plugged.hooks_of(step.name).worker


def unmixed(step: AnswerHere, run: Run, record: Record, *, over: bool) -> Record:
    """
    The record to go on from: what the echo began is begun anew once its progress was taken away.

    Raises:
        PermanentError: It is there, and its echoes would stand among the answers of another worker.
    """
    worker = worker_of(step, run)
    if record.status != RUNNING or record.online.worker != ECHO or worker == ECHO or over:
        return record
    if not live.has_progress(run.ctx.fx, step.name):
        return attrs.evolve(record, status=None)
    path = live.path_of(step.name)
    message = f"the echo began it, and its echoes in {path} would stand among the answers of {worker}"
    hint = (
        f"move {path} away: every request is then asked\n"
        f"reconcile run WORKSPACE --only {step.name} --provider local --worker echo    finishes with echoes"
    )
    raise PermanentError(message, hint=hint)


def noted(step: AnswerHere, run: Run, record: Record) -> Record:
    """The record with who goes on; an earlier version did not write down who began."""
    worker = worker_of(step, run)
    if record.online.worker or worker == ECHO:
        return record
    return run.publish(attrs.evolve(record, online=attrs.evolve(record.online, worker=worker)))
