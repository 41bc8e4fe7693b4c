"""How a request ended that was answered on this machine, as the line that its answer file gets."""

from __future__ import annotations

from reconciler.codec.answer import encode_answer, encode_failure, is_plain_answer
from reconciler.codec.jsonl import Line
from reconciler.codec.result import decode_verdict
from reconciler.errors import BadLine
from reconciler.executor.values import NoJson, as_json, is_plain
from reconciler.model.exchange import Verdict
from reconciler.model.identity import Role
from reconciler.model.outcome import ErrorClass, Outcome
from reconciler.providers.ends import Answered, End, Judged


def judged(end: End, limit: int) -> Judged[tuple[int, Role, bytes]]:
    """How one request ended: its input line, the file that its answer goes to, and the answer's own line."""
    if isinstance(end, Answered):
        try:
            line, verdict = _answer_line(end, limit)
        except ValueError as error:
            # Asked again, it would answer the same: this is a fault of the worker.
            line = encode_failure(end.request, "invalid_answer", str(error)[:500], end.number)
            verdict = _verdict(end, line)
    else:
        line = encode_failure(end.request, end.code, end.message, end.number, end.status)
        verdict = _verdict(end, line)
    if verdict is None or verdict.outcome is Outcome.ANSWERED:
        return Judged((end.number, Role.OUTPUT, line))
    return Judged((end.number, Role.ERROR, line), verdict.error_class or ErrorClass.UNKNOWN)


def _verdict(end: End, line: bytes) -> Verdict:
    """What a line says, read as it will be read from the file."""
    return decode_verdict(Line(end.number, 0, line), "the worker's answer")


def _answer_line(end: Answered, limit: int) -> tuple[bytes, Verdict | None]:
    """
    The line of an answer, and what it says; None where it was plain to see that it is an answer.

    Raises:
        ValueError: What the worker returned is no response body.
    """
    plain = is_plain(end.body)
    body = end.body if plain else as_json(end.body)
    if not isinstance(body, dict):
        raise NoJson(f"the worker returned {type(end.body).__name__}, expected a response body (an object)")
    line = encode_answer(end.request, body, end.number)
    if len(line) > limit:
        raise NoJson(f"the worker returned {len(line)} bytes, the limit is {limit}")
    if plain and is_plain_answer(end.request, body):
        return line, None
    try:
        return line, _verdict(end, line)
    except BadLine as error:
        raise NoJson(f"the worker returned no response body: {error.reason}") from error
