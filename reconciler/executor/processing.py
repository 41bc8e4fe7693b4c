"""Hand verified results to the processors and publish what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.executor.answers import Place, joined, places
from reconciler.executor.context import Context, Run
from reconciler.executor.reading import owners_of
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import FileFact, ProcessErrors, ProcessOutput
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.processors import results, summary
from reconciler.workspace.metadata import digest_fields


def process_output(step: ProcessOutput, run: Run) -> Receipt:
    """Publish one line a request, whole, in place of what an earlier invocation published."""
    ctx = run.ctx
    record = ctx.record(step.name) or Record(step.name)
    owners = owners_of(ctx, record.children)

    def child_of(hashed: int, place: Place | None) -> BatchName | None:
        """The child that asks this id again: one that is there, or the one this plan makes next."""
        if hashed in owners:
            return owners[hashed]
        again = step.missing if place is None else place.failed in step.classes
        return step.child if again else None

    origin = results.Origin(step.name, record.provider, record.attempt)
    published = publish_results(ctx, step.expects.files, origin, child_of)
    run.proofs[step.verb] = {"token": step.token, **published}
    return Receipt(step.name, step.verb, f"published {published['path']}", run.proofs[step.verb])


def publish_results(
    ctx: Context,
    files: Mapping[Role, FileFact],
    origin: results.Origin,
    child_of: Callable[[int, Place | None], BatchName | None],
) -> dict[str, object]:
    """
    Publish the results file of one batch.

    Args:
        ctx: Rooms and settings.
        files: The triple; its ids are known to match.
        origin: What all lines share.
        child_of: The retry child that asks an unanswered id again, by its hash and place.

    Returns:
        Path, size and SHA-256 of what was published.
    """
    found = places(ctx, files)

    def lines() -> Iterator[bytes]:
        for custom_id, hashed, place, result in joined(ctx, files, found):
            answered = place is not None and place.failed is None
            yield results.line_of(custom_id, result, origin, None if answered else child_of(hashed, place))

    path = results.published_as(origin.batch)
    return {"path": path, **digest_fields(ctx.fx.publish(path, lines(), replace=True))}


def process_errors(step: ProcessErrors, run: Run) -> Receipt:
    """Sum up the failures for report, log and manifest."""
    found = places(run.ctx, step.expects.files)
    failures = {hashed: place for hashed, place in found.items() if place.failed is not None}
    rows = joined(run.ctx, step.expects.files, failures)
    told = summary.summarise((custom_id, result) for custom_id, _, _, result in rows)
    words = ", ".join(f"{group['count']} {word}" for word, group in told.items())
    run.proofs[step.verb] = {"classes": told}
    return Receipt(step.name, step.verb, f"failed: {words}", {"classes": told})
