"""
Request lines out of descriptions: one module a shape.

Pure: the same description gives the same bytes, in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never

import msgspec

from reconciler.codec.bodies import anthropic, chat, gemini, mistral, responses
from reconciler.codec.bodies.words import spoken
from reconciler.errors import UsageError
from reconciler.model.described import Api, Described

_BODIES: Final[Mapping[Api, Callable[[Described], dict[str, Any]]]] = {
    Api.CHAT: chat.body,
    Api.RESPONSES: responses.body,
    Api.ANTHROPIC: anthropic.body,
    Api.GEMINI: gemini.body,
    Api.MISTRAL: mistral.body,
}
_NAMES: Final = {
    Api.CHAT: chat.API,
    Api.RESPONSES: responses.API,
    Api.ANTHROPIC: anthropic.API,
    Api.GEMINI: gemini.API,
    Api.MISTRAL: mistral.API,
}
_URLS: Final = {Api.CHAT: "/v1/chat/completions", Api.RESPONSES: "/v1/responses"}


def line_of(described: Described, api: Api, custom_id: str) -> bytes:
    """
    The request line, newline included.

    Raises:
        UsageError: That API does not take such a request; the message says what of it.
    """
    if described.citations and api is not Api.ANTHROPIC:
        raise UsageError(
            f"{_NAMES[api]} gives no citations of files that are sent with a request",
            hint="citations are Anthropic's; choose a claude model",
        )
    try:
        return msgspec.json.encode(_line(described, api, custom_id)) + b"\n"
    except (TypeError, UnicodeEncodeError, msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"this request cannot be sent: {error}") from error


def _line(described: Described, api: Api, custom_id: str) -> dict[str, Any]:
    body = _BODIES[api](spoken(described, api))
    match api:
        case Api.CHAT | Api.RESPONSES:
            return {"custom_id": custom_id, "method": "POST", "url": _URLS[api], "body": body}
        case Api.ANTHROPIC:
            return {"custom_id": custom_id, "params": body}
        case Api.GEMINI:
            return {"key": custom_id, "request": body}
        case Api.MISTRAL:
            return {"custom_id": custom_id, "body": body}
        case _:
            assert_never(api)
