"""What an audit says, and the comparisons that all its parts share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from reconciler.codec.request import request_id
from reconciler.errors import BadLine, BadMetadata, PermanentError
from reconciler.executor.context import View
from reconciler.executor.reading import Lines, child_paths
from reconciler.model.changes import Changed, difference, line_digest
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally, hash_id
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.record import Child
from reconciler.model.words import many
from reconciler.workspace import tombstones

INPUTS: Final = 2
"""The promise that inputs are not modified."""


@attrs.frozen
class Finding:
    """
    A promise that does not hold.

    Attributes:
        promise: Its number in docs/workspace.md: 1 conservation, 2 inputs, 3 whole files, ...
        where: The file or folder.
        what: What is wrong with it.
        code: The same for machines: one word of the table in docs/guarantees.md.
    """

    promise: int
    where: str
    what: str
    code: str = "other"


@attrs.define
class Verdict:
    """
    What the files say.

    Attributes:
        root: The workspace.
        batches: How many were looked at.
        account: How many request ids stand where: pending, answered, failed, retried, dismissed, missing,
            quarantined.
        findings: Promises that do not hold.
        notes: What a person may want to know and need not act on.
        untold: Settled batches of which history has no line.
    """

    root: str
    batches: int = 0
    account: dict[str, int] = attrs.field(factory=dict)
    findings: list[Finding] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    untold: set[BatchName] = attrs.field(factory=set)

    def count(self, part: str, requests: int) -> None:
        """Add ids to one part of the account."""
        self.account[part] = self.account.get(part, 0) + requests

    def object(self, promise: int, where: str, what: str, code: str = "other") -> None:
        """Write down a promise that does not hold."""
        self.findings.append(Finding(promise, where, what.removeprefix(where).lstrip(": "), code))


def check_children(
    view: View,
    verdict: Verdict,
    name: BatchName,
    children: Mapping[BatchName, Child],
    asked: FileFact | None,
) -> None:
    """
    Each child holds the very requests that its parent handed over, and no line differs without a record.

    Args:
        view: Rooms and settings.
        verdict: Where it is written down.
        name: The parent.
        children: What it handed over.
        asked: Its input; None when it is not here.
    """
    for child, fact in children.items():
        places = [found for path in child_paths(view, child) if (found := view.look.fact(path)) is not None]
        buried = _buried(view, child)
        if not places and buried is not None and (buried.owns, buried.digest) == (fact.owns, fact.digest):
            continue
        if not places:
            what = f"{name} handed {fact.owns.requests} ids to {child}, whose input is gone"
            verdict.object(1, file_name(Role.INPUT, child), what, "child-gone")
            continue
        holding = [found for found in places if Tally.of(ids_of(view, found)) == fact.owns]
        if not holding:
            what = f"it does not hold the ids that {name} handed to it"
            verdict.object(1, places[0].path, what, "child-differs")
        elif asked is not None and (unlike := _unlike(view, fact, asked, holding)):
            verdict.object(INPUTS, holding[0].path, unlike, "child-changed")


def _unlike(view: View, given: Child, asked: FileFact, places: list[FileFact]) -> str | None:
    """What of a child's lines differs from its parent's, where that is not what is recorded; else None."""
    recorded = NOTHING if given.changed is None else given.changed.tally
    try:
        found = [_differences(view, asked, place) for place in places]
    except BadLine:
        # What is wrong with the parent's input is told where that is matched.
        return None
    if recorded in found:
        return None
    told = f"{many(found[0].requests, 'line')} not as in {asked.path}"
    if given.changed is None:
        return f"{told}, and no change of them is recorded"
    return f"{told}, and what is recorded are {recorded.requests} others, changed by {_coders(given.changed)}"


def _differences(view: View, parent: FileFact, child: FileFact) -> Tally:
    """The lines of a child that are not as its parent has them."""
    after = {hash_id(request_id(line, child.path)): line_digest(line.data) for line in Lines(view, child)}
    differ: list[int] = []
    for line in Lines(view, parent):
        hashed, before = hash_id(request_id(line, parent.path)), line_digest(line.data)
        if after.get(hashed, before) != before:
            differ.append(difference(hashed, before, after[hashed]))
    return Tally.of(differ)


def _coders(changed: Changed) -> str:
    """Whose code made changes."""
    return ", ".join(sorted(set(changed.by.values())))


def _buried(view: View, child: BatchName) -> Child | None:
    """What the tombstone of a child says of its input; None where there is none to be believed."""
    try:
        tombstone = tombstones.read(view.look, child)
    except (BadMetadata, PermanentError, OSError):
        return None
    leaf = file_name(Role.INPUT, child)
    if tombstone is None or leaf not in tombstone.files:
        return None
    return Child(tombstone.coverage.input, tombstone.files[leaf])


def ids_of(view: View, fact: FileFact) -> list[int]:
    """The hashes of all ids of an input."""
    return [hash_id(request_id(line, fact.path)) for line in Lines(view, fact)]


def count(verdict: Verdict, coverage: Coverage) -> None:
    """Add one batch to the account of the workspace."""
    for part in ("answered", "failed", "retried", "dismissed", "missing"):
        tally: Tally = getattr(coverage, part)
        if tally.requests:
            verdict.count(part, tally.requests)


def compare(verdict: Verdict, where: str, written: Coverage, counted: Coverage, promise: int = 1) -> None:
    """Hold a written account against the one that the files give."""
    for part in ("input", "answered", "failed", "retried", "dismissed", "missing"):
        here: Tally = getattr(written, part)
        there: Tally = getattr(counted, part)
        if here != there:
            what = f"{part}: {here.requests} ids are written down, the files hold {there.requests}"
            what = what if here.requests != there.requests else f"{part}: other ids than counted"
            verdict.object(promise, where, what, "account-differs")


def hold(verdict: Verdict, promise: int, where: str, written: FileDigest, found: FileDigest) -> bool:
    """Hold a file against the digest that is written down for it."""
    if written != found:
        what = f"it was changed (sha256 {found.sha256[:12]}…, was {written.sha256[:12]}…)"
        verdict.object(promise, where, what, "input-changed" if promise == INPUTS else "file-changed")
    return written == found
