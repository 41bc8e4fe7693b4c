"""
Let published files say which requests a child asks again, once that was decided after they were published.

Line by line: what processors have made of the other requests stays, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from reconciler.executor.context import Context
from reconciler.executor.tabling import again
from reconciler.model.coverage import hash_id
from reconciler.model.identity import BatchName
from reconciler.workspace.fields import digest_fields

_SUFFIXES: Final = (".results.jsonl", ".files/index.jsonl")
"""Published files whose lines carry `custom_id` and `outcome`."""


def repoint(ctx: Context, receipt: Mapping[str, Any], owners: Mapping[int, BatchName]) -> Mapping[str, Any]:
    """
    Replace the outcome of the ids in *owners* by `retried`, and name the child.

    Args:
        ctx: Rooms and settings.
        receipt: What the output processor published.
        owners: The child that asks an id again, by the hash of the id.

    Returns:
        The receipt as it is now; the same when nothing was published that names outcomes.
    """
    path = receipt.get("path", "")
    if not path.endswith(_SUFFIXES) or ctx.fx.fact(path) is None:
        return receipt

    def lines() -> Iterator[bytes]:
        with ctx.fx.open(path) as stream:
            for line in stream:
                yield _repointed(line, owners)

    return again(ctx, {**receipt, **digest_fields(ctx.fx.publish(path, lines(), replace=True))})


def _repointed(line: bytes, owners: Mapping[int, BatchName]) -> bytes:
    """One line, changed where its request went over to a child."""
    try:
        row = msgspec.json.decode(line)
        child = owners.get(hash_id(row["custom_id"]))
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError, UnicodeError):
        # Somebody has edited the file: what is not ours stays as it is.
        return line
    if child is None:
        return line
    return msgspec.json.encode({**row, "outcome": "retried", "child": child}) + b"\n"
