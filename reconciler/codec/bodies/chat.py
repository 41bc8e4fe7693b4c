"""
Bodies for OpenAI's chat completions, and for services that speak it.

Source: OpenAI's API reference (chat completions), and its guide on file inputs: of files, PDF alone is taken.
"""

from __future__ import annotations

from typing import Any, Final

from reconciler.codec.bodies.parts import as_text, data_url, form_of, refuse, renamed
from reconciler.errors import UsageError
from reconciler.model.described import PDF, Described, Part

API: Final = "OpenAI's chat API"
# `max_tokens` is refused by reasoning models, its successor is taken by all.
_NAMES: Final = {"max_tokens": "max_completion_tokens"}


def body(described: Described) -> dict[str, Any]:
    """
    The body of a request.

    Raises:
        UsageError: It holds what this API does not take.
    """
    if described.citations:
        raise UsageError(f"{API} gives no citations", hint="citations are Anthropic's; choose a claude model")
    messages: list[dict[str, Any]] = []
    if described.system:
        messages.append({"role": "system", "content": described.system})
    messages.extend({"role": each.role, "content": content(each.parts)} for each in described.messages)
    found: dict[str, Any] = {"model": described.model, "messages": messages}
    if described.schema is not None:
        form = form_of(described.schema)
        found["response_format"] = {"type": "json_schema", "json_schema": form}
    return {**renamed(described.params, _NAMES, API), **found}


def content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    """Text alone as text, everything else as a list of parts."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return [_part(each) for each in parts]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.is_image:
        return {"type": "image_url", "image_url": {"url": data_url(part)}}
    if part.is_text:
        return {"type": "text", "text": as_text(part)}
    if part.media_type == PDF:
        return {"type": "file", "file": {"filename": part.name, "file_data": data_url(part)}}
    raise refuse(part, API, "images, PDF and text")
