"""What an audit says, and the comparisons that all its parts share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from reconciler.codec.request import request_id
from reconciler.errors import BadMetadata, PermanentError
from reconciler.executor.context import View
from reconciler.executor.reading import Lines, child_paths
from reconciler.model.coverage import Coverage, FileDigest, Tally, hash_id
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import FileFact
from reconciler.model.record import Child
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
    view: View, verdict: Verdict, name: BatchName, children: Mapping[BatchName, Child]
) -> None:
    """Each child holds the very ids that its parent handed over."""
    for child, fact in children.items():
        places = [found for path in child_paths(view, child) if (found := view.look.fact(path)) is not None]
        if not places and _buried(view, child) == fact:
            continue
        if not places:
            what = f"{name} handed {fact.owns.requests} ids to {child}, whose input is gone"
            verdict.object(1, file_name(Role.INPUT, child), what, "child-gone")
        elif not any(Tally.of(ids_of(view, found)) == fact.owns for found in places):
            what = f"it does not hold the ids that {name} handed to it"
            verdict.object(1, places[0].path, what, "child-differs")


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
