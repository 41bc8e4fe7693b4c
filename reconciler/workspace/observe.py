"""
Turn one batch of a listing into a frozen snapshot.

Reads metadata and asks the file system for facts; never opens an input or an answer file.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.errors import BadMetadata, PermanentError, ReconcilerError
from reconciler.model.canary import Sample
from reconciler.model.facts import FileFact, Kind
from reconciler.model.identity import (
    ANSWERS,
    BatchName,
    Role,
    child_name,
    child_number,
    file_name,
    lineage_root,
)
from reconciler.model.record import Record
from reconciler.model.snapshot import ChildFact, Glance, Matched, Place, Snapshot
from reconciler.workspace import metadata, settled
from reconciler.workspace.canaries import sample_of
from reconciler.workspace.layout import DONE, QUARANTINE, Layout
from reconciler.workspace.reading import Reading
from reconciler.workspace.scan import Listing

TRIPLE = (Role.INPUT, *ANSWERS)
METADATA_LIMIT = 16 << 20
GLANCE_LIMIT = 32 << 10
_WHAT = {
    Kind.SYMLINK: "a symbolic link; links are not followed, put the file itself there",
    Kind.FOLDER: "a folder",
    Kind.OTHER: "a FIFO, socket or device",
}


def glance(look: Reading, layout: Layout, listing: Listing, name: BatchName) -> Glance:
    """
    The first look at a batch: one short read, and none of a file that is not metadata.

    Args:
        look: The room for reading.
        layout: The workspace.
        listing: What the scan saw; it is believed.
        name: The batch.
    """
    kinds = listing.batches.get(name, {})
    record: Record | None = None
    at_provider: tuple[Role, ...] = ()
    odd = not kinds or name in listing.odd
    if not odd and Role.METADATA in kinds:
        path = layout.live_path(f"batch_metadata_{name}.jsonl")
        data = look.peek(path, GLANCE_LIMIT)
        try:
            # What is wrong with it, `observe` says.
            if data is None:
                odd = True
            elif Role.OUTPUT in kinds or Role.ERROR in kinds:
                at_provider = metadata.decode_for_answers(data, path, name)
            else:
                record = metadata.decode(data, path, name)
        except BadMetadata:
            odd = True
    return Glance(name, look.now(), kinds, record, at_provider, odd)


def vet(look: Reading, layout: Layout, seen: Glance) -> Snapshot | None:
    """
    What may refuse a batch that waits without answers: its input, and its name in `done/`.

    Returns:
        A snapshot without children and parent; None where a full look has to say what is wrong.
    """
    path = layout.live_path(file_name(Role.INPUT, seen.name))
    asked = look.seen(path)
    if seen.odd or not isinstance(asked, FileFact) or not look.readable(path):
        return None
    return Snapshot(
        name=seen.name,
        seen_at=look.now(),
        files={Role.INPUT: asked},
        record=seen.record,
        in_done=look.kind(f"{DONE}/{seen.name}") is not None,
        history=frozenset(_history(look, seen.name)),
    )


def observe(
    look: Reading, layout: Layout, listing: Listing, name: BatchName, matched: Matched | None = None
) -> Snapshot:
    """
    Look at one batch.

    Args:
        look: The room for reading.
        layout: The workspace.
        listing: What the scan saw; only for clashes and quarantine folders, files are looked at anew.
        name: The batch.
        matched: A verdict that this pass has drawn; dropped when the files have changed since.
    """
    problems = [
        f"{name} and {other} are one name where case does not count" for other in _clash(listing, name)
    ]
    files: dict[Role, FileFact] = {}
    for role in Role:
        path = layout.live_path(file_name(role, name))
        there = look.seen(path)
        if isinstance(there, Kind):
            problems.append(f"{path} is {_WHAT.get(there, 'no regular file')}")
        elif there is not None and not look.readable(path):
            problems.append(f"{path} cannot be read (permission denied)")
        elif there is not None:
            files[role] = there
    record, bad = _record(look, files.pop(Role.METADATA, None), name)
    history = _history(look, name)
    if Role.INPUT not in files and any(role in files for role in ANSWERS):
        files |= {role: fact for role, fact in history.items() if role not in files and Role.INPUT in history}
    return Snapshot(
        name=name,
        seen_at=look.now(),
        files={role: files[role] for role in TRIPLE if role in files},
        record=record,
        bad_record=None if bad is None else bad.message,
        bad_record_hint="" if bad is None else bad.hint,
        problems=tuple(problems),
        in_done=look.kind(f"{DONE}/{name}") is not None,
        history=frozenset(history),
        quarantine_tail=_quarantine_tail(look, listing.quarantined.get(name, ()), files),
        quarantined=listing.quarantined.get(name, ()),
        children=children_of(look, layout, listing, name),
        unowned=_unowned(look, layout, record),
        sample=_sample(look, layout, record),
        matched=matched if matched is not None and matched.files == files else None,
    )


def children_of(look: Reading, layout: Layout, listing: Listing, name: BatchName) -> tuple[ChildFact, ...]:
    """The retry children of this lineage, wherever they stand; a gap where one is missing is no end."""
    root = lineage_root(name)
    last = max(child_number(name), listing.last_child.get(root, 0))
    found: list[ChildFact] = []
    k = 0
    while True:
        k += 1
        child = child_name(root, k)
        paths = [layout.live_path(file_name(role, child)) for role in (Role.INPUT, Role.METADATA)]
        if any(look.kind(path) is not None for path in paths):
            place = Place.LIVE
        elif look.kind(f"{DONE}/{child}") is not None:
            place, paths[1] = Place.DONE, f"{DONE}/{child}/{file_name(Role.METADATA, child)}"
        elif child in listing.quarantined:
            folder = listing.quarantined[child][-1]
            place, paths[1] = Place.QUARANTINE, f"{QUARANTINE}/{folder}/{file_name(Role.METADATA, child)}"
        elif k > last:
            break
        else:
            continue
        record, _ = _record(look, look.fact(paths[1]), child)
        found.append(ChildFact(child, place, None if record is None else record.parent))
    return tuple(found)


def _unowned(look: Reading, layout: Layout, record: Record | None) -> bool:
    """Whether a batch is a child that its parent does not name, or whose parent cannot be asked."""
    if record is None or record.parent is None:
        return False
    path = layout.live_path(file_name(Role.METADATA, record.parent))
    parent, bad = _record(look, look.fact(path), record.parent)
    if parent is not None or bad is not None:
        return parent is None or record.name not in parent.children
    try:
        return record.name not in settled.read(look, record.parent).children
    except (BadMetadata, OSError):
        # A parent that cannot be asked has not handed anything over.
        return True


def _sample(look: Reading, layout: Layout, record: Record | None) -> Sample | None:
    """How the batches stand that an unsent one waits for."""
    if record is None or record.after is None or record.batch_id is not None:
        return None
    return sample_of(look, layout, record.after)


def _clash(listing: Listing, name: BatchName) -> tuple[str, ...]:
    other = listing.clashes.get(name)
    return () if other is None else (other,)


def _record(
    look: Reading, fact: FileFact | None, name: BatchName
) -> tuple[Record | None, ReconcilerError | None]:
    """The record, or why it cannot be trusted; neither when there is no metadata file."""
    if fact is None:
        return None, None
    if fact.size > METADATA_LIMIT:
        return None, BadMetadata(f"{fact.path} has {fact.size} bytes: no metadata is that large")
    try:
        return metadata.decode(look.read(fact.path), fact.path, name), None
    except (BadMetadata, PermanentError) as error:
        return None, error


def _history(look: Reading, name: BatchName) -> Mapping[Role, FileFact]:
    """Flat files of this batch in `done/`, where the Rust tools move theirs."""
    facts = {role: look.fact(f"{DONE}/{file_name(role, name)}") for role in TRIPLE}
    return {role: fact for role, fact in facts.items() if fact is not None}


def _quarantine_tail(look: Reading, folders: tuple[str, ...], files: Mapping[Role, FileFact]) -> str | None:
    """The quarantine folder that these very files were being moved to when a pass was cut off."""
    for folder in folders:
        for fact in files.values():
            there = look.fact(f"{QUARANTINE}/{folder}/{fact.path.rpartition('/')[2]}")
            if there is not None and _same(look, fact, there):
                return folder
    return None


def _same(look: Reading, live: FileFact, there: FileFact) -> bool:
    """
    Whether the file in quarantine is the live one.

    On one device a moved file is a hard link of the live one, and a user's copy is not. Across devices
    the move had to copy, so equal bytes must do; what a user has copied back is no older than its source.
    """
    if live.inode[0] == there.inode[0]:
        return live.inode == there.inode
    if live.mtime_ns >= there.mtime_ns:
        return False
    return live.size == there.size and look.digest(live.path) == look.digest(there.path)
