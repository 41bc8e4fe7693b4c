"""
A settled batch whose JSONL `[retain]` removed: its tombstone, and what was published, have to prove the rest.

The results are all that is left of the answers, so a change of them is a broken promise here, not a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import msgspec

from reconciler.check.verdict import Verdict, compare
from reconciler.errors import BadMetadata, PermanentError
from reconciler.executor.context import View
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally, hash_id
from reconciler.model.identity import BatchName
from reconciler.processors.results import published_as
from reconciler.workspace import ledger, settled, tombstones
from reconciler.workspace.receipts import changed, published_by
from reconciler.workspace.settled import Manifest
from reconciler.workspace.tombstones import Tombstone

_PARTS: Final = ("answered", "failed", "retried", "dismissed")


class _Row(msgspec.Struct):
    """A line of such a file, as far as it says where a request stands."""

    custom_id: str
    outcome: str


def check_tombstone(view: View, manifest: Manifest, verdict: Verdict) -> Mapping[str, FileDigest]:
    """
    Hold the tombstone of a batch against its manifest, and both against what was published.

    Returns:
        The files that it says were removed; empty when there is none, or none to be believed.
    """
    path = tombstones.path_of(manifest.name)
    try:
        tombstone = tombstones.read(view.look, manifest.name)
        if tombstone is None:
            return {}
        published = published_by(manifest.receipts.get("process-output", {}))
    except (BadMetadata, PermanentError, ValueError, TypeError, KeyError) as error:
        verdict.object(15, path, str(error), "tombstone-unreadable")
        return {}
    _against_manifest(manifest, tombstone, published, verdict)
    there = [leaf for leaf in tombstone.files if view.look.kind(f"{settled.folder_of(manifest.name)}/{leaf}")]
    if there:
        verdict.notes.append(f"{path}: the removal was cut off; a pass, or reconcile retain, completes it")
    wrong = changed(view.look, tombstone.published)
    if wrong is not None:
        what = f"{wrong}, and the answers themselves were removed"
        verdict.object(3, path, what, "results-changed")
    else:
        _recount(view, manifest, tombstone, verdict)
    return tombstone.files


def _against_manifest(
    manifest: Manifest, tombstone: Tombstone, published: Mapping[str, FileDigest], verdict: Verdict
) -> None:
    """The two speak of the same files, the same ids and the same results."""
    path = tombstones.path_of(manifest.name)
    for leaf, digest in tombstone.files.items():
        if manifest.files.get(leaf) != digest:
            what = f"{leaf}: not the file that the manifest lists"
            verdict.object(2, path, what, "tombstone-differs")
    if tombstone.published != published:
        verdict.object(2, path, "it tells of other results than the manifest", "tombstone-differs")
    compare(verdict, path, tombstone.coverage, manifest.coverage)
    if not tombstone.published:
        what = "the JSONL was removed, and nothing was published before"
        verdict.object(2, path, what, "removed-unpublished")


def _recount(view: View, manifest: Manifest, tombstone: Tombstone, verdict: Verdict) -> None:
    """Count the ids in the published results, which are all that is left of the answers."""
    for path in tombstone.published:
        recount_rows(view, manifest, path, verdict, 1)


def recount_rows(view: View, manifest: Manifest, path: str, verdict: Verdict, promise: int) -> None:
    """Count the ids in the results of a batch, a line for each request, and hold them to its account."""
    known = manifest.coverage
    if path != published_as(manifest.name):
        # A user's own processor may have given any name to what it has made, and any form.
        return
    hashes: dict[str, list[int]] = {part: [] for part in _PARTS}
    try:
        with view.look.open(path) as stream:
            for line in stream:
                row = msgspec.json.decode(line, type=_Row)
                hashes[row.outcome].append(hash_id(row.custom_id))
    except (msgspec.MsgspecError, KeyError) as error:
        what = f"a line cannot be read ({type(error).__name__})"
        verdict.object(promise, path, what, "results-unreadable")
        return
    answered, failed, retried, dismissed = (Tally.of(hashes[part]) for part in _PARTS)
    ended = failed + dismissed
    found = Coverage(answered + ended + retried, answered, ended, retried)
    # A failure may have been given up after a processor of the user's own had seen it.
    written = attrs.evolve(known, failed=known.failed + known.dismissed, dismissed=NOTHING)
    compare(verdict, path, written, found, promise)


def check_removal(view: View, name: BatchName, entry: ledger.Entry, verdict: Verdict) -> None:
    """A tombstone tells of the files that history tells of."""
    path = tombstones.path_of(name)
    try:
        tombstone = tombstones.read(view.look, name)
    except (BadMetadata, PermanentError):
        return
    if tombstone is None:
        if view.look.kind(settled.folder_of(name)) is not None:
            what = f"{ledger.PATH}:{entry.number} tells of it, and it is gone"
            verdict.object(2, path, what, "tombstone-gone")
    elif {leaf: digest.sha256 for leaf, digest in tombstone.files.items()} != entry.fields.get("files"):
        what = f"{ledger.PATH}:{entry.number} tells of other files"
        verdict.object(2, path, what, "tombstone-differs")
