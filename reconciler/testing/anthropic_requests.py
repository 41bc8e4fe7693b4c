"""What Anthropic asks of each request in a create: its id, its params, and what each version refuses."""

from __future__ import annotations

import re
from typing import Any, Final

from reconciler.testing import documents
from reconciler.testing.exchange import Json, Refusal

CUSTOM_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
LONGEST: Final = 64


def custom_id_of(value: Any, index: int) -> str:
    """The id of one request, or the refusal of all of them (anthropic-sdk-python#984)."""
    where = f"requests.{index}.custom_id"
    custom_id = value.get("custom_id") if isinstance(value, dict) else None
    if not isinstance(custom_id, str):
        raise Refusal(400, f"{where}: Field required")
    if not custom_id:
        raise Refusal(400, f"{where}: String should have at least 1 character")
    if len(custom_id) > LONGEST:
        raise Refusal(400, f"{where}: String should have at most {LONGEST} characters")
    if not CUSTOM_ID.fullmatch(custom_id):
        raise Refusal(400, f"{where}: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
    return custom_id


def problem_of(params: Any, *, new: bool) -> str:
    """What is wrong with the params of a request, or nothing."""
    if not isinstance(params, dict):
        return "params: Field required"
    for name, kind in (("model", str), ("messages", list), ("max_tokens", int)):
        if not isinstance(params.get(name), kind):
            return f"{name}: Field required"
    if params["max_tokens"] < 1:
        return "max_tokens: a batch has no use for 0"
    if params.get("stream"):
        return "stream: not in a batch"
    wrong = _gone_in_2026(params) if new else ""
    return wrong or documents.problem_of(params)


def _gone_in_2026(params: Json) -> str:
    """What version 2026-10-21 refuses (Anthropic facts, connection)."""
    for name in ("temperature", "top_p", "top_k"):
        if name in params:
            return f"{name}: not permitted in this version"
    for message in params["messages"]:
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "document" and message.get("role") == "assistant":
                return "messages: a document in an assistant message"
            if block.get("type") == "text" and message.get("role") == "user" and block.get("citations"):
                return "messages: citations in a user message"
    return ""
