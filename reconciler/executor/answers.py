"""Find the answer of any request of a batch whose ids match, wherever its line stands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.codec.jsonl import Line, line_at
from reconciler.codec.request import request_id
from reconciler.codec.result import decode_result
from reconciler.errors import BadLine, PermanentError, StaleSnapshot
from reconciler.executor.account import Found, is_small
from reconciler.executor.asked import Asked
from reconciler.executor.context import View
from reconciler.executor.reading import Lines, owners_of
from reconciler.model.answers import Answers, Place
from reconciler.model.coverage import Coverage
from reconciler.model.exchange import Result
from reconciler.model.extraction import Extraction
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import Child
from reconciler.model.snapshot import Matched
from reconciler.processors.extraction import held_to

Read = Callable[[int, int], bytes]
"""Bytes of a file, by offset and size."""

ChildOf = Callable[[int, Place | None], BatchName | None]
"""The retry child that asks an unanswered id again, by its hash and place; None when nobody does."""


def places(
    view: View,
    files: Mapping[Role, FileFact],
    account: Coverage | None,
    known: Matched | None = None,
    *,
    keep: bool = False,
) -> Answers:
    """
    Where each answer stands; the ids are known to match.

    Args:
        view: Rooms and settings.
        files: The triple.
        account: What was drawn up of them: it knows what answers are held to.
        known: The verdict that was drawn before. If it is on these files, nothing is read again.
        keep: Make the results lines of a small batch on the way, if it has to be read.

    Raises:
        PermanentError: The input cannot be read, or an answer.
    """
    if known is not None and known.answers is not None and known.files == files:
        return known.answers
    asked = Asked(view, files[Role.INPUT], digest=False)
    if asked.bad:
        raise PermanentError(asked.bad[0])
    extraction = None if account is None else account.extraction
    found = Found(asked, {}, keep=keep and is_small(files), extraction=extraction)
    for role in ANSWERS:
        if role in files:
            found.read(view, Lines(view, files[role]), role)
    if "corrupt" in found.examples:
        raise PermanentError(found.examples["corrupt"][0])
    return found.answers


def joined(
    view: View, files: Mapping[Role, FileFact], answers: Answers
) -> Iterator[tuple[str, int, Place | None, Result | None]]:
    """Id, hash, place and result of all requests, in input order; None where no answer stands."""
    names = silent(view, files, answers)
    with opened(view, files) as read:
        for at in range(len(answers)):
            place = answers.place(at)
            if place is None:
                yield names[at], answers.hashed(at), None, None
                continue
            result = read_result(place, files, read, answers.extraction)
            yield result.custom_id, answers.hashed(at), place, result


def read_at(
    view: View, files: Mapping[Role, FileFact], answers: Answers, wanted: Iterable[tuple[int, Place]]
) -> Iterator[tuple[int, Place, Result]]:
    """Hash, place and result of the answers at some places, each given with its position, in their order."""
    with opened(view, files) as read:
        for at, place in wanted:
            yield answers.hashed(at), place, read_result(place, files, read, answers.extraction)


@contextlib.contextmanager
def opened(view: View, files: Mapping[Role, FileFact]) -> Iterator[dict[Role, Read]]:
    """The answer files, open for reading anywhere."""
    with contextlib.ExitStack() as stack:
        yield {
            role: stack.enter_context(view.look.open_random(files[role].path))
            for role in ANSWERS
            if role in files
        }


def read_result(
    place: Place,
    files: Mapping[Role, FileFact],
    read: Mapping[Role, Read],
    extraction: Extraction | None = None,
) -> Result:
    """The answer that stands at a place, held to what its batch's answers are held to."""
    data = read[place.role](place.offset, place.size)
    return held_to(decode_result(Line(place.number, place.offset, data), files[place.role].path), extraction)


def left_over(view: View, answers: Answers, children: Mapping[BatchName, Child]) -> dict[int, ErrorClass]:
    """
    The requests that failed or never came and that no child asks, by position, each with its class.

    Args:
        view: Rooms and settings.
        answers: Where each answer stands.
        children: The children of the batch.

    Raises:
        PermanentError: A child's input is nowhere to be found.
    """
    owners = owners_of(view, children)
    failures = {at: place.failed for at, place in answers.failures() if place.failed is not None}
    silent_ = dict.fromkeys(answers.missing(), ErrorClass.MISSING)
    return {at: why for at, why in (failures | silent_).items() if answers.hashed(at) not in owners}


def silent(view: View, files: Mapping[Role, FileFact], answers: Answers) -> dict[int, str]:
    """The ids without any answer, by their positions; the input is read only if there are some."""
    if answers.complete:
        return {}
    asked = asked_at(view, files[Role.INPUT], answers, answers.missing())
    return {at: custom_id for at, _, custom_id in asked}


def asked_at(
    view: View, asked: FileFact, answers: Answers, wanted: Iterable[int]
) -> Iterator[tuple[int, Line, str]]:
    """
    The request lines at some positions, each with its position and its id, in their order.

    Raises:
        StaleSnapshot: The input was written to since its lines were read.
    """
    starts, lines, last = answers.starts, answers.lines, len(answers) - 1
    moved = StaleSnapshot(f"{asked.path} was written to while it was read")
    with view.look.open_random(asked.path) as read:
        for at in wanted:
            begin, end = starts[at], asked.size if at == last else starts[at + 1]
            data = read(begin, end - begin)
            # Blank lines may stand between two requests.
            raw = data[: data.find(b"\n") + 1 or len(data)]
            try:
                line = line_at(raw, asked.path, lines[at], begin, view.line_limit) if raw else None
                custom_id = "" if line is None else request_id(line, asked.path)
            except BadLine as error:
                # It was a request when it was read before.
                raise moved from error
            if line is None:
                raise moved
            yield at, line, custom_id
    if view.look.fact(asked.path) != asked:
        raise moved
