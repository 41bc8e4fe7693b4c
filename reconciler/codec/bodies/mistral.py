"""
Bodies for Mistral's chat completions.

Source: Mistral's API reference (chat completions) and its guides on vision, documents and structured output.
"""

from __future__ import annotations

from typing import Any, Final

from reconciler.codec.bodies.parts import as_text, chat_of, data_url, refuse
from reconciler.model.described import PDF, Described, Part

API: Final = "Mistral"
_NAMES: Final = {"seed": "random_seed"}


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
        return {"type": "image_url", "image_url": data_url(part)}
    if part.is_text:
        return {"type": "text", "text": as_text(part)}
    if part.media_type == PDF:
        return {"type": "document_url", "document_url": data_url(part), "document_name": part.name}
    raise refuse(part, API, "images, PDF and text")
