"""
Read the `response` of an OpenAI-shaped answer line: `{"status_code", "request_id", "body"}`.

OpenAI, Azure OpenAI, Mistral and vLLM write it, each with its own gaps. Sources: OpenAI's API reference
(batch request output, chat completion, response, embedding, moderation), Azure OpenAI's batch guide,
Mistral's batch guide, vLLM's `run_batch`. OGX writes the body as a string of JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.codec.anthropic import read_message
from reconciler.codec.classify import is_success
from reconciler.codec.failure import (
    Failure,
    failed,
    holds_error,
    joined,
    mapping_or_none,
    objects,
    read_failure,
    text_or_none,
)
from reconciler.codec.jsonl import Line, decode_value, quote
from reconciler.errors import BadLine
from reconciler.model.exchange import Result
from reconciler.model.outcome import Outcome

_NOT_RUN = ("cancelled", "canceled", "expired")
_FINISHED = ("completed", "incomplete")
_OUR_TOOLS = ("function_call", "custom_tool_call")  # the others are run by the provider


def is_envelope(response: Mapping[str, Any]) -> bool:
    """Whether a `response` is the OpenAI-shaped wrapping of a body."""
    return "body" in response or "status_code" in response


def read_status(response: Mapping[str, Any], line: Line, path: str) -> int | None:
    """
    Take the HTTP status; servers write it as a number, a float or digits, or leave it out.

    Args:
        response: The wrapping.
        line: The line that it stands in.
        path: The file's name, for errors.

    Returns:
        The status, None when there is none.

    Raises:
        BadLine: It is there and is no number.
    """
    found = response.get("status_code")
    if found is None:
        return None
    if isinstance(found, float) and found.is_integer():
        return int(found)
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 1000:  # noqa: PLR2004 - HTTP statuses have three digits
        return found
    if isinstance(found, str) and len(found) <= 3 and found.isascii() and found.isdigit():  # noqa: PLR2004 - HTTP statuses have three digits
        return int(found)
    shown = f": {quote(found)}" if isinstance(found, str) else ""
    raise BadLine(path, line.number, f"response.status_code is no HTTP status{shown}")


def read_body(response: Mapping[str, Any], line: Line, path: str) -> Any:
    """
    Take the body, which OGX writes as a string of JSON.

    Args:
        response: The wrapping.
        line: The line that it stands in.
        path: The file's name, for errors.

    Returns:
        The decoded body; a string that is no JSON as it is; None when there is none.
    """
    body = response.get("body")
    if not isinstance(body, str):
        return body
    try:
        return decode_value(body, line, path)
    except BadLine:
        return body


def read_envelope(
    custom_id: str, response: Mapping[str, Any], error: object, line: Line, path: str
) -> Result:
    """
    Read an OpenAI-shaped answer.

    Args:
        custom_id: Whose it is.
        response: The wrapping.
        error: The line's own `error` member; when it reports something, it outweighs any status.
        line: The line.
        path: The file's name, for errors.

    Returns:
        The answer. Whatever is not a success with something in it has failed.

    Raises:
        BadLine: The status is no number.
    """
    status = read_status(response, line, path)
    body = read_body(response, line, path)
    if holds_error(error):
        return failed(
            custom_id, read_failure(error), because="the line reports an error", status=status, body=body
        )
    if status is not None and not is_success(status):
        found = read_failure(body)
        return failed(custom_id, found, because=f"HTTP status {status}", status=status, body=body)
    if not isinstance(body, dict | list) or not body:
        because = "the response has no body" if not body else "the response's body is not an object"
        return failed(custom_id, Failure(), because=because, status=status, body=body)
    if isinstance(body, list):  # some servers answer embedding and score requests so
        return Result(custom_id, Outcome.ANSWERED, status_code=status, body=body)
    return _read_object(custom_id, body, status)


def _read_object(custom_id: str, body: dict[str, Any], status: int | None) -> Result:
    if holds_error(body.get("error")):
        found = read_failure(body["error"])
        return failed(custom_id, found, because="the body is an error", status=status, body=body)
    if body.get("choices") is not None or ("choices" in body and body.get("output") is None):
        return _read_choices(custom_id, body, status)
    if body.get("object") == "response" or body.get("output") is not None:
        return _read_output(custom_id, body, status)
    if body.get("type") == "message" and isinstance(body.get("content"), list):
        return read_message(custom_id, body, status)  # /v1/messages, at OpenRouter
    if body.get("object") == "error":
        return failed(custom_id, read_failure(body), because="the body is an error", status=status, body=body)
    return _answered(custom_id, body, status)  # embeddings, moderations, images, ...: the body is the answer


def _read_choices(custom_id: str, body: dict[str, Any], status: int | None) -> Result:
    """Read chat completions (`choices[].message`) and completions (`choices[].text`): the first answers."""
    choices = body["choices"]
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        because = "the answer's choices are empty"
        return failed(custom_id, Failure(), because=because, status=status, body=body)
    message = mapping_or_none(choice.get("message")) or {}
    tool_calls = objects(message.get("tool_calls")) or objects([message.get("function_call")])
    return _answered(
        custom_id,
        body,
        status,
        text=_message_text(message.get("content"), choice.get("text")),
        finish_reason=text_or_none(choice.get("finish_reason")),
        refusal=text_or_none(message.get("refusal")),
        tool_calls=tuple(tool_calls),
    )


def _message_text(content: object, completion: object) -> str | None:
    """Take the text of a choice: a string, Mistral's chunks (without its thinking), or a plain completion."""
    if isinstance(content, list):
        return joined(_texts(objects(content), "text", "text"))
    return content if isinstance(content, str) else text_or_none(completion)


def _read_output(custom_id: str, body: dict[str, Any], status: int | None) -> Result:
    """Read a Responses API object: `status` says what became of it, `output[]` holds messages and calls."""
    word = text_or_none(body.get("status"))
    items = objects(body.get("output"))
    if word is not None and word not in _FINISHED:
        found = Failure(words=(word,) if word in _NOT_RUN else ())
        return failed(
            custom_id, found, because=f"the response's status is {quote(word)}", status=status, body=body
        )
    if word != "incomplete" and not items:
        return failed(custom_id, Failure(), because="the answer's output is empty", status=status, body=body)
    parts = [part for item in items if item.get("type") == "message" for part in objects(item.get("content"))]
    why = mapping_or_none(body.get("incomplete_details")) or {}
    return _answered(
        custom_id,
        body,
        status,
        text=joined(_texts(parts, "output_text", "text")),
        finish_reason=text_or_none(why.get("reason")) or word,
        refusal=joined(_texts(parts, "refusal", "refusal")),
        tool_calls=tuple(item for item in items if item.get("type") in _OUR_TOOLS),
    )


def _texts(parts: list[Mapping[str, Any]], kind: str, member: str) -> list[str]:
    found = [part.get(member) for part in parts if part.get("type") == kind]
    return [text for text in found if isinstance(text, str)]


def _answered(custom_id: str, body: dict[str, Any], status: int | None, **told: Any) -> Result:
    return Result(
        custom_id,
        Outcome.ANSWERED,
        usage=mapping_or_none(body.get("usage")),
        model=text_or_none(body.get("model")),
        status_code=status,
        body=body,
        **told,
    )
