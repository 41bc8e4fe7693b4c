"""
`.reconciler/removable/<name>`: settled batches whose JSONL is to be removed, each an empty file.

A pass never lists `done/`. What settles under `[retain] jsonl = "remove"` is noted here before it leaves the
live folder, so that no crash, no waiting child and no `after_days` lets it be forgotten.
"""

from __future__ import annotations

from reconciler.model.identity import BatchName, child_number, lineage_root, parse_name
from reconciler.workspace.effects import Effects, temporary_for
from reconciler.workspace.layout import REMOVABLE
from reconciler.workspace.reading import Reading


def note(fx: Effects, name: BatchName) -> None:
    """Note a batch, on disk on return."""
    if fx.kind(_path(name)) is None:
        fx.publish(_path(name), ())
    else:
        _tidy(fx, name)


def forget(fx: Effects, name: BatchName) -> None:
    """Take the note of a batch away, if there is one, and what a crash may have left beside it."""
    _tidy(fx, name)
    fx.discard(_path(name))


def noted(look: Reading) -> list[BatchName]:
    """Every batch that is noted, a parent before its children."""
    found = [parse_name(entry.name) for entry in look.listing(REMOVABLE)]
    return parents_first([name for name in found if name is not None])


def parents_first(names: list[BatchName]) -> list[BatchName]:
    """Names so that a batch comes before its retry children."""
    return sorted(names, key=lambda name: (lineage_root(name), child_number(name)))


def _tidy(fx: Effects, name: BatchName) -> None:
    """Remove what a crash left just after the note had its name; nobody comes by once the note is gone."""
    temporary = temporary_for(_path(name))
    if fx.kind(temporary) is not None:
        fx.discard(temporary)
        fx.sync_folder(REMOVABLE)


def _path(name: BatchName) -> str:
    """Where the note of a batch stands."""
    return f"{REMOVABLE}/{name}"
