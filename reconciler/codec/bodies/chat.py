"""
Bodies for OpenAI's chat completions, and for services that speak it.

Source: OpenAI's API reference (chat completions), and its guide on file inputs: of files, PDF alone is taken.
"""

from __future__ import annotations

from typing import Any, Final

from reconciler.codec.bodies.parts import as_text, chat_of, data_url, refuse
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
    return chat_of(described, API, _NAMES, _part)


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
