"""
Which batches belong together: every batch of a workspace that first asked something, with its retry children.

A pure read of names, metadata and manifests; no lock is taken and no input or answer is opened. What the ids
of a lineage came to is in `standings.py`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Final

import attrs

from reconciler.errors import BadMetadata, Clash, ReconcilerError, UsageError
from reconciler.executor.context import View
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, BatchName, Role, file_name, lineage_root
from reconciler.model.record import Child, Record
from reconciler.model.snapshot import Place
from reconciler.workspace import metadata, settled
from reconciler.workspace.layout import QUARANTINE
from reconciler.workspace.observe import TRIPLE, observe
from reconciler.workspace.relocate import twins
from reconciler.workspace.scan import Listing, in_order, quarantined_in, scan

_NOTHING_LISTED: Final = Listing({}, {}, (), {}, ())


@attrs.frozen
class Member:
    """
    One batch of a lineage.

    Attributes:
        name: The batch.
        place: Live, in `done/` or in `quarantine/`.
        folder: Where its files are; empty for the root of the workspace.
        files: Its input and answers, as far as they are there.
        record: What its metadata says; of a settled batch None.
        manifest: What its manifest says; None unless it is settled.
        problem: Why nothing that it says can be trusted; empty when it can.
    """

    name: BatchName
    place: Place
    folder: str
    files: Mapping[Role, FileFact]
    record: Record | None = None
    manifest: settled.Manifest | None = None
    problem: str = ""

    @property
    def parent(self) -> BatchName | None:
        """The batch whose leftovers it asks; None when it is the first that asked."""
        known = self.manifest or self.record
        return None if known is None else known.parent

    @property
    def attempt(self) -> int:
        """How often its requests had been sent, from 1."""
        known = self.manifest or self.record
        return 1 if known is None else known.attempt

    @property
    def provider(self) -> str | None:
        """Whose answers these are, None when nobody knows."""
        known = self.manifest or self.record
        return None if known is None else known.provider

    @property
    def children(self) -> Mapping[BatchName, Child]:
        """The retry children that own ids of this batch."""
        known = self.manifest or self.record
        return {} if known is None else known.children

    @property
    def set_aside(self) -> bool:
        """Whether it was quarantined, and maybe given up then: its answers are not to be trusted."""
        given_up = self.manifest is not None and "quarantine" in self.manifest.receipts
        return given_up or self.place is Place.QUARANTINE


@attrs.frozen
class Lineage:
    """
    A batch that first asked something, and everything that came of it.

    Attributes:
        members: The batch, then its children in the order in which they were made.
        lost: Children that are nowhere to be found.
        unread: Live files that have the name of a settled batch of it and are not its own; nobody reads them.
    """

    members: tuple[Member, ...]
    lost: tuple[BatchName, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def root(self) -> Member:
        """The batch that first asked."""
        return self.members[0]


def lineages(view: View, only: Sequence[str] = (), *, finished: bool = False) -> Iterator[Lineage]:
    """
    Every lineage of a workspace, in the order of batches.

    Args:
        view: Rooms and settings.
        only: Names, or patterns of names; of a child, what came of the child alone. Empty: everything.
        finished: Only those whose first batch has settled.

    Raises:
        UsageError: A name or pattern matches no batch.
    """
    done = frozenset(settled.names(view.look))
    if finished:
        listing = attrs.evolve(_NOTHING_LISTED, quarantined=quarantined_in(view.look))
        names = in_order(done)
    else:
        listing = scan(view.look, view.layout)
        names = in_order(done | listing.batches.keys() | listing.quarantined.keys())
    _refuse_unknown(names, only)
    for _, family in groupby(names, key=lineage_root):
        members: dict[BatchName, list[Member]] = {}
        for name in family:
            members[name] = list(_members(view, listing, name, settled_too=name in done))
        listed = [member for named in members.values() for member in named]
        owned = {child for member in listed for child in member.children}
        for each in listed:
            if _begins(each, members, owned, only):
                yield _lineage(view, listing, each, members)


def _refuse_unknown(names: Sequence[BatchName], only: Sequence[str]) -> None:
    """Hold every name and pattern to matching something."""
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in names):
            few = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")  # noqa: PLR2004 - enough to see
            raise UsageError(f"no batch is called {pattern}", hint=f"here are: {few or 'none'}")


def _begins(
    member: Member, members: Container[BatchName], owned: Container[BatchName], only: Sequence[str]
) -> bool:
    """Whether a lineage that was asked for begins with this batch."""
    # A child that its parent does not name asks nothing yet; one whose parent is not here stands for itself.
    first = member.name not in owned and (member.parent is None or member.parent not in members)
    if not only:
        return first
    return member.name in only or (first and any(fnmatchcase(member.name, pattern) for pattern in only))


def _lineage(view: View, listing: Listing, root: Member, members: dict[BatchName, list[Member]]) -> Lineage:
    """A batch with its children, then theirs, and so on: an id that is asked again stands further down."""
    found, lost = [root], []
    seen = {root.name}
    for member in found:
        for name in member.children:
            if name in seen:
                # Whoever edits a manifest may have it name itself.
                continue
            seen.add(name)
            if name not in members:
                # Only settled batches were listed: a child that still lives is asked for by its name.
                members[name] = list(_members(view, listing, name, settled_too=False))
            if members[name]:
                found.append(members[name][0])
            else:
                lost.append(name)
    unread = (_clash(view, listing, each.name) for each in found if each.place is Place.DONE)
    return Lineage(tuple(found), tuple(lost), tuple(each for each in unread if each))


def _clash(view: View, listing: Listing, name: BatchName) -> str:
    """Which live file has the name of a settled batch and is not its own; empty for the tail of a move."""
    paths = {role: view.layout.live_path(file_name(role, name)) for role in listing.batches.get(name, ())}
    try:
        twins(view.look, paths, settled.folder_of(name))
    except Clash as clash:
        return f"{clash.message.partition(';')[0]}: its requests are left out"
    except (ReconcilerError, OSError):
        # A pass is just removing what its move has left.
        return ""
    return ""


def _members(view: View, listing: Listing, name: BatchName, *, settled_too: bool) -> Iterator[Member]:
    """Every batch of that name: the settled one or the live one, then those in quarantine."""
    if settled_too:
        yield settled_member(view, name)
    elif any(view.look.kind(view.layout.live_path(file_name(role, name))) for role in Role):
        yield _live(view, listing, name)
    for folder in listing.quarantined.get(name, ()):
        yield _quarantined(view, name, f"{QUARANTINE}/{folder}")


def settled_member(view: View, name: BatchName) -> Member:
    """A batch in `done/`."""
    folder = settled.folder_of(name)
    manifest: settled.Manifest | None = None
    problem = ""
    try:
        manifest = settled.read(view.look, name)
    except FileNotFoundError:
        problem = f"{folder}/ has no {settled.MANIFEST}"
    except (ReconcilerError, OSError) as error:
        problem = str(error)
    # A dismissed twin lies under a name of its own, and its files keep theirs.
    names = {} if manifest is None else manifest.leaves
    facts = {role: view.look.fact(f"{folder}/{names[role]}") for role in TRIPLE if role in names}
    files = {role: fact for role, fact in facts.items() if fact is not None}
    return Member(name, Place.DONE, folder, files, manifest=manifest, problem=problem)


def _live(view: View, listing: Listing, name: BatchName) -> Member:
    """A batch of the live directory."""
    snap = observe(view.look, view.layout, listing, name)
    problem = snap.bad_record or "; ".join(snap.problems)
    if not problem and Role.INPUT not in snap.files and Role.INPUT not in snap.history:
        problem = f"{name}: its input is not there"
    return Member(name, Place.LIVE, view.layout.live, snap.files, snap.record, problem=problem)


def _quarantined(view: View, name: BatchName, folder: str) -> Member:
    """A batch that was set aside."""
    facts = {role: view.look.fact(f"{folder}/{file_name(role, name)}") for role in (Role.INPUT, *ANSWERS)}
    files = {role: fact for role, fact in facts.items() if fact is not None}
    path = f"{folder}/{file_name(Role.METADATA, name)}"
    record: Record | None = None
    try:
        if view.look.kind(path) is not None:
            record = metadata.decode(view.look.read(path), path, name)
    except (BadMetadata, OSError):
        # Its ids are in quarantine whatever its metadata says.
        record = None
    problem = "" if Role.INPUT in files else f"{folder}/: its input is not there"
    return Member(name, Place.QUARANTINE, folder, files, record, problem=problem)
