"""
One line of a results file from one decoded answer line in OpenAI's shape: the same values as the product's.

Knows the answers and failures that the data sets hold, no others.
"""

from __future__ import annotations

from typing import Any, Final

_BY_STATUS: Final = {400: "invalid-request", 429: "rate-limit"}
_BY_CODE: Final = {"batch_expired": "expired"}


def record_of(line: dict[str, Any], batch: str) -> dict[str, Any]:
    """The record of the request that *line* answers."""
    response = line["response"]
    body = response["body"] if response else {}
    record = {
        "custom_id": line["custom_id"],
        "outcome": "answered",
        "text": None,
        "value": None,
        "finish_reason": None,
        "refusal": None,
        "tool_calls": None,
        "usage": body.get("usage"),
        "model": body.get("model"),
        "provider": None,
        "batch": batch,
        "attempt": 1,
        "error": None,
    }
    if response is None or response["status_code"] != 200:
        record["outcome"] = "failed"
        record["error"] = _error(line)
        return record
    choice = body["choices"][0]
    message = choice["message"]
    record["text"] = message["content"]
    record["finish_reason"] = choice["finish_reason"]
    record["refusal"] = message["refusal"]
    record["tool_calls"] = message.get("tool_calls") or None
    return record


def _error(line: dict[str, Any]) -> dict[str, Any]:
    response = line["response"]
    found = line["error"] or response["body"]["error"]
    kind = _BY_CODE.get(found["code"]) or _BY_STATUS.get(response and response["status_code"], "server-error")
    return {"class": kind, "code": found["code"] or found["type"], "message": found["message"]}
