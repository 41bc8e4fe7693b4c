"""
One look at the live directory and one at `quarantine/`: which batches there are.

Names only; nothing is opened and no file is asked for its size. What is not ours is listed and left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from reconciler.model.facts import Kind
from reconciler.model.identity import (
    BITS,
    BatchName,
    Role,
    child_name,
    child_number,
    file_name,
    fold,
    lineage_root,
    parse_file_name,
    parse_file_names,
    parse_name,
)
from reconciler.workspace.effects import TEMPORARY
from reconciler.workspace.layout import FOLDERS, PRIVATE, QUARANTINE, SETTINGS, Layout
from reconciler.workspace.reading import Entry, Reading

_EXPECTED = frozenset({*FOLDERS, PRIVATE, SETTINGS, "README.md", ".gitignore"})

# Batches whose files are all regular share these, one for each set of roles: no object for each batch.
_REGULAR: Final = tuple(
    MappingProxyType({role: Kind.FILE for role, bit in BITS.items() if bits & bit})
    for bits in range(1 << len(BITS))
)


_ROLES: Final = tuple(Role)


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
        odd: Batches with a clash, a folder in quarantine, or a file that is no regular one.
        last_child: For each lineage of which a child is here, the greatest number of one.
    """

    batches: Mapping[BatchName, Mapping[Role, Kind]]
    clashes: Mapping[BatchName, str]
    ignored: tuple[Ignored, ...]
    quarantined: Mapping[BatchName, tuple[str, ...]]
    stale: tuple[str, ...]
    odd: Collection[BatchName] = frozenset()
    last_child: Mapping[BatchName, int] = attrs.field(factory=dict)


def scan(look: Reading, layout: Layout) -> Listing:
    """List *layout*'s workspace; the order of names on disk does not matter."""
    files, others = look.names(layout.live)
    regular, unknown = parse_file_names(files)
    batches: dict[BatchName, Mapping[Role, Kind]] = {name: _REGULAR[bits] for name, bits in regular.items()}
    ignored: list[Ignored] = []
    stale: list[str] = []
    odd: set[BatchName] = set()
    for entry in (*others, *(Entry(name, Kind.FILE) for name in unknown)):
        found = parse_file_name(entry.name)
        if found is not None:
            batches[found[1]] = {**batches.get(found[1], {}), found[0]: entry.kind}
            odd.add(found[1])
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
    quarantined, clashes = quarantined_in(look), _clashes(batches)
    ordered = in_order(batches)
    if ordered != list(batches):
        batches = {name: batches[name] for name in ordered}
    return Listing(
        batches=batches,
        clashes=clashes,
        ignored=tuple(sorted(ignored, key=lambda each: each.path)),
        quarantined=quarantined,
        stale=tuple(sorted(stale)),
        odd=odd | clashes.keys() | quarantined.keys(),
        last_child=_last_children((*batches, *quarantined)),
    )


@attrs.frozen
class Kin:
    """
    Some lineages, to be looked at without a listing of the folder that they lie in.

    Attributes:
        roots: The roots of them.
        last_child: For each of which a child was ever seen here, the greatest number of one. Too great a
            number costs a look at a name that nothing has; too small a one may hide a child.
    """

    roots: Collection[BatchName]
    last_child: Mapping[BatchName, int] = attrs.field(factory=dict)


def scan_kin(look: Reading, layout: Layout, kin: Kin) -> Listing:
    """
    What `scan` would say of some lineages, each of their names looked up by itself.

    Who calls this knows that none of the names is another but for case, which no such look can tell. What is
    not ours, and what crashes have left, is not looked for.
    """
    quarantined = quarantined_in(look, kin.roots)
    last = dict(kin.last_child)
    for root, number in _last_children(quarantined).items():
        last[root] = max(number, last.get(root, 0))
    batches: dict[BatchName, Mapping[Role, Kind]] = {}
    odd: set[BatchName] = set(quarantined)
    for root in in_order(kin.roots):
        k, there = -1, dict[Role, Kind]()
        while there or k <= max(0, last.get(root, 0)):
            k += 1
            name = child_name(root, k) if k else root
            kinds = ((role, look.kind(layout.live_path(file_name(role, name)))) for role in _ROLES)
            there = {role: kind for role, kind in kinds if kind is not None}
            if there:
                batches[name] = there
                if any(kind is not Kind.FILE for kind in there.values()):
                    odd.add(name)
    return Listing(batches, {}, (), quarantined, (), odd, last)


def _why(entry: Entry) -> str:
    """Why a name in the live directory is not ours."""
    if entry.kind is Kind.FOLDER:
        return "a folder"
    if entry.name.startswith("batch_"):
        return "not batch_{input,output,error,metadata}_<name>.jsonl with a name of letters, digits, . _ -"
    return "not a batch file"


def _clashes(batches: Mapping[BatchName, object]) -> dict[BatchName, str]:
    """Names that are one name on a file system that ignores case."""
    # Digits have no case, and names that are all different in lower case are so when folded: they are ASCII.
    lettered = [name for name in batches if not name.isdecimal()]
    if len({name.lower() for name in lettered}) == len(lettered):
        return {}
    by_fold: dict[str, list[BatchName]] = {}
    for name in lettered:
        by_fold.setdefault(fold(name), []).append(name)
    return {
        name: next(other for other in sorted(names) if other != name)
        for names in by_fold.values()
        if len(names) > 1
        for name in names
    }


def quarantined_in(
    look: Reading, among: Collection[BatchName] | None = None
) -> dict[BatchName, tuple[str, ...]]:
    """The folders of `quarantine/` that still hold batch files; of all lineages, or of those *among* it."""
    found: dict[BatchName, list[str]] = {}
    for entry in look.listing(QUARANTINE):
        name = batch_of_folder(entry.name)
        if entry.kind is not Kind.FOLDER or name is None:
            continue
        if among is not None and lineage_root(name) not in among:
            continue
        if any(parse_file_name(each.name) for each in look.listing(f"{QUARANTINE}/{entry.name}")):
            found.setdefault(name, []).append(entry.name)
    return {name: tuple(sorted(found[name], key=_number)) for name in in_order(found)}


def batch_of_folder(folder: str) -> BatchName | None:
    """`7` for the quarantine folder `7.1`, None when it is no quarantine folder."""
    name, dot, number = folder.rpartition(".")
    return parse_name(name) if dot and number.isdecimal() else None


def _number(folder: str) -> int:
    """The number of a quarantine folder."""
    return int(folder.rpartition(".")[2])


def in_order(names: Collection[BatchName]) -> list[BatchName]:
    """Whole numbers in their order, then everything else; a parent, then its children as they are counted."""
    children: dict[BatchName, list[BatchName]] = {}
    for name in _children(names):
        children.setdefault(lineage_root(name), []).append(name)
    if not children:
        return _by_number(names)
    parents = set(names).difference(*children.values())
    ordered: list[BatchName] = []
    for root in _by_number(parents | children.keys()):
        if root in parents:
            ordered.append(root)
        ordered += sorted(children.get(root, ()), key=lambda name: (child_number(name), name))
    return ordered


def _by_number(names: Collection[BatchName]) -> list[BatchName]:
    """Whole numbers in their order, then everything else; plain sorts are cheaper than one by many parts."""
    numbers = [name for name in names if name.isdecimal()]
    others = [name for name in names if not name.isdecimal()] if len(numbers) < len(names) else []
    if any(name[0] == "0" for name in numbers):
        numbers.sort()  # `07` and `7` are one number: their text decides
    numbers.sort(key=int)
    return numbers + sorted(others)


def _children(names: Iterable[BatchName]) -> Iterator[BatchName]:
    """Those of *names* that are named like a retry child."""
    return (name for name in names if ".r" in name and lineage_root(name) != name)


def _last_children(names: Iterable[BatchName]) -> dict[BatchName, int]:
    """The greatest number of a child in each lineage that has one."""
    found: dict[BatchName, int] = {}
    for name in _children(names):
        root = lineage_root(name)
        found[root] = max(child_number(name), found.get(root, 0))
    return found


def _readable(name: str) -> str:
    """A file name as text that can be printed and encoded, whatever its bytes are."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
