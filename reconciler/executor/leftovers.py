"""
Make a child batch of the requests that may be asked again.

The same leftovers give the same child, byte for byte, so a crash at any point is mended by doing it
again. The ids go over to the child in one step: when the parent's record is replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import attrs

from reconciler.codec.jsonl import Line
from reconciler.codec.request import request_id
from reconciler.errors import BadMetadata, Clash, StaleSnapshot
from reconciler.executor.answers import places
from reconciler.executor.changed import ChangesGone, changed_path, instead_of
from reconciler.executor.context import Context, Run
from reconciler.executor.given_up import withdraw
from reconciler.executor.reading import Lines, owners_of
from reconciler.executor.repointing import repoint
from reconciler.model.changes import (
    NO_CHANGES,
    Changed,
    Changes,
    changes_fields,
    difference,
    line_digest,
    read_changes,
)
from reconciler.model.coverage import NOTHING, Coverage, FileDigest, Tally, hash_id
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import ChangeRequests, ProcessErrors, ProcessOutput, RetryLeftovers
from reconciler.model.outcome import ErrorClass
from reconciler.model.overrides import overrides_fields, read_overrides
from reconciler.model.receipt import Receipt
from reconciler.model.record import Child, InputFact, Online, Record
from reconciler.model.words import many
from reconciler.workspace import ledger, metadata
from reconciler.workspace.layout import CHANGED


def retry_leftovers(step: RetryLeftovers, run: Run) -> Receipt:
    """
    Publish the child's metadata, then its input, then hand the ids over.

    Raises:
        Clash: The child's name is taken by something else.
    """
    ctx, asked = run.ctx, step.expects.files[Role.INPUT]
    record = ctx.record(step.name) or Record(step.name)
    taken = owners_of(ctx, record.children)
    wanted = _wanted(step, run, record.coverage, taken)
    # Whoever answers for the child stands in for a provider that was paid: it takes the choice along.
    online = Online(rescue=record.online.rescue, worker=record.online.worker)
    made = Record(
        step.child,
        parent=step.name,
        attempt=step.attempt,
        provider=step.provider,
        online=online,
        asks=record.held_to,
        limit=step.limit,
    )
    try:
        child = make_child(ctx, asked, wanted, made, step.changes)
    except ChangesGone as gone:
        receipts = {verb: each for verb, each in record.receipts.items() if verb != ChangeRequests.verb}
        run.publish(attrs.evolve(record, receipts=receipts))
        raise StaleSnapshot(f"{gone}; its requests are changed anew") from gone
    # A move to done/ that was cut off, before anybody thought of asking them again, may have collected them.
    withdraw(ctx, step.name)
    tell(ctx, step.name, step.child, child)
    _hand_over(run, step, record, child, wanted)
    verb = "goes" if child.owns.requests == 1 else "go"
    summary = f"{many(child.owns.requests, 'request')} {verb} to {step.child}"
    if child.changed is not None:
        summary += f", {child.changed.tally.requests} of them changed"
    return Receipt(step.name, step.verb, summary, {"child": step.child, "requests": child.owns.requests})


def tell(
    ctx: Context, name: BatchName, child: BatchName, given: Child, chosen: Collection[ErrorClass] = ()
) -> None:
    """Let history learn of a child before it is handed anything, and which classes a person has *chosen*."""
    facts: dict[str, Any] = {"child": child, "requests": given.owns.requests}
    if chosen:
        facts["chosen"] = sorted(each.value for each in chosen)
    if given.changed is not None:
        facts |= {"changed": given.changed.tally.requests, "by": sorted(set(given.changed.by.values()))}
    ledger.append_once(ctx.fx, ctx.history, "batch.retried", name, **facts)


def make_child(
    ctx: Context,
    asked: FileFact,
    wanted: Mapping[int, ErrorClass | None],
    record: Record,
    changes: Changes = NO_CHANGES,
) -> Child:
    """
    Publish a child batch that holds exactly the *wanted* request lines, bytes unchanged but for *changes*.

    Args:
        ctx: Rooms and settings.
        asked: The parent's input.
        wanted: Hashes of the ids to ask again, with the class of their failure (None: missing).
        record: The child's metadata, but for its input; it names its parent.
        changes: What user code made of some of them.

    Raises:
        Clash: The child's name is taken by something else.
        ChangesGone: Lines that have to be changed are not there; nothing was made.
    """
    leaf, parent = ctx.layout.live_path(file_name(Role.INPUT, record.name)), str(record.parent)
    changed = {hashed for hashed, why in wanted.items() if why in changes.by}
    with instead_of(ctx, parent, changes, changed, leaf) as instead:

        def lines() -> Iterator[tuple[Line, int, bytes]]:
            for line in Lines(ctx, asked):
                hashed = hash_id(request_id(line, asked.path))
                if hashed in wanted:
                    yield line, hashed, instead(hashed) if hashed in changed else line.data

        child = _measured(lines(), wanted, changes)
        record = attrs.evolve(record, generation=1, input=InputFact(child.digest, child.owns.requests))
        path = ctx.record_path(record.name)
        if ctx.fx.kind(path) is None:
            ctx.fx.publish(path, (metadata.encode(record),))
        elif not _same_child(ctx, path, record):
            raise Clash(
                f"{path} is there already and is not what would be made of the leftovers",
                hint=f"ask them again as {record.name} was begun, by the same settings or the same command\n"
                f"or, where no provider has it, move the files of {record.name} out of the workspace",
            )
        ctx.fx.publish(leaf, (data + b"\n" for _, _, data in lines()))
    if changed and ctx.fx.kind(changed_path(parent)) is not None:
        # From here on the child's own input holds them; nobody would look for them once it has the ids.
        ctx.fx.discard(changed_path(parent))
        ctx.fx.sync_folder(CHANGED)
    return child


def _wanted(
    step: RetryLeftovers, run: Run, account: Coverage | None, taken: dict[int, BatchName]
) -> dict[int, ErrorClass | None]:
    """Hashes and classes (None: missing) of the ids to ask again that are not a child's already."""
    answers = places(run.ctx, step.expects.files, account, run.known)
    failures = ((answers.hashed(at), place.failed) for at, place in answers.failures())
    wanted: dict[int, ErrorClass | None] = {
        hashed: why
        for hashed, why in failures
        if hashed in step.again or (why in step.classes and hashed not in step.never)
    }
    if step.missing:
        wanted |= {answers.hashed(at): None for at in answers.missing()}
    wanted = {hashed: why for hashed, why in wanted.items() if hashed not in taken}
    if not wanted:
        raise StaleSnapshot(f"{step.name} has nothing left by now that may be asked again")
    return wanted


def _measured(
    lines: Iterable[tuple[Line, int, bytes]], wanted: Mapping[int, ErrorClass | None], changes: Changes
) -> Child:
    """What a child will hold, before it is written, and how that differs from its parent's lines."""
    hasher, size, hashes = hashlib.sha256(), 0, []
    differ: list[int] = []
    by: set[ErrorClass] = set()
    for line, hashed, data in lines:
        hasher.update(data + b"\n")
        size += len(data) + 1
        hashes.append(hashed)
        why = wanted[hashed]
        if data != line.data and why is not None:
            differ.append(difference(hashed, line_digest(line.data), line_digest(data)))
            by.add(why)
    told = {each: changes.by[each] for each in sorted(by)}
    changed = Changed(Tally.of(differ), told) if differ else None
    return Child(Tally.of(hashes), FileDigest(hasher.hexdigest(), size), changed)


def _same_child(ctx: Context, path: str, record: Record) -> bool:
    """Whether an interrupted pass made this very child."""
    try:
        there = metadata.decode(ctx.fx.read(path), path, record.name)
    except BadMetadata:
        return False
    return (there.parent, there.input) == (record.parent, record.input)


def _hand_over(
    run: Run,
    step: RetryLeftovers,
    record: Record,
    child: Child,
    wanted: Mapping[int, ErrorClass | None],
) -> None:
    """Replace the parent's record: from here on the ids are the child's."""
    if record.coverage is None:
        raise StaleSnapshot(f"the metadata of {step.name} has lost the account of its ids")
    children = {**record.children, step.child: child}
    coverage = moved(record.coverage, wanted)
    asked = InputFact(coverage.digests[Role.INPUT], coverage.input.requests)
    # What this plan has done so far would be forgotten by a crash after the ids went over.
    receipts: dict[str, Mapping[str, Any]] = {**record.receipts, **run.proofs}
    answered = receipts.get(ProcessErrors.verb, {})
    if "again" in answered:
        # What an error processor said of ids that are the child's now has been done.
        left = read_overrides(answered)
        receipts[ProcessErrors.verb] = {**answered, **overrides_fields(left.without(wanted))}
    if ChangeRequests.verb in receipts:
        receipts[ChangeRequests.verb] = handed_over(receipts[ChangeRequests.verb], wanted)
    published = receipts.get(ProcessOutput.verb, {})
    if published and published.get("retried_in") != step.child:
        # It was published before anybody thought of asking these ids again.
        owners = dict.fromkeys(wanted, step.child)

        def write(receipt: Mapping[str, Any]) -> None:
            nonlocal record
            record = run.publish(
                attrs.evolve(record, receipts={**record.receipts, ProcessOutput.verb: receipt})
            )

        receipts[ProcessOutput.verb] = {
            **repoint(run.ctx, published, owners, write),
            "retried_in": step.child,
        }
    run.publish(attrs.evolve(record, input=asked, children=children, coverage=coverage, receipts=receipts))


def handed_over(receipt: Mapping[str, Any], wanted: Mapping[int, ErrorClass | None]) -> Mapping[str, Any]:
    """What a receipt of `change-requests` has left to say once a child has the ids in *wanted*."""
    left = read_changes(receipt).without(wanted)
    if any(why in left.by for why in wanted.values()):
        left = attrs.evolve(left, lines=None)
    return {**receipt, **changes_fields(left)}


def moved(coverage: Coverage, wanted: Mapping[int, ErrorClass | None]) -> Coverage:
    """
    The account once a child owns the ids in *wanted*.

    Args:
        coverage: The account before.
        wanted: Hashes of the ids, with the class of their failure (None: missing).
    """
    gone = {name: Tally.of(hashed for hashed, why in wanted.items() if why is name) for name in ErrorClass}
    missing = Tally.of(hashed for hashed, why in wanted.items() if why is None)
    by_class = {name: tally - gone[name] for name, tally in coverage.by_class.items()}
    failed = sum(gone.values(), NOTHING)
    return attrs.evolve(
        coverage,
        failed=coverage.failed - failed,
        missing=coverage.missing - missing,
        retried=coverage.retried + failed + missing,
        by_class={name: tally for name, tally in by_class.items() if tally != NOTHING},
    )
