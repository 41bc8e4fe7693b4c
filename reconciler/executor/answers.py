"""Find the answer of any request of a batch whose ids match, wherever its line stands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import attrs

from reconciler.codec.jsonl import Line
from reconciler.codec.request import request_id
from reconciler.codec.result import decode_result, decode_verdict
from reconciler.executor.context import View
from reconciler.executor.reading import Lines
from reconciler.model.coverage import hash_id
from reconciler.model.exchange import Result
from reconciler.model.identity import ANSWERS, BatchName, Role
from reconciler.model.operation import FileFact
from reconciler.model.outcome import ErrorClass, Outcome


@attrs.frozen
class Place:
    """
    Where one answer line stands, and what it says in short.

    Attributes:
        role: Its file.
        number: Its line.
        offset: Its first byte.
        size: Its length in bytes.
        failed: Its error class, None when it is an answer.
    """

    role: Role
    number: int
    offset: int
    size: int
    failed: ErrorClass | None


ChildOf = Callable[[int, Place | None], BatchName | None]
"""The retry child that asks an unanswered id again, by its hash and place; None when nobody does."""


def places(view: View, files: Mapping[Role, FileFact]) -> dict[int, Place]:
    """Where each answer stands, by the hash of its id; the ids are known to match."""
    found: dict[int, Place] = {}
    for role in ANSWERS:
        if role not in files:
            continue
        for line in Lines(view, files[role]):
            verdict = decode_verdict(line, files[role].path)
            failed = (
                None if verdict.outcome is Outcome.ANSWERED else verdict.error_class or ErrorClass.UNKNOWN
            )
            found[hash_id(verdict.custom_id)] = Place(role, line.number, line.offset, len(line.data), failed)
    return found


def joined(
    view: View, files: Mapping[Role, FileFact], found: Mapping[int, Place]
) -> Iterator[tuple[str, int, Place | None, Result | None]]:
    """Id, hash, place and result of every request, in input order; None where no answer stands."""
    with contextlib.ExitStack() as stack:
        read = {
            role: stack.enter_context(view.look.open_random(files[role].path))
            for role in ANSWERS
            if role in files
        }
        asked = files[Role.INPUT]
        for line in Lines(view, asked):
            custom_id = request_id(line, asked.path)
            hashed = hash_id(custom_id)
            place = found.get(hashed)
            if place is None:
                yield custom_id, hashed, None, None
                continue
            data = read[place.role](place.offset, place.size)
            result = decode_result(Line(place.number, place.offset, data), files[place.role].path)
            yield custom_id, hashed, place, result
