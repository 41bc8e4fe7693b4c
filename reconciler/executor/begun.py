"""The mark that user code may have begun, written before it does; see docs/processors.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from reconciler.executor.context import Run
from reconciler.model.receipt import STARTED
from reconciler.model.record import Record

REMEMBERED: Final = 32
"""Tokens that are remembered for one operation of a batch."""


@attrs.frozen
class Begun:
    """
    What is known of earlier invocations.

    Attributes:
        redelivery: One with this very token may have begun.
        tokens: Every token under which one has begun, this one included; for the receipt.
    """

    redelivery: bool
    tokens: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, object]:
        """As it stands in a receipt."""
        return {"begun": list(self.tokens)} if self.tokens else {}


def begun(verb: str, token: str, record: Record, run: Run, code: Mapping[str, str]) -> Begun:
    """
    Write down that user code begins, before it does; built-in processors need no such mark.

    Args:
        verb: The operation.
        token: Of the invocation.
        record: The metadata of the batch.
        run: What the operations of the plan share.
        code: Who begins, as receipts know it; empty for what is built in.
    """
    receipt = record.receipts.get(verb, {})
    known = tuple(receipt.get("begun", ()))
    if not code:
        return Begun(redelivery=False, tokens=known)
    tokens = known if token in known else (*known, token)[-REMEMBERED:]
    moved = receipt.get("named") != code.get("named")
    if token in known and receipt.get("token") == token and not moved:
        return Begun(redelivery=True, tokens=tokens)
    started = {"token": token, **code, "state": STARTED, "begun": list(tokens)}
    run.publish(attrs.evolve(record, receipts={**record.receipts, verb: started}))
    return Begun(redelivery=token in known, tokens=tokens)
