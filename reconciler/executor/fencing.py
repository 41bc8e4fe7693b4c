"""
Make sure that a create whose fate nobody knows cannot count any more, before another is sent.

A provider that makes batches of uploaded files refuses one of a file that is gone. So: look for the batch,
remove the file, look again. Where there is no file, nothing can be removed, and only time tells.
"""

from __future__ import annotations

from reconciler.errors import NeedsPerson, NotThere
from reconciler.executor.context import Run
from reconciler.executor.finding import search
from reconciler.model.record import Record
from reconciler.model.status import Phase, phase_of
from reconciler.providers.base import Remote


def fence(run: Run, remote: Remote, record: Record) -> None:
    """
    Close the door behind an earlier create.

    Raises:
        NeedsPerson: The batch was found after all; the next pass adopts it.
        ReconcilerError: The provider cannot be asked.
    """
    _refuse_living(run, remote, record)
    for last in (False, True):
        found = search(run, remote, record)
        if found.proven or found.possible:
            names = ", ".join(each.batch_id for each in (*found.proven, *found.possible))
            raise NeedsPerson(
                f"{record.name} is at {remote.name} already, as {names}; nothing was sent",
                hint="reconcile WORKSPACE    to go on with it",
            )
        if record.input_file_id is None or last:
            return
        with run.ctx.remotes.asking(remote) as wire:
            remote.delete_file(wire, record.input_file_id)


def _refuse_living(run: Run, remote: Remote, record: Record) -> None:
    """
    Hold the batch that the metadata names to being gone, or to never having run.

    Raises:
        NeedsPerson: The provider has it.
    """
    if record.batch_id is None:
        return
    try:
        with run.ctx.remotes.asking(remote) as wire:
            told = remote.status(wire, record.batch_id)
    except NotThere:
        return
    if phase_of(told.status) is not Phase.REFUSED or told.files:
        message = f"{record.name} is at {remote.name} as {record.batch_id} ({told.status}); nothing was sent"
        raise NeedsPerson(message, hint="reconcile WORKSPACE    to go on with it")
