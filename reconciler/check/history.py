"""
The history of a workspace, held against what lies there.

A ledger line is written before or with what it tells of, and never changed: what was sent is in it, no create
of one intent twice, and what it says of a settled batch its manifest says too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from reconciler.check.batches import record_in
from reconciler.check.removed import check_removal
from reconciler.check.verdict import Verdict
from reconciler.errors import BadMetadata, PermanentError
from reconciler.executor.context import View
from reconciler.model.identity import BatchName, Role, file_name, parse_name
from reconciler.model.record import Record
from reconciler.workspace import ledger, settled
from reconciler.workspace.layout import DONE, QUARANTINE, WORKSPACE_ID
from reconciler.workspace.observe import TRIPLE
from reconciler.workspace.scan import Listing, batch_of_folder

_ENDED: Final = frozenset({"batch.settled", "batch.quarantined", "batch.dismissed"})
"""Events after which other lines tell where it is."""


@attrs.define
class _Told:
    """
    What history tells.

    Attributes:
        remote: The ids of batches at providers.
        creates: Where the create of each intent was told of.
        made: For each intent, the batches that its create made.
        settled: The last line of each settled batch.
        sent: Batches that were sent and have not ended, with the line and the id.
        aside: Batches that were set aside last, with the line and the folder.
    """

    remote: set[str] = attrs.field(factory=set)
    creates: dict[str, str] = attrs.field(factory=dict)
    made: dict[str, str] = attrs.field(factory=dict)
    settled: dict[BatchName, ledger.Entry] = attrs.field(factory=dict)
    sent: dict[BatchName, tuple[str, str]] = attrs.field(factory=dict)
    aside: dict[BatchName, tuple[str, str]] = attrs.field(factory=dict)


def check_history(view: View, listing: Listing, verdict: Verdict) -> None:
    """Every line is whole, and everything that it tells of is where it was left."""
    told = _Told()
    for entry in ledger.entries(view.look):
        where = f"{ledger.PATH}:{entry.number}"
        if entry.problem == ledger.TORN:
            # A crash in the middle of an append leaves this; the next append began a new line.
            verdict.notes.append(f"{where}: {entry.problem}; it is skipped")
        elif entry.problem is not None:
            verdict.object(3, where, entry.problem, "history-damaged")
        else:
            _take(view, entry, where, told, verdict)
    _gone(view, told, verdict)
    for name in settled.names(view.look):
        _against_manifest(view, name, told, verdict)
    _records(view, listing, told, verdict)
    if view.look.kind(ledger.PATH) is not None and view.look.kind(WORKSPACE_ID) is None:
        what = f"it has vanished though {ledger.PATH} is there; half of the workspace may not be mounted"
        verdict.object(15, WORKSPACE_ID, what, "id-gone")


def _take(view: View, entry: ledger.Entry, where: str, told: _Told, verdict: Verdict) -> None:
    """Take in one line."""
    _create(entry, where, told, verdict)
    name, batch_id = parse_name(str(entry.fields.get("batch"))), str(entry.fields.get("batch_id", ""))
    if entry.event in ledger.SENT and batch_id:
        told.remote.add(batch_id)
        if name is not None:
            told.sent[name] = (where, batch_id)
    if name is None:
        return
    if entry.event in _ENDED:
        told.sent.pop(name, None)
    if entry.event == "batch.settled":
        told.settled[name] = entry
        if view.look.kind(f"{DONE}/{name}") is None:
            verdict.object(2, where, f"done/{name}/ settled once and is gone", "settled-gone")
    if entry.event == "batch.removed":
        check_removal(view, name, entry, verdict)
    if entry.event == "batch.quarantined":
        folder = str(entry.fields.get("folder"))
        if batch_of_folder(folder.removeprefix(f"{QUARANTINE}/")) is None:
            verdict.object(3, where, f"it tells of no folder of {QUARANTINE}/", "history-damaged")
        else:
            told.aside[name] = (where, folder)
    else:
        told.aside.pop(name, None)


def _create(entry: ledger.Entry, where: str, told: _Told, verdict: Verdict) -> None:
    """An intent has one create, and its create made one batch."""
    intent = str(entry.fields.get("intent", ""))
    if not intent:
        return
    if entry.event == "batch.creating":
        if intent in told.creates:
            verdict.object(
                5, where, f"a second create of the intent of {told.creates[intent]}", "created-twice"
            )
        told.creates[intent] = where
    elif entry.event == "batch.submitted":
        batch_id = str(entry.fields.get("batch_id"))
        first = told.made.setdefault(intent, batch_id)
        if first != batch_id:
            what = f"{batch_id} is a second batch of the intent that made {first}"
            verdict.object(5, where, what, "created-twice")


def _is_live(view: View, name: BatchName) -> bool:
    """Whether any file of a batch is in the live folder."""
    return any(view.look.kind(view.layout.live_path(file_name(role, name))) for role in TRIPLE)


def _gone(view: View, told: _Told, verdict: Verdict) -> None:
    """What was set aside, or sent, is somewhere."""
    for name, (where, folder) in told.aside.items():
        there = any(view.look.kind(path) for path in (folder, settled.folder_of(name)))
        if not there and not _is_live(view, name):
            verdict.object(1, where, f"{folder}/ was set aside and is gone", "set-aside-gone")
    for name, (where, batch_id) in told.sent.items():
        there = any(view.look.kind(path) for path in (settled.folder_of(name), view.record_path(name)))
        if not there and not _is_live(view, name):
            what = f"{name} was sent as {batch_id}, and none of its files is here"
            verdict.object(6, where, what, "sent-and-gone")


def _against_manifest(view: View, name: BatchName, told: _Told, verdict: Verdict) -> None:
    """What history tells of a settled batch, its manifest says."""
    if _is_live(view, name):
        return  # a move that was cut off: history may learn of it when it is finished
    try:
        manifest = settled.read(view.look, name)
    except (BadMetadata, PermanentError, FileNotFoundError):
        return
    if "quarantine" in manifest.receipts:
        return  # it was dismissed, which is another line
    path, entry = f"{settled.folder_of(name)}/{settled.MANIFEST}", told.settled.get(name)
    if entry is None:
        verdict.notes.append(f"{path}: history has no line of it")
        verdict.untold.add(name)
        return
    where = f"{ledger.PATH}:{entry.number}"
    digest = manifest.coverage.digests.get(Role.INPUT)
    if entry.fields.get("input") != (None if digest is None else digest.sha256):
        verdict.object(2, path, f"{where} tells of another input", "history-differs")
    for part in ("input", "answered"):
        requests = getattr(manifest.coverage, part).requests
        written = entry.fields.get("requests" if part == "input" else part)
        if written != requests:
            what = f"{part}: it counts {requests} ids, and {where} tells of {written}"
            verdict.object(1, path, what, "history-differs")


def _records(view: View, listing: Listing, told: _Told, verdict: Verdict) -> None:
    """Every batch that an intent of ours has made is in history, and each child counts its sends on."""
    attempts: dict[BatchName, int] = {}
    children: list[tuple[BatchName, BatchName, int, str]] = []
    for name, where, record, known in _every(view, listing):
        attempts[name] = known["attempt"]
        if known["parent"] is not None:
            children.append((name, known["parent"], known["attempt"], where))
        if record.intent is not None and record.batch_id is not None and record.batch_id not in told.remote:
            what = f"{record.batch_id} was sent, and {ledger.PATH} does not know it"
            verdict.object(6, where, what, "not-in-history")
    for name, parent, attempt, where in children:
        if attempts.get(parent, 0) >= attempt:
            what = f"{name} counts as send {attempt} of its requests, and {parent} as send {attempts[parent]}"
            verdict.object(9, where, what, "sends-miscounted")


def _every(view: View, listing: Listing) -> Iterator[tuple[BatchName, str, Record, dict[str, Any]]]:
    """Name, file, metadata, parent and attempt of every batch of which these can be read."""
    for name in listing.batches:
        try:
            record = view.record(name)
        except (BadMetadata, PermanentError):
            continue
        if record is not None:
            yield name, view.record_path(name), record, {"parent": record.parent, "attempt": record.attempt}
    folders = [
        (name, f"{QUARANTINE}/{leaf}") for name, leaves in listing.quarantined.items() for leaf in leaves
    ]
    folders += [(name, settled.folder_of(name)) for name in settled.names(view.look)]
    for name, folder in folders:
        try:
            record = record_in(view, folder, name)
            known = {"parent": record.parent, "attempt": record.attempt}
            if folder.startswith(f"{DONE}/"):
                manifest = settled.read(view.look, name)
                known = {"parent": manifest.parent, "attempt": manifest.attempt}
        except (BadMetadata, PermanentError, FileNotFoundError):
            continue
        yield name, f"{folder}/{file_name(Role.METADATA, name)}", record, known
