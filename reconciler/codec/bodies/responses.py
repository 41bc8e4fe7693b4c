"""
Bodies for OpenAI's Responses API.

Source: OpenAI's API reference (responses), and its guide on file inputs: PDF, DOCX and text are taken.
"""

from __future__ import annotations

from typing import Any, Final

from reconciler.codec.bodies.parts import data_url, form_of, refuse, renamed
from reconciler.model.described import DOCX, PDF, Described, Message, Part

API: Final = "OpenAI's Responses API"
_NAMES: Final = {"max_tokens": "max_output_tokens", "stop": None, "seed": None}


def body(described: Described) -> dict[str, Any]:
    """
    The body of a request.

    Raises:
        UsageError: It holds what this API does not take.
    """
    said = [{"role": message.role, "content": _content(message)} for message in described.messages]
    found: dict[str, Any] = {"model": described.model, "input": said}
    if described.system:
        found["instructions"] = described.system
    if described.schema is not None:
        found["text"] = {"format": {"type": "json_schema", **form_of(described.schema)}}
    return {**renamed(described.params, _NAMES, API), **found}


def _content(message: Message) -> str | list[dict[str, Any]]:
    # What the model said before has a place as plain text alone.
    if message.role == "assistant":
        return "".join(part for part in message.parts if isinstance(part, str))
    return [_part(each) for each in message.parts]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    if part.is_image:
        return {"type": "input_image", "image_url": data_url(part), "detail": "auto"}
    if part.is_text or part.media_type in (PDF, DOCX):
        return {"type": "input_file", "filename": part.name, "file_data": data_url(part)}
    raise refuse(part, API, "images, PDF, DOCX and text")
