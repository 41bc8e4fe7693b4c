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
from reconciler.model.remote import RemoteBatch
from reconciler.model.status import Phase, phase_of
from reconciler.providers.base import Remote


def fence(run: Run, remote: Remote, record: Record, not_before: float) -> None:
    """
    Close the door behind an earlier create.

    Args:
        run: What the operations of the plan share.
        remote: Whom the earlier create was sent to.
        record: What is known of it.
        not_before: Until then it may still be on its way.

    Raises:
        NeedsPerson: It is too early; or the batch was found after all, or may be one that still runs.
        ReconcilerError: The provider cannot be asked.
    """
    _refuse_living(run, remote, record)
    last = False
    while True:
        found = search(run, remote, record)
        # What may be it and has ended will not tell any more: then the person who asks has decided.
        running = [each for each in found.possible if phase_of(each.status) is Phase.RUNNING]
        proven = [each for each in found.proven if _may_have_run(each)]
        if proven or running:
            names = ", ".join(each.batch_id for each in (*proven, *running))
            where = "is" if proven else "may be"
            raise NeedsPerson(
                f"{record.name} {where} at {remote.name} already, as {names}; nothing was sent",
                hint="reconcile WORKSPACE    to go on with it",
            )
        left = not_before - run.ctx.fx.now()
        if left > 0:
            raise NeedsPerson(
                f"the create of {record.name} may still arrive at {remote.name}; nothing was sent",
                hint=f"reconcile WORKSPACE    looks for it, and so does every pass\n"
                f"reconcile resubmit WORKSPACE {record.name}    in {left:.0f} s, if it is not found",
            )
        if record.input_file_id is None or last:
            return
        with run.ctx.remotes.asking(remote) as wire:
            remote.delete_file(wire, record.input_file_id)
        last = True


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
    if _may_have_run(told):
        message = f"{record.name} is at {remote.name} as {record.batch_id} ({told.status}); nothing was sent"
        raise NeedsPerson(message, hint="reconcile WORKSPACE    to go on with it")


def _may_have_run(found: RemoteBatch) -> bool:
    """Whether requests of a batch may have been answered; of one that was refused none was."""
    return phase_of(found.status) is not Phase.REFUSED or bool(found.files)
