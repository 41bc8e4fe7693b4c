"""Hand verified results to the processors and publish what they return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from reconciler.executor.answers import ChildOf, places, read_at
from reconciler.executor.begun import begun
from reconciler.executor.context import Context, Run
from reconciler.executor.publishing import publish_results
from reconciler.executor.reading import owners_of
from reconciler.executor.tabling import with_csv
from reconciler.executor.unhandled import discard_unhandled
from reconciler.model.answers import Answers, Place
from reconciler.model.coverage import NOTHING
from reconciler.model.exchange import Result
from reconciler.model.identity import BatchName
from reconciler.model.operation import ProcessErrors, ProcessOutput
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.model.words import many
from reconciler.processors import results, summary


def process_output(step: ProcessOutput, run: Run) -> Receipt:
    """Publish what becomes of the answers, whole, in place of what an earlier invocation published."""
    ctx = run.ctx
    hooks = ctx.plugged.hooks_of(step.name)
    record = ctx.record(step.name) or Record(step.name)
    given_up = (
        record.coverage is not None and record.coverage.failed == NOTHING and "failed" in record.dismissed
    )
    origin = results.Origin(step.name, record.provider, record.attempt, given_up)
    child_of = _disposition(ctx, record, step)
    earlier = begun(step.verb, step.token, record, run, {} if hooks.is_built_in else hooks.noted)
    extraction = None if record.coverage is None else record.coverage.extraction
    if hooks.plain and extraction is None:
        if step.verb in record.receipts:
            # An earlier processor may have left what it could not handle.
            discard_unhandled(ctx, step.name)
        published = publish_results(ctx, step.expects.files, origin, child_of, run.known)
    else:
        from reconciler.executor.delivering import Delivery  # noqa: PLC0415 - asyncio, for user code

        delivery = Delivery(
            ctx=ctx,
            files=step.expects.files,
            answers=places(ctx, step.expects.files, record.coverage, run.known),
            record=record,
            origin=origin,
            child_of=child_of,
            hooks=hooks,
            token=step.token,
            redelivery=earlier.redelivery,
        )
        published = delivery.run()
    published = with_csv(ctx, step.name, published)
    child = step.child or next(reversed([*record.children]), None)
    asks = {} if child is None else {"retried_in": child}
    proof = {"token": step.token, **hooks.noted, **published, **asks, **earlier.fields}
    run.proofs[step.verb] = proof
    return Receipt(step.name, step.verb, _told(published), run.proofs[step.verb])


def _told(published: Mapping[str, Any]) -> str:
    """What was published, in words."""
    paths = [published["path"]] if "path" in published else []
    paths += list(published.get("files", ()))
    told = f"published {', '.join(paths[:3])}" if paths else "published nothing"
    if len(paths) > 3:  # noqa: PLR2004 - three are enough to see where they are
        told += f" and {len(paths) - 3} more"
    repaired = published.get("found", {}).get("repaired")
    if repaired:
        told += f"; {many(repaired, 'answer')} repaired"
    unhandled = published.get("unhandled")
    return told + (f"; not handled: {unhandled['told']}" if unhandled else "")


def process_errors(step: ProcessErrors, run: Run) -> Receipt:
    """Sum up the failures, each with its disposition, for report, log and manifest."""
    ctx = run.ctx
    record = ctx.record(step.name) or Record(step.name)
    answers = places(ctx, step.expects.files, record.coverage, run.known)
    proof: dict[str, Any] = {}
    custom = ctx.plugged.hooks_of(step.name).error
    if step.token is not None and custom is not None:
        from reconciler.executor.asking import Asking  # noqa: PLC0415 - asyncio, for user code

        overrides, proof = Asking(step, run, record, custom, answers).ask()
        # The child has no name yet; the summary only asks whether there will be one.
        step = attrs.evolve(step, again=overrides.again, never=overrides.never, child=step.name)
    child_of = _disposition(ctx, record, step)
    told = summary.summarise(_failures(run, step, answers, child_of))
    words = ", ".join(f"{group['count']} {word}" for word, group in told.items())
    run.proofs[step.verb] = {"classes": told, **proof}
    attention = proof.get("attention")
    asked = f"; {many(len(attention), 'request')} for a person to look at" if attention else ""
    return Receipt(step.name, step.verb, f"failed: {words}{asked}", {"classes": told})


def _failures(
    run: Run, step: ProcessErrors, answers: Answers, child_of: ChildOf
) -> Iterator[tuple[str, Result | None, bool]]:
    """Id and answer of each failure, and whether it is asked again; no line is decoded a second time."""
    failed, known = dict(answers.failures()), answers.failures_read
    if known.keys() >= failed.keys():
        for at, place in failed.items():
            yield known[at].custom_id, known[at], child_of(answers.hashed(at), place) is not None
        return
    for hashed, where, result in read_at(run.ctx, step.expects.files, answers, failed.items()):
        yield result.custom_id, result, child_of(hashed, where) is not None


def _disposition(ctx: Context, record: Record, step: ProcessOutput | ProcessErrors) -> ChildOf:
    """Who asks which id again: a child that is there, or the one that this plan makes next."""
    owners = owners_of(ctx, record.children)

    def child_of(hashed: int, place: Place | None) -> BatchName | None:
        if hashed in owners:
            return owners[hashed]
        if place is None:
            return step.child if step.missing else None
        again = hashed in step.again or (place.failed in step.classes and hashed not in step.never)
        return step.child if again else None

    return child_of
