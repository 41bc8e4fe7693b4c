"""
Look for a batch whose create may have left without its id coming back, and take it over when it is found.

Where the provider keeps tags, or makes batches of uploaded files, the tag or the file proves it. Elsewhere
its time and its number of requests make it possible, and the ids in its answers prove it, once it has ended.
"""

from __future__ import annotations

import contextlib
from typing import Final

import attrs

from reconciler.codec.jsonl import Line
from reconciler.codec.result import decode_verdict
from reconciler.codec.wire import line_number
from reconciler.errors import BadLine, NotThere, PermanentError
from reconciler.executor import charging
from reconciler.executor.context import Context, Run
from reconciler.executor.inputs import check_input
from reconciler.executor.remotes import remote_of
from reconciler.executor.submitted import submitted
from reconciler.model.identity import BatchName, Role, parse_name
from reconciler.model.operation import Adopt, FindOrphan
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.model.remote import RemoteBatch
from reconciler.model.status import Phase, phase_of
from reconciler.model.words import many
from reconciler.providers.base import Remote
from reconciler.providers.calls import Wire
from reconciler.providers.times import DAY
from reconciler.workspace import ledger, settled

SKEW: Final = 900.0
"""Seconds by which the provider's clock may differ from ours."""

LATE: Final = 900.0
"""Seconds after the create left within which it may still have been worked on."""

HEAD: Final = 1 << 20
"""Bytes of answers that are read to see whose ids stand in them."""


@attrs.frozen
class Found:
    """
    What a search came to.

    Attributes:
        proven: Batches that are this one, the oldest first.
        possible: Batches that may be.
    """

    proven: tuple[RemoteBatch, ...] = ()
    possible: tuple[RemoteBatch, ...] = ()


def find_orphan(step: FindOrphan, run: Run) -> Receipt:
    """
    Search, and write down what was found.

    Raises:
        ReconcilerError: The provider cannot be asked.
    """
    ctx, record = run.ctx, run.ctx.record(step.name) or Record(step.name)
    remote = remote_of(ctx.plugged.hooks_of(step.name).providers, step.provider)
    found = search(run, remote, record)
    if found.proven:
        first, *extra = found.proven
        _cancel_all(run, remote, record, extra)
        adopted(run, record, first)
        told = f"found as {first.batch_id}"
        told += f"; {many(len(extra), 'batch', 'batches')} of the same intent cancelled" if extra else ""
        maybe = [each.batch_id for each in found.possible]
        # What may be another's is never cancelled; `audit` goes on naming it.
        told += f"; {', '.join(maybe)} may be of the same intent, too: see `reconcile audit`" if maybe else ""
        facts = {"batch_id": first.batch_id, "cancelled": len(extra), "candidates": maybe}
        return Receipt(step.name, step.verb, told, facts)
    candidates = tuple(each.batch_id for each in found.possible)
    if record.online.candidates != candidates:
        run.publish(attrs.evolve(record, online=attrs.evolve(record.online, candidates=candidates)))
    told = f"{many(len(candidates), 'batch', 'batches')} may be it" if candidates else "not found"
    return Receipt(step.name, step.verb, told, {"candidates": list(candidates)})


def adopt(step: Adopt, run: Run) -> Receipt:
    """
    Take over the remote batch that a person names.

    Raises:
        NotThere: The provider knows nothing of it.
        PermanentError: It cannot be this batch.
    """
    ctx, record = run.ctx, run.ctx.record(step.name) or Record(step.name)
    remote = remote_of(ctx.plugged.hooks_of(step.name).providers, step.provider)
    with ctx.remotes.asking(remote) as wire:
        found = remote.status(wire, step.batch_id)
    # Where its metadata is new, or lost, what is adopted is held against the input as it is now.
    asked = record.input or check_input(ctx, step.expects.files[Role.INPUT])
    total = found.counts.total
    if total not in (None, 0, asked.requests):
        told = f"{step.batch_id} has {many(total or 0, 'request')}, {step.name} has {asked.requests}"
        raise PermanentError(f"{told}: it is another batch")
    other = _holder(ctx, step.name, found.batch_id)
    if other is not None:
        told = f"{found.batch_id} is {other} here already, and its answers are to the requests of {other}"
        raise PermanentError(told, hint=f"move {other} out of the workspace first, if that was wrong")
    record = attrs.evolve(record, input=asked, provider=remote.name, account=remote.account)
    quoting = charging.Quoting(ctx.prices, remote)
    check_input(ctx, step.expects.files[Role.INPUT], lambda request, _line: quoting.take(request))
    charging.taken_over(ctx, step.name, quoting.quote, record.intent or found.batch_id)
    adopted(run, record, found)
    return Receipt(step.name, step.verb, f"adopted {found.batch_id}", {"batch_id": found.batch_id})


def _holder(ctx: Context, name: BatchName, batch_id: str) -> BatchName | None:
    """Another batch of the workspace, live or settled, that is this remote batch."""
    for each in ledger.entries(ctx.fx):
        if each.event not in ledger.SENT or each.fields.get("batch_id") != batch_id:
            continue
        other = parse_name(str(each.fields.get("batch")))
        if other is not None and other != name and _batch_id_of(ctx, other) == batch_id:
            return other
    return None


def _batch_id_of(ctx: Context, name: BatchName) -> str | None:
    """Which remote batch a live or settled one is; None where nobody can say."""
    known: settled.Manifest | Record | None
    try:
        is_settled = ctx.fx.kind(settled.folder_of(name)) is not None
        known = settled.read(ctx.fx, name) if is_settled else ctx.record(name)
    except (PermanentError, OSError):
        return None
    return None if known is None else known.batch_id


def adopted(run: Run, record: Record, found: RemoteBatch) -> None:
    """Write down that a remote batch is this one; history learns of it first, so that it cannot miss it."""
    ledger.append_once(run.ctx.fx, run.ctx.history, "batch.adopted", record.name, batch_id=found.batch_id)
    submitted(run, record, found)


def search(run: Run, remote: Remote, record: Record) -> Found:
    """
    Every batch of the account that is, or may be, the one of *record*.

    Raises:
        ReconcilerError: The provider cannot be asked.
    """
    if record.account not in (None, remote.account):
        message = f"the create of {record.name} was sent with another key of {remote.name} than the one set"
        raise PermanentError(message, hint="set that key: the batch can be found with no other")
    sent = record.sent_at
    # Not from when it was sent: the clock of that day may have been wrong, and a tag proves it at any time.
    since = None if sent is None else min(sent, run.ctx.fx.now()) - DAY
    proven: list[RemoteBatch] = []
    possible: list[RemoteBatch] = []
    with run.ctx.remotes.asking(remote) as wire:
        for each in remote.batches(wire, since):
            if _is_it(each, record):
                proven.append(each)
            elif remote.numbers_ids and _may_be_it(each, record):
                possible.append(each)
        undecided = []
        for each in possible:
            if phase_of(each.status) is Phase.RUNNING or not each.files:
                undecided.append(each)
                continue
            ours = _holds_our_ids(wire, remote, each, record)
            if ours is None:
                undecided.append(each)
            elif ours:
                proven.append(each)
    # Pages that overlap name a batch twice; taken for one too many, it would be cancelled.
    proven = list({each.batch_id: each for each in proven}.values())
    known = sorted(proven, key=lambda each: (each.created_at is None, each.created_at, each.batch_id))
    return Found(tuple(known), tuple(undecided))


def _is_it(each: RemoteBatch, record: Record) -> bool:
    """Whether tag or file prove it; a file is made one batch of, so it proves as much as a tag."""
    if record.intent is not None and each.intent is not None:
        return each.intent == record.intent
    return record.input_file_id is not None and each.input_file_id == record.input_file_id


def _may_be_it(each: RemoteBatch, record: Record) -> bool:
    """Whether time and number of requests agree."""
    if record.sent_at is None or record.input is None:
        return False
    if each.created_at is not None and not -SKEW <= each.created_at - record.sent_at <= LATE + SKEW:
        return False
    return each.counts.total in (None, record.input.requests)


def _holds_our_ids(wire: Wire, remote: Remote, each: RemoteBatch, record: Record) -> bool | None:
    """Whether the answers of a batch that has ended carry the mark of this intent; None if they are gone."""
    head = _Head()
    try:
        with contextlib.suppress(_Enough):
            remote.download(wire, each.files[Role.OUTPUT], head)
    except NotThere:
        # Most likely somebody else's; it must not keep us from looking at the others.
        return None
    first, newline, _ = bytes(head.data).partition(b"\n")
    if not first or (not newline and len(head.data) >= HEAD):
        return False
    try:
        custom_id = decode_verdict(Line(1, 0, first), each.batch_id).custom_id
    except BadLine:
        return False
    return line_number(custom_id, record.intent or "") is not None


class _Enough(Exception):
    """The first line is here."""


class _Head:
    """A sink that takes the first line and no more."""

    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def size(self) -> int:
        return len(self.data)

    def write(self, block: bytes) -> None:
        self.data += block
        if b"\n" in block or len(self.data) >= HEAD:
            raise _Enough

    def restart(self) -> None:
        self.data.clear()


def _cancel_all(run: Run, remote: Remote, record: Record, extra: list[RemoteBatch]) -> None:
    """End batches of the same intent that are one too many, and let history know."""
    for each in extra:
        with run.ctx.remotes.asking(remote) as wire:
            remote.cancel(wire, each.batch_id)
        ledger.append_once(
            run.ctx.fx, run.ctx.history, "batch.cancelled", record.name, batch_id=each.batch_id, why="extra"
        )
