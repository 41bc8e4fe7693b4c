"""The bodies of described requests, held to the types that the providers' own clients ship."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import pytest
from anthropic.types import ContentBlockParam, MessageParam
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from google.genai import types as google
from mistralai.client.models import ChatCompletionRequest
from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter, ValidationError

from reconciler.authoring.documents import load
from reconciler.codec.bodies import line_of
from reconciler.model.described import Api, Described, Message, Schema
from tests.authoring.documents import docx, pdf, png, text

CITY: Final = Schema(
    "City",
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["name"],
    },
)
_PAYLOAD: Final = {
    Api.CHAT: "body",
    Api.RESPONSES: "body",
    Api.ANTHROPIC: "params",
    Api.GEMINI: "request",
    Api.MISTRAL: "body",
}

_TYPES: Final[dict[Api, tuple[Any, Any, Any]]] = {
    Api.CHAT: (
        CompletionCreateParamsNonStreaming,
        ChatCompletionMessageParam,
        ChatCompletionContentPartParam,
    ),
    Api.ANTHROPIC: (MessageCreateParamsNonStreaming, MessageParam, ContentBlockParam),
}


def _held(kind: Any, value: Any) -> None:
    """Hold a value to a type, and to losing no member on the way."""
    _closed(TypeAdapter(kind).validate_python(value), value)


def _closed(found: Any, given: Any, where: str = "") -> None:
    """Every member that was given came back: a typed dict drops what it does not know."""
    if isinstance(given, Mapping):
        assert isinstance(found, Mapping), where
        for key, value in given.items():
            assert key in found, f"{where}.{key} is unknown"
            _closed(found[key], value, f"{where}.{key}")
    elif isinstance(given, list):
        for at, (one, other) in enumerate(zip(list(found), given, strict=True)):
            _closed(one, other, f"{where}[{at}]")


def _judge(api: Api, body: dict[str, Any]) -> None:
    """Raise ValidationError or AssertionError where the provider's own types have no such request."""
    if api is Api.RESPONSES:
        _held(ResponseCreateParamsNonStreaming, body)
        return
    if api in (Api.CHAT, Api.ANTHROPIC):
        # Lists that are typed as iterables are held to their types one member at a time.
        whole, turn, part = _TYPES[api]
        if api is Api.ANTHROPIC:
            # Their types are of version 2026-10-21, without sampling; we ask in that of 2023-06-01.
            body = {key: value for key, value in body.items() if key not in ("temperature", "top_p")}
        _held(whole, {**body, "messages": []})
        for message in body["messages"]:
            if isinstance(message["content"], list):
                for each in message["content"]:
                    _held(part, each)
                _held(turn, {**message, "content": "text"})
            else:
                _held(turn, message)
        return
    if api is Api.MISTRAL:
        request = ChatCompletionRequest.model_validate(body)
        _closed(request.model_dump(mode="json", by_alias=True), body)
        return
    rest = {key: value for key, value in body.items() if key not in ("contents", "model")}
    for content in [*body["contents"], *filter(None, [rest.pop("systemInstruction", None)])]:
        google.Content.model_validate(content)
    google.GenerateContentConfig.model_validate(rest.pop("generationConfig", {}))
    assert body["model"].startswith("models/")
    assert not rest.keys() - {"tools", "toolConfig", "safetySettings", "cachedContent", "labels"}


def _body(described: Described, api: Api) -> dict[str, Any]:
    line: dict[str, Any] = msgspec.json.decode(line_of(described, api, "r-1"))
    body: dict[str, Any] = line[_PAYLOAD[api]]
    return body


def _rich(tmp_path: Path, api: Api) -> Described:
    """A request with everything that an API takes."""
    files = [
        load(png(tmp_path / "a.png")),
        load(pdf(tmp_path / "b.pdf", "Hello")),
        load(text(tmp_path / "c.txt")),
    ]
    if api is Api.RESPONSES:
        files.append(load(docx(tmp_path / "d.docx")))
    params: dict[str, Any] = {"max_tokens": 50, "temperature": 0.5, "top_p": 0.9}
    if api is not Api.RESPONSES:
        params["stop"] = "END"
    turns = (
        Message("user", ("Hello",)),
        Message("assistant", ("Good day",)),
        Message("user", (*files, "Which city is this?")),
    )
    return Described("m-1", turns, "Be short.", CITY, params=params)


@pytest.mark.parametrize("api", list(Api))
def test_every_part_is_known_to_the_providers_types(api: Api, tmp_path: Path) -> None:
    """A conversation with files, a system prompt, a schema and parameters is a request of every API."""
    _judge(api, _body(_rich(tmp_path, api), api))


@pytest.mark.parametrize("api", list(Api))
def test_the_judge_says_no(api: Api, tmp_path: Path) -> None:
    """A member in the wrong place is no request of any API: the test above can fail."""
    body = _body(_rich(tmp_path, api), api)
    turns = body[{Api.RESPONSES: "input", Api.GEMINI: "contents"}.get(api, "messages")]
    turns[-1] = {"role": 7, "content": 3, "parts": 3}
    with pytest.raises((ValidationError, AssertionError)):
        _judge(api, body)


def test_citations_are_asked_of_each_document(tmp_path: Path) -> None:
    """Anthropic is asked for citations at every document, in a request that its types know."""
    files = (load(pdf(tmp_path / "b.pdf", "Hello")), load(text(tmp_path / "c.txt")))
    described = Described("claude-x", (Message("user", (*files, "What is said?")),), citations=True)
    body = _body(described, Api.ANTHROPIC)
    _judge(Api.ANTHROPIC, body)
    documents = [each for each in body["messages"][0]["content"] if each["type"] == "document"]
    assert [each["citations"] for each in documents] == [{"enabled": True}] * 2


@pytest.mark.parametrize("api", list(Api))
def test_equal_descriptions_give_equal_bytes(api: Api, tmp_path: Path) -> None:
    """The same description makes the same line each time: ids and digests may rest on it."""
    described = _rich(tmp_path, api)
    assert line_of(described, api, "r-1") == line_of(attrs.evolve(described), api, "r-1")
