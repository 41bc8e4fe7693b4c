"""Answers as the providers would give them: the request's own words, in the provider's own shape."""

from __future__ import annotations

from typing import Any

from reconciler.testing.documents import blocks_of
from reconciler.testing.exchange import Json
from reconciler.testing.fates import Outcome
from reconciler.testing.lines import asked

SORRY = "I can't help with that."


def said(outcome: Outcome, body: Any) -> str:
    """The text of an answer."""
    text = asked(body) if outcome.text is None else outcome.text
    return text[: len(text) // 2] if outcome.kind == "length" else text


def tokens(text: str) -> int:
    """A plausible number of tokens."""
    return max(1, len(text) // 4)


def openai(endpoint: str, body: Json, outcome: Outcome, number: int, now: int) -> Json:
    """The body of an answer at an OpenAI-shaped endpoint."""
    if outcome.body is not None:
        return dict(outcome.body)
    kind = endpoint.removeprefix("/v1")
    make = {
        "/responses": _response,
        "/embeddings": _embedding,
        "/completions": _completion,
        "/moderations": _moderation,
    }.get(kind, _chat)
    return make(body, outcome, number, now)


def _usage(question: str, answer: str) -> Json:
    asked_tokens, said_tokens = tokens(question), tokens(answer)
    return {
        "prompt_tokens": asked_tokens,
        "completion_tokens": said_tokens,
        "total_tokens": asked_tokens + said_tokens,
    }


def _chat(body: Json, outcome: Outcome, number: int, now: int) -> Json:
    """OpenAI facts, body fields: content is null when the model refused."""
    text = said(outcome, body)
    refused = outcome.kind == "refusal"
    message = {
        "role": "assistant",
        "content": None if refused else text,
        "refusal": SORRY if refused else None,
    }
    finish = "length" if outcome.kind == "length" else "stop"
    return {
        "id": f"chatcmpl-{number:08}",
        "object": "chat.completion",
        "created": now,
        "model": body.get("model", ""),
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": _usage(asked(body), text),
    }


def _response(body: Json, outcome: Outcome, number: int, now: int) -> Json:
    """OpenAI facts, body fields: no `output_text` on the wire; reasoning items stand before the message."""
    text = said(outcome, body)
    part: Json = {"type": "output_text", "text": text, "annotations": []}
    if outcome.kind == "refusal":
        part = {"type": "refusal", "refusal": SORRY}
    cut = outcome.kind == "length"
    usage = _usage(asked(body), text)
    return {
        "id": f"resp_{number:08}",
        "object": "response",
        "created_at": now,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": None,
        "metadata": {},
        "model": body.get("model", ""),
        "output": [
            {"type": "reasoning", "id": f"rs_{number:08}", "summary": []},
            {
                "type": "message",
                "id": f"msg_{number:08}",
                "status": "incomplete" if cut else "completed",
                "role": "assistant",
                "content": [part],
            },
        ],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        },
    }


def _embedding(body: Json, outcome: Outcome, number: int, now: int) -> Json:
    given = body.get("input", "")
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    used = sum(tokens(str(each)) for each in inputs)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": [0.25, float(len(str(each)))]}
            for index, each in enumerate(inputs)
        ],
        "model": body.get("model", ""),
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def _completion(body: Json, outcome: Outcome, number: int, now: int) -> Json:
    text = said(outcome, body)
    finish = "length" if outcome.kind == "length" else "stop"
    return {
        "id": f"cmpl-{number:08}",
        "object": "text_completion",
        "created": now,
        "model": body.get("model", ""),
        "choices": [{"index": 0, "text": text, "finish_reason": finish, "logprobs": None}],
        "usage": _usage(asked(body), text),
    }


def _moderation(body: Json, outcome: Outcome, number: int, now: int) -> Json:
    flagged = outcome.kind == "refusal"
    verdict = {"flagged": flagged, "categories": {"violence": flagged}, "category_scores": {"violence": 0.5}}
    return {"id": f"modr-{number:08}", "model": body.get("model", ""), "results": [verdict]}


def anthropic(params: Json, outcome: Outcome, number: int) -> Json:
    """A Message, as a result line of Anthropic holds it."""
    if outcome.body is not None:
        return dict(outcome.body)
    text = said(outcome, params)
    refused = outcome.kind == "refusal"
    cited = None if refused or outcome.kind == "length" else blocks_of(params, outcome.text)
    content = cited or [{"type": "text", "text": text, "citations": None}]
    text = "".join(block["text"] for block in content)
    reasons = {"refusal": "refusal", "length": "max_tokens"}
    return {
        "id": f"msg_{number:08}",
        "type": "message",
        "role": "assistant",
        "model": params.get("model", ""),
        "content": [] if refused else content,
        "stop_reason": reasons.get(outcome.kind, "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens(asked(params)),
            "output_tokens": tokens(text),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "service_tier": "batch",
        },
    }


def gemini(model: str, request: Json, outcome: Outcome, number: int) -> Json:
    """A GenerateContentResponse; a prompt block has no candidates (Gemini facts, lines)."""
    if outcome.body is not None:
        return dict(outcome.body)
    text = said(outcome, request)
    used = tokens(asked(request))
    answer: Json = {
        "usageMetadata": {
            "promptTokenCount": used,
            "candidatesTokenCount": tokens(text),
            "totalTokenCount": used + tokens(text),
        },
        "modelVersion": model.removeprefix("models/"),
        "responseId": f"resp-{number:08}",
    }
    if outcome.kind == "refusal":
        return answer | {"promptFeedback": {"blockReason": "SAFETY"}}
    finish = "MAX_TOKENS" if outcome.kind == "length" else "STOP"
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"content": content, "finishReason": finish, "index": 0}]} | answer
