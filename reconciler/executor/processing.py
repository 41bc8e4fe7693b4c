"""Hand verified results to the processors and publish what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from reconciler.codec.passing import plain_fields
from reconciler.executor.answers import Read, joined, opened, places, read_result, silent
from reconciler.executor.context import Context, Run, View
from reconciler.executor.reading import owners_of
from reconciler.model.answers import ROLE_CODES, Answers, Place
from reconciler.model.coverage import NOTHING
from reconciler.model.identity import BatchName, Role
from reconciler.model.operation import FileFact, ProcessErrors, ProcessOutput
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.model.snapshot import Matched
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
    published = publish_results(ctx, step.expects.files, origin, _disposition(ctx, record, step), run.known)
    run.proofs[step.verb] = {"token": step.token, **published}
    return Receipt(step.name, step.verb, f"published {published['path']}", run.proofs[step.verb])


def process_errors(step: ProcessErrors, run: Run) -> Receipt:
    """Sum up the failures, each with its disposition, for report, log and manifest."""
    ctx = run.ctx
    child_of = _disposition(ctx, ctx.record(step.name) or Record(step.name), step)
    answers = places(ctx, step.expects.files, run.known)
    rows = joined(ctx, step.expects.files, answers, only=[at for at, _ in answers.failures()])
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
    known: Matched | None = None,
) -> dict[str, object]:
    """
    Publish the results file of one batch.

    Args:
        ctx: Rooms and settings.
        files: The triple; its ids are known to match.
        origin: What all lines share.
        child_of: The retry child that asks an unanswered id again, by its hash and place.
        known: The verdict that this pass has drawn on these files.

    Returns:
        Path, size and SHA-256 of what was published.
    """
    rows = _Rows(ctx, files, places(ctx, files, known), origin, child_of)
    path = results.published_as(origin.batch)
    return {"path": path, **digest_fields(ctx.fx.publish(path, rows.lines(), replace=True))}


@attrs.frozen
class _Rows:
    """The results file of one batch, line by line."""

    view: View
    files: Mapping[Role, FileFact]
    answers: Answers
    origin: results.Origin
    child_of: ChildOf

    def lines(self) -> Iterator[bytes]:
        """Each line: made while matching, composed of JSON text, or written anew."""
        answers, heads = self.answers, self.answers.heads
        shared = results.tail_of_plain(self.origin)
        names = silent(self.view, self.files, answers)
        with opened(self.view, self.files) as read:
            by_code = {code: read[role] for role, code in ROLE_CODES.items() if role in read}
            for at, code in enumerate(answers.roles):
                head = None
                if heads is not None:
                    head = heads[at]
                elif code and not answers.failed[at]:
                    fields = plain_fields(by_code[code](answers.offsets[at], answers.sizes[at] + 1))
                    head = None if fields is None else results.head_of_plain(fields)
                yield self._line(at, names, read) if head is None else head + shared

    def _line(self, at: int, names: Mapping[int, str], read: Mapping[Role, Read]) -> bytes:
        """A line that is not a plain answer's."""
        place = self.answers.place(at)
        result = None if place is None else read_result(place, self.files, read)
        custom_id = names[at] if result is None else result.custom_id
        child = None
        if place is None or place.failed is not None:
            child = self.child_of(self.answers.hashed(at), place)
        return results.line_of(custom_id, result, self.origin, child)
