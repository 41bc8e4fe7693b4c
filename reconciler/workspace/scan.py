"""
One look at the live directory and one at `quarantine/`: which batches there are.

Names only; nothing is opened and no file is asked for its size. What is not ours is listed and left alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from reconciler.model.identity import BatchName, Role, fold, lineage_root, parse_file_name, parse_name
from reconciler.model.operation import Kind
from reconciler.workspace.effects import TEMPORARY
from reconciler.workspace.layout import FOLDERS, PRIVATE, QUARANTINE, SETTINGS, Layout
from reconciler.workspace.reading import Entry, Reading

_EXPECTED = frozenset({*FOLDERS, PRIVATE, SETTINGS, "README.md", ".gitignore"})


@attrs.frozen
class Ignored:
    """A file that is not ours, and why it was left alone."""

    path: str
    why: str


@attrs.frozen
class Listing:
    """
    What lies in a workspace.

    Attributes:
        batches: For each batch, the kind of each of its files.
        clashes: Batches whose name differs from another's only by case, with that other name.
        ignored: Files that are not ours.
        quarantined: Folders of `quarantine/` that hold batch files, by the batch they came from.
        stale: Temporary files that a crash left in the live directory.
    """

    batches: Mapping[BatchName, Mapping[Role, Kind]]
    clashes: Mapping[BatchName, str]
    ignored: tuple[Ignored, ...]
    quarantined: Mapping[BatchName, tuple[str, ...]]
    stale: tuple[str, ...]


def scan(look: Reading, layout: Layout) -> Listing:
    """List *layout*'s workspace; the order of names on disk does not matter."""
    batches: dict[BatchName, dict[Role, Kind]] = {}
    ignored: list[Ignored] = []
    stale: list[str] = []
    for entry in look.listing(layout.live):
        found = parse_file_name(entry.name)
        if found is not None:
            batches.setdefault(found[1], {})[found[0]] = entry.kind
        elif entry.name.startswith(TEMPORARY) and entry.kind is Kind.FILE:
            stale.append(layout.live_path(entry.name))
        elif layout.live or entry.name not in _EXPECTED:
            ignored.append(Ignored(layout.live_path(_readable(entry.name)), _why(entry)))
    if layout.live:
        # Batch files dropped one folder too high would otherwise be passed over in silence.
        ignored += [
            Ignored(entry.name, f"batch files belong in {layout.live}/")
            for entry in look.listing("")
            if parse_file_name(entry.name)
        ]
    return Listing(
        batches={name: batches[name] for name in sorted(batches, key=_order)},
        clashes=_clashes(batches),
        ignored=tuple(sorted(ignored, key=lambda each: each.path)),
        quarantined=quarantined_in(look),
        stale=tuple(sorted(stale)),
    )


def _why(entry: Entry) -> str:
    """Why a name in the live directory is not ours."""
    if entry.kind is Kind.FOLDER:
        return "a folder"
    if entry.name.startswith("batch_"):
        return "not batch_{input,output,error,metadata}_<name>.jsonl with a name of letters, digits, . _ -"
    return "not a batch file"


def _clashes(batches: Mapping[BatchName, object]) -> dict[BatchName, str]:
    """Names that are one name on a file system that ignores case."""
    by_fold: dict[str, list[BatchName]] = {}
    for name in batches:
        by_fold.setdefault(fold(name), []).append(name)
    return {
        name: next(other for other in sorted(names) if other != name)
        for names in by_fold.values()
        if len(names) > 1
        for name in names
    }


def quarantined_in(look: Reading) -> dict[BatchName, tuple[str, ...]]:
    """The folders of `quarantine/` that still hold batch files."""
    found: dict[BatchName, list[str]] = {}
    for entry in look.listing(QUARANTINE):
        name = batch_of_folder(entry.name)
        if entry.kind is not Kind.FOLDER or name is None:
            continue
        if any(parse_file_name(each.name) for each in look.listing(f"{QUARANTINE}/{entry.name}")):
            found.setdefault(name, []).append(entry.name)
    return {name: tuple(sorted(found[name], key=_number)) for name in sorted(found, key=_order)}


def batch_of_folder(folder: str) -> BatchName | None:
    """`7` for the quarantine folder `7.1`, None when it is no quarantine folder."""
    name, dot, number = folder.rpartition(".")
    return parse_name(name) if dot and number.isdecimal() else None


def _number(folder: str) -> int:
    """The number of a quarantine folder."""
    return int(folder.rpartition(".")[2])


def _order(name: str) -> tuple[bool, int, str, int, str]:
    """Whole numbers in their order, then everything else; a parent, then its children as they are counted."""
    root = lineage_root(name)
    k = 0 if root == name else int(name.rpartition(".r")[2])
    return (not root.isdecimal(), int(root) if root.isdecimal() else 0, root, k, name)


def _readable(name: str) -> str:
    """A file name as text that can be printed and encoded, whatever its bytes are."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
