"""
Make a child batch of the requests that may be asked again.

The same leftovers give the same child, byte for byte, so a crash at any point is mended by doing it
again. The ids go over to the child in one step: when the parent's record is replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator

import attrs

from reconciler.codec.jsonl import Line
from reconciler.codec.request import request_id
from reconciler.errors import BadMetadata, Clash, PermanentError
from reconciler.executor.answers import places
from reconciler.executor.context import Context, Run
from reconciler.executor.reading import Lines, owners_of
from reconciler.model.coverage import Coverage, FileDigest, Tally, hash_id
from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.operation import FileFact, RetryLeftovers
from reconciler.model.outcome import ErrorClass
from reconciler.model.receipt import Receipt
from reconciler.model.record import Child, InputFact, Record
from reconciler.model.words import many
from reconciler.workspace import ledger, metadata


def retry_leftovers(step: RetryLeftovers, run: Run) -> Receipt:
    """
    Publish the child's metadata, then its input, then hand the ids over.

    Raises:
        Clash: The child's name is taken by something else.
    """
    ctx, asked = run.ctx, step.expects.files[Role.INPUT]
    record = ctx.record(step.name) or Record(step.name)
    taken = owners_of(ctx, record.children)
    wanted = _wanted(step, run, taken)
    child = make_child(ctx, asked, wanted, Record(step.child, parent=step.name, attempt=step.attempt))
    ledger.append_once(ctx.fx, "batch.retried", step.name, child=step.child, requests=child.owns.requests)
    _hand_over(run, step, record, child)
    verb = "goes" if child.owns.requests == 1 else "go"
    summary = f"{many(child.owns.requests, 'request')} {verb} to {step.child}"
    return Receipt(step.name, step.verb, summary, {"child": step.child, "requests": child.owns.requests})


def make_child(ctx: Context, asked: FileFact, wanted: set[int], record: Record) -> Child:
    """
    Publish a child batch that holds exactly the *wanted* request lines, bytes unchanged.

    Args:
        ctx: Rooms and settings.
        asked: The parent's input.
        wanted: Hashes of the ids to ask again.
        record: The child's metadata, but for its input.

    Raises:
        Clash: The child's name is taken by something else.
    """
    owns, digest = _measure(ctx, asked, wanted)
    record = attrs.evolve(record, generation=1, input=InputFact(digest, owns.requests))
    path = ctx.record_path(record.name)
    if ctx.fx.kind(path) is None:
        ctx.fx.publish(path, (metadata.encode(record),))
    elif not _same_child(ctx, path, record):
        raise Clash(f"{path} is there already and is not what would be made of the leftovers")
    ctx.fx.publish(
        ctx.layout.live_path(file_name(Role.INPUT, record.name)),
        (line.data + b"\n" for line in _lines(ctx, asked, wanted)),
    )
    return Child(owns, digest)


def _wanted(step: RetryLeftovers, run: Run, taken: dict[int, BatchName]) -> set[int]:
    """Hashes of the ids to ask again: failed in one of the classes, or missing, and not a child's already."""
    answers = places(run.ctx, step.expects.files, run.known)
    wanted = {answers.hashed(at) for at, place in answers.failures() if place.failed in step.classes}
    if step.missing:
        wanted |= {answers.hashed(at) for at in answers.missing()}
    wanted -= taken.keys()
    if not wanted:
        raise PermanentError(f"{step.name} has nothing left that may be asked again")
    return wanted


def _lines(ctx: Context, asked: FileFact, wanted: set[int]) -> Iterator[Line]:
    """The request lines of *wanted* ids, in input order."""
    for line in Lines(ctx, asked):
        if hash_id(request_id(line, asked.path)) in wanted:
            yield line


def _measure(ctx: Context, asked: FileFact, wanted: set[int]) -> tuple[Tally, FileDigest]:
    """What the child's input will be, before it is written."""
    hasher, size, hashes = hashlib.sha256(), 0, []
    for line in _lines(ctx, asked, wanted):
        hasher.update(line.data + b"\n")
        size += len(line.data) + 1
        hashes.append(hash_id(request_id(line, asked.path)))
    return Tally.of(hashes), FileDigest(hasher.hexdigest(), size)


def _same_child(ctx: Context, path: str, record: Record) -> bool:
    """Whether an interrupted pass made this very child."""
    try:
        there = metadata.decode(ctx.fx.read(path), path, record.name)
    except BadMetadata:
        return False
    return (there.parent, there.input) == (record.parent, record.input)


def _hand_over(run: Run, step: RetryLeftovers, record: Record, child: Child) -> None:
    """Replace the parent's record: from here on the ids are the child's."""
    if record.coverage is None:
        raise PermanentError(f"{step.name} has no account of its ids yet")
    children = {**record.children, step.child: child}
    coverage = moved(record.coverage, step.classes, child)
    asked = InputFact(coverage.digests[Role.INPUT], coverage.input.requests)
    run.publish(attrs.evolve(record, input=asked, children=children, coverage=coverage))


def moved(coverage: Coverage, classes: Collection[ErrorClass], child: Child) -> Coverage:
    """The account once *child* owns what is missing and what failed in one of *classes*."""
    missing = child.owns - coverage.failed_in(classes)
    by_class = {name: tally for name, tally in coverage.by_class.items() if name not in classes}
    return attrs.evolve(
        coverage,
        failed=coverage.failed - coverage.failed_in(classes),
        missing=coverage.missing - missing,
        retried=coverage.retried + child.owns,
        by_class=by_class,
    )
