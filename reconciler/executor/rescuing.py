"""Write down that the leftovers of a batch are asked live; everything else follows from that note."""

from __future__ import annotations

import attrs

from reconciler.executor.context import Run
from reconciler.model.operation import Rescue
from reconciler.model.policy import LOCAL
from reconciler.model.receipt import Receipt
from reconciler.workspace import ledger


def rescue(step: Rescue, run: Run) -> Receipt:
    """
    Note it in metadata, before its provider is asked to stop the batch and before anything is asked live.

    A batch that no provider has becomes the embedded one's own.
    """
    ctx = run.ctx
    record = ctx.record(step.name)
    assert record is not None  # noqa: S101 - no plan rescues a batch without, and it was there just now
    facts = {} if record.batch_id is None else {"batch_id": record.batch_id}
    ledger.append_once(ctx.fx, ctx.history, "batch.rescued", step.name, why=step.why, **facts)
    if not record.online.rescue:
        provider = LOCAL if record.batch_id is None else record.provider
        online = attrs.evolve(record.online, rescue=True)
        run.publish(attrs.evolve(record, provider=provider, online=online))
    return Receipt(step.name, step.verb, "what of it has no answer is asked live", {"why": step.why})
