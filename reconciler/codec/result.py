"""
Read an answer line in the shape of any provider.

Matching asks for a Verdict only: most lines are plain answers, which `plain` or a narrow look at a few
members settles. Every other line takes the way of `decode_result`, so that the two cannot disagree.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reconciler.codec import anthropic, gemini, openai
from reconciler.codec.failure import Failure, failed, holds_error, read_failure
from reconciler.codec.jsonl import Line, decode_id, decode_strict, decode_value, is_null, quote
from reconciler.codec.plain import RESPONSE, RESULT, is_answer
from reconciler.errors import BadLine
from reconciler.model.exchange import Result, Verdict
from reconciler.model.outcome import Outcome


def decode_verdict(line: Line, path: str) -> Verdict:
    """
    Tell whose an answer line is and what became of the request.

    Args:
        line: The line.
        path: The file's name, for errors.

    Returns:
        The id, the outcome and the class of the failure, as `decode_result` gives them.

    Raises:
        BadLine: The line is no answer of any provider.
    """
    members = decode_strict(line, path)
    custom_id = _read_id(members, line, path)
    if _plainly_answered(members):
        return Verdict(custom_id, Outcome.ANSWERED, None)
    result = _read(custom_id, members, line, path)
    return Verdict(custom_id, result.outcome, result.error_class)


def decode_result(line: Line, path: str) -> Result:
    """
    Decode an answer line whole.

    Args:
        line: The line.
        path: The file's name, for errors.

    Returns:
        The answer, normalised.

    Raises:
        BadLine: The line is no answer of any provider.
    """
    members = decode_strict(line, path)
    return _read(_read_id(members, line, path), members, line, path)


def _read_id(members: dict[str, msgspec.Raw], line: Line, path: str) -> str:
    """Take `custom_id`, Gemini's `key`, or the `metadata.key` of a Gemini answer that came inline."""
    for name in ("custom_id", "key"):
        value = members.get(name)
        if value is not None:
            return decode_id(value, name, line, path)
    if "metadata" in members:
        metadata = decode_value(members["metadata"], line, path)
        if isinstance(metadata, dict) and "key" in metadata:
            raw = msgspec.json.decode(members["metadata"], type=dict[str, msgspec.Raw])
            return decode_id(raw["key"], "metadata.key", line, path)
    raise BadLine(path, line.number, "no id: none of custom_id, key and metadata.key is there")


def _plainly_answered(members: dict[str, msgspec.Raw]) -> bool:
    """Whether a look at a few members shows an answer; False leaves the question open."""
    if not is_null(members.get("error")):
        return False
    try:
        if "result" in members:
            return "response" not in members and RESULT.decode(members["result"]).type == "succeeded"
        return is_answer(RESPONSE.decode(members["response"]))
    except (KeyError, msgspec.ValidationError, RecursionError):
        return False


def _read(custom_id: str, members: dict[str, msgspec.Raw], line: Line, path: str) -> Result:
    known: dict[str, Any] = {
        name: decode_value(members[name], line, path)
        for name in ("response", "result", "error", "status")
        if name in members
    }
    response, error = known.get("response"), known.get("error")
    if known.get("result") is not None:
        return _read_result(custom_id, known, line, path)
    if isinstance(response, dict):
        if openai.is_envelope(response):
            return openai.read_envelope(custom_id, response, error, line, path)
        if holds_error(error):
            return failed(custom_id, read_failure(error), because="the line reports an error", body=response)
        if "custom_id" not in members or gemini.is_answer(response):
            return gemini.read_response(custom_id, response)
        raise BadLine(path, line.number, "no known shape: response has neither body nor candidates")
    if response is not None:
        raise BadLine(path, line.number, f"response is not an object: {quote(bytes(members['response']))}")
    if holds_error(error):
        return failed(custom_id, read_failure(error), because="the line reports an error")
    if isinstance(known.get("status"), dict):
        return failed(custom_id, read_failure(known["status"]), because="the line reports a status")
    if "response" in known or "error" in known:
        return failed(custom_id, Failure(), because="the line has neither a response nor an error")
    raise BadLine(path, line.number, "no known shape: none of response, result, error and status is there")


def _read_result(custom_id: str, known: dict[str, Any], line: Line, path: str) -> Result:
    if known.get("response") is not None:
        raise BadLine(path, line.number, "mixes the shapes of several providers: response, result")
    if holds_error(known.get("error")):
        return failed(custom_id, read_failure(known["error"]), because="the line reports an error")
    if not isinstance(known["result"], dict):
        raise BadLine(path, line.number, "result is not an object")
    return anthropic.read_result(custom_id, known["result"], line, path)
