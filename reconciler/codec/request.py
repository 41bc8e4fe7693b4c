"""
Read an input line in the shape of any provider.

Shapes are told apart by their keys: `params` is Anthropic's, `request` Gemini's, `method` and `url` OpenAI's
(also Azure's and vLLM's), `body` without them Mistral's. Source: each provider's public batch guide.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from reconciler.codec.jsonl import Line, decode_id, decode_strict, decode_value, quote
from reconciler.codec.plain import plain_request
from reconciler.errors import BadLine
from reconciler.model.exchange import Dialect, Request

_PAYLOAD: Final = {
    Dialect.OPENAI: "body",
    Dialect.ANTHROPIC: "params",
    Dialect.GEMINI: "request",
    Dialect.MISTRAL: "body",
}
_DIALECT: Final = {"params": Dialect.ANTHROPIC, "request": Dialect.GEMINI, "body": Dialect.MISTRAL}
"""The dialects of lines without an endpoint, by their payloads."""


def request_id(line: Line, path: str) -> str:
    """
    Take the id of an input line after checking its shape; the payload's members are not decoded.

    Args:
        line: The line.
        path: The file's name, for errors.

    Returns:
        The id.

    Raises:
        BadLine: The line is no request of any provider.
    """
    members = decode_strict(line, path)
    return _read_id(members, _dialect(members, line, path), line, path)


def decode_request(line: Line, path: str) -> Request:
    """
    Decode an input line whole.

    Args:
        line: The line.
        path: The file's name, for errors.

    Returns:
        The request.

    Raises:
        BadLine: The line is no request of any provider.
    """
    plain = plain_request(line.data)
    if plain is not None:
        custom_id, url, payload, body = plain
        return _request(custom_id, _DIALECT[payload] if url is None else Dialect.OPENAI, url, body)
    members = decode_strict(line, path)
    dialect = _dialect(members, line, path)
    found = decode_value(members[_PAYLOAD[dialect]], line, path)
    endpoint = decode_value(members["url"], line, path) if dialect is Dialect.OPENAI else None
    return _request(_read_id(members, dialect, line, path), dialect, endpoint, found)


def _request(custom_id: str, dialect: Dialect, url: str | None, body: dict[str, Any]) -> Request:
    model = body.get("model")
    return Request(custom_id, dialect, url, body, model if isinstance(model, str) else None)


def _dialect(members: dict[str, msgspec.Raw], line: Line, path: str) -> Dialect:
    """Tell the dialect and check that its payload is an object."""
    openai = "method" in members or "url" in members
    found = [name for name in ("params", "request", "body") if name in members]
    if len(found) > 1 or (openai and found and found != ["body"]):
        mixed = ", ".join([*found, *(name for name in ("method", "url") if name in members)])
        raise BadLine(path, line.number, f"mixes the shapes of several providers: {mixed}")
    if openai:
        dialect = Dialect.OPENAI
        _check_target(members, line, path)
    elif not found:
        raise BadLine(path, line.number, "no request: none of body, params and request is there")
    else:
        dialect = _DIALECT[found[0]]
    name = _PAYLOAD[dialect]
    if name not in members:
        raise BadLine(path, line.number, f"{name} is missing")
    payload = members[name]
    if memoryview(payload)[0] != ord("{"):
        raise BadLine(path, line.number, f"{name} is not an object: {quote(bytes(payload))}")
    return dialect


def _check_target(members: dict[str, msgspec.Raw], line: Line, path: str) -> None:
    for name in ("method", "url"):
        if name not in members:
            raise BadLine(path, line.number, f"{name} is missing")
    if bytes(members["method"]) != b'"POST"':
        raise BadLine(path, line.number, f"method is not POST: {quote(bytes(members['method']))}")
    url = bytes(members["url"])
    if not url.startswith(b'"') or url == b'""':
        raise BadLine(path, line.number, f"url is not a path: {quote(url)}")


def _read_id(members: dict[str, msgspec.Raw], dialect: Dialect, line: Line, path: str) -> str:
    name = "key" if dialect is Dialect.GEMINI else "custom_id"
    if name not in members:
        raise BadLine(path, line.number, f"{name} is missing")
    return decode_id(members[name], name, line, path)
