"""What became of settled batches: as lines for people, as fields for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.cli.console import out, paint, safe
from reconciler.model.words import many

if TYPE_CHECKING:
    from reconciler.retention import Retention


def retention(found: Retention) -> None:
    """What `retain` removed and kept, for people."""
    width = max((len(each.name) for each in found.batches), default=0)
    for each in found.batches:
        word = "would go" if found.dry_run and each.jsonl == "removed" else each.jsonl.value
        name = paint(each.name.ljust(width), "strong")
        out(f"{name}  {word.ljust(8)}  {safe(each.because)}")
    removed = [each for each in found.batches if each.jsonl == "removed"]
    size = sum(each.size for each in removed)
    verb = "would be removed" if found.dry_run else "removed"
    told = f"{many(len(found.batches), 'settled batch', 'settled batches')}; "
    out(f"{told}JSONL of {len(removed)} {verb} ({size:,} bytes)")


def retention_fields(found: Retention) -> dict[str, Any]:
    """The same for machines."""
    return {
        "workspace": found.root,
        "dry_run": found.dry_run,
        "changed": not found.dry_run and any(each.jsonl == "removed" for each in found.batches),
        "batches": [
            {"name": each.name, "jsonl": each.jsonl.value, "because": each.because, "bytes": each.size}
            for each in found.batches
        ],
    }
