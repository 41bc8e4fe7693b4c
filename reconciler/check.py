"""
Recompute the promises from the files alone; a pure read.

Trusts nothing that a pass has written down: every settled file is read again, every id counted again,
and what comes out is held against metadata, manifests and ledger.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from reconciler.codec.request import request_id
from reconciler.config import Settings
from reconciler.errors import BadMetadata, ReconcilerError
from reconciler.executor.context import Progress, View, viewing
from reconciler.executor.matching import match
from reconciler.executor.reading import Lines
from reconciler.model.coverage import Coverage, FileDigest, Tally, hash_id
from reconciler.model.identity import BatchName, Role, file_name, parse_name
from reconciler.model.operation import FileFact, Kind
from reconciler.model.record import Child, Record
from reconciler.model.snapshot import Snapshot
from reconciler.workspace import ledger, metadata, settled
from reconciler.workspace.layout import DONE, QUARANTINE
from reconciler.workspace.observe import TRIPLE, observe
from reconciler.workspace.scan import Listing, batch_of_folder, scan


@attrs.frozen
class Finding:
    """
    A promise that does not hold.

    Attributes:
        promise: Its number in docs/workspace.md: 1 conservation, 2 inputs, 3 whole files, ...
        where: The file or folder.
        what: What is wrong with it.
    """

    promise: int
    where: str
    what: str


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
    """

    root: str
    batches: int = 0
    account: dict[str, int] = attrs.field(factory=dict)
    findings: list[Finding] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    def count(self, part: str, requests: int) -> None:
        """Add ids to one part of the account."""
        self.account[part] = self.account.get(part, 0) + requests

    def object(self, promise: int, where: str, what: str) -> None:
        """Write down a promise that does not hold."""
        self.findings.append(Finding(promise, where, what))


def check(path: str, settings: Settings, progress: Progress | None = None) -> Verdict:
    """
    Audit the workspace at *path*.

    Raises:
        UserError: There is no workspace.
    """
    with viewing(path, settings, progress) as view:
        listing = scan(view.look, view.layout)
        verdict = Verdict(view.look.root)
        for name in listing.batches:
            _live(view, listing, name, verdict)
        for name, folders in listing.quarantined.items():
            for folder in folders:
                _quarantined(view, name, f"{QUARANTINE}/{folder}", verdict)
        for name in settled.names(view.look):
            _settled(view, name, verdict)
        _history(view, verdict)
        verdict.notes += [f"{stale}: left by a crash; the next pass removes it" for stale in listing.stale]
        return verdict


def _live(view: View, listing: Listing, name: BatchName, verdict: Verdict) -> None:
    """A batch that has not settled: its ids are accounted for, and its input is the one that was sent."""
    verdict.batches += 1
    snap = observe(view.look, view.layout, listing, name)
    where = view.layout.live_path(file_name(Role.INPUT, name))
    if snap.bad_record is not None:
        path = view.record_path(name)
        verdict.object(15, path, snap.bad_record.removeprefix(path).lstrip(": "))
    for problem in snap.problems:
        verdict.object(11, where, problem)
    aside = _set_aside(snap)
    if aside is not None:
        verdict.notes.append(f"{where}: {aside}")
        return
    if Role.INPUT not in snap.files:
        if snap.files:
            verdict.object(1, next(iter(snap.files.values())).path, "answers without their input")
        elif Role.INPUT not in snap.history:
            verdict.notes.append(f"{view.record_path(name)}: its input is gone")
        return
    _match(view, snap, where, verdict)
    if snap.record is not None:
        _children(view, verdict, name, snap.record.children)


def _set_aside(snap: Snapshot) -> str | None:
    """Why the ids of a live batch are counted elsewhere, None when they are counted here."""
    if snap.in_done:
        return f"done/{snap.name}/ is there too; the next pass finishes the move or says clash"
    if snap.quarantine_tail is not None:
        return "its move to quarantine was cut off; the next pass completes it"
    if snap.unowned:
        return "its parent has not handed its requests over; they are counted there"
    if Role.INPUT in snap.history and Role.INPUT in snap.files:
        return "done/ holds a file of that name, left by another tool"
    return None


def _match(view: View, snap: Snapshot, where: str, verdict: Verdict) -> None:
    """Draw up the account of a live batch anew and hold it against its metadata."""
    try:
        matched = match(view, snap.files, snap.record)
    except ReconcilerError as error:
        verdict.object(1, where, error.message)
        return
    coverage, record = matched.coverage, snap.record
    if coverage is None:
        verdict.notes.append(f"{'; '.join(matched.bad_input)}: its ids cannot be counted")
        return
    if record is not None and record.input is not None:
        _hold(verdict, 2, where, record.input.digest, coverage.digests[Role.INPUT])
    if record is not None and record.coverage is not None and record.coverage.digests == coverage.digests:
        _compare(verdict, view.record_path(snap.name), record.coverage, coverage)
    if matched.mismatch is not None:
        verdict.notes.append(f"{snap.name}: input and answers disagree; the next pass sets it aside")
    if not snap.answers:
        verdict.count("pending", coverage.missing.requests)
        coverage = attrs.evolve(coverage, missing=Tally())
    _account(verdict, coverage)


def _settled(view: View, name: BatchName, verdict: Verdict) -> None:
    """A batch in `done/`: whole, unchanged, and every id of it has an end."""
    verdict.batches += 1
    folder = settled.folder_of(name)
    try:
        manifest = settled.read(view.look, name)
    except FileNotFoundError:
        verdict.object(10, folder, f"there is no {settled.MANIFEST}")
        return
    except (BadMetadata, ReconcilerError) as error:
        verdict.object(10, f"{folder}/{settled.MANIFEST}", error.message)
        return
    whole = True
    for leaf, digest in manifest.files.items():
        path = f"{folder}/{leaf}"
        if view.look.fact(path) is None:
            verdict.object(3, path, "the manifest lists it and it is not there")
            whole = False
        else:
            whole &= _hold(verdict, 3, path, digest, view.look.digest(path))
    if not manifest.coverage.balanced:
        verdict.object(1, f"{folder}/{settled.MANIFEST}", "its account does not balance")
    _account(verdict, manifest.coverage)
    _children(view, verdict, name, manifest.children)
    if whole:
        _recount(view, name, manifest, verdict)
    receipt = manifest.receipts.get("process-output")
    if receipt is not None and view.look.fact(receipt["path"]) is None:
        verdict.notes.append(f"{receipt['path']}: published once and not there any more")


def _recount(view: View, name: BatchName, manifest: settled.Manifest, verdict: Verdict) -> None:
    """Match a settled batch again and hold the outcome against its manifest."""
    folder = settled.folder_of(name)
    files = {Role(leaf.split("_")[1]): leaf for leaf in manifest.files}
    facts: dict[Role, FileFact] = {}
    for role in TRIPLE:
        fact = view.look.fact(f"{folder}/{files[role]}") if role in files else None
        if fact is not None:
            facts[role] = fact
    if "quarantine" in manifest.receipts:
        # A dismissed batch was quarantined because its answers cannot be trusted; only its input counts.
        facts = {role: fact for role, fact in facts.items() if role is Role.INPUT}
        again = match(view, facts, None).coverage
        if again is not None and again.input != manifest.coverage.input:
            verdict.object(1, folder, "its input does not hold the ids that the manifest counts")
        return
    record = Record(name)
    if Role.METADATA in files:
        path = f"{folder}/{files[Role.METADATA]}"
        record = metadata.decode(view.look.read(path), path, name)
    try:
        matched = match(view, facts, attrs.evolve(record, children=manifest.children))
    except ReconcilerError as error:
        verdict.object(1, folder, error.message)
        return
    if matched.coverage is None or matched.mismatch is not None:
        verdict.object(4, folder, "its answers do not match its input")
        return
    _compare(verdict, f"{folder}/{settled.MANIFEST}", manifest.coverage, matched.coverage)


def _quarantined(view: View, name: BatchName, folder: str, verdict: Verdict) -> None:
    """A batch that was set aside: its ids are counted, nothing else can be said of it."""
    verdict.batches += 1
    fact = view.look.fact(f"{folder}/{file_name(Role.INPUT, name)}")
    if fact is None:
        verdict.notes.append(f"{folder}: its input is not there; its ids cannot be counted")
        return
    try:
        verdict.count("quarantined", sum(1 for _ in _ids(view, fact)))
    except ReconcilerError as error:
        verdict.notes.append(f"{error.message}: its ids cannot be counted")


def _children(view: View, verdict: Verdict, name: BatchName, children: Mapping[BatchName, Child]) -> None:
    """Each child holds the very ids that its parent handed over."""
    for child, fact in children.items():
        leaf = file_name(Role.INPUT, child)
        places = [view.layout.live_path(leaf), f"{DONE}/{child}/{leaf}"]
        places += [
            f"{QUARANTINE}/{entry.name}/{leaf}"
            for entry in view.look.listing(QUARANTINE)
            if entry.kind is Kind.FOLDER and batch_of_folder(entry.name) == child
        ]
        found = next((kept for path in places if (kept := view.look.fact(path)) is not None), None)
        if found is None:
            verdict.object(1, leaf, f"{name} handed {fact.owns.requests} ids to {child}, whose input is gone")
        elif Tally.of(_ids(view, found)) != fact.owns:
            verdict.object(1, found.path, f"it does not hold the ids that {name} handed to it")


def _history(view: View, verdict: Verdict) -> None:
    """The ledger: every line whole, every settled batch still there."""
    for entry in ledger.entries(view.look):
        where = f"{ledger.PATH}:{entry.number}"
        if entry.problem == ledger.TORN:
            # A crash in the middle of an append leaves this; the next append began a new line.
            verdict.notes.append(f"{where}: {entry.problem}; it is skipped")
        elif entry.problem is not None:
            verdict.object(3, where, entry.problem)
        name = parse_name(str(entry.fields.get("batch")))
        if entry.event == "batch.settled" and name and view.look.kind(f"{DONE}/{name}") is None:
            verdict.object(2, where, f"done/{name}/ settled once and is gone")


def _ids(view: View, fact: FileFact) -> list[int]:
    """The hashes of all ids of an input."""
    return [hash_id(request_id(line, fact.path)) for line in Lines(view, fact)]


def _account(verdict: Verdict, coverage: Coverage) -> None:
    """Add one batch to the account of the workspace."""
    for part in ("answered", "failed", "retried", "dismissed", "missing"):
        tally: Tally = getattr(coverage, part)
        if tally.requests:
            verdict.count(part, tally.requests)


def _compare(verdict: Verdict, where: str, written: Coverage, counted: Coverage) -> None:
    """Hold a written account against the one that the files give."""
    for part in ("input", "answered", "failed", "retried", "dismissed", "missing"):
        here: Tally = getattr(written, part)
        there: Tally = getattr(counted, part)
        if here != there:
            what = f"{part}: {here.requests} ids are written down, the files hold {there.requests}"
            verdict.object(
                1, where, what if here.requests != there.requests else f"{part}: other ids than counted"
            )


def _hold(verdict: Verdict, promise: int, where: str, written: FileDigest, found: FileDigest) -> bool:
    """Hold a file against the digest that is written down for it."""
    if written != found:
        verdict.object(
            promise, where, f"it was changed (sha256 {found.sha256[:12]}…, was {written.sha256[:12]}…)"
        )
    return written == found
