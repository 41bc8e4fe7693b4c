"""
What only a person decides: to give ids up, and to ask a settled batch's failures again.

Every decision is in the ledger before its batch moves, and the account balances afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from reconciler.codec.request import request_id
from reconciler.errors import BadLine, BadMetadata, Clash, NeedsPerson
from reconciler.executor.answers import Place, places
from reconciler.executor.context import Context, Run
from reconciler.executor.leftovers import make_child, moved
from reconciler.executor.moving import REASON, settle
from reconciler.executor.processing import publish_results
from reconciler.executor.reading import Lines, owners_of
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally, hash_id
from reconciler.model.identity import (
    ANSWERS,
    BatchName,
    Role,
    file_name,
    parse_file_name,
)
from reconciler.model.operation import FileFact
from reconciler.model.outcome import retryable_classes
from reconciler.model.record import Record
from reconciler.model.words import many
from reconciler.planner import next_child
from reconciler.processors.results import Origin
from reconciler.workspace import ledger, settled
from reconciler.workspace.layout import QUARANTINE
from reconciler.workspace.observe import children_of
from reconciler.workspace.relocate import Moving, remove_sources, twins
from reconciler.workspace.scan import Listing


def dismiss_live(ctx: Context, name: BatchName, coverage: Coverage, *, failed: bool) -> str:
    """
    Give up the missing ids of a live batch, and its failures too when they hold it back.

    Returns:
        What was given up, in words.

    Raises:
        NeedsPerson: There is nothing to give up.
    """
    parts: dict[str, Tally] = {}
    if coverage.missing != NOTHING:
        parts["missing"] = coverage.missing
    if failed and coverage.failed != NOTHING:
        parts["failed"] = coverage.failed
    if not parts:
        raise NeedsPerson(f"{name} has nothing to give up", hint="reconcile WORKSPACE settles it")
    words = " and ".join(many(tally.requests, f"{part} request") for part, tally in parts.items())
    ledger.append_once(
        ctx.fx, "batch.dismissed", name, ids={part: tally.digest for part, tally in parts.items()}
    )
    record = ctx.record(name) or Record(name)
    Run(ctx).publish(attrs.evolve(record, dismissed={**record.dismissed, **parts}))
    return f"{words} given up"


def dismiss_quarantined(ctx: Context, name: BatchName, folder: str) -> str:
    """
    Accept the loss of a quarantined batch: it moves to `done/` with every id dismissed.

    Returns:
        Where it went, in words.

    Raises:
        NeedsPerson: Its input is not there or cannot be read, so its ids cannot be counted.
    """
    there = f"{QUARANTINE}/{folder}"
    paths: dict[Role, str] = {}
    for entry in ctx.fx.listing(there):
        found = parse_file_name(entry.name)
        if found is not None:
            paths[found[0]] = f"{there}/{entry.name}"
    fact = ctx.fx.fact(paths[Role.INPUT]) if Role.INPUT in paths else None
    if fact is None:
        message = f"{there}/ holds no input, so the ids that would be given up cannot be counted"
        raise NeedsPerson(message, hint=f"move {there}/ out of the workspace yourself")
    lines = Lines(ctx, fact)
    try:
        asked = Tally.of(hash_id(request_id(line, fact.path)) for line in lines)
    except BadLine as error:
        raise NeedsPerson(
            str(error), hint=f"mend the line, or move {there}/ out of the workspace yourself"
        ) from error
    reason_path = f"{there}/{REASON}"
    reason = ctx.fx.read(reason_path).decode(errors="replace") if ctx.fx.fact(reason_path) else ""
    files = {role: Moving(path, ctx.fx.digest(path)) for role, path in paths.items()}
    target = _free_folder(ctx, name, files)
    if ctx.fx.kind(target) is None:
        digests: dict[Role, FileDigest] = {
            role: file.digest for role, file in files.items() if role is not Role.METADATA
        }
        manifest = settled.Manifest(
            name=BatchName(target.rpartition("/")[2]),
            files={file.leaf: file.digest for file in files.values()},
            coverage=Coverage(input=asked, dismissed=asked, digests=digests),
            settled_at=round(ctx.fx.now(), 3),
            version=ctx.version,
            dismissed=f"given up by a person; it was in {there}/",
            receipts={"quarantine": {"folder": there, "reason": reason}},
        )
        ledger.append_once(ctx.fx, "batch.dismissed", name, ids={"all": asked.digest}, folder=folder)
        settle(ctx, files, manifest, target)
    else:
        remove_sources(ctx.fx, files)
    ctx.fx.unlink(reason_path)
    ctx.fx.remove_if_empty(there)
    return f"{many(asked.requests, 'id')} given up; the files are in {target}/"


def retry_settled(ctx: Context, listing: Listing, name: BatchName, max_attempts: int) -> BatchName:
    """
    Ask the failures of a settled batch again: a child is made, and the ids go over to it.

    Returns:
        The child's name.

    Raises:
        NeedsPerson: None of its failures may be asked again.
    """
    try:
        manifest = settled.read(ctx.fx, name)
    except (BadMetadata, FileNotFoundError) as error:
        raise NeedsPerson(f"done/{name}/ has no manifest that can be read: {error}") from error
    classes = retryable_classes(manifest.attempt, max_attempts)
    if manifest.coverage.failed == NOTHING:
        raise NeedsPerson(f"{name} is settled and has no failure to ask again")
    if not classes:
        message = f"the requests of {name} have been sent {manifest.attempt} times, and that is the limit"
        raise NeedsPerson(message, hint="raise [policy] max_attempts")
    if manifest.coverage.failed_in(classes) == NOTHING:
        words = ", ".join(sorted(each.value for each in manifest.coverage.by_class))
        message = f"none of the failures of {name} may be asked again ({words}): they would repeat themselves"
        raise NeedsPerson(message, hint="mend the requests and send them as a new batch")
    files = _settled_files(ctx, name)
    taken = owners_of(ctx, manifest.children)
    found = places(ctx, files)
    wanted = {hashed for hashed, place in found.items() if place.failed in classes and hashed not in taken}
    child = next_child(name, manifest.children, children_of(ctx.look, ctx.layout, listing, name))
    made = make_child(
        ctx, files[Role.INPUT], wanted, Record(child, parent=name, attempt=manifest.attempt + 1)
    )
    ledger.append_once(ctx.fx, "batch.retried", name, child=child, requests=made.owns.requests)
    # The manifest comes last: it hands the ids over, and until then the same call makes the same child.
    _republish(ctx, files, manifest, {**taken, **dict.fromkeys(wanted, child)})
    manifest = attrs.evolve(
        manifest,
        coverage=moved(manifest.coverage, classes, made),
        children={**manifest.children, child: made},
    )
    path = f"{settled.folder_of(name)}/{settled.MANIFEST}"
    ctx.fx.publish(path, (settled.encode(manifest),), replace=True)
    return child


def _republish(
    ctx: Context, files: Mapping[Role, FileFact], manifest: settled.Manifest, owners: Mapping[int, BatchName]
) -> None:
    """Let the published results say which ids are asked again."""

    def child_of(hashed: int, _place: Place | None) -> BatchName | None:
        return owners.get(hashed)

    origin = Origin(manifest.name, manifest.provider, manifest.attempt)
    publish_results(ctx, files, origin, child_of)


def _settled_files(ctx: Context, name: BatchName) -> dict[Role, FileFact]:
    """The triple of a settled batch."""
    folder = settled.folder_of(name)
    facts = {role: ctx.fx.fact(f"{folder}/{file_name(role, name)}") for role in (Role.INPUT, *ANSWERS)}
    return {role: fact for role, fact in facts.items() if fact is not None}


def _free_folder(ctx: Context, name: BatchName, files: Mapping[Role, Moving]) -> str:
    """
    Where a dismissed batch goes: `done/<name>`, or `done/<name>.q<n>` when that name is taken.

    A folder that holds equal files already is the tail of an interrupted dismissal, and is it again.
    """
    folder, number = settled.folder_of(name), 0
    if any(ctx.fx.kind(ctx.layout.live_path(file_name(role, name))) for role in Role):
        # A mended copy is live again and will want the name for itself.
        folder, number = f"{settled.folder_of(name)}.q1", 1
    while ctx.fx.kind(folder) is not None:
        if not _holds(ctx, folder, files):
            number += 1
            folder = f"{settled.folder_of(name)}.q{number}"
        else:
            break
    return folder


def _holds(ctx: Context, folder: str, files: Mapping[Role, Moving]) -> bool:
    """Whether *folder* holds equal files."""
    try:
        twins(ctx.fx, {role: file.path for role, file in files.items()}, folder)
    except Clash:
        return False
    return True
