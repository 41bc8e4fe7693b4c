"""Hand a settled batch to its processors once more, aside, and put what came of it in place of the old."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO, Final, Self

import attrs
import msgspec

from reconciler.executor.comparing import Difference, compare_files
from reconciler.executor.context import Context
from reconciler.executor.executor import Execution
from reconciler.executor.unhandled import discard_unhandled, read_item
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import ProcessErrors, ProcessOutput
from reconciler.model.plan import Plan
from reconciler.model.record import Record
from reconciler.processors.base import Processor
from reconciler.processors.files import INDEX, leaves
from reconciler.processors.results import csv_as
from reconciler.workspace import combined, ledger, metadata, settled
from reconciler.workspace.aside import AsideEffects, aside, clear, written
from reconciler.workspace.layout import FAILED_ITEMS, FAILED_REPAIRS, TARGET
from reconciler.workspace.reading import BLOCK

_PUBLIC: Final = (f"{TARGET}/", f"{FAILED_ITEMS}/", f"{FAILED_REPAIRS}/")
"""Where processors publish to; what else a handler writes is of no account for a settled batch."""


def settled_record(ctx: Context, name: BatchName) -> Record:
    """
    The metadata of a settled batch, with everything that its manifest knows better.

    Raises:
        BadMetadata: One of the two cannot be trusted.
        FileNotFoundError: There is no manifest.
    """
    manifest = settled.read(ctx.fx, name)
    path = f"{settled.folder_of(name)}/{file_name(Role.METADATA, name)}"
    record = Record(name)
    if ctx.fx.kind(path) is not None:
        record = metadata.decode(ctx.fx.read(path), path, name)
    return attrs.evolve(
        record,
        parent=manifest.parent,
        attempt=manifest.attempt,
        provider=manifest.provider,
        coverage=manifest.coverage,
        children=manifest.children,
        receipts=manifest.receipts,
    )


@attrs.frozen(kw_only=True)
class SettledContext(Context):
    """
    What handlers get for a settled batch: its metadata is not where that of a live one would be.

    Attributes:
        of: What is known of it before anything is done.
    """

    of: Record

    def record(self, name: BatchName) -> Record | None:
        """The metadata of the batch, with what this replay has noted in it, aside."""
        path = aside(self.record_path(name))
        if self.look.kind(path) is None:
            return self.of
        return metadata.decode(self.look.read(path), path, name)

    @staticmethod
    def published_at(path: str) -> str:
        """Where what was published aside can be read."""
        return aside(path)


class Aside:
    """
    The place where one batch is replayed; what stands there goes when this ends.

    Args:
        ctx: Rooms and settings.
        record: What is known of the batch.
        decision: The plan that is carried out.
    """

    def __init__(self, ctx: Context, record: Record, decision: Plan) -> None:
        self._real = ctx
        self._name = record.name
        self._fx = AsideEffects(ctx.fx.root, ctx.fx.tell, clock=ctx.fx.now)
        fields = {each.name: getattr(ctx, each.name) for each in attrs.fields(Context)}
        self.ctx = SettledContext(**{**fields, "look": self._fx}, of=_handed_before(ctx, record, decision))

    def __enter__(self) -> Self:
        """Nothing of another batch lies there."""
        clear(self._real.fx)
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing is left there."""
        self._fx.close()
        clear(self._real.fx)

    def receipts(self, done: Execution) -> dict[str, dict[str, Any]]:
        """What the processors have proven, as it stands in a manifest."""
        return {receipt.verb: dict(receipt.facts) for receipt in done.receipts}

    def files(self) -> list[str]:
        """What was made, by the paths that it is for; an index comes last."""
        made = [path for path in written(self._real.fx) if path.startswith(_PUBLIC)]
        return sorted(made, key=lambda path: (path.endswith(f"/{INDEX}"), path))

    def unhandled(self) -> Iterator[Mapping[str, Any]]:
        """The answers that could not be handled, as they were written down."""
        return chain.from_iterable(map(self._unhandled_in, (FAILED_ITEMS, FAILED_REPAIRS)))

    def _unhandled_in(self, folder: str) -> Iterator[Mapping[str, Any]]:
        """Those of one file."""
        path = aside(f"{folder}/{self._name}.jsonl")
        if self._real.fx.fact(path) is None:
            return
        with self._real.fx.open(path) as lines:
            yield from (msgspec.json.decode(line) for line in lines if not read_item(line).given_up)

    def difference(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
        """How what would be published differs from what is there."""
        look = self._real.fx
        found = Difference()
        named = {after["path"]} if "path" in after else set()
        # The CSV holds the rows of the lines, which are compared.
        named |= set(after.get("files", ())) - {csv_as(self._name)}
        value = f"{TARGET}/{self._name}.value.json"
        if before.get("path") == value:
            named.add(value)
        new = set(self.files())
        for path in sorted(named):
            old = path if look.fact(path) is not None else None
            found += compare_files(look, path, old, aside(path) if path in new else None)
        return found


def _handed_before(ctx: Context, record: Record, decision: Plan) -> Record:
    """The record in which this work has begun before: a replay is redelivery, whatever came of it then."""
    if not isinstance(ctx.plugged.hooks_of(record.name).output, Processor):
        # What is built in is told nothing of that, and nobody has to remember it.
        return record
    token = next(step.token for step in decision.steps if isinstance(step, ProcessOutput))
    receipt = record.receipts.get(ProcessOutput.verb, {})
    known = [each for each in receipt.get("begun", ()) if each != token]
    begun = {**receipt, "token": token, "begun": [*known, token]}
    return attrs.evolve(record, receipts={**record.receipts, ProcessOutput.verb: begun})


def publish_replayed(
    ctx: Context,
    name: BatchName,
    made: Aside,
    before: Mapping[str, Any],
    after: Mapping[str, Mapping[str, Any]],
) -> tuple[str, ...]:
    """
    Put what was made aside in place of what is published, then let manifest and history know.

    Each file is replaced whole, an index after the files that it names. A crash in between leaves some of the
    new and some of the old, and the manifest of the old: the same replay once more completes it.

    Returns:
        The paths that were replaced or are new.
    """
    published = []
    combined.void(ctx.fx, ctx.voiding)
    for path in made.files():
        if path.endswith(f"/{INDEX}"):
            _remove_unnamed(ctx, path)
        if ctx.fx.fact(path) is None or ctx.fx.digest(path) != ctx.fx.digest(aside(path)):
            with ctx.fx.open(aside(path)) as stream:
                ctx.fx.publish(path, _blocks_of(stream), replace=True)
            published.append(path)
    output = after[ProcessOutput.verb]
    if "unhandled" not in output and "unhandled" in before:
        discard_unhandled(ctx, name)
    value = f"{TARGET}/{name}.value.json"
    if before.get("path") == value and output.get("path") != value:
        ctx.fx.discard(value)
    if _proof(output) != _proof(before) or published:
        _let_manifest_know(ctx, name, after)
    return tuple(published)


def _blocks_of(stream: BinaryIO) -> Iterator[bytes]:
    """A file in blocks."""
    while block := stream.read(BLOCK):
        yield block


def _remove_unnamed(ctx: Context, index: str) -> None:
    """Remove the files that the index in place names and the new one does not."""
    if ctx.fx.fact(index) is None:
        return
    folder = index.rpartition("/")[0]
    for leaf in sorted(leaves(ctx.fx.read(index)) - leaves(ctx.fx.read(aside(index)))):
        ctx.fx.unlink(f"{folder}/{leaf}")


def _proof(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt without what merely says how often work has begun, and where its code lay."""
    return {key: value for key, value in receipt.items() if key not in ("begun", "named")}


def _let_manifest_know(ctx: Context, name: BatchName, after: Mapping[str, Mapping[str, Any]]) -> None:
    """History first, then the manifest, in which the receipts are replaced."""
    manifest = settled.read(ctx.fx, name)
    output = after[ProcessOutput.verb]
    ledger.append_once(
        ctx.fx,
        ctx.history,
        "batch.replayed",
        name,
        processor=output.get("processor"),
        token=output.get("token"),
    )
    receipts = {**manifest.receipts, ProcessOutput.verb: output}
    if ProcessErrors.verb in after:
        kept = {**manifest.receipts.get(ProcessErrors.verb, {}), **after[ProcessErrors.verb]}
        receipts[ProcessErrors.verb] = kept
    path = f"{settled.folder_of(name)}/{settled.MANIFEST}"
    document = settled.encode(attrs.evolve(manifest, receipts=receipts))
    ctx.fx.publish(path, (document,), replace=True)
