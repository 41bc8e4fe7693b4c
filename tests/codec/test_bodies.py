"""Request lines out of descriptions: what they hold, and what is refused."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from reconciler.codec.bodies import line_of
from reconciler.codec.bodies.strict import closed
from reconciler.codec.jsonl import Line
from reconciler.codec.request import decode_request
from reconciler.errors import UsageError
from reconciler.model.described import DOCX, Api, Attachment, Described, Message, Schema
from reconciler.model.exchange import Dialect

ASKED: Final = (Message("user", ("How high is the tower?",)),)
WORD: Final = Attachment("letter.docx", DOCX, b"PK\x03\x04")
ZIP: Final = Attachment("all.zip", "application/zip", b"PK\x03\x04")
DIALECTS: Final = {
    Api.CHAT: Dialect.OPENAI,
    Api.RESPONSES: Dialect.OPENAI,
    Api.ANTHROPIC: Dialect.ANTHROPIC,
    Api.GEMINI: Dialect.GEMINI,
    Api.MISTRAL: Dialect.MISTRAL,
}


def _body(described: Described, api: Api) -> dict[str, Any]:
    line: dict[str, Any] = msgspec.json.decode(line_of(described, api, "r-1"))
    for name in ("body", "params", "request"):
        if name in line:
            body: dict[str, Any] = line[name]
            return body
    raise AssertionError(line)


@pytest.mark.parametrize("api", list(Api))
def test_a_line_is_read_as_the_request_it_was_made_of(api: Api) -> None:
    """What is written is an input line of that provider, with its id and its model."""
    data = line_of(Described("m-1", ASKED), api, "r-1")
    request = decode_request(Line(1, 0, data.rstrip(b"\n")), "input")
    assert request.dialect is DIALECTS[api]
    assert request.custom_id == "r-1"
    assert (request.model or "").removeprefix("models/") == "m-1"


@pytest.mark.parametrize(
    ("api", "name", "value"),
    [
        (Api.CHAT, "max_completion_tokens", 7),
        (Api.RESPONSES, "max_output_tokens", 7),
        (Api.ANTHROPIC, "max_tokens", 7),
        (Api.MISTRAL, "max_tokens", 7),
    ],
)
def test_a_limit_of_tokens_has_the_name_that_each_api_gives_it(api: Api, name: str, value: int) -> None:
    """`max_tokens` arrives everywhere, under the provider's own word and no other."""
    body = _body(Described("m", ASKED, params={"max_tokens": value}), api)
    assert body[name] == value
    assert [key for key in body if "tokens" in key] == [name]


def test_gemini_takes_parameters_as_its_configuration() -> None:
    """Parameters stand in `generationConfig`, by Google's names; what stands beside it stays beside it."""
    params = {"max_tokens": 7, "top_k": 3, "stop": "END", "safetySettings": []}
    body = _body(Described("gemini-x", ASKED, params=params), Api.GEMINI)
    assert body["generationConfig"] == {"maxOutputTokens": 7, "topK": 3, "stopSequences": ["END"]}
    assert body["safetySettings"] == []


def test_anthropic_gets_a_limit_where_nobody_names_one() -> None:
    """A request without `max_tokens` would be refused there; 1000 is put in."""
    assert _body(Described("claude-x", ASKED), Api.ANTHROPIC)["max_tokens"] == 1000


@pytest.mark.parametrize(
    ("api", "params"),
    [
        (Api.RESPONSES, {"stop": "END"}),
        (Api.ANTHROPIC, {"seed": 1}),
        (Api.ANTHROPIC, {"presence_penalty": 1}),
    ],
)
def test_a_parameter_that_an_api_lacks_is_refused(api: Api, params: dict[str, Any]) -> None:
    """It is not sent, and not dropped in silence either."""
    with pytest.raises(UsageError, match=next(iter(params))):
        line_of(Described("m", ASKED, params=params), api, "r-1")


@pytest.mark.parametrize("api", [each for each in Api if each is not Api.RESPONSES])
def test_a_document_of_a_word_processor_is_refused_with_a_way_out(api: Api) -> None:
    """Only the Responses API takes DOCX, and the refusal says so."""
    described = Described("m", (Message("user", (WORD, "Summarise.")),))
    with pytest.raises(UsageError, match=r"letter\.docx") as refused:
        line_of(described, api, "r-1")
    assert "responses" in (refused.value.hint or "")


@pytest.mark.parametrize("api", list(Api))
def test_a_file_that_nobody_takes_is_refused_with_what_is_taken(api: Api) -> None:
    """The refusal names the file and the kinds that could be sent, and no other API: none takes it."""
    described = Described("m", (Message("user", (ZIP, "Summarise.")),))
    with pytest.raises(UsageError, match=r"does not take all\.zip \(application/zip\)") as refused:
        line_of(described, api, "r-1")
    hint = refused.value.hint or ""
    assert hint.startswith("it takes images")
    assert "endpoint" not in hint


@pytest.mark.parametrize("api", [each for each in Api if each is not Api.ANTHROPIC])
def test_citations_are_refused_where_there_are_none(api: Api) -> None:
    """Asking for citations where none come would be paid for in vain."""
    with pytest.raises(UsageError, match="citations"):
        line_of(Described("m", ASKED, citations=True), api, "r-1")


def test_text_that_is_no_text_is_refused() -> None:
    """A file of text in another encoding is named, with the byte."""
    file = Attachment("notes.txt", "text/plain", b"caf\xe9")
    with pytest.raises(UsageError, match=r"notes\.txt is no text in UTF-8: .* at byte 3"):
        line_of(Described("m", (Message("user", (file, "?")),)), Api.CHAT, "r-1")


def test_what_json_cannot_hold_is_refused() -> None:
    """A parameter that is no JSON is an error of its author, told as one."""
    with pytest.raises(UsageError, match="cannot be sent"):
        line_of(Described("m", ASKED, params={"x": object()}), Api.CHAT, "r-1")


def _circle() -> dict[str, Any]:
    """A schema that has itself as a value, not by a reference."""
    circle: dict[str, Any] = {"type": "object"}
    circle["properties"] = {"again": circle}
    return circle


@pytest.mark.parametrize("api", list(Api))
@pytest.mark.parametrize(
    "schema",
    [{"type": "object", "properties": {"x": {"default": object()}}}, {"default": object()}, _circle()],
    ids=["member", "root", "circle"],
)
def test_a_schema_that_json_cannot_hold_is_refused(schema: dict[str, Any], api: Api) -> None:
    """However its form would be asked for, by name or in the prompt, its author is told what is wrong."""
    with pytest.raises(UsageError, match="cannot be sent"):
        line_of(Described("m", ASKED, schema=Schema("S", schema)), api, "r-1")


def test_objects_are_closed_all_the_way_down() -> None:
    """Every object of a schema, in lists and definitions too, names all of its members and takes no other."""
    inner = {"type": "object", "properties": {"x": {"type": "integer", "default": 3}}}
    schema = {
        "$defs": {"In": inner},
        "type": "object",
        "properties": {"many": {"type": "array", "items": inner}},
    }
    shut = {
        "type": "object",
        "properties": {"x": {"type": "integer"}},
        "additionalProperties": False,
        "required": ["x"],
    }
    assert closed(schema) == {
        "$defs": {"In": shut},
        "type": "object",
        "properties": {"many": {"type": "array", "items": shut}},
        "additionalProperties": False,
        "required": ["many"],
    }


@pytest.mark.parametrize(
    "part",
    [{"type": "string", "enum": "a"}, {"type": "object", "properties": {}, "required": "a"}, {"allOf": 1}],
)
def test_keywords_that_hold_something_else_are_not_closed(part: dict[str, Any]) -> None:
    """What is no schema goes along as it is, for its provider to refuse in its own words."""
    schema = {"type": "object", "properties": {"a": part}, "required": ["a"], "additionalProperties": False}
    assert closed(schema) is None
    body = _body(Described("m", ASKED, schema=Schema("S", schema)), Api.CHAT)
    assert body["response_format"]["json_schema"] == {"name": "S", "schema": schema}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": True}}},
    ],
)
def test_an_object_of_any_names_is_not_closed(schema: dict[str, Any]) -> None:
    """A mapping cannot be closed without losing what it holds, so it is asked for without strictness."""
    assert closed(schema) is None
    body = _body(Described("m", ASKED, schema=Schema("S", schema)), Api.CHAT)
    assert body["response_format"]["json_schema"] == {"name": "S", "schema": schema}
