"""
The built-in output processor `results`: one JSON line a request, in input order.

Every key stands on every line, so that tables can be made of it without looking for columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from reconciler.codec.passing import plain_fields
from reconciler.codec.plain import Fields
from reconciler.model.exchange import Result
from reconciler.model.identity import BatchName
from reconciler.model.outcome import Outcome
from reconciler.native import Native

_NO_EXTRA: Final[Mapping[str, Any]] = {}

_PLAIN: Final = (
    b'{"custom_id":"%b","outcome":"answered","text":%b,"value":null,"finish_reason":%b,"refusal":%b,'
    b'"tool_calls":%b,"usage":%b,"model":%b'
)
"""The line of a plain answer up to what all lines share; the keys of `record_of`, in its order."""

PIECES: Final = tuple(_PLAIN.split(b"%b"))
"""What stands around the fields in it."""


@attrs.frozen
class Origin:
    """
    What all lines of one batch share.

    Attributes:
        batch: The batch.
        provider: Whose answers they are, None when nobody knows.
        attempt: How often the requests had been sent.
        given_up: A person has dismissed the failures of this batch.
    """

    batch: BatchName
    provider: str | None
    attempt: int
    given_up: bool = False


def published_as(name: str) -> str:
    """Where the results of a batch appear, relative to the workspace."""
    return f"target/{name}.results.jsonl"


def csv_as(name: str) -> str:
    """Where they appear as CSV, where that is asked for."""
    return f"target/{name}.results.csv"


def line_of(  # noqa: PLR0913, PLR0917 - the members of a line
    custom_id: str,
    result: Result | None,
    origin: Origin,
    child: BatchName | None,
    value: Any = None,
    extra: Mapping[str, Any] = _NO_EXTRA,
) -> bytes:
    """
    One line of the results file, newline included.

    Args:
        custom_id: The request.
        result: Its answer, None when there is none.
        origin: What all lines of the batch share.
        child: The retry child that asks it again, if one does.
        value: What was read in the answer's text, or what a custom processor made of it.
        extra: Further members, at the end of the line.
    """
    fields = record_of(custom_id, result, origin, child, value)
    return msgspec.json.encode({**fields, **extra} if extra else fields) + b"\n"


def head_of_plain(fields: Fields) -> bytes:
    """The part of a plain answer's line that is its own; `tail_of_plain` completes it."""
    return _PLAIN % fields


def head_of_line(raw: bytes, native: Native | None) -> bytes | None:
    """The same of an answer's line, line feed included; None where it is not plain."""
    head = None if native is None else native.results_head(raw, PIECES)
    if head is not None:
        return head
    fields = plain_fields(raw)
    return None if fields is None else head_of_plain(fields)


def tail_of_plain(origin: Origin) -> bytes:
    """The part of the lines of plain answers that a batch's lines share, newline included."""
    shared = {"provider": origin.provider, "batch": origin.batch, "attempt": origin.attempt, "error": None}
    return b"," + msgspec.json.encode(shared)[1:] + b"\n"


def record_of(
    custom_id: str, result: Result | None, origin: Origin, child: BatchName | None, value: Any = None
) -> dict[str, Any]:
    """The same as a dict, in the order of the keys on disk."""
    given = result or Result(custom_id, Outcome.FAILED)
    outcome = given.outcome.value
    if child is not None:
        outcome = "retried"
    elif result is None or (given.outcome is Outcome.FAILED and origin.given_up):
        outcome = "dismissed"
    error = None
    if result is not None and result.outcome is Outcome.FAILED:
        error = {
            "class": None if given.error_class is None else given.error_class.value,
            "code": given.error_code,
            "message": given.error_message,
        }
    fields: dict[str, Any] = {
        "custom_id": custom_id,
        "outcome": outcome,
        "text": given.text,
        "value": value,
        "finish_reason": given.finish_reason,
        "refusal": given.refusal,
        "tool_calls": list(given.tool_calls) or None,
        "usage": given.usage,
        "model": given.model,
        "provider": origin.provider,
        "batch": origin.batch,
        "attempt": origin.attempt,
        "error": error,
    }
    if child is not None:
        fields["child"] = child
    if (
        given.outcome is Outcome.ANSWERED
        and given.text is None
        and given.refusal is None
        and not given.tool_calls
    ):
        # Embeddings and moderations answer with no text: their body is the answer.
        fields["body"] = given.body
    if given.citations:
        fields["citations"] = given.citations
    if given.citation_mappings:
        fields["citation_mappings"] = given.citation_mappings
    return fields
