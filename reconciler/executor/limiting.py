"""
Write down what the time limit of a batch has ended: a line in its error file for each request without an end.

A line says what became of its request, whoever has written it, so that everything else counts it like any
other failure. What a provider has answered stays as it came; lines that only say that it was stopped make
room for ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import attrs

from reconciler.codec.answer import encode_failure
from reconciler.codec.jsonl import Line, iter_lines
from reconciler.codec.request import decode_request, request_id
from reconciler.codec.result import decode_verdict
from reconciler.errors import BadLine, PermanentError
from reconciler.executor.arriving import Arrival, Digests
from reconciler.executor.context import Run
from reconciler.executor.inputs import check_input
from reconciler.executor.reading import Lines
from reconciler.model.coverage import FileDigest, hash_id
from reconciler.model.facts import FileFact
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.operation import EndHere
from reconciler.model.outcome import ErrorClass
from reconciler.model.receipt import Receipt
from reconciler.model.record import Record
from reconciler.model.words import many
from reconciler.planner.limiting import are_leftovers
from reconciler.planner.safety import RESTORE
from reconciler.workspace import ledger
from reconciler.workspace.effects import temporary_for

TOLD: Final = {
    ErrorClass.TIME_LIMIT: "its time limit was over before it was answered",
    ErrorClass.CANCELLED: "a person ended its batch before it was sent",
}
"""What is said of a request, by the class of its failure."""

_NEVER_RAN: Final = frozenset({ErrorClass.EXPIRED, ErrorClass.CANCELLED})


def code_of(why: ErrorClass) -> str:
    """The word for a class in a line of ours, which is read back as that class."""
    return why.value.replace("-", "_")


def end_here(step: EndHere, run: Run) -> Receipt:
    """
    End a batch that no provider has: its error file says so of each request.

    Raises:
        BadLine: The input cannot be read.
        PermanentError: It is another one than metadata knows.
    """
    ctx, fact = run.ctx, step.expects.files[Role.INPUT]
    record = ctx.record(step.name) or Record(step.name)
    asked = check_input(ctx, fact)
    if record.input is not None and record.input != asked:
        message = f"{fact.path} is not the input that its metadata knows; nothing was ended"
        raise PermanentError(message, hint=RESTORE)
    arrival = Arrival(run, step.name)
    try:
        staged = ctx.fx.stage(arrival.path(Role.ERROR), _failures(run, fact, step.why, frozenset()))
        facts = {"why": step.why.value, "requests": asked.requests}
        ledger.append_once(ctx.fx, ctx.history, "batch.ended-here", step.name, **facts)
        online = record.online.ended_by(limit=step.why is ErrorClass.TIME_LIMIT)
        roles: dict[Role, FileDigest | None] = {Role.OUTPUT: None, Role.ERROR: staged}
        arrival.publish(record, attrs.evolve(record, input=asked, roles=roles, online=online), ())
    finally:
        arrival.drop()
    told = f"{many(asked.requests, 'request')} ended without being sent ({step.why.value})"
    return Receipt(step.name, step.verb, told, {"requests": asked.requests, "why": step.why.value})


def is_ended_by_limit(run: Run, record: Record) -> bool:
    """Whether what is fetched now is all there will be; files written down before stay as they are."""
    return record.online.limited or (record.is_over(run.ctx.fx.now()) and not record.roles)


def with_the_unanswered(
    run: Run,
    record: Record,
    roles: Digests,
    arrival: Arrival,
    here: Mapping[Role, FileFact],
) -> Digests:
    """
    What every file is once the error file that has arrived speaks of every request without an end.

    Args:
        run: What the operations of a plan share.
        record: The metadata as it is.
        roles: What has arrived.
        arrival: The files that have arrived.
        here: Files that have their names already.
    """
    if Role.ERROR in here and not arrival.lines.get(Role.ERROR):
        return roles
    ended, stopped, ran = _ends(run, arrival, here)
    asked = 0 if record.input is None else record.input.requests
    lines = len(ended) + len(stopped)
    missing = asked > lines and are_leftovers(record, lines, ran)
    if not missing and not stopped:
        return roles
    fx, path, aside = run.ctx.fx, arrival.path(Role.ERROR), _aside(run, record)
    only = None if missing else stopped
    failures = _failures(run, here[Role.INPUT], ErrorClass.TIME_LIMIT, ended, only)
    try:
        fx.stage(aside, _kept_then(run, arrival, failures))
        digest = fx.stage(path, _copied(run, aside))
    finally:
        fx.unstage(aside)
    return {**roles, Role.ERROR: digest}


def _ends(run: Run, arrival: Arrival, here: Mapping[Role, FileFact]) -> tuple[set[int], set[int], int]:
    """The requests that have an end of their own, those that were stopped, and how many of the first ran."""
    ended: set[int] = set()
    stopped: set[int] = set()
    ran = 0
    for role in ANSWERS:
        if arrival.lines.get(role):
            lines = _staged(run, arrival.path(role))
        elif role in here:
            lines = iter(Lines(run.ctx, here[role]))
        else:
            continue
        for line in lines:
            try:
                verdict = decode_verdict(line, arrival.path(role))
            except BadLine:
                # Matching says what is wrong with it.
                continue
            if role is Role.ERROR and verdict.error_class is ErrorClass.CANCELLED:
                stopped.add(hash_id(verdict.custom_id))
                continue
            ended.add(hash_id(verdict.custom_id))
            ran += verdict.error_class not in _NEVER_RAN
    return ended, stopped, ran


def _kept_then(run: Run, arrival: Arrival, failures: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of the error file that has arrived, but for what was stopped, and ours behind them."""
    path = arrival.path(Role.ERROR)
    if arrival.lines.get(Role.ERROR):
        for line in _staged(run, path):
            try:
                stopped = decode_verdict(line, path).error_class is ErrorClass.CANCELLED
            except BadLine:
                stopped = False
            if not stopped:
                yield line.data + b"\n"
    yield from failures


def _failures(
    run: Run,
    asked: FileFact,
    why: ErrorClass,
    ended: Collection[int],
    only: Collection[int] | None = None,
) -> Iterator[bytes]:
    """A line for each request that has not *ended*, of those in *only* where not all are meant."""
    for line in Lines(run.ctx, asked):
        hashed = hash_id(request_id(line, asked.path))
        if hashed not in ended and (only is None or hashed in only):
            request = decode_request(line, asked.path)
            yield encode_failure(request, code_of(why), TOLD[why], line.number) + b"\n"


def _staged(run: Run, path: str) -> Iterator[Line]:
    """The lines of a file under its temporary name."""
    with run.ctx.fx.open(temporary_for(path)) as stream:
        yield from iter_lines(stream, path.rpartition("/")[2], limit=run.ctx.line_limit)


def _copied(run: Run, path: str) -> Iterator[bytes]:
    """The same, as bytes."""
    for line in _staged(run, path):
        yield line.data + b"\n"


def _aside(run: Run, record: Record) -> str:
    """Where the error file is put together before it takes the place of what has arrived."""
    return run.ctx.layout.live_path(f"batch_download_{record.name}.jsonl")
