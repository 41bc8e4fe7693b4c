"""
The results of one batch as CSV, made of the lines that were published of it: `[results] csv`.

It is part of what the output processor publishes, and its receipt vouches for it. A line that says `retried`
names the child; what came of the request there, the file of the child says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import msgspec

from reconciler.executor.context import Context
from reconciler.executor.published import row_of
from reconciler.model.identity import BatchName, lineage_root
from reconciler.model.rows import COLUMNS, ResultRow, Standing
from reconciler.processors.results import csv_as, published_as
from reconciler.processors.tables import csv_blocks
from reconciler.workspace.fields import digest_fields


def with_csv(ctx: Context, name: BatchName, published: Mapping[str, Any]) -> dict[str, Any]:
    """
    Publish the CSV beside the lines that were just published, where it is asked for or stands already.

    Args:
        ctx: Rooms and settings.
        name: The batch.
        published: What the receipt says so far; without lines of results there is no CSV.

    Returns:
        The same, with the CSV under `files`.
    """
    if published.get("path") != published_as(name) or not (ctx.csv or _stands(ctx, name)):
        return dict(published)
    digest = ctx.fx.publish(csv_as(name), csv_blocks(_rows(ctx, name), COLUMNS), replace=True)
    return {**published, "files": {**published.get("files", {}), csv_as(name): digest_fields(digest)}}


def again(ctx: Context, receipt: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt, its CSV made anew after its lines have changed; an edited line leaves it as it is."""
    name = str(receipt.get("path", "")).removeprefix("target/").removesuffix(".results.jsonl")
    if csv_as(name) not in receipt.get("files", {}):
        return dict(receipt)
    try:
        return with_csv(ctx, BatchName(name), receipt)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError):
        return dict(receipt)


def _stands(ctx: Context, name: BatchName) -> bool:
    """Whether an earlier invocation has left one, which must not stay as it was."""
    return ctx.fx.fact(csv_as(name)) is not None


def _rows(ctx: Context, name: BatchName) -> Iterator[ResultRow]:
    """The published lines as rows."""
    root = lineage_root(name)
    with ctx.fx.open(ctx.published_at(published_as(name))) as stream:
        for line in stream:
            found = msgspec.json.decode(line)
            row = row_of(found, Standing(found["outcome"]), name)
            yield attrs.evolve(row, child=found.get("child"), lineage=root)
