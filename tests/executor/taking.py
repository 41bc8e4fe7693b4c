"""A processor of whole batches for tests: it notes what it gets, and publishes what it is told to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from reconciler.processors.base import BatchContext, ProcessedBatch


@attrs.define
class Taken:
    """A processor of batches that notes what it gets, then does what it is told."""

    what: Callable[[ProcessedBatch, BatchContext], Any] = lambda _batch, _context: None
    batches: list[ProcessedBatch] = attrs.field(factory=list)
    contexts: list[BatchContext] = attrs.field(factory=list)

    def __call__(self, batch: ProcessedBatch, context: BatchContext) -> Any:
        """Note the call."""
        self.batches.append(batch)
        self.contexts.append(context)
        return self.what(batch, context)

    @property
    def handed(self) -> list[tuple[str, bool]]:
        """Token and redelivery of each call."""
        return [(each.token, each.redelivery) for each in self.contexts]


def publishing(**leaves: Any) -> Taken:
    """A processor that publishes so many files; the dots of their names are written as double underscores."""

    def publish(_batch: ProcessedBatch, context: BatchContext) -> None:
        for leaf, data in leaves.items():
            context.publish(leaf.replace("__", "."), data() if callable(data) else data)

    return Taken(publish)


def published(root: Path, name: str = "1") -> dict[str, bytes]:
    """What lies in the folder of a batch's files."""
    folder = root / "target" / f"{name}.files"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
