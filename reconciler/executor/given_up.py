"""
Requests that were given up: those that settled batches count as failed or dismissed, in `failed-items/`.

Written before the batch moves to `done/`, and written anew before an id goes over to a child, so no line
speaks of a request that is on its way. What is written follows from files and account alone: a crash anywhere
is mended by doing it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import msgspec

from reconciler.codec.request import request_id
from reconciler.executor.answers import asked_at, left_over, opened, places, read_result
from reconciler.executor.context import Context
from reconciler.executor.reading import Lines
from reconciler.executor.unhandled import DISMISSED, FAILED, items_of, replace_items
from reconciler.model.coverage import NOTHING
from reconciler.model.exchange import Result
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import Record
from reconciler.model.snapshot import Matched
from reconciler.workspace.settled import folder_of

_LONGEST: Final = 200
_SILENT: Final = "no answer came"


def collect(
    ctx: Context,
    record: Record,
    files: Mapping[Role, FileFact],
    known: Matched | None = None,
    going: Collection[int] = (),
) -> str:
    """
    Collect the requests that a batch gives up; where there are none, none is left there.

    Args:
        ctx: Rooms and settings.
        record: What is known of the batch; its account balances.
        files: The triple.
        known: The verdict that was drawn on these files.
        going: Hashes of the ids that a child is about to ask.

    Returns:
        Where they are collected; empty when there are none.
    """
    name, coverage = record.name, record.coverage
    if coverage is None or coverage.given_up == NOTHING:
        withdraw(ctx, name)
        return ""
    answers = places(ctx, files, coverage, known)
    found = left_over(ctx, answers, record.children)
    wanted = {at: why for at, why in found.items() if answers.hashed(at) not in going}

    def lines() -> Iterator[bytes]:
        asked = files[Role.INPUT]
        with opened(ctx, files) as read:
            for at, line, custom_id in asked_at(ctx, asked, answers, sorted(wanted)):
                place, result, answer = answers.place(at), None, None
                if place is not None:
                    known_so = answers.failures_read.get(at)
                    result = known_so or read_result(place, files, read, answers.extraction)
                    answer = _settled(name, files[place.role], place.number)
                yield _line(
                    custom_id,
                    name,
                    # A person gives up what is missing, and all failures of a batch or none.
                    DISMISSED if result is None or coverage.failed == NOTHING else FAILED,
                    _SILENT if result is None else _words(result),
                    error_class=wanted[at],
                    code=None if result is None else result.error_code,
                    attempt=record.attempt,
                    request=_settled(name, asked, line.number),
                    answer=answer,
                )

    replace_items(ctx, name, lines() if wanted else None, given_up=True)
    return items_of(name) if wanted else ""


def collect_unread(ctx: Context, name: BatchName, asked: FileFact, reason: str) -> None:
    """
    Collect every request of a batch that is given up whole, its answers unread.

    Args:
        ctx: Rooms and settings.
        name: What the batch is called in `done/`.
        asked: Its input, where it is now.
        reason: Why nobody reads its answers.
    """

    def lines() -> Iterator[bytes]:
        for line in Lines(ctx, asked):
            request = _settled(name, asked, line.number)
            yield _line(request_id(line, asked.path), name, DISMISSED, reason, request=request)

    replace_items(ctx, name, lines(), given_up=True)


def withdraw(ctx: Context, name: BatchName) -> None:
    """Take back that anything of a batch was given up."""
    replace_items(ctx, name, None, given_up=True)


def _settled(name: BatchName, fact: FileFact, number: int) -> str:
    """A line of a file, where it stands once the batch has settled."""
    return f"{folder_of(name)}/{fact.path.rpartition('/')[2]}:{number}"


def _words(result: Result) -> str:
    """Why a request failed, for people."""
    status = "" if result.status_code is None else f"status {result.status_code}"
    return (result.error_message or result.problem or result.error_code or status)[:_LONGEST]


def _line(  # noqa: PLR0913 - the members of a line
    custom_id: str,
    name: BatchName,
    why: str,
    reason: str,
    *,
    request: str,
    error_class: ErrorClass | None = None,
    code: str | None = None,
    attempt: int | None = None,
    answer: str | None = None,
) -> bytes:
    """One line, newline included; the first members are those of every line there."""
    fields: dict[str, Any] = {
        "custom_id": custom_id,
        "batch": name,
        "why": why,
        "reason": reason,
        "class": None if error_class is None else error_class.value,
        "code": code,
        "attempt": attempt,
        "request": request,
        "answer": answer,
    }
    return msgspec.json.encode(fields) + b"\n"
