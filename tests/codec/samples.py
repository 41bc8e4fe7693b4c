"""
Lines of each shape that providers write for requests and answers, with what they have to say.

Request lines as the providers' guides give them, answer lines as their references and servers write them.
"""

from __future__ import annotations

import json
from typing import Any, Final

import attrs

from reconciler.model.citation import Citation, Unit
from reconciler.model.exchange import Dialect


@attrs.frozen
class Sample:
    """
    One line and what it says.

    Attributes:
        name: The id of the test row.
        line: Its bytes.
        read_as: Dialect, id, endpoint and model of a request; the fields of a Result that are not defaults.
    """

    name: str
    line: bytes
    read_as: Any


def chat(message: dict[str, Any], finish_reason: str = "stop") -> dict[str, Any]:
    """A chat completion with one choice."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m-1",
        "choices": [choice],
        "usage": {"total_tokens": 9},
    }


def response(status: str | None, output: list[Any], **more: Any) -> dict[str, Any]:
    """A Responses API object."""
    return {"object": "response", "model": "m-1", "status": status, "error": None, "output": output, **more}


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    """One message item of a Responses API object."""
    return {"type": "message", "role": "assistant", "content": list(parts)}


def envelope(body: object, status: object = 200, error: object = None) -> bytes:
    """An OpenAI-shaped answer line for r-1."""
    inner = {"status_code": status, "request_id": "q", "body": body}
    return dump({"id": "batch_req_1", "custom_id": "r-1", "response": inner, "error": error})


def message(**members: Any) -> bytes:
    """An Anthropic answer line for r-1 that succeeded."""
    whole = {"type": "message", "model": "c-1", "content": [], "stop_reason": "end_turn", **members}
    return dump({"custom_id": "r-1", "result": {"type": "succeeded", "message": whole}})


def dump(value: object) -> bytes:
    """A line of compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


_OPENAI_BODY: Final = {"model": "m-1", "messages": [{"role": "user", "content": "2+2?"}]}
GOOD: Final = chat({"content": "4"})
_USED: Final = {"model": "m-1", "usage": {"total_tokens": 9}, "status_code": 200}
_THOUGHT: Final = {"text": "hm", "thought": True}
_CALL: Final = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_ITEM_CALL: Final = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}
_CITED: Final = {
    "type": "page_location",
    "cited_text": "2 and 2 is 4",
    "document_index": 0,
    "document_title": "a.pdf",
    "start_page_number": 3,
    "end_page_number": 4,
}
_TOOL_USE: Final = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
TEXT_PART: Final = {"type": "output_text", "text": "4", "annotations": []}

REQUESTS: Final = (
    Sample(
        "openai",
        dump({"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions", "body": _OPENAI_BODY}),
        (Dialect.OPENAI, "r-1", "/v1/chat/completions", "m-1"),
    ),
    Sample(
        "azure-with-spaces",
        json.dumps(
            {
                "custom_id": "r-1",
                "method": "POST",
                "url": "/chat/completions",
                "body": {"model": "deployment"},
            }
        ).encode(),
        (Dialect.OPENAI, "r-1", "/chat/completions", "deployment"),
    ),
    Sample(
        "vllm-score",
        dump({"custom_id": "r-1", "method": "POST", "url": "/v1/score", "body": {"text_1": "a"}}),
        (Dialect.OPENAI, "r-1", "/v1/score", None),
    ),
    Sample(
        "anthropic",
        dump({"custom_id": "r-1", "params": {"model": "c-1", "max_tokens": 9, "messages": []}}),
        (Dialect.ANTHROPIC, "r-1", None, "c-1"),
    ),
    Sample(
        "gemini",
        dump({"key": "r-1", "request": {"contents": [{"role": "user", "parts": [{"text": "2+2?"}]}]}}),
        (Dialect.GEMINI, "r-1", None, None),
    ),
    Sample(
        "mistral",
        dump({"custom_id": "r-1", "body": {"max_tokens": 9, "messages": []}}),
        (Dialect.MISTRAL, "r-1", None, None),
    ),
)

ANSWERED: Final = (
    Sample(
        "messages-in-an-envelope",
        envelope(
            {
                "type": "message",
                "model": "c-1",
                "content": [{"type": "text", "text": "4"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 3},
            }
        ),
        {
            "text": "4",
            "finish_reason": "end_turn",
            "model": "c-1",
            "usage": {"input_tokens": 3},
            "status_code": 200,
        },
    ),
    Sample("chat", envelope(GOOD), {"text": "4", "finish_reason": "stop", **_USED}),
    Sample(
        "chat-refusal",
        envelope(chat({"content": None, "refusal": "No."})),
        {"refusal": "No.", "finish_reason": "stop", **_USED},
    ),
    Sample(
        "chat-length",
        envelope(chat({"content": "3.14"}, "length")),
        {"text": "3.14", "finish_reason": "length", **_USED},
    ),
    Sample(
        "chat-tool-calls",
        envelope(chat({"content": None, "tool_calls": [_CALL]}, "tool_calls")),
        {"tool_calls": (_CALL,), "finish_reason": "tool_calls", **_USED},
    ),
    Sample(
        "chat-function-call",
        envelope(chat({"content": None, "function_call": {"name": "f"}}, "function_call")),
        {"tool_calls": ({"name": "f"},), "finish_reason": "function_call", **_USED},
    ),
    Sample(
        "chat-empty-text", envelope(chat({"content": ""})), {"text": "", "finish_reason": "stop", **_USED}
    ),
    Sample(
        "mistral-chunks",
        envelope(
            chat(
                {
                    "content": [
                        {"type": "thinking", "text": "hm"},
                        {"type": "text", "text": "4"},
                        {"type": "text"},
                    ]
                }
            )
        ),
        {"text": "4", "finish_reason": "stop", **_USED},
    ),
    Sample(
        "completion",
        envelope(
            {"object": "text_completion", "model": "m-1", "choices": [{"text": "4", "finish_reason": "stop"}]}
        ),
        {"text": "4", "finish_reason": "stop", "model": "m-1", "status_code": 200},
    ),
    Sample(
        "responses",
        envelope(response("completed", [{"type": "reasoning", "summary": []}, said(TEXT_PART, TEXT_PART)])),
        {"text": "44", "finish_reason": "completed", "model": "m-1", "status_code": 200},
    ),
    Sample(
        "responses-incomplete-with-nothing",
        envelope(response("incomplete", [], incomplete_details={"reason": "max_output_tokens"})),
        {"finish_reason": "max_output_tokens", "model": "m-1", "status_code": 200},
    ),
    Sample(
        "responses-refusal",
        envelope(response("completed", [said({"type": "refusal", "refusal": "No."})])),
        {"refusal": "No.", "finish_reason": "completed", "model": "m-1", "status_code": 200},
    ),
    Sample(
        "responses-call",
        envelope(response("completed", [{"type": "web_search_call"}, _ITEM_CALL])),
        {"tool_calls": (_ITEM_CALL,), "finish_reason": "completed", "model": "m-1", "status_code": 200},
    ),
    Sample(
        "embedding",
        envelope(
            {"object": "list", "data": [{"embedding": [0.5]}], "model": "e-1", "usage": {"total_tokens": 1}}
        ),
        {"model": "e-1", "usage": {"total_tokens": 1}, "status_code": 200},
    ),
    Sample(
        "moderation",
        envelope({"id": "modr", "model": "o-1", "results": [{"flagged": False}]}),
        {"model": "o-1", "status_code": 200},
    ),
    Sample("rerank-list", envelope([{"index": 0, "score": 0.5}]), {"status_code": 200}),
    Sample("body-as-string", envelope(json.dumps(GOOD)), {"text": "4", "finish_reason": "stop", **_USED}),
    Sample("status-float", envelope(GOOD, 200.0), {"text": "4", "finish_reason": "stop", **_USED}),
    Sample(
        "status-digits",
        envelope(GOOD, "201"),
        {"text": "4", "finish_reason": "stop", **_USED, "status_code": 201},
    ),
    Sample(
        "status-missing",
        envelope(GOOD, None),
        {"text": "4", "finish_reason": "stop", **_USED, "status_code": None},
    ),
    Sample("error-empty", envelope(GOOD, error={}), {"text": "4", "finish_reason": "stop", **_USED}),
    Sample(
        "error-of-nulls",
        envelope(GOOD, error={"code": None, "message": None}),
        {"text": "4", "finish_reason": "stop", **_USED},
    ),
    Sample(
        "anthropic",
        message(
            content=[{"type": "text", "text": "4"}, {"type": "text", "text": "2"}], usage={"input_tokens": 1}
        ),
        {"text": "42", "finish_reason": "end_turn", "model": "c-1", "usage": {"input_tokens": 1}},
    ),
    Sample(
        "anthropic-cited",
        message(
            content=[{"type": "text", "text": "It is "}, {"type": "text", "text": "4", "citations": [_CITED]}]
        ),
        {
            "text": "It is 4",
            "finish_reason": "end_turn",
            "model": "c-1",
            "citations": (Citation("4", 6, "2 and 2 is 4", 0, "a.pdf", Unit.PAGE, 3, 3),),
        },
    ),
    Sample(
        "anthropic-tool-use",
        message(content=[{"type": "thinking", "thinking": "hm"}, _TOOL_USE], stop_reason="tool_use"),
        {"tool_calls": (_TOOL_USE,), "finish_reason": "tool_use", "model": "c-1"},
    ),
    Sample(
        "anthropic-refusal",
        message(stop_reason="refusal", stop_details={"type": "refusal", "explanation": "No."}),
        {"refusal": "No.", "finish_reason": "refusal", "model": "c-1"},
    ),
    Sample(
        "anthropic-refusal-without-words",
        message(stop_reason="refusal"),
        {"refusal": "refusal", "finish_reason": "refusal", "model": "c-1"},
    ),
    Sample(
        "gemini",
        dump(
            {
                "key": "r-1",
                "response": {
                    "candidates": [
                        {
                            "content": {"parts": [_THOUGHT, {"text": "4"}, {"text": "2"}]},
                            "finishReason": "STOP",
                        }
                    ],
                    "usageMetadata": {"totalTokenCount": 9},
                    "modelVersion": "g-1",
                },
            }
        ),
        {"text": "42", "finish_reason": "STOP", "usage": {"totalTokenCount": 9}, "model": "g-1"},
    ),
    Sample(
        "gemini-inline",
        dump(
            {
                "metadata": {"key": "r-1"},
                "response": {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}}]},
            }
        ),
        {"tool_calls": ({"name": "f"},)},
    ),
    Sample(
        "gemini-answer-stopped-for-safety",
        dump({"key": "r-1", "response": {"candidates": [{"finishReason": "SAFETY", "index": 0}]}}),
        {"finish_reason": "SAFETY"},
    ),
    Sample("gemini-embedding", dump({"key": "r-1", "response": {"embedding": {"values": [0.5]}}}), {}),
)
