"""
The built-in worker `echo`: answers with the last words of the request, in the shape of its provider.

For trying things out: nothing is sent anywhere and nothing is paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.exchange import Dialect, Request
from reconciler.providers.base import Body

MODEL = "echo"


async def echo(request: Request) -> Body:
    """Answer *request* with its own last words."""
    text = _last_words(request.body)
    if request.dialect is Dialect.ANTHROPIC:
        return {
            "type": "message",
            "role": "assistant",
            "model": MODEL,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": _tokens(text), "output_tokens": _tokens(text)},
        }
    if request.dialect is Dialect.GEMINI:
        content = {"role": "model", "parts": [{"text": text}]}
        return {"candidates": [{"content": content, "finishReason": "STOP"}], "modelVersion": MODEL}
    url = request.url or ""
    if url.endswith("/responses"):
        part = {"type": "output_text", "text": text}
        item = {"type": "message", "role": "assistant", "content": [part]}
        return {"object": "response", "status": "completed", "model": MODEL, "output": [item]}
    if url.endswith("/embeddings"):
        return {
            "object": "list",
            "model": MODEL,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.0]}],
        }
    message = {"role": "assistant", "content": text}
    return {
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": _tokens(text),
            "completion_tokens": _tokens(text),
            "total_tokens": 2 * _tokens(text),
        },
    }


def _tokens(text: str) -> int:
    """About as many tokens as *text* would have."""
    return max(1, len(text) // 4)


def _last_words(body: Mapping[str, Any]) -> str:
    """The text of the last message, however its provider writes it."""
    for key in ("messages", "contents", "input"):
        found = body.get(key)
        if isinstance(found, str):
            return found
        if isinstance(found, list) and found:
            last = found[-1]
            return _text(last.get("content", last.get("parts"))) if isinstance(last, dict) else str(last)
    prompt = body.get("prompt")
    return prompt if isinstance(prompt, str) else ""


def _text(content: Any) -> str:
    """The text of a message's content: a string, or the text of its parts."""
    if isinstance(content, list):
        return "".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)
    return content if isinstance(content, str) else ""
