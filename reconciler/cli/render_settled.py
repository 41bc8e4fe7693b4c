"""What became of settled batches: as lines for people, as fields for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.cli.console import out, paint, safe, typed
from reconciler.model.words import many

if TYPE_CHECKING:
    from reconciler.executor.comparing import Change
    from reconciler.replaying import Replay
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


def replay(found: Replay, workspace: str) -> None:
    """What a replay changed, for people."""
    width = max((len(each.name) for each in found.batches), default=0)
    for each in found.batches:
        name = paint(each.name.ljust(width), "strong")
        out(f"{name}  {each.state.value.ljust(9)}  {safe(each.because)}")
        for change in each.difference.examples:
            out(f"{' ' * (width + 2)}{safe(_changed(change))}")
        for way in each.hint.splitlines():
            out(f"{' ' * (width + 2)}-> {safe(typed(way, workspace))}")
    changed = sum(each.state == "changed" for each in found.batches)
    verb = "would change" if found.dry_run else "changed"
    out(f"{many(len(found.batches), 'settled batch', 'settled batches')}; {changed} {verb}")


def _changed(change: Change) -> str:
    """One member that differs, old and new, each cut."""
    if change.custom_id is None:
        return f"{change.member}: other bytes"
    return f"{change.custom_id}  {change.member}: {_cut(change.old)} -> {_cut(change.new)}"


def _cut(value: Any, limit: int = 60) -> str:
    """A value as JSON, cut."""
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def replay_fields(found: Replay) -> dict[str, Any]:
    """The same for machines."""
    return {
        "workspace": found.root,
        "dry_run": found.dry_run,
        "changed": any(each.published for each in found.batches),
        "batches": [
            {
                "name": each.name,
                "state": each.state.value,
                "because": each.because,
                "hint": each.hint or None,
                "lines": {
                    part: getattr(each.difference, part) for part in ("changed", "added", "gone", "unchanged")
                },
                "examples": [
                    {
                        "custom_id": change.custom_id,
                        "member": change.member,
                        "old": change.old,
                        "new": change.new,
                    }
                    for change in each.difference.examples
                ],
                "published": list(each.published),
            }
            for each in found.batches
        ],
    }
