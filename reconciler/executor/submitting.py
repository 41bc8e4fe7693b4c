"""
Send an input to a provider, so that it is paid for once whatever happens on the way.

Each step is written down before the next begins: the intent before anything leaves, `creating` before the
create. From then on only a search may tell what became of it; the create itself is sent once, ever.

    prepared    an intent is on disk, maybe an upload nobody knows of (which costs nothing)
    uploaded    the input lies at the provider
    creating    the create may have arrived: never repeat it, look for it
    submitted   the provider's id is on disk
    rejected    the provider said no to the create
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from reconciler.codec.jsonl import Line
from reconciler.errors import (
    BadLine,
    CallRefused,
    Later,
    NotThere,
    PermanentError,
    ReconcilerError,
    Uncertain,
)
from reconciler.executor import charging
from reconciler.executor.context import Context, Run
from reconciler.executor.crowding import wait_for_room
from reconciler.executor.fencing import fence
from reconciler.executor.inputs import check_input, refuse_copy
from reconciler.executor.reading import Lines
from reconciler.executor.remotes import NO_CREDIT, remote_of
from reconciler.executor.submitted import submitted
from reconciler.executor.walling import hold_back, place_of
from reconciler.model.exchange import Request
from reconciler.model.facts import FileFact
from reconciler.model.identity import Role
from reconciler.model.operation import Submit
from reconciler.model.receipt import Receipt
from reconciler.model.record import PATIENCE, Counts, InputFact, Online, Record, Refusal, Submission
from reconciler.model.remote import Order
from reconciler.model.words import many
from reconciler.planner.in_flight import LONGEST_WAIT
from reconciler.providers.base import Remote
from reconciler.providers.calls import Source
from reconciler.workspace import ledger

AGAIN: Final = 15.0
"""Seconds until a provider is asked again that was not ready; doubled each time."""

_BEFORE_CREATE: Final = (None, Submission.PREPARED, Submission.UPLOADED)

_NO_FILE: Final = "cannot find file"
"""How a create begins its refusal of a file that was uploaded a moment ago (curator#116)."""

_FRESH: Final = (None, Submission.PREPARED)


def submit(step: Submit, run: Run) -> Receipt:
    """
    Take a submission from wherever it stands to its batch id.

    Raises:
        BadLine: The input cannot be sent as it is; nothing was.
        PermanentError: It must not be sent, or the provider refused it.
        KeyRefused, Later, TransientError: Nothing was created; the next pass goes on from here.
        Walled: Others were refused there, every request alike; nothing was sent.
        CostLimitExceeded: It may cost more than what is left; nothing was sent.
    """
    ctx, fact = run.ctx, step.expects.files[Role.INPUT]
    remote = remote_of(ctx.plugged.hooks_of(step.name).providers, step.provider)
    record = ctx.record(step.name) or Record(step.name)
    shape, quoting = _Shape(remote, fact), charging.Quoting(ctx.prices, remote)

    def take(request: Request, line: Line) -> None:
        shape.take(request, line)
        quoting.take(request)

    asked = check_input(ctx, fact, take)
    shape.whole()
    if record.input is not None and record.input != asked:
        told = f"{fact.path} is not the input that its metadata knows; nothing was sent"
        raise PermanentError(told, hint="put that input back; another one needs a name of its own")
    _refuse_size(remote, fact, asked)
    if record.parent is None and not step.again and record.state in _BEFORE_CREATE:
        # Also where a submission was cut off: a copy may have been sent since.
        refuse_copy(ctx, step.name, asked.digest, fresh=record.state is None)
    probes = 0 if step.again else step.probes
    wait_for_room(ctx, step, remote, fact, shape.named)
    hold_back(ctx, step.name, place_of(remote, shape.named), probes, step.wait)
    uncreated = record.state in (Submission.PREPARED, Submission.UPLOADED)
    # What lies at another account is prepared anew, and counts no more.
    begun = uncreated and record.account == remote.account
    charging.refuse(ctx, step.name, quoting.quote, record.intent if uncreated else None)
    if step.again:
        fence(run, remote, record, step.not_before)
    # What is paid for must not lose its questions in a power cut; who wrote them need not have synced them.
    ctx.fx.sync_files([fact.path])
    if not begun:
        record = _prepare(run, remote, record, asked, shape)
    charging.reserve(ctx, step.name, quoting.quote, record.intent or "")
    source = _source(ctx, fact)
    if remote.takes_file:
        record = _upload(run, remote, record, source)
    return _create(run, remote, record, source, shape.model)


class _Shape:
    """What all lines of an input have to agree on: their shape, their endpoint and, for some, the model."""

    def __init__(self, remote: Remote, fact: FileFact) -> None:
        self._remote = remote
        self._path = fact.path
        self.endpoint = ""
        self.named: str | None = None
        self._begun = False
        self.model = remote.model

    def take(self, request: Request, line: Line) -> None:
        """
        Look at one request.

        Raises:
            BadLine: The provider would not take it.
        """
        remote = self._remote
        if not self._begun:
            self._begun, self.named = True, request.model
        if request.dialect not in remote.dialects:
            wanted = " or ".join(sorted(remote.dialects))
            told = f"a line in the shape of {request.dialect.value}; {remote.name} takes lines of {wanted}"
            raise BadLine(self._path, line.number, told)
        endpoint = request.url or remote.endpoint
        self.endpoint = self.endpoint or endpoint
        if endpoint != self.endpoint:
            told = f"its url is {endpoint}, and that of the first line is {self.endpoint}; a batch has one"
            raise BadLine(self._path, line.number, told)
        if remote.one_model and request.model and request.model != (self.model or request.model):
            told = f"its model is {request.model:.80}, and that of the batch is {self.model:.80}"
            raise BadLine(self._path, line.number, f"{told}; a batch has one")
        self.model = self.model or request.model

    def whole(self) -> None:
        """
        Hold the input to saying what the create has to say, once all of it was looked at.

        Raises:
            BadLine: It does not.
        """
        if self._remote.one_model and not self.model:
            told = f"no line names a model, and {self._remote.name} wants one for a batch"
            raise BadLine(self._path, 1, told, hint="name it in the lines, or set model under [provider]")


def _refuse_size(remote: Remote, fact: FileFact, asked: InputFact) -> None:
    """
    Hold an input to what a provider takes in one batch.

    Raises:
        PermanentError: It is too large; nothing was sent.
    """
    limits = remote.limits
    if limits.requests is not None and asked.requests > limits.requests:
        told = f"{many(asked.requests, 'request')}; {remote.name} takes {limits.requests} in one batch"
    elif fact.size > limits.size:
        told = f"{fact.size} bytes; {remote.name} takes {limits.size} in one batch"
    else:
        return
    raise PermanentError(f"{fact.path} has {told}; nothing was sent", hint="make several inputs of it")


def _source(ctx: Context, fact: FileFact) -> Source:
    """The request lines as they are sent: no byte order mark, no blank lines, every line ended."""

    def read(offset: int) -> Iterator[bytes]:
        for line in Lines(ctx, fact):
            data = line.data + b"\n"
            if offset < len(data):
                yield data[offset:] if offset else data
            offset = max(offset - len(data), 0)

    return Source(sum(len(line.data) + 1 for line in Lines(ctx, fact)), read)


def _prepare(run: Run, remote: Remote, record: Record, asked: InputFact, shape: _Shape) -> Record:
    """Write down a new intent; from here on an upload may lie there that nobody knows of."""
    if record.state in (Submission.PREPARED, Submission.UPLOADED):
        charging.release(run.ctx, record.name, record.intent)
    return run.publish(
        attrs.evolve(
            record,
            input=asked,
            provider=remote.name,
            endpoint=shape.endpoint or None,
            account=remote.account,
            state=Submission.PREPARED,
            sent_at=None,
            intent=run.ctx.token(),
            batch_id=None,
            input_file_id=None,
            # What another batch has said, and what came of it, says nothing of this one.
            output_file_id=None,
            error_file_id=None,
            status=None,
            counts=Counts(),
            results_until=None,
            roles={},
            receipts={},
            coverage=None,
            online=Online(tries=record.online.tries),
        )
    )


def _upload(run: Run, remote: Remote, record: Record, source: Source) -> Record:
    """Have the input at the provider, ready to be made a batch of."""
    with run.ctx.remotes.asking(remote) as wire:
        if record.state in _FRESH or record.input_file_id is None:
            file_id = remote.upload(wire, source, f"batch_input_{record.intent}.jsonl")
            record = run.publish(attrs.evolve(record, state=Submission.UPLOADED, input_file_id=file_id))
        try:
            ready = record.input_file_id is None or remote.is_ready(wire, record.input_file_id)
        except NotThere as error:
            raise _without_file(run, record, error) from error
        if not ready:
            raise _back(run, record, Later(f"{remote.name} is still processing the upload", 0.0))
    return record


def _create(run: Run, remote: Remote, record: Record, source: Source, model: str | None) -> Receipt:
    """The create, and what came of it."""
    if record.input is None or record.intent is None:
        told = f"{run.ctx.record_path(record.name)} lacks what its submission needs; nothing was created"
        raise PermanentError(told, hint="put it back as it was")
    ctx, requests = run.ctx, record.input.requests
    if record.is_over(ctx.fx.now()):
        # An upload may take long. Nothing was created, so the next pass ends it here.
        raise _back(run, record, Later("its time limit was over before its batch was created", 0.0))
    ctx.remotes.hold_back(remote)
    order = Order(record.intent, record.endpoint or "", model, requests)
    facts = {"provider": remote.name, "input": record.input.digest.sha256, "requests": requests}
    facts["reserved"] = charging.reserved(ctx, record.intent)
    ledger.append_once(ctx.fx, ctx.history, "batch.creating", record.name, intent=record.intent, **facts)
    record = run.publish(
        attrs.evolve(
            record,
            state=Submission.CREATING,
            sent_at=ctx.fx.now(),
            online=Online(tries=record.online.tries),
        )
    )
    try:
        with ctx.remotes.asking(remote) as wire:
            made = remote.create(wire, order, source, record.input_file_id)
    except Uncertain as error:
        told = f"no reply to the create ({error.message}); looking for the batch"
        return Receipt(record.name, Submit.verb, told, {"uncertain": True})
    except CallRefused as error:
        raise _refused(run, record, error) from error
    except ReconcilerError as error:
        # All others are raised before anything leaves: once it may have, a client says Uncertain.
        raise _back(run, record, error) from error
    # History first: a batch that was paid for is in it, wherever the process may die.
    ledger.append(ctx.fx, "batch.submitted", record.name, batch_id=made.batch_id, intent=record.intent)
    submitted(run, record, made)
    told = f"{many(requests, 'request')} sent to {remote.name} as {made.batch_id}"
    return Receipt(record.name, Submit.verb, told, {"batch_id": made.batch_id, "requests": requests})


def _back(run: Run, record: Record, error: ReconcilerError) -> ReconcilerError:
    """Nothing was created: the submission stands where it stood before the create, and may go on later."""
    online = Online(tries=record.online.tries)
    if isinstance(error, Later):
        # A full quota empties as batches end, which takes minutes to hours: ask less and less often.
        wait = min(max(error.seconds, AGAIN * 2**record.online.tries), LONGEST_WAIT)
        online = Online(tries=record.online.tries + 1, not_before=run.ctx.fx.now() + wait)
        error = Later(error.message, wait, hint=error.hint)
    state = Submission.PREPARED if record.input_file_id is None else Submission.UPLOADED
    run.publish(attrs.evolve(record, state=state, sent_at=None, online=online))
    return error


def _refused(run: Run, record: Record, error: CallRefused) -> ReconcilerError:
    """The provider said no to the create."""
    if error.code in NO_CREDIT:
        return _back(run, record, error)
    if _NO_FILE in error.told.lower():
        return _without_file(run, record, error)
    refusal = Refusal(error.code, error.told or error.message)
    charging.release(run.ctx, record.name, record.intent)
    run.publish(attrs.evolve(record, state=Submission.REJECTED, online=Online(refusals=(refusal,))))
    return error


def _without_file(run: Run, record: Record, error: CallRefused) -> ReconcilerError:
    """The provider does not know the upload: it lists it late, or keeps it no more. Nothing was created."""
    told = f"{record.provider} does not know the uploaded file"
    if record.online.tries + 1 < PATIENCE:
        return _back(run, record, Later(f"{told} yet ({error.message})", 0.0))
    record = attrs.evolve(record, input_file_id=None, online=Online())
    return _back(run, record, Later(f"{told} any more, and is given it anew ({error.message})", 0.0))
