"""The mark that user code may have begun, written before it does; see docs/architecture.md, "Processors"."""

from __future__ import annotations

import attrs

from reconciler.executor.context import Run
from reconciler.model.receipt import STARTED
from reconciler.model.record import Record
from reconciler.processors.base import OutputProcessor, Processor


def begun(verb: str, token: str, record: Record, run: Run, processor: OutputProcessor) -> bool:
    """
    Write down that user code begins, before it does; built-in processors need no such mark.

    Returns:
        Whether it may have begun with this very token before.
    """
    if not isinstance(processor, Processor):
        return False
    if record.receipts.get(verb, {}).get("token") == token:
        return True
    started = {"token": token, "processor": processor.identity, "state": STARTED}
    run.publish(attrs.evolve(record, receipts={**record.receipts, verb: started}))
    return False
