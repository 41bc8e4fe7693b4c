"""
Write an answer line in the shape of the request that it answers; the inverse of `decode_result`.

For what is answered on this machine; lines of remote providers keep the bytes that they came with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, assert_never

import msgspec

from reconciler.codec.plain import Body, Response, is_answer
from reconciler.model.exchange import Dialect, Request

_ENCODER: Final = msgspec.json.Encoder()


def encode_answer(request: Request, body: Mapping[str, Any], number: int) -> bytes:
    """
    The line of an answer, without its newline.

    Args:
        request: What was asked.
        body: The response body, in the shape of the request's provider.
        number: The line of the request in its input, for ids.
    """
    match request.dialect:
        case Dialect.ANTHROPIC:
            result = {"type": "succeeded", "message": body}
            if body.get("type") == "error":
                result = {"type": "errored", "error": body}
            line: dict[str, Any] = {"custom_id": request.custom_id, "result": result}
        case Dialect.GEMINI:
            line = {"key": request.custom_id, "response": body}
        case Dialect.OPENAI | Dialect.MISTRAL:
            response = {"status_code": 200, "request_id": f"local-{number}", "body": body}
            line = {
                "id": f"local-{number}",
                "custom_id": request.custom_id,
                "response": response,
                "error": None,
            }
        case dialect:
            assert_never(dialect)
    return _ENCODER.encode(line)


def is_plain_answer(request: Request, body: Mapping[str, Any]) -> bool:
    """
    Whether a few members of a body show that its line says *answered*; False leaves the question open.

    Args:
        request: What was asked.
        body: The response body, in plain JSON types.
    """
    try:
        match request.dialect:
            case Dialect.ANTHROPIC:
                return body.get("type") != "error"
            case Dialect.GEMINI:
                response = msgspec.convert(body, Response)
            case Dialect.OPENAI | Dialect.MISTRAL:
                response = Response(status_code=200, body=msgspec.convert(body, Body))
            case dialect:
                assert_never(dialect)
    except msgspec.ValidationError:
        return False
    return is_answer(response)


def encode_failure(
    request: Request, code: str, message: str, number: int, status: int | None = None
) -> bytes:
    """
    The line of a failure, without its newline.

    Args:
        request: What was asked.
        code: A word for what went wrong; `codec.classify` reads it.
        message: The same for people.
        number: The line of the request in its input, for ids.
        status: The HTTP status, where a server has answered.
    """
    error = {"type": code, "message": message}
    match request.dialect:
        case Dialect.ANTHROPIC:
            result = {"type": "errored", "error": {"type": "error", "error": error}}
            line: dict[str, Any] = {"custom_id": request.custom_id, "result": result}
        case Dialect.GEMINI:
            told: dict[str, Any] = {"status": code, "message": message}
            line = {"key": request.custom_id, "error": told if status is None else {"code": status, **told}}
        case Dialect.OPENAI | Dialect.MISTRAL:
            name, told = f"local-{number}", {"code": code, "message": message}
            line = {"id": name, "custom_id": request.custom_id, "response": None, "error": told}
            if status is not None:
                response = {"status_code": status, "request_id": name, "body": {"error": told}}
                line |= {"response": response, "error": None}
        case dialect:
            assert_never(dialect)
    return _ENCODER.encode(line)
