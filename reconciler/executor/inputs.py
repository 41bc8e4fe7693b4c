"""Hold a whole input to being requests, each once, and to being new, before anybody is asked anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler.codec.jsonl import Line
from reconciler.codec.request import decode_request
from reconciler.errors import BadLine, PermanentError
from reconciler.executor.context import Context, View
from reconciler.executor.reading import Lines
from reconciler.model.coverage import FileDigest, hash_id
from reconciler.model.exchange import Request
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName
from reconciler.model.record import InputFact

_FAULTS: Final = 5
"""How many faults of an input are named; the rest is counted."""


def check_input(
    ctx: View, fact: FileFact, each: Callable[[Request, Line], None] = lambda _request, _line: None
) -> InputFact:
    """
    Read the whole input before anything is asked.

    Args:
        ctx: Rooms and settings.
        fact: The input as it was seen.
        each: Told of every request; may raise BadLine.

    Raises:
        BadLine: A line is no request, or an id is given twice; the first few of them.
    """
    seen: set[int] = set()
    faults: list[BadLine] = []
    lines = Lines(ctx, fact, digest=True)
    for line in lines:
        try:
            request = decode_request(line, fact.path)
            hashed = hash_id(request.custom_id)
            if hashed in seen:
                raise BadLine(fact.path, line.number, "its custom_id stands on an earlier line too")  # noqa: TRY301 - collected like the others
            seen.add(hashed)
            each(request, line)
        except BadLine as error:
            faults.append(error)
    if not faults and not seen:
        raise BadLine(fact.path, 0, "there is no request in it")
    if faults:
        first, *more = faults
        told = "".join(f"; line {each.line}: {each.reason}" for each in more[: _FAULTS - 1])
        told += f"; and {len(faults) - _FAULTS} more" if len(faults) > _FAULTS else ""
        raise BadLine(fact.path, first.line, first.reason + told, hint="mend the input, then run again")
    return InputFact(lines.digest, len(seen))


def refuse_copy(ctx: Context, name: BatchName, digest: FileDigest, *, fresh: bool = False) -> None:
    """
    Hold an input to being new.

    Args:
        ctx: Rooms and settings.
        name: The batch.
        digest: Its input.
        fresh: Its metadata knows of no submission, so history may not either.

    Raises:
        PermanentError: History knows the same input under another name.
    """
    for known in ctx.history.payers(ctx.fx, digest.sha256):
        if known != name:
            message = f"the same input was sent before, as batch {known}"
            raise PermanentError(message, hint="remove this copy, or change it if it is another batch")
        if fresh:
            message = "this input was sent before under this very name, and its metadata is gone"
            hint = "put the metadata file back; .reconciler/ledger.jsonl tells which remote batch it was"
            raise PermanentError(message, hint=hint)
