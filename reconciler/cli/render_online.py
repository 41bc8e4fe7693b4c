"""What lies at the providers: as lines for people, as fields for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.cli.console import err, out, safe
from reconciler.model.words import many

if TYPE_CHECKING:
    from reconciler.inventory import Inventory


def exit_code(found: Inventory) -> int:
    """3 when something of ours has no counterpart, 77 when nobody could be asked, 1 when some could not."""
    if any(each.ours for each in found.findings):
        return 3
    if found.unasked:
        return 1 if found.held else 77
    return 0


def inventory(found: Inventory) -> None:
    """For people."""
    for each in found.findings:
        batch = f" ({each.batch})" if each.batch else ""
        out(safe(f"{each.provider}  {each.remote_id}{batch}: {each.what}"))
    for held in found.held:
        told = f"{held.provider}  keeps {many(held.batches, 'batch', 'batches')}, {many(held.files, 'file')}"
        told += (
            f", {held.size:,} bytes; {held.removable} of them ({held.removable_size:,} bytes) settled here"
        )
        out(safe(f"{told}, {held.removed} removed now" if held.removed else told))
    for provider, why in found.unasked:
        err(safe(f"{provider}: not asked: {why}"))
    if not found.held and not found.unasked:
        err("no provider can be asked: no key is set")


def inventory_fields(found: Inventory) -> dict[str, Any]:
    """For machines."""
    return {
        "workspace": found.root,
        "findings": [
            {
                "provider": each.provider,
                "remote_id": each.remote_id,
                "batch": each.batch,
                "what": each.what,
                "ours": each.ours,
            }
            for each in found.findings
        ],
        "held": [
            {
                "provider": each.provider,
                "batches": each.batches,
                "files": each.files,
                "bytes": each.size,
                "removable": each.removable,
                "removable_bytes": each.removable_size,
                "removed": each.removed,
            }
            for each in found.held
        ],
        "unasked": [{"provider": provider, "why": why} for provider, why in found.unasked],
    }
