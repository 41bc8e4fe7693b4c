"""One batch at a time: live, settled or set aside."""

from __future__ import annotations

from collections.abc import Container

import attrs
import msgspec

from reconciler.check.given_up import check_given_up
from reconciler.check.removed import check_tombstone, recount_rows
from reconciler.check.verdict import Verdict, check_children, compare, count, hold, ids_of
from reconciler.errors import BadMetadata, Clash, ReconcilerError, StaleSnapshot
from reconciler.executor.context import View
from reconciler.executor.matching import answers_gone, match
from reconciler.executor.moving import REASON
from reconciler.model.coverage import Coverage, Tally
from reconciler.model.extraction import Extraction
from reconciler.model.facts import FileFact, Kind
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import ProcessOutput
from reconciler.model.record import Record
from reconciler.model.snapshot import Matched, Snapshot
from reconciler.model.words import many
from reconciler.processors.repair import repair_version
from reconciler.workspace import fields, metadata, settled, tombstones
from reconciler.workspace.effects import TEMPORARY
from reconciler.workspace.observe import TRIPLE, observe
from reconciler.workspace.receipts import published_by
from reconciler.workspace.relocate import twins
from reconciler.workspace.scan import Listing


def check_live(view: View, listing: Listing, name: BatchName, verdict: Verdict) -> None:
    """A batch that has not settled: its ids are accounted for, and its input is the one that was sent."""
    verdict.batches += 1
    snap = observe(view.look, view.layout, listing, name)
    where = view.layout.live_path(file_name(Role.INPUT, name))
    if snap.bad_record is not None:
        path = view.record_path(name)
        verdict.object(15, path, snap.bad_record, "record-unreadable")
    for problem in snap.problems:
        verdict.object(11, where, problem, "name-taken")
    if snap.in_done and not _is_tail(view, snap):
        verdict.object(11, where, f"done/{name}/ holds other files of that name", "name-taken")
    aside = _set_aside(snap)
    if aside is not None:
        verdict.notes.append(f"{where}: {aside}")
        return
    if Role.INPUT not in snap.files:
        if snap.files:
            first = next(iter(snap.files.values())).path
            verdict.object(1, first, "answers without their input", "input-gone")
        elif Role.INPUT not in snap.history and snap.record is not None and snap.record.coverage is not None:
            ids = many(snap.record.coverage.input.requests, "id")
            what = f"it counts {ids}, and its input is gone"
            verdict.object(1, view.record_path(name), what, "input-gone")
        elif Role.INPUT not in snap.history:
            verdict.notes.append(f"{view.record_path(name)}: its input is gone")
        return
    _match(view, snap, where, verdict)
    if snap.record is not None:
        check_children(view, verdict, name, snap.record.children, snap.files[Role.INPUT])


def _is_tail(view: View, snap: Snapshot) -> bool:
    """Whether live files beside `done/<name>/` are those of an interrupted move."""
    try:
        twins(view.look, {role: fact.path for role, fact in snap.files.items()}, settled.folder_of(snap.name))
    except Clash:
        return False
    return True


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
        matched = match(view, snap.files, snap.record, _extraction_of(snap.record))
    except StaleSnapshot:
        raise
    except ReconcilerError as error:
        verdict.object(1, where, error.message, "not-countable")
        return
    coverage = matched.coverage
    if coverage is None:
        verdict.notes.append(f"{'; '.join(matched.bad_input)}: its ids cannot be counted")
        return
    _against_record(snap, matched, coverage, where, verdict)
    if matched.mismatch is not None:
        verdict.notes.append(f"{snap.name}: input and answers disagree; the next pass sets it aside")
    if not snap.answers:
        verdict.count("pending", coverage.missing.requests)
        coverage = attrs.evolve(coverage, missing=Tally())
    count(verdict, coverage)


def _against_record(
    snap: Snapshot, matched: Matched, coverage: Coverage, where: str, verdict: Verdict
) -> None:
    """Hold what the files say against what metadata remembers of them."""
    record = snap.record
    if record is not None and record.coverage is None and ProcessOutput.verb in record.receipts:
        what = "something was published of it before its ids had matched"
        verdict.object(4, where, what, "published-unmatched")
    if record is not None and record.input is not None:
        hold(verdict, 2, where, record.input.digest, coverage.digests[Role.INPUT])
    if record is not None and record.coverage is not None and record.coverage.digests == coverage.digests:
        _compare(verdict, where, record.coverage, coverage)
    if record is not None and record.coverage is not None:
        gone = answers_gone(record.coverage, coverage)
        if gone > 0 and not _repaired_otherwise(record.coverage):
            what = f"{many(gone, 'answer')} that an earlier pass counted are not here any more"
            verdict.object(1, where, what, "answers-gone")
    _once(verdict, where, matched)


def _once(verdict: Verdict, where: str, matched: Matched) -> None:
    """No id that is answered is a child's."""
    for late in matched.late:
        verdict.object(8, where, f"{late}: answered here, and asked again in a child", "asked-again")


def check_settled(view: View, listing: Listing, name: BatchName, verdict: Verdict) -> None:
    """A batch in `done/`: whole, unchanged, and every id of it has an end."""
    verdict.batches += 1
    folder = settled.folder_of(name)
    try:
        manifest = settled.read(view.look, name)
    except FileNotFoundError:
        verdict.object(10, folder, f"there is no {settled.MANIFEST}", "manifest-gone")
        return
    except (BadMetadata, ReconcilerError) as error:
        verdict.object(10, f"{folder}/{settled.MANIFEST}", error.message, "manifest-unreadable")
        return
    buried = check_tombstone(view, manifest, verdict)
    whole = _held(view, manifest, buried, verdict)
    if not manifest.coverage.balanced:
        where = f"{folder}/{settled.MANIFEST}"
        verdict.object(1, where, "its account does not balance", "not-balanced")
    count(verdict, manifest.coverage)
    leaves = manifest.leaves
    asked = view.look.fact(f"{folder}/{leaves[Role.INPUT]}") if Role.INPUT in leaves else None
    check_children(view, verdict, name, manifest.children, asked)
    check_given_up(view, listing, manifest, verdict)
    if buried:
        # What was published is all there is, and was held to its digest there.
        return
    if whole:
        _recount(view, name, manifest, verdict)
    _published(view, manifest, verdict)


def _published(view: View, manifest: settled.Manifest, verdict: Verdict) -> None:
    """What an output processor has published holds the account; what users made of it since is theirs."""
    try:
        published = published_by(manifest.receipts.get(ProcessOutput.verb, {}))
    except (ValueError, TypeError, KeyError) as error:
        what = f"what it says was published cannot be read ({type(error).__name__}: {error})"
        verdict.object(
            10, f"{settled.folder_of(manifest.name)}/{settled.MANIFEST}", what, "manifest-unreadable"
        )
        return
    for path, digest in published.items():
        if view.look.fact(path) is None:
            verdict.notes.append(f"{path}: published once and not there any more")
        elif view.look.digest(path) != digest:
            verdict.notes.append(f"{path}: not what was published; it was changed since")
        elif not _repaired_otherwise(manifest.coverage):
            recount_rows(view, manifest, path, verdict, 7)


def _held(view: View, manifest: settled.Manifest, buried: Container[str], verdict: Verdict) -> bool:
    """Whether every file of a manifest is there and unchanged; *buried* ones may be gone."""
    whole = True
    for leaf, digest in manifest.files.items():
        path = f"{settled.folder_of(manifest.name)}/{leaf}"
        kind = view.look.kind(path)
        if kind not in (None, Kind.FILE):
            whole = False
            verdict.object(16, path, "a link, a folder or a special file in place of a file", "not-a-file")
        elif kind is None:
            whole = False
            if leaf not in buried:
                verdict.object(3, path, "the manifest lists it and it is not there", "file-gone")
        else:
            whole &= hold(verdict, 3, path, digest, view.look.digest(path))
    ours = {*manifest.files, settled.MANIFEST, tombstones.TOMBSTONE, REASON}
    others = (each.name for each in view.look.listing(settled.folder_of(manifest.name)))
    verdict.notes += [
        f"{settled.folder_of(manifest.name)}/{leaf}: not one of the files that settled"
        for leaf in sorted(others)
        if leaf not in ours and not leaf.startswith(TEMPORARY)
    ]
    return whole


def _recount(view: View, name: BatchName, manifest: settled.Manifest, verdict: Verdict) -> None:
    """Match a settled batch again and hold the outcome against its manifest."""
    folder = settled.folder_of(name)
    seen = {
        role: view.look.fact(f"{folder}/{leaf}") for role, leaf in manifest.leaves.items() if role in TRIPLE
    }
    facts = {role: fact for role, fact in seen.items() if fact is not None}
    if Role.INPUT not in facts:
        verdict.object(1, folder, "its manifest lists no input", "not-countable")
        return
    if "quarantine" in manifest.receipts:
        # A dismissed batch was quarantined because its answers cannot be trusted; only its input counts.
        facts = {role: fact for role, fact in facts.items() if role is Role.INPUT}
        again = match(view, facts, None).coverage
        if again is not None and again.input != manifest.coverage.input:
            what = "its input does not hold the ids that the manifest counts"
            verdict.object(1, folder, what, "account-differs")
        return
    try:
        record = attrs.evolve(record_in(view, folder, name), children=manifest.children)
        matched = match(view, facts, record, manifest.coverage.extraction)
    except BadMetadata as error:
        verdict.object(15, folder, error.message, "record-unreadable")
        return
    except ReconcilerError as error:
        verdict.object(1, folder, error.message, "not-countable")
        return
    if matched.coverage is None or matched.mismatch is not None:
        verdict.object(4, folder, "its answers do not match its input", "answers-mismatch")
        return
    _once(verdict, folder, matched)
    _compare(verdict, f"{folder}/{settled.MANIFEST}", manifest.coverage, matched.coverage)


def record_in(view: View, folder: str, name: BatchName) -> Record:
    """
    The metadata that lies in a folder of `done/` or `quarantine/`; a bare record where there is none.

    Raises:
        BadMetadata: It cannot be trusted.
    """
    path = f"{folder}/{file_name(Role.METADATA, name)}"
    if view.look.fact(path) is None:
        return Record(name)
    return metadata.decode(view.look.read(path), path, name)


def _extraction_of(record: Record | None) -> Extraction | None:
    """What the answers of a live batch were held to; the settings of today do not change what was counted."""
    return None if record is None else record.held_to


def _repaired_otherwise(written: Coverage) -> bool:
    """Whether an account may hang on another version of what repairs broken JSON than the one here."""
    repair = "" if written.extraction is None else written.extraction.repair
    return bool(repair) and repair != repair_version()


def _compare(verdict: Verdict, where: str, written: Coverage, counted: Coverage) -> None:
    """Hold a written account against the one that the files give, as far as both can be the same."""
    if not _repaired_otherwise(written):
        compare(verdict, where, written, counted)
        return
    apart = Verdict(verdict.root)
    compare(apart, where, written, counted)
    for finding in apart.findings:
        told = f"{finding.what}; it was counted with another version of json-repair than {repair_version()}"
        verdict.notes.append(f"{where}: {told}")


def check_quarantined(view: View, name: BatchName, folder: str, verdict: Verdict) -> None:
    """A batch that was set aside: its ids are counted, nothing else can be said of it."""
    verdict.batches += 1
    fact = view.look.fact(f"{folder}/{file_name(Role.INPUT, name)}")
    _reason(view, name, folder, fact, verdict)
    if fact is None:
        verdict.notes.append(f"{folder}: its input is not there; its ids cannot be counted")
        return
    try:
        verdict.count("quarantined", sum(1 for _ in ids_of(view, fact)))
    except ReconcilerError as error:
        verdict.notes.append(f"{error.message}: its ids cannot be counted")


def _reason(view: View, name: BatchName, folder: str, asked: FileFact | None, verdict: Verdict) -> None:
    """Our own documents can be read, and the input is the one that was sent; answers may be mended."""
    path = f"{folder}/{REASON}"
    try:
        told = fields.mapping(msgspec.json.decode(view.look.read(path)), "the reason")
        files = fields.read_files(told["files"])
    except FileNotFoundError:
        verdict.object(3, path, "it is not there", "reason-gone")
        files = {}
    except (msgspec.MsgspecError, ReconcilerError, ValueError, TypeError, KeyError, AttributeError) as error:
        verdict.object(3, path, f"it cannot be read ({type(error).__name__})", "reason-unreadable")
        files = {}
    for leaf, digest in files.items():
        there = view.look.fact(f"{folder}/{leaf}")
        if there is None or view.look.digest(there.path) != digest:
            verdict.notes.append(f"{folder}/{leaf}: not what was set aside; it was changed or moved since")
    try:
        record = record_in(view, folder, name)
    except BadMetadata as error:
        verdict.object(15, f"{folder}/{file_name(Role.METADATA, name)}", error.message, "record-unreadable")
        return
    if asked is not None and record.input is not None:
        hold(verdict, 2, asked.path, record.input.digest, view.look.digest(asked.path))
