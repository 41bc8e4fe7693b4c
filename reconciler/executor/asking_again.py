"""Ask the failures of a settled batch again, because a person says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from reconciler.errors import BadMetadata, NeedsPerson, TransientError
from reconciler.executor.answers import places
from reconciler.executor.changed import ChangesGone
from reconciler.executor.context import Context
from reconciler.executor.given_up import collect
from reconciler.executor.leftovers import handed_over, make_child, moved, tell
from reconciler.executor.reading import owners_of
from reconciler.executor.repointing import repoint
from reconciler.model.answers import Answers
from reconciler.model.changes import NO_CHANGES, Changes
from reconciler.model.coverage import NOTHING
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import ChangeRequests, ProcessOutput
from reconciler.model.outcome import ErrorClass
from reconciler.model.policy import LOCAL, Policy
from reconciler.model.record import Online, Record
from reconciler.model.snapshot import ChildFact
from reconciler.planner import changed_by, changing_token, known_changes, mend_or_name, next_child
from reconciler.workspace import combined, settled
from reconciler.workspace.archived import files_of, is_gone
from reconciler.workspace.observe import children_of
from reconciler.workspace.scan import Listing
from reconciler.workspace.settled import Manifest
from reconciler.workspace.tombstones import path_of


def retry_settled(  # noqa: PLR0913 - one decision, whole
    ctx: Context,
    listing: Listing,
    name: BatchName,
    policy: Policy,
    chosen: frozenset[ErrorClass] | None = None,
    *,
    live: bool = False,
) -> tuple[BatchName, int]:
    """
    Ask the failures of a settled batch again: a child is made, and the ids go over to it.

    Args:
        ctx: Rooms and settings.
        listing: What the scan saw.
        name: The batch.
        policy: What may be decided.
        chosen: The error classes that the person names; None for those of `[policy.classes]`.
        live: The embedded provider asks them, by a worker that the user has chosen.

    Returns:
        The child's name, and how many requests go to it.

    Raises:
        NeedsPerson: None of its failures may be asked again.
        TransientError: What was changed of them is gone; the same again changes them anew.
    """
    manifest = _settled(ctx, name)
    sends = _sends(manifest, chosen)
    classes = _classes(manifest, sends, policy, chosen)
    files = files_of(ctx.fx, name)
    taken = owners_of(ctx, manifest.children)
    answers = places(ctx, files, manifest.coverage)
    facts = children_of(ctx.look, ctx.layout, listing, name)
    skip = frozenset(taken)
    manifest, changes = _changed(ctx, manifest, files, answers, policy, classes, skip, facts)
    failures = ((answers.hashed(at), place.failed) for at, place in answers.failures())
    wanted: dict[int, ErrorClass | None] = {
        hashed: why for hashed, why in failures if why in classes and hashed not in skip | changes.never
    }
    if not wanted:
        message = f"none of the failures of {name} may be asked again: {changes.told}"
        raise NeedsPerson(message, hint="mend the transform and type the same again")
    child = next_child(name, manifest.children, facts)
    provider, online = (
        (LOCAL, Online(rescue=True)) if live else (manifest.provider, Online(worker=manifest.worker))
    )
    record = Record(
        child,
        parent=name,
        attempt=manifest.attempt + 1,
        provider=provider,
        online=online,
        asks=manifest.coverage.extraction,
    )
    try:
        made = make_child(ctx, files[Role.INPUT], wanted, record, changes)
    except ChangesGone as gone:
        receipts = {verb: each for verb, each in manifest.receipts.items() if verb != ChangeRequests.verb}
        _publish(ctx, attrs.evolve(manifest, receipts=receipts))
        raise TransientError(str(gone), hint="the same command again changes them anew") from gone
    tell(ctx, name, child, made, chosen or ())
    combined.void(ctx.fx, ctx.voiding)
    given = Record(name, attempt=manifest.attempt, coverage=manifest.coverage, children=manifest.children)
    collect(ctx, given, files, going=wanted)
    # The manifest comes last: it hands the ids over, and until then the same call makes the same child.
    owners = {**taken, **dict.fromkeys(wanted, child)}
    receipts = dict(manifest.receipts)

    def write(receipt: Mapping[str, Any]) -> None:
        _publish(ctx, attrs.evolve(manifest, receipts={**manifest.receipts, ProcessOutput.verb: receipt}))

    receipts[ProcessOutput.verb] = repoint(ctx, receipts.get(ProcessOutput.verb, {}), owners, write)
    if ChangeRequests.verb in receipts:
        receipts[ChangeRequests.verb] = handed_over(receipts[ChangeRequests.verb], wanted)
    manifest = attrs.evolve(
        manifest,
        receipts=receipts,
        coverage=moved(manifest.coverage, wanted),
        children={**manifest.children, child: made},
    )
    _publish(ctx, manifest)
    return child, made.owns.requests


def _settled(ctx: Context, name: BatchName) -> Manifest:
    """The manifest of a batch whose requests are still here."""
    try:
        manifest = settled.read(ctx.fx, name)
    except (BadMetadata, FileNotFoundError) as error:
        message = f"done/{name}/ has no manifest that can be read: {error}"
        raise NeedsPerson(message, hint="reconcile check WORKSPACE --repair makes a lost one anew") from error
    if is_gone(ctx.fx, name):
        message = f"the JSONL of {name} was removed by [retain], its requests with it"
        hint = f"{path_of(name)} says what is gone; its results are where they were published"
        raise NeedsPerson(message, hint=hint)
    return manifest


def _sends(manifest: Manifest, chosen: frozenset[ErrorClass] | None) -> int:
    """How often the requests that are meant were sent: what was ended before it left was not."""
    unsent = (
        chosen == frozenset({ErrorClass.TIME_LIMIT})
        and manifest.batch_id is None
        and manifest.provider != LOCAL
    )
    return manifest.attempt - 1 if unsent else manifest.attempt


def _classes(
    manifest: Manifest, sends: int, policy: Policy, chosen: frozenset[ErrorClass] | None
) -> frozenset[ErrorClass]:
    """The classes of failures that are asked again; there are some."""
    name, classes = manifest.name, policy.chosen(sends, chosen)
    if manifest.coverage.failed == NOTHING:
        raise NeedsPerson(f"{name} is settled and has no failure to ask again")
    if not classes:
        message = f"the requests of {name} have been sent {sends} times, and that is the limit"
        raise NeedsPerson(message, hint="raise [policy] max_attempts")
    if manifest.coverage.failed_in(classes) == NOTHING:
        words = ", ".join(sorted(each.value for each in manifest.coverage.by_class))
        message = f"none of the failures of {name} may be asked again ({words}): they would repeat themselves"
        raise NeedsPerson(message, hint=mend_or_name(name, chosen))
    return classes


def _changed(  # noqa: PLR0913, PLR0917 - as `retry_settled` has them
    ctx: Context,
    manifest: Manifest,
    files: Mapping[Role, FileFact],
    answers: Answers,
    policy: Policy,
    classes: frozenset[ErrorClass],
    skip: frozenset[int],
    children: tuple[ChildFact, ...],
) -> tuple[Manifest, Changes]:
    """What user code makes of the failures of its classes, and the manifest that says so."""
    by = changed_by(manifest.coverage, policy, classes)
    if not by:
        return manifest, NO_CHANGES
    from reconciler.executor.changing import Changing  # noqa: PLC0415 - asyncio, for user code

    name = manifest.name
    token = changing_token(name, by, manifest.coverage)
    begun = any(fact.parent == name and fact.name not in manifest.children for fact in children)
    known = known_changes(manifest.receipts.get(ChangeRequests.verb, {}), token, begun=begun)
    if known is not None and (begun or known.lines is not None):
        return manifest, known

    def write(receipts: Mapping[str, Mapping[str, Any]]) -> None:
        _publish(ctx, attrs.evolve(manifest, receipts=receipts))

    changing = Changing(
        ctx=ctx,
        name=name,
        files=files,
        digests=manifest.coverage.digests,
        answers=answers,
        attempt=manifest.attempt,
        provider=manifest.provider,
        by=by,
        token=token,
        skip=skip,
        receipts=manifest.receipts,
        write=write,
    )
    changes, proof = changing.run()
    manifest = attrs.evolve(manifest, receipts={**manifest.receipts, ChangeRequests.verb: proof})
    _publish(ctx, manifest)
    return manifest, changes


def _publish(ctx: Context, manifest: Manifest) -> None:
    """Put a manifest in the place of the one that is there."""
    path = f"{settled.folder_of(manifest.name)}/{settled.MANIFEST}"
    ctx.fx.publish(path, (settled.encode(manifest),), replace=True)
