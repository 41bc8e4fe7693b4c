"""
Hold a batch back while its provider has enough of them: `[policy] max_in_flight` and `max_enqueued_tokens`.

What is under way is counted from metadata each time, so a restart changes nothing. Whoever was held keeps its
turn: those behind it wait as well, for the rest of the pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.errors import BadMetadata, NoRoom, PermanentError
from reconciler.executor.context import Context
from reconciler.executor.walling import model_of
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import Submit
from reconciler.model.record import Record
from reconciler.planner.crowding import is_under_way, told_full
from reconciler.providers.base import Remote
from reconciler.workspace.scan import scan

_BYTES_PER_TOKEN: Final = 3
"""Of a request line; text alone has about four, and other scripts than Latin fewer."""


def wait_for_room(ctx: Context, step: Submit, remote: Remote, fact: FileFact, model: str | None) -> None:
    """
    Hold a batch back before anything of it is sent, where its provider has enough.

    Args:
        ctx: Rooms and settings.
        step: What is to be sent.
        remote: Where it would go.
        fact: Its input.
        model: What its first line asks for; None where the settings name one for all.

    Raises:
        NoRoom: Others are under way; it goes once there is room.
        PermanentError: It alone is too much.
    """
    if not step.most and not step.most_tokens:
        return
    full = ctx.remotes.full.get(remote.name) or ctx.remotes.full.get(f"{remote.name} {model}")
    if full:
        raise NoRoom(full, step.wait)
    others = [(name, found) for name, found in _records(ctx) if name != step.name and _is_at(found, remote)]
    if step.most and len(others) >= step.most:
        ctx.remotes.full[remote.name] = told_full(remote.name, step.most)
        raise NoRoom(told_full(remote.name, step.most), step.wait)
    if not step.most_tokens:
        return
    tokens = tokens_of(fact.size)
    limit = f"[policy] max_enqueued_tokens is {step.most_tokens}"
    if tokens > step.most_tokens:
        hint = "make smaller inputs of it (reconcile split), or raise max_enqueued_tokens"
        raise PermanentError(f"about {tokens} tokens, and {limit}; nothing was sent", hint=hint)
    queued = sum(_size(ctx, name) for name, _ in others if _model(ctx, name) == model)
    if tokens_of(queued) + tokens > step.most_tokens:
        told = f"about {tokens_of(queued)} tokens at {remote.name} for {model}, {tokens} here, and {limit}"
        ctx.remotes.full[f"{remote.name} {model}"] = told
        raise NoRoom(told, step.wait)


def tokens_of(size: int) -> int:
    """About how many tokens so many bytes of request lines are, rather too many than too few."""
    return -(-size // _BYTES_PER_TOKEN)


def _records(ctx: Context) -> Iterator[tuple[BatchName, Record | None]]:
    """Every live batch with its metadata; None where that cannot be trusted."""
    for name, roles in scan(ctx.fx, ctx.layout).batches.items():
        if Role.METADATA in roles:
            try:
                yield name, ctx.record(name)
            except BadMetadata:
                yield name, None


def _is_at(record: Record | None, remote: Remote) -> bool:
    """Whether a batch is under way there."""
    return record is not None and record.provider == remote.name and is_under_way(record)


def _input(ctx: Context, name: BatchName) -> FileFact | None:
    """The input of a live batch."""
    return ctx.fx.fact(ctx.layout.live_path(file_name(Role.INPUT, name)))


def _size(ctx: Context, name: BatchName) -> int:
    """Bytes of its input."""
    fact = _input(ctx, name)
    return 0 if fact is None else fact.size


def _model(ctx: Context, name: BatchName) -> str | None:
    """What its first line asks for."""
    fact = _input(ctx, name)
    return None if fact is None else model_of(ctx, fact)
