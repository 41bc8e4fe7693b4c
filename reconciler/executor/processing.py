"""Hand verified results to the processors and publish what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.executor.answers import Place, joined, places
from reconciler.executor.context import Context, Run
from reconciler.executor.reading import owners_of
from reconciler.model.coverage import NOTHING
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import FileFact, ProcessErrors, ProcessOutput
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.processors import results, summary
from reconciler.workspace.fields import digest_fields

ChildOf = Callable[[int, Place | None], BatchName | None]
"""The retry child that asks an unanswered id again, by its hash and place; None when nobody does."""


def process_output(step: ProcessOutput, run: Run) -> Receipt:
    """Publish one line a request, whole, in place of what an earlier invocation published."""
    ctx = run.ctx
    record = ctx.record(step.name) or Record(step.name)
    given_up = (
        record.coverage is not None and record.coverage.failed == NOTHING and "failed" in record.dismissed
    )
    origin = results.Origin(step.name, record.provider, record.attempt, given_up)
    published = publish_results(ctx, step.expects.files, origin, _disposition(ctx, record, step))
    run.proofs[step.verb] = {"token": step.token, **published}
    return Receipt(step.name, step.verb, f"published {published['path']}", run.proofs[step.verb])


def process_errors(step: ProcessErrors, run: Run) -> Receipt:
    """Sum up the failures, each with its disposition, for report, log and manifest."""
    ctx = run.ctx
    child_of = _disposition(ctx, ctx.record(step.name) or Record(step.name), step)
    found = places(ctx, step.expects.files)
    failures = {hashed: place for hashed, place in found.items() if place.failed is not None}
    rows = joined(ctx, step.expects.files, failures)
    told = summary.summarise(
        (custom_id, result, child_of(hashed, place) is not None) for custom_id, hashed, place, result in rows
    )
    words = ", ".join(f"{group['count']} {word}" for word, group in told.items())
    run.proofs[step.verb] = {"classes": told}
    return Receipt(step.name, step.verb, f"failed: {words}", {"classes": told})


def _disposition(ctx: Context, record: Record, step: ProcessOutput | ProcessErrors) -> ChildOf:
    """Who asks which id again: a child that is there, or the one that this plan makes next."""
    owners = owners_of(ctx, record.children)

    def child_of(hashed: int, place: Place | None) -> BatchName | None:
        if hashed in owners:
            return owners[hashed]
        again = step.missing if place is None else place.failed in step.classes
        return step.child if again else None

    return child_of


def publish_results(
    ctx: Context,
    files: Mapping[Role, FileFact],
    origin: results.Origin,
    child_of: ChildOf,
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
