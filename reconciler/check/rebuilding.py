"""
The manifest of a settled batch, made again from everything that it was made of: files, metadata and history.

A pure read. It is only made where all of them agree, nothing of the batch has changed since it settled, and
its results are the ones that the built-in processor makes of these answers: then nothing in it is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.check.batches import record_in
from reconciler.errors import BadMetadata, PermanentError, ReconcilerError
from reconciler.executor.answers import places, read_at
from reconciler.executor.context import View
from reconciler.executor.hashing import digest_of
from reconciler.executor.matching import match
from reconciler.executor.publishing import results_blocks
from reconciler.executor.reading import owners_of
from reconciler.model.coverage import Coverage
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import ProcessErrors, ProcessOutput
from reconciler.model.receipt import invocation_token
from reconciler.model.record import Record
from reconciler.processors import results, summary
from reconciler.processors.base import RESULTS, VERSIONS
from reconciler.workspace import ledger, settled, tombstones
from reconciler.workspace.fields import digest_fields
from reconciler.workspace.observe import TRIPLE

PLAIN: Final = f"{RESULTS}/{VERSIONS[RESULTS]}"
"""The built-in processor that publishes answers as they are."""

_CHANGING: Final = frozenset({"batch.retried", "batch.replayed", "batch.removed", "batch.dismissed"})
_PARTS: Final = ("answered", "failed", "retried", "dismissed")


def rebuilt(view: View, name: BatchName) -> settled.Manifest:
    """
    The manifest of a batch in `done/` that has none, but for the version that settled it.

    Raises:
        PermanentError: It cannot be proven; the message says why.
    """
    folder = settled.folder_of(name)
    try:
        record = record_in(view, folder, name)
        facts = _files(view, folder, name)
        account = _account(view, record, facts)
        at = _settled_at(view, name, account)
        receipts = _receipts(view, record, facts, account)
        digests = {fact.path.rpartition("/")[2]: view.look.digest(fact.path) for fact in facts.values()}
        leaf = file_name(Role.METADATA, name)
        digests[leaf] = view.look.digest(f"{folder}/{leaf}")
    except (BadMetadata, OSError, ValueError, TypeError, KeyError) as error:
        raise PermanentError(f"what it is made of cannot be read ({error})") from error
    return settled.Manifest(
        name=name,
        files=digests,
        coverage=account,
        parent=record.parent,
        attempt=record.attempt,
        children=record.children,
        settled_at=at,
        provider=record.provider,
        batch_id=record.batch_id,
        receipts=receipts,
        worker=record.online.worker,
    )


def _files(view: View, folder: str, name: BatchName) -> dict[Role, FileFact]:
    """The triple, as it lies there."""
    if view.look.kind(tombstones.path_of(name)) is not None:
        raise PermanentError("its JSONL was removed, and the manifest alone knew what it was")
    found = {role: view.look.fact(f"{folder}/{file_name(role, name)}") for role in TRIPLE}
    return {role: fact for role, fact in found.items() if fact is not None}


def _account(view: View, record: Record, facts: Mapping[Role, FileFact]) -> Coverage:
    """Where every id stands: counted again, and as metadata says."""
    known = record.coverage
    if known is None or not known.balanced:
        raise PermanentError("its metadata holds no account that balances")
    if record.dismissed or record.imported is not None or known.extraction is not None:
        raise PermanentError("more has been done with it than files can show")
    try:
        matched = match(view, facts, record)
    except ReconcilerError as error:
        raise PermanentError(error.message) from error
    counted = matched.coverage
    if matched.mismatch is not None or matched.late or counted is None or counted != known:
        raise PermanentError("its files do not give the account that its metadata holds")
    return known


def _settled_at(view: View, name: BatchName, account: Coverage) -> float:
    """When it settled, where history tells of this very account and of nothing since."""
    found: ledger.Entry | None = None
    since = ""
    for entry in ledger.entries(view.look):
        if entry.problem is not None:
            raise PermanentError("a line of history cannot be read, and may be about it")
        if entry.fields.get("batch") != name:
            continue
        if entry.event == "batch.settled":
            found, since = entry, ""
        elif entry.event in _CHANGING:
            since = entry.event
    if found is not None and since:
        raise PermanentError(f"history tells of {since} since it settled, after which the manifest knew more")
    digest = account.digests.get(Role.INPUT)
    wanted = {part: getattr(account, part).requests for part in _PARTS}
    wanted |= {"requests": account.input.requests}
    if found is None or digest is None or found.fields.get("input") != digest.sha256:
        raise PermanentError("history does not tell that this input settled")
    if any(found.fields.get(part) != requests for part, requests in wanted.items()):
        raise PermanentError("history tells of another account")
    return float(found.fields["at"])


def _receipts(
    view: View, record: Record, facts: Mapping[Role, FileFact], account: Coverage
) -> dict[str, dict[str, Any]]:
    """What the processors proved, where the built-in ones make the very results that are there."""
    name, path = record.name, results.published_as(record.name)
    owners = owners_of(view, record.children)
    origin = results.Origin(name, record.provider, record.attempt)
    made = digest_of(results_blocks(view, facts, origin, lambda hashed, _place: owners.get(hashed)))
    there = view.look.fact(path)
    if there is None or view.look.digest(path) != made:
        raise PermanentError(f"{path} is not what the built-in results make of its answers")
    if view.look.kind(results.csv_as(name)) is not None:
        raise PermanentError(f"{results.csv_as(name)} is there, and nothing vouches for it any more")
    token = invocation_token(name, PLAIN, account.digests, record.children)
    asks = {"retried_in": [*record.children][-1]} if record.children else {}
    proof = {"token": token, "processor": PLAIN, "path": path, **digest_fields(made), **asks}
    receipts: dict[str, dict[str, Any]] = {ProcessOutput.verb: proof}
    answers = places(view, facts, account)
    failures = (
        (result.custom_id, result, hashed in owners)
        for hashed, _, result in read_at(view, facts, answers, answers.failures())
    )
    classes = summary.summarise(failures)
    if classes:
        receipts[ProcessErrors.verb] = {"classes": classes}
    if any(receipts.get(verb) != proof for verb, proof in record.receipts.items()):
        raise PermanentError("its metadata tells of other processors than the built-in ones")
    return receipts
