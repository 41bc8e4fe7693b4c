"""
Read the `result` of an Anthropic Message Batches line.

Source: Anthropic's API reference, "Retrieve Message Batch results" and the Message object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.codec.citations import citations_of
from reconciler.codec.failure import (
    Failure,
    failed,
    joined,
    mapping_or_none,
    objects,
    read_failure,
    text_or_none,
)
from reconciler.codec.jsonl import Line, quote
from reconciler.errors import BadLine
from reconciler.model.exchange import Result
from reconciler.model.outcome import Outcome

_NOT_RUN = ("canceled", "expired")


def read_result(custom_id: str, result: Mapping[str, Any], line: Line, path: str) -> Result:
    """
    Read an Anthropic answer.

    Args:
        custom_id: Whose it is.
        result: The `result` member.
        line: The line that it stands in.
        path: The file's name, for errors.

    Returns:
        The answer.

    Raises:
        BadLine: `result.type` is none of succeeded, errored, canceled and expired.
    """
    kind = result.get("type")
    if kind == "succeeded":
        return read_message(custom_id, result.get("message"))
    if kind == "errored":  # the reference nests the error twice, the guide's sample once
        return failed(custom_id, read_failure(result.get("error")), because="the result is an error")
    if isinstance(kind, str) and kind in _NOT_RUN:
        because = f"the request is {kind} and was not run"
        return failed(custom_id, Failure(words=(kind,)), because=because)
    shown = f": {quote(kind)}" if isinstance(kind, str) else ""
    raise BadLine(path, line.number, f"result.type is not known{shown}")


def read_message(custom_id: str, message: object, status: int | None = None) -> Result:
    """
    Read a Message, which OpenRouter puts into an envelope of OpenAI's shape.

    Args:
        custom_id: Whose it is.
        message: The Message.
        status: The HTTP status of the line, where it has one.
    """
    if not isinstance(message, Mapping):
        return failed(custom_id, Failure(), because="the result has no message")
    blocks = objects(message.get("content"))
    texts = [block for block in blocks if block.get("type") == "text"]
    text = joined([block["text"] for block in texts if isinstance(block.get("text"), str)])
    stop_reason = text_or_none(message.get("stop_reason"))
    details = mapping_or_none(message.get("stop_details")) or {}
    explanation = text_or_none(details.get("explanation"))
    return Result(
        custom_id,
        Outcome.ANSWERED,
        text=text,
        finish_reason=stop_reason,
        refusal=(explanation or text or stop_reason) if stop_reason == "refusal" else None,
        tool_calls=tuple(block for block in blocks if block.get("type") == "tool_use"),
        citations=citations_of(texts),
        usage=mapping_or_none(message.get("usage")),
        model=text_or_none(message.get("model")),
        status_code=status,
        body=message,
    )
