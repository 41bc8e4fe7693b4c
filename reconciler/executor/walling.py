"""
Hold back what would meet a wall, and see one: batches of which every request is refused alike.

The planner knows nothing of it: which model a batch asks for stands in its lines. See `workspace/walls.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.codec.request import decode_request
from reconciler.errors import BadLine, BadMetadata, Later, Walled
from reconciler.executor.answers import opened, read_result
from reconciler.executor.context import Context, View
from reconciler.executor.reading import Lines
from reconciler.model.answers import Answers
from reconciler.model.coverage import NOTHING
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.record import Record, Submission
from reconciler.model.snapshot import Matched
from reconciler.providers.base import Remote
from reconciler.workspace import walls
from reconciler.workspace.walls import Met, Place

_LONGEST: Final = 200
LIFT: Final = "mend the cause, then: reconcile resume WORKSPACE"


def hold_back(ctx: Context, name: BatchName, place: Place, probes: int, wait: float) -> None:
    """
    Hold a batch back before anything of it is sent.

    Args:
        ctx: Rooms and settings.
        name: The batch.
        place: Where it would go.
        probes: How many batches go ahead until one is answered; 0 for any number.
        wait: Seconds until it is looked at again.

    Raises:
        Walled: Others were refused there, every request alike.
        Later: Others go ahead, and none of them is answered yet.
    """
    wall = walls.wall_at(ctx.fx, place.folder)
    if wall is not None:
        raise Walled(
            ctx.remotes.once(wall.told, f"{place.told} is not sent anything more; see above"), hint=LIFT
        )
    if not probes:
        return
    others = walls.ahead(ctx.fx, place)
    if others is None or name in others:
        return
    going = [each for each in others if _is_under_way(ctx, each)]
    if len(going) >= probes:
        raise Later(f"{', '.join(going)} goes ahead; the others follow once one of them is answered", wait)
    walls.sent(ctx.fx, place, name)


def _is_under_way(ctx: Context, name: str) -> bool:
    """Whether a batch that went ahead may still be answered: it is here, not refused, and has not ended."""
    try:
        record = ctx.record(BatchName(name))
    except BadMetadata:
        return True
    return record is not None and record.state is not Submission.REJECTED and record.coverage is None


def place_of(remote: Remote, model: str | None) -> Place:
    """Where a batch goes whose first line names this model; None where the settings name one for all."""
    return Place(remote.name, remote.account, model or "")


def take_note(ctx: Context, record: Record | None, files: Mapping[Role, FileFact], matched: Matched) -> None:
    """Write down whether a batch of a remote provider was refused as a whole, or answered; it matches."""
    coverage, answers = matched.coverage, matched.answers
    sent = record is not None and None not in (record.provider, record.account, record.batch_id)
    if record is None or not sent or coverage is None or answers is None:
        return
    refused = coverage.answered == NOTHING and coverage.failed == coverage.input
    if not refused or len(coverage.by_class) != 1:
        if coverage.answered != NOTHING:
            _answered(ctx, record, files)
        return
    (error_class,) = coverage.by_class
    if error_class in walls.WALLS:
        place = _place(ctx, record, files)
        told = _words(ctx, files, answers)
        requests = coverage.input.requests
        walls.met(ctx.fx, place, Met(record.name, place.provider, place.model, error_class, told, requests))


def _answered(ctx: Context, record: Record, files: Mapping[Role, FileFact]) -> None:
    """Tell those that wait for it that a batch was answered."""
    if ctx.fx.kind(walls.FOLDER) is not None:
        walls.answered(ctx.fx, _place(ctx, record, files))


def _place(ctx: Context, record: Record, files: Mapping[Role, FileFact]) -> Place:
    """Where a batch went."""
    return Place(record.provider or "", record.account or "", model_of(ctx, files[Role.INPUT]) or "")


def model_of(view: View, fact: FileFact) -> str | None:
    """The model that the first line of an input names; None also where no request stands there any more."""
    line = next(iter(Lines(view, fact)), None)
    try:
        return None if line is None else decode_request(line, fact.path).model
    except BadLine:
        return None


def _words(view: View, files: Mapping[Role, FileFact], answers: Answers) -> str:
    """The provider's own words for the first failure, which there is."""
    _, place = next(iter(answers.failures()))
    with opened(view, files) as read:
        result = read_result(place, files, read, answers.extraction)
    return (result.error_message or result.error_code or "")[:_LONGEST]
