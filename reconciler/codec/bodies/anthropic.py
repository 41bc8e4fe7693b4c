"""
Bodies for Anthropic's Messages API.

Source: Anthropic's API reference (messages), and its guides on PDF, citations and structured output.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from reconciler.codec.bodies.parts import content_of, encoded, listed, refuse, renamed, text_in
from reconciler.codec.bodies.strict import ANTHROPIC, closed
from reconciler.model.described import PDF, Described, Part

API: Final = "Anthropic"
MAX_TOKENS: Final = 1000
"""Tokens of an answer where nobody says: a number has to be named there."""

_NAMES: Final = {"stop": "stop_sequences", "seed": None, "frequency_penalty": None, "presence_penalty": None}


def body(described: Described) -> dict[str, Any]:
    """
    The body of a request.

    Raises:
        UsageError: It holds what this API does not take.
    """
    params = renamed(described.params, _NAMES, API)
    if "stop_sequences" in params:
        params["stop_sequences"] = listed(params["stop_sequences"])
    part_of = partial(_part, cited=described.citations)
    messages = [
        {"role": message.role, "content": content_of(message.parts, part_of)}
        for message in described.messages
    ]
    found: dict[str, Any] = {"model": described.model, "messages": messages}
    found["max_tokens"] = params.pop("max_tokens", MAX_TOKENS)
    if described.system:
        found["system"] = described.system
    if described.schema is not None:
        # Never None: `words` asks in the prompt for what cannot be said here.
        said = closed(described.schema.schema, ANTHROPIC)
        found["output_config"] = {"format": {"type": "json_schema", "schema": said}}
    return {**params, **found}


def _part(file: Part, *, cited: bool) -> dict[str, Any]:
    if isinstance(file, str):
        return {"type": "text", "text": file}
    source = {"type": "base64", "media_type": file.media_type, "data": encoded(file)}
    if file.is_image:
        return {"type": "image", "source": source}
    if file.is_text:
        source = {"type": "text", "media_type": "text/plain", "data": text_in(file)}
    elif file.media_type != PDF:
        raise refuse(file, API, "images, PDF and text")
    document: dict[str, Any] = {"type": "document", "source": source, "title": file.name}
    if cited:
        document["citations"] = {"enabled": True}
    return document
