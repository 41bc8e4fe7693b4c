"""
Let published files say which requests a child asks again, once that was decided after they were published.

Line by line: what processors have made of the other requests stays, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from reconciler.executor.context import Context
from reconciler.executor.hashing import digest_of
from reconciler.executor.tabling import again
from reconciler.model.coverage import hash_id
from reconciler.model.identity import BatchName
from reconciler.workspace.fields import digest_fields

_SUFFIXES: Final = (".results.jsonl", ".files/index.jsonl")
"""Published files whose lines carry `custom_id` and `outcome`."""

_BECOMES: Final = "becomes"
"""In a receipt: size and SHA-256 of the file that is about to take the place of the published one."""


def repoint(
    ctx: Context,
    receipt: Mapping[str, Any],
    owners: Mapping[int, BatchName],
    write: Callable[[Mapping[str, Any]], object],
) -> Mapping[str, Any]:
    """
    Replace the outcome of the ids in *owners* by `retried`, and name the child.

    A file that somebody has edited gets these words, too, but no receipt vouches for it: it must never be
    taken for all that was published.

    Args:
        ctx: Rooms and settings.
        receipt: What the output processor published.
        owners: The child that asks an id again, by the hash of the id.
        write: Puts the receipt where it lasts, before the file is replaced: after a crash it tells what was
            made here from what somebody has edited.

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

    there, made = digest_fields(ctx.fx.digest(path)), digest_fields(digest_of(lines()))
    ours = there.items() <= receipt.items()
    vouched = ours or receipt.get(_BECOMES) == there
    if ours and receipt.get(_BECOMES) != made:
        write({**receipt, _BECOMES: made})
    ctx.fx.publish(path, lines(), replace=True)
    kept = {key: value for key, value in receipt.items() if key != _BECOMES}
    return again(ctx, {**kept, **made} if vouched else kept)


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
