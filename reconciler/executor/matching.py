"""
Hold every id of the input against every id of the answers, and draw up the account.

Multisets are compared, not sets: an id answered twice, in one file or in two, is a finding. What is
kept per id is its hash; ids are named by a second reading, only when there is something to name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import attrs

from reconciler.errors import PermanentError
from reconciler.executor.account import Found, is_small, quoted
from reconciler.executor.answers import asked_at
from reconciler.executor.asked import EXAMPLES, Asked
from reconciler.executor.context import Run, View
from reconciler.executor.reading import Lines, owners_of
from reconciler.executor.walling import take_note
from reconciler.model.coverage import NOTHING, Coverage
from reconciler.model.extraction import Extraction
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.operation import MatchRequestIds
from reconciler.model.receipt import Receipt
from reconciler.model.record import InputFact, Record
from reconciler.model.snapshot import Matched
from reconciler.model.words import many

_ROOM: Final = 200
"""Levels of the stack that are left to those who read what has settled."""


def match_request_ids(step: MatchRequestIds, run: Run) -> Receipt:
    """
    Draw the verdict on a batch, and keep its account in metadata.

    Raises:
        StaleSnapshot: A file was written to meanwhile.
    """
    record = run.ctx.record(step.name)
    files = step.expects.files
    matched = run.ctx.drawn(step.name, files, record) or judged(run.ctx, files, record, step.extraction)
    run.matched = matched
    coverage = matched.coverage
    known = None if record is None else record.coverage
    lost = 0 if coverage is None or known is None else answers_gone(known, coverage)
    if lost > 0:
        gone = many(lost, "answer")
        hint = f"put the answer file back as it was, or move batch_metadata_{step.name}.jsonl away with it"
        raise PermanentError(f"{gone} of {step.name} that an earlier pass counted are gone", hint=hint)
    if coverage is not None and matched.mismatch is None:
        _keep(run, step.name, record, coverage)
        take_note(run.ctx, record, files, matched)
    balanced = matched.mismatch is None and coverage is not None and coverage.balanced
    return Receipt(step.name, step.verb, _told(matched), {"balanced": balanced})


def answers_gone(known: Coverage, found: Coverage) -> int:
    """How many answers of an earlier account are not there any more; below none where there are more."""
    if known.extraction == found.extraction:
        return known.answered.requests - found.answered.requests
    # Held to something else, other answers are invalid; as lines they are here all the same.
    return known.given.requests - found.given.requests


def judged(
    view: View, files: Mapping[Role, FileFact], record: Record | None, extraction: Extraction | None = None
) -> Matched:
    """
    The verdict on *files* by which a batch settles: `match`, with less of the stack than others will have.

    Whether a line that is nested deep can be read hangs on the depth of the stack; whoever comes later, from
    wherever, has to be able to read what was settled.
    """
    return _deeper(_ROOM, partial(match, view, files, record, extraction))


def _deeper(levels: int, call: Callable[[], Matched]) -> Matched:
    """Call from so many levels further down."""
    return call() if levels == 0 else _deeper(levels - 1, call)


def match(
    view: View,
    files: Mapping[Role, FileFact],
    record: Record | None,
    extraction: Extraction | None = None,
) -> Matched:
    """
    The verdict on *files*; a pure read.

    Args:
        view: Rooms and settings.
        files: The triple; the input is among it.
        record: Its metadata, for children and for what a person dismissed.
        extraction: What its answers are held to.
    """
    asked = Asked(view, files[Role.INPUT])
    if asked.bad:
        return Matched(files, bad_input=tuple(asked.bad))
    owners = owners_of(view, record.children) if record is not None else {}
    found = Found(asked, owners, keep=is_small(files), extraction=extraction)
    digests = {Role.INPUT: asked.digest}
    for role in ANSWERS:
        if role in files:
            lines = Lines(view, files[role], digest=True)
            found.read(view, lines, role)
            digests[role] = lines.digest
    coverage = found.coverage(digests, {} if record is None else record.dismissed)
    mismatch = found.mismatch()
    missing: tuple[str, ...] = ()
    if coverage.missing != NOTHING and mismatch is None:
        missing = tuple(_first_missing(view, files[Role.INPUT], found))
    return Matched(files, coverage, mismatch, missing=missing, late=tuple(found.late), answers=found.answers)


def _first_missing(view: View, fact: FileFact, found: Found) -> Iterator[str]:
    """The first few ids that no answer speaks of and no child owns, with their lines."""
    answers = found.answers
    wanted = (at for at in answers.missing() if answers.hashed(at) not in found.owners)
    for _, line, custom_id in asked_at(view, fact, answers, itertools.islice(wanted, EXAMPLES)):
        yield f"{quoted(custom_id)} ({fact.path}:{line.number})"


def _keep(run: Run, name: BatchName, record: Record | None, coverage: Coverage) -> None:
    """
    Keep the account in metadata, unless it stands there already.

    The input is pinned only when every id has an end: while ids are missing, a person may mend either file.
    """
    record = record or Record(name)
    asked = record.input
    if asked is None and coverage.missing == NOTHING:
        asked = InputFact(coverage.digests[Role.INPUT], coverage.input.requests)
    if record.coverage != coverage or record.input != asked:
        run.publish(attrs.evolve(record, input=asked, coverage=coverage))


def _told(matched: Matched) -> str:
    """One line for the report."""
    if matched.coverage is None:
        return "the input cannot be read"
    if matched.mismatch is not None:
        return "input and answers disagree"
    coverage = matched.coverage
    if coverage.missing != NOTHING:
        return f"{many(coverage.missing.requests, 'id')} of {coverage.input.requests} without an answer"
    return f"{many(coverage.input.requests, 'id')}, each accounted for"
