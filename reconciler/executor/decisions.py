"""
What only a person decides: to give ids up, and to hand answers over once more.

Every decision is in the ledger before its batch moves, and the account balances afterwards.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

import attrs

from reconciler.codec.request import request_id
from reconciler.errors import BadLine, BadMetadata, NeedsPerson
from reconciler.executor import charging
from reconciler.executor.context import Context, Run
from reconciler.executor.given_up import collect_unread
from reconciler.executor.moving import REASON
from reconciler.executor.reading import Lines
from reconciler.executor.unhandled import items_of
from reconciler.model.changes import read_changes
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally, hash_id
from reconciler.model.identity import (
    ANSWERS,
    BatchName,
    Role,
    file_name,
    parse_file_name,
)
from reconciler.model.operation import ChangeRequests, ProcessErrors, ProcessOutput
from reconciler.model.outcome import ErrorClass
from reconciler.model.overrides import read_overrides
from reconciler.model.policy import Policy
from reconciler.model.receipt import STARTED
from reconciler.model.record import Record
from reconciler.model.words import many
from reconciler.planner.settling import asks_again
from reconciler.planner.unnamed import once_more, with_unnamed
from reconciler.workspace import combined, ledger, metadata, settled
from reconciler.workspace.layout import DONE, QUARANTINE
from reconciler.workspace.relocate import Moving, clear_staging, move_group, remove_sources


def process_again(ctx: Context, name: BatchName, policy: Policy) -> str:
    """
    Let the output processor have all answers of a live batch once more, under the same token.

    Raises:
        NeedsPerson: None has had them yet, or one that today's call does not name.
    """
    record = ctx.record(name)
    verbs = {ProcessOutput.verb, ProcessErrors.verb, ChangeRequests.verb}
    if record is None or not verbs & record.receipts.keys():
        message = f"the answers of {name} were not handed to a processor yet"
        raise NeedsPerson(message, hint="reconcile plan WORKSPACE    tells what it needs")
    begun = with_unnamed(record, policy)
    again = {ProcessOutput.verb} & record.receipts.keys()
    # What could not be changed, or decided, is part of what could not be handled.
    if read_changes(record.receipts.get(ChangeRequests.verb, {})).attention:
        again.add(ChangeRequests.verb)
    if read_overrides(record.receipts.get(ProcessErrors.verb, {})).attention:
        again.add(ProcessErrors.verb)
    callable_here = again - begun.absent.keys()
    absent = any(each.value in begun.absent for each in ErrorClass)
    if ChangeRequests.verb in again and (absent or not asks_again(record, policy)):
        # Where nobody is asked again, no request is changed either.
        callable_here -= {ChangeRequests.verb}
    if not callable_here:
        # An end that nobody can come back from is left as it is.
        told = " and ".join(sorted(begun.absent.values()))
        message = f"{name} was handed to {told}, and nothing here names that"
        if not told:
            message = f"nothing of {name} can be handed over once more: nobody is asked again here"
        raise NeedsPerson(message, hint=once_more(name, begun.policy, "hand it over"))
    receipts = {
        verb: _started(found) if verb in callable_here else found for verb, found in record.receipts.items()
    }
    dismissed = dict(record.dismissed)
    if ProcessOutput.verb in callable_here:
        dismissed.pop("unhandled", None)
    Run(ctx).publish(attrs.evolve(record, receipts=receipts, dismissed=dismissed))
    return "its answers go to the processor once more"


def _started(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt as it was before its code had ended, so that the same code is called once more."""
    kept = ("token", "processor", "by", "named", "provider", "begun")
    return {**{key: receipt[key] for key in kept if key in receipt}, "state": STARTED}


def dismiss_live(ctx: Context, name: BatchName, coverage: Coverage, *, failed: bool) -> str:
    """
    Give up what keeps a live batch: its missing ids, its failures, and what could not be handled.

    Answers that could not be handled stay in the output file; they are only waited for no longer.

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
    record = ctx.record(name) or Record(name)
    unhandled = record.receipts.get(ProcessOutput.verb, {}).get("unhandled")
    unwanted = None if unhandled is None else Tally(unhandled["requests"], int(unhandled["ids"], 16))
    if record.dismissed.get("unhandled") == unwanted:
        unwanted = None
    if not parts and unwanted is None:
        hint = "reconcile plan WORKSPACE    tells what it needs"
        raise NeedsPerson(f"{name} has nothing to give up", hint=hint)
    words = [many(tally.requests, f"{part} request") for part, tally in parts.items()]
    if unwanted is not None:
        words.append(many(unwanted.requests, "unhandled answer"))
    told = {**parts, "unhandled": unwanted} if unwanted is not None else parts
    ledger.append_once(
        ctx.fx, ctx.history, "batch.dismissed", name, ids={part: tally.digest for part, tally in told.items()}
    )
    given_up = sum(parts.values(), coverage.dismissed)
    coverage = attrs.evolve(coverage, dismissed=given_up, missing=NOTHING)
    if "failed" in parts:
        coverage = attrs.evolve(coverage, failed=NOTHING, by_class={})
    dismissed = {**record.dismissed, **told}
    Run(ctx).publish(attrs.evolve(record, dismissed=dismissed, coverage=coverage))
    return f"{' and '.join(words)} given up"


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
    files = {role: Moving(path, ctx.fx.digest(path)) for role, path in paths.items()}
    digests = {file.leaf: file.digest for file in files.values()}
    target = _free_folder(ctx, name, there, digests)
    manifest = settled.Manifest(
        name=BatchName(target.rpartition("/")[2]),
        files=digests,
        coverage=Coverage(
            input=asked,
            dismissed=asked,
            digests={role: file.digest for role, file in files.items() if role is not Role.METADATA},
        ),
        settled_at=round(ctx.fx.now(), 3),
        version=ctx.version,
        dismissed=f"given up by a person; it was in {there}/",
        receipts={"quarantine": {"folder": there, "reason": _reason(ctx, there)}},
    )
    ledger.append_once(ctx.fx, ctx.history, "batch.dismissed", name, ids={"all": asked.digest}, folder=folder)
    _charge(ctx, name, paths, manifest.name)
    collect_unread(ctx, manifest.name, fact, manifest.dismissed or "")
    _archive(ctx, files, manifest, there, target)
    told = f"{many(asked.requests, 'id')} given up ({items_of(manifest.name)})"
    return f"{told}; the files are in {target}/"


def _charge(ctx: Context, name: BatchName, paths: Mapping[Role, str], now: BatchName) -> None:
    """Correct what was reserved for a batch by what its answers have used, as when it settles."""
    if Role.METADATA not in paths:
        return
    try:
        record = metadata.decode(ctx.fx.read(paths[Role.METADATA]), paths[Role.METADATA], name)
    except BadMetadata:
        # Which attempt it was is not known, so that what was reserved for it stays.
        return
    facts = {role: ctx.fx.fact(paths[role]) for role in ANSWERS if role in paths}
    files = {role: fact for role, fact in facts.items() if fact is not None}
    named = {role for role, digest in record.roles.items() if digest is not None}
    if files and named <= files.keys():
        # Of what was taken out of it, nobody could tell what it has used.
        try:
            charging.settle(ctx, record, files, now)
        except BadLine:
            charging.forgotten(ctx, now, charging.key_of(record))


def _archive(
    ctx: Context, files: Mapping[Role, Moving], manifest: settled.Manifest, there: str, target: str
) -> None:
    """Turn a quarantine folder, with all that lies in it, into a settled one; one rename on one device."""
    if ctx.fx.kind(target) is not None:
        # An earlier call was cut off after it had copied everything to another device.
        _clear(ctx, files, there, target)
        return
    combined.void(ctx.fx, ctx.voiding)
    document = settled.encode(manifest)
    ctx.fx.publish(f"{there}/{settled.MANIFEST}", (document,), replace=True)
    ctx.fx.make_folder(DONE)
    clear_staging(ctx.fx, target)
    try:
        ctx.fx.rename_folder(there, target)
        ctx.fx.sync_folder(QUARANTINE)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        move_group(ctx.fx, files, target, (settled.MANIFEST, document), lambda: None)
        _clear(ctx, files, there, target)


def _clear(ctx: Context, files: Mapping[Role, Moving], there: str, target: str) -> None:
    """Remove what was copied to *target*, and the folder if nothing else lies in it."""
    remove_sources(ctx.fx, files, target)
    for leaf in (settled.MANIFEST, REASON):
        ctx.fx.discard(f"{there}/{leaf}")
    ctx.fx.remove_if_empty(there)


def _reason(ctx: Context, there: str) -> str:
    """What `reason.json` says, as text; empty when it is gone."""
    path = f"{there}/{REASON}"
    return ctx.fx.read(path).decode(errors="replace") if ctx.fx.fact(path) else ""


def _free_folder(ctx: Context, name: BatchName, there: str, digests: Mapping[str, FileDigest]) -> str:
    """
    Where a dismissed batch goes: `done/<name>`, or `done/<name>.q<n>` when that name is taken.

    A folder that an interrupted dismissal of *there* has made is not taken: it is the one.
    """
    folder, number = settled.folder_of(name), 0
    while _is_live(ctx, folder.rpartition("/")[2]) or (
        ctx.fx.kind(folder) is not None and not _made_of(ctx, folder, there, digests)
    ):
        number += 1
        folder = f"{settled.folder_of(name)}.q{number}"
    return folder


def _is_live(ctx: Context, name: str) -> bool:
    """Whether live files bear this name: a mended copy will want it for itself."""
    return any(ctx.fx.kind(ctx.layout.live_path(file_name(role, name))) for role in Role)


def _made_of(ctx: Context, folder: str, there: str, digests: Mapping[str, FileDigest]) -> bool:
    """Whether a settled folder came from the quarantine folder *there*, with the files that lie in it now."""
    try:
        manifest = settled.read(ctx.fx, folder.rpartition("/")[2])
    except (BadMetadata, OSError):
        return False
    return manifest.files == digests and manifest.receipts.get("quarantine", {}).get("folder") == there
