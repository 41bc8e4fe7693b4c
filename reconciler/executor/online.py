"""Ask a provider how a batch is doing, or to stop it."""

from __future__ import annotations

import itertools

import attrs

from reconciler.errors import CallRefused, Later, NotThere, PermanentError
from reconciler.executor import charging
from reconciler.executor.context import Run
from reconciler.executor.reading import Lines
from reconciler.executor.remotes import nameless, remote_of
from reconciler.executor.submitted import heard
from reconciler.model.identity import Role
from reconciler.model.operation import Cancel, CheckOnline
from reconciler.model.outcome import ErrorClass
from reconciler.model.receipt import Receipt
from reconciler.model.record import SOON, Odd, Record, Refusal
from reconciler.model.remote import RemoteBatch
from reconciler.model.status import Phase, phase_of
from reconciler.planner.in_flight import LONGEST_WAIT
from reconciler.planner.limiting import QUOTA_CODES
from reconciler.providers.base import Remote
from reconciler.workspace import ledger

FIRST_WAIT = 300.0
"""Seconds until an input is sent again that a full quota has refused; doubled each time."""


def check_online(step: CheckOnline, run: Run) -> Receipt:
    """
    Ask for the status, and write down what is new.

    Raises:
        Later: It does not know the batch, which may pass.
        PermanentError: It does not know the batch, or the key sees other batches.
        ReconcilerError: It cannot be asked.
    """
    ctx = run.ctx
    record = ctx.record(step.name)
    if record is None or record.batch_id is None:
        raise nameless(step.name)
    remote = remote_of(ctx.plugged.hooks_of(step.name).providers, step.provider)
    try:
        told = ctx.remotes.look(remote, record.batch_id)
    except CallRefused as error:
        if isinstance(error, NotThere) or _of_another_key(remote, record):
            raise _unknown(run, remote, record, error) from error
        raise
    told = attrs.evolve(told, refusals=_placed(run, step, told.refusals))
    after = _after(run, record, told)
    if after != record:
        run.publish(after)
    counts = told.counts
    ended = [number for number in (counts.completed, counts.failed) if number is not None]
    how = f", {sum(ended)} of {counts.total} ended" if ended and counts.total else ""
    facts = {"status": told.status, "batch_id": record.batch_id}
    return Receipt(step.name, step.verb, f"{told.status or 'no word'}{how}", facts)


def cancel(step: Cancel, run: Run) -> Receipt:
    """
    Ask for the end of a batch; what was answered until then is fetched when it has ended.

    Raises:
        PermanentError: There is no remote batch, or it cannot be stopped there.
        ReconcilerError: The provider cannot be asked.
    """
    ctx = run.ctx
    record = ctx.record(step.name)
    batch_id = None if record is None else record.batch_id
    if record is None or batch_id is None:
        raise nameless(step.name)
    remote = remote_of(ctx.plugged.hooks_of(step.name).providers, step.provider)
    if not remote.cancels:
        message = f"{remote.name} has no call that stops a batch: {batch_id} goes on until it ends by itself"
        raise PermanentError(message, hint="reconcile WORKSPACE --wait    fetches its answers then")
    marked = record.online.ended_by(limit=step.limited)
    if record.online != marked:
        # Before the call: what it stops must never be sent again by itself.
        record = run.publish(attrs.evolve(record, online=marked))
    try:
        with ctx.remotes.asking(remote) as wire:
            remote.cancel(wire, batch_id)
            told = remote.status(wire, batch_id)
    except CallRefused as error:
        if _of_another_key(remote, record) or not (step.limited or record.online.rescue):
            raise
        if not step.limited:
            # It may be ending by itself, and nobody waits for an answer to this.
            return _goes_on(step, run, record, error)
        # Asking again would be refused again; what it answers is fetched when it has ended.
        run.publish(attrs.evolve(record, online=attrs.evolve(record.online, unstoppable=True)))
        told_so = f"{remote.name} did not stop {batch_id} ({error.message}): it goes on, and is paid for"
        return Receipt(step.name, step.verb, told_so, {"batch_id": batch_id, "uncertain": True})
    why = ErrorClass.TIME_LIMIT.value if step.limited else "asked"
    ledger.append_once(ctx.fx, ctx.history, "batch.cancelled", step.name, batch_id=batch_id, why=why)
    after = _after(run, record, told)
    run.publish(attrs.evolve(after, online=after.online.ended_by(limit=step.limited)))
    summary = f"{remote.name} was asked to stop {batch_id}, which is now {told.status}"
    return Receipt(step.name, step.verb, summary, {"status": told.status, "batch_id": batch_id})


def _goes_on(step: Cancel, run: Run, record: Record, error: CallRefused) -> Receipt:
    """How a batch is doing that is rescued, and was not stopped; the next pass asks for its end again."""
    look = CheckOnline(step.name, provider=step.provider, expects=step.expects)
    told = check_online(look, run)
    summary = f"{record.provider} did not stop {record.batch_id} ({error.message}): {told.summary}"
    return Receipt(step.name, step.verb, summary, told.facts)


def _after(run: Run, record: Record, told: RemoteBatch) -> Record:
    """The record once the provider has spoken; what was reserved for a batch of which nothing ran is free."""
    after = heard(record, told)
    phase = phase_of(told.status)
    charging.let_go(run.ctx, after)
    if phase in (Phase.DONE, Phase.PARTIAL) and not any(after.remote_file(role) for role in told.files):
        # It has ended and names no file: it is asked again, but not for ever.
        return attrs.evolve(after, online=after.online.heard(Odd.NO_FILE, run.ctx.fx.now()))
    if phase is Phase.REFUSED and any(each.code in QUOTA_CODES for each in told.refusals):
        if record.online.not_before is not None and record.online.odd is None:
            return attrs.evolve(after, online=record.online)
        wait = min(FIRST_WAIT * 2**record.online.tries, LONGEST_WAIT)
        tries = record.online.tries + 1
        online = attrs.evolve(after.online, not_before=run.ctx.fx.now() + wait, tries=tries)
        return attrs.evolve(after, online=online)
    return after


def _placed(run: Run, step: CheckOnline, refusals: tuple[Refusal, ...]) -> tuple[Refusal, ...]:
    """Findings, each at its line of the input file: a provider counts lines as sent, without blank ones."""
    sent = {each.line for each in refusals if each.line is not None}
    fact = step.expects.files.get(Role.INPUT)
    if not sent or fact is None:
        return refusals
    lines = enumerate(Lines(run.ctx, fact), 1)
    here = {number: line.number for number, line in itertools.islice(lines, max(sent)) if number in sent}
    return tuple(
        each if each.line is None else attrs.evolve(each, line=here.get(each.line, each.line))
        for each in refusals
    )


def _of_another_key(remote: Remote, record: Record) -> bool:
    """Whether the batch was sent with another key than the one that asks."""
    return record.account is not None and record.account != remote.account


def _unknown(run: Run, remote: Remote, record: Record, error: CallRefused) -> PermanentError | Later:
    """The provider shows nothing of the batch: another key, a slip, or it is gone."""
    if _of_another_key(remote, record):
        message = f"{record.batch_id} belongs to another key of {remote.name} than the one that is set"
        return PermanentError(message, hint="set the key, organisation or project that it was sent with")
    online = record.online.heard(Odd.UNKNOWN, run.ctx.fx.now())
    if online != record.online:
        run.publish(attrs.evolve(record, online=online))
    if not online.heard_out(Odd.UNKNOWN):
        return Later(f"{remote.name} does not know {record.batch_id} ({error.message})", SOON)
    hint = (
        f"look for it in the list of batches at {remote.name}\n"
        f"reconcile resubmit WORKSPACE {record.name}    to send it again, and pay again"
    )
    return PermanentError(f"{remote.name} does not know {record.batch_id} any more", hint=hint)
