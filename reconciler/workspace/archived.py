"""Look at one settled batch, by name; `observe.py` is for live ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.errors import BadMetadata
from reconciler.model.archived import Archived
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.workspace import settled, tombstones
from reconciler.workspace.layout import Layout
from reconciler.workspace.observe import TRIPLE
from reconciler.workspace.reading import Reading
from reconciler.workspace.receipts import published_by

_UNREADABLE = (BadMetadata, OSError)


def observe_archived(look: Reading, layout: Layout, name: BatchName) -> Archived:
    """
    Look at one batch in `done/`; of what was published only sizes are asked for.

    Args:
        look: The room for reading.
        layout: The workspace.
        name: The batch.
    """
    now = look.now()
    try:
        manifest = settled.read(look, name)
        removing = tombstones.read(look, name) is not None
        output = manifest.receipts.get("process-output", {})
        published = published_by(output)
        facts = {path: look.fact(path) for path in published}
        unhandled = int(output.get("unhandled", {}).get("requests", 0))
    except (*_UNREADABLE, TypeError, ValueError, KeyError, AttributeError) as error:
        return Archived(name, now, problem=f"{settled.folder_of(name)}/ cannot be read: {error}")
    return Archived(
        name=name,
        seen_at=now,
        files=_files(look, name, manifest.leaves),
        removing=removing,
        settled_at=manifest.settled_at,
        coverage=manifest.coverage,
        set_aside="quarantine" in manifest.receipts,
        unhandled=unhandled,
        published=published,
        sizes={path: fact.size for path, fact in facts.items() if fact is not None},
        unsettled=tuple(dict.fromkeys(_unsettled(look, manifest))),
        parent=None if manifest.parent is None or is_gone(look, manifest.parent) else manifest.parent,
        live=any(look.kind(layout.live_path(file_name(role, name))) for role in Role),
    )


def files_of(look: Reading, name: BatchName) -> dict[Role, FileFact]:
    """Input and answers of a settled batch that lie in its folder."""
    return _files(look, name, {})


def _files(look: Reading, name: BatchName, leaves: Mapping[Role, str]) -> dict[Role, FileFact]:
    """The same, where some may have *leaves* of other names: those of a dismissed twin keep theirs."""
    folder = settled.folder_of(name)
    facts = {role: look.fact(f"{folder}/{leaves.get(role) or file_name(role, name)}") for role in TRIPLE}
    return {role: fact for role, fact in facts.items() if fact is not None}


def is_gone(look: Reading, name: BatchName) -> bool:
    """Whether the JSONL of a settled batch was removed, all of it."""
    return look.kind(tombstones.path_of(name)) is not None and not files_of(look, name)


def _unsettled(look: Reading, manifest: settled.Manifest) -> Iterator[BatchName]:
    """Children of a batch, and theirs, that are not in `done/`."""
    for child in manifest.children:
        try:
            yield from _unsettled(look, settled.read(look, child))
        except _UNREADABLE:
            yield child
