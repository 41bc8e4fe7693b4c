"""
Bodies for Gemini's generateContent.

Source: Google's API reference (generateContent) and its guide on documents: PDF is seen, text is read.
"""

from __future__ import annotations

from typing import Any, Final

from reconciler.codec.bodies.parts import as_text, encoded, listed, refuse, renamed
from reconciler.codec.bodies.strict import GEMINI, closed
from reconciler.model.described import PDF, Described, Part

API: Final = "Gemini"
_NAMES: Final = {
    "max_tokens": "maxOutputTokens",
    "top_p": "topP",
    "top_k": "topK",
    "stop": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_BESIDE: Final = frozenset({"tools", "toolConfig", "safetySettings", "cachedContent", "labels"})
"""Members of a request that are not part of its configuration."""


def body(described: Described) -> dict[str, Any]:
    """
    The body of a request.

    Raises:
        UsageError: It holds what this API does not take.
    """
    params = renamed(described.params, _NAMES, API)
    found: dict[str, Any] = {key: params.pop(key) for key in list(params) if key in _BESIDE}
    if "stopSequences" in params:
        params["stopSequences"] = listed(params["stopSequences"])
    found["contents"] = [
        {
            "role": "model" if message.role == "assistant" else "user",
            "parts": [_part(each) for each in message.parts],
        }
        for message in described.messages
    ]
    if described.system:
        found["systemInstruction"] = {"parts": [{"text": described.system}]}
    if described.schema is not None:
        params["responseMimeType"] = "application/json"
        params["responseJsonSchema"] = closed(described.schema.schema, GEMINI) or described.schema.schema
    # A batch asks one model, which its create names; it is taken from the first line.
    found["model"] = described.model if described.model.startswith("models/") else f"models/{described.model}"
    if params:
        found["generationConfig"] = params
    return found


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    if part.is_text:
        return {"text": as_text(part)}
    if part.is_image or part.media_type == PDF:
        return {"inlineData": {"mimeType": part.media_type, "data": encoded(part)}}
    raise refuse(part, API, "images, PDF and text")
