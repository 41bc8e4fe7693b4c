"""Forms of answers as real models make them, in the words that each provider takes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, Field, RootModel

from reconciler.codec.bodies import line_of
from reconciler.codec.bodies.strict import ANTHROPIC, GEMINI, OPENAI, Takes, closed
from reconciler.codec.bodies.words import in_words
from reconciler.model.described import Api, Described, Message, Schema
from reconciler.processors.extraction import compile_schema, violation
from reconciler.prompting import schema_of


class Colour(Enum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    """One kind."""

    kind: Literal["cat"]
    lives: int = Field(9, ge=0, le=9)


class Dog(BaseModel):
    """Another kind."""

    kind: Literal["dog"]
    name: str = Field(min_length=1, max_length=20, pattern="^[A-Z]")


class Full(BaseModel):
    """Everything that people write, but for what holds itself."""

    pet: Cat | Dog = Field(discriminator="kind")
    other: Cat | Dog | None = None
    colour: Colour = Field(Colour.RED, description="Which one.")
    inner: Cat = Field(description="A described reference.")
    when: dt.datetime
    day: dt.date | None = None
    price: Decimal
    many: list[Dog] = Field(default_factory=list, max_length=3)
    two: Annotated[list[int], Field(min_length=2, max_length=2)]
    code: Literal["a", 1]


class Tree(BaseModel):
    """Holds itself, in a member that may be left out."""

    name: str
    children: list[Tree] = []


class Chain(BaseModel):
    """Holds itself, in a member that is always there."""

    next: Chain | None


class Anything(BaseModel):
    """Of no known type."""

    what: Any


class Mapped(BaseModel):
    """Any names."""

    scores: dict[str, int]


class Pair(BaseModel):
    """A list of fixed places."""

    both: tuple[int, str]


class Rows(RootModel[list[Cat]]):
    """A list."""


class Loose(TypedDict):
    """Not all of it."""

    name: str
    age: NotRequired[int]


@attrs.frozen
class City:
    """Of attrs."""

    name: str
    twin: City | None = None


FULL: Final = {
    "pet": {"kind": "cat", "lives": 3},
    "other": None,
    "colour": "blue",
    "inner": {"kind": "cat", "lives": 1},
    "when": "2026-01-02T03:04:05Z",
    "day": "2026-01-02",
    "price": "1.50",
    "many": [{"kind": "dog", "name": "Rex"}],
    "two": [1, 2],
    "code": 1,
}
VALUES: Final[dict[Any, Any]] = {
    Full: FULL,
    Tree: {"name": "a", "children": [{"name": "b", "children": []}]},
    Chain: {"next": {"next": None}},
    Pair: {"both": [1, "a"]},
    Loose: {"name": "a", "age": 3},
    City: {"name": "a", "twin": {"name": "b", "twin": None}},
    Cat: {"kind": "cat", "lives": 1},
}
SAID: Final = [
    (model, takes)
    for model in VALUES
    for takes in (OPENAI, ANTHROPIC, GEMINI)
    if (model, takes)
    not in {(Tree, ANTHROPIC), (Chain, ANTHROPIC), (City, ANTHROPIC), (Pair, OPENAI), (Pair, ANTHROPIC)}
]


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema in a schema, told apart from its names of members."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key in ("properties", "$defs"):
                for each in inner.values():
                    yield from _schemas(each)
            elif key in ("items", "additionalProperties"):
                yield from _schemas(inner)
            elif key in ("anyOf", "prefixItems"):
                for each in inner:
                    yield from _schemas(each)


@pytest.mark.parametrize(("model", "takes"), SAID)
def test_a_form_is_said_in_the_words_of_its_provider(model: Any, takes: Takes) -> None:
    """No keyword, format or reference that it refuses; and a good answer satisfies what is sent."""
    sent = closed(schema_of(model), takes)
    assert sent is not None
    assert "$ref" not in sent
    assert sent["type"] == "object"
    for each in _schemas(sent):
        assert each.keys() <= takes.keys, each
        assert each.get("format") in {None, *takes.formats}
        if takes.typed:
            assert not each.keys().isdisjoint(("type", "anyOf", "$ref"))
        if "$ref" in each:
            assert each.keys() == {"$ref"}
            assert each["$ref"].rpartition("/")[2] in sent["$defs"]
        if takes.closed and each.get("type") == "object":
            assert each["additionalProperties"] is False
            assert each["required"] == list(each["properties"])
    assert violation(compile_schema(sent), VALUES[model]) is None
    assert violation(compile_schema(schema_of(model)), VALUES[model]) is None


def test_what_is_left_out_on_the_way_is_held_to_here() -> None:
    """A bound that a provider does not take makes an answer invalid all the same."""
    wrong = {**FULL, "pet": {"kind": "dog", "name": "rex"}}
    sent = closed(schema_of(Full), ANTHROPIC)
    assert violation(compile_schema(sent), wrong) is None
    assert violation(compile_schema(schema_of(Full)), wrong) is not None


@pytest.mark.parametrize("model", [Tree, Chain, City])
def test_what_holds_itself_can_end_at_gemini(model: Any) -> None:
    """A member that leads back to its own object may be left out there, or no answer would be finite."""
    sent = closed(schema_of(model), GEMINI)
    assert sent is not None
    for name, each in sent["$defs"].items():
        for member in each.get("required", []):
            assert f"#/$defs/{name}" not in json.dumps(each["properties"][member])


@pytest.mark.parametrize(
    ("model", "api", "words"),
    [
        (Tree, Api.ANTHROPIC, True),
        (Mapped, Api.ANTHROPIC, True),
        (Anything, Api.ANTHROPIC, True),
        (Pair, Api.ANTHROPIC, True),
        (Full, Api.ANTHROPIC, False),
        (Rows, Api.ANTHROPIC, False),
        (Rows, Api.CHAT, True),
        (Rows, Api.RESPONSES, True),
        (Rows, Api.MISTRAL, True),
        (Rows, Api.GEMINI, False),
        (Tree, Api.CHAT, False),
        (Mapped, Api.CHAT, False),
    ],
)
def test_what_cannot_be_said_is_asked_for_in_the_prompt(model: Any, api: Api, words: bool) -> None:  # noqa: FBT001 - a column
    """No request is sent whose schema would be refused, and none goes without its form."""
    schema = Schema("Form", schema_of(model))
    described = Described("m", (Message("user", ("What?",)),), schema=schema)
    assert in_words(described, api) is words
    line = line_of(described, api, "r-1").decode()
    assert ("satisfies this JSON Schema" in line) is words
    named = any(key in line for key in ('"json_schema"', "responseJsonSchema"))
    assert named is not words


@pytest.mark.parametrize("model", [Mapped, Anything, Pair])
def test_openai_is_asked_without_strictness_where_it_cannot_be(model: Any) -> None:
    """The schema goes along as it is, and `strict` is not claimed."""
    schema = schema_of(model)
    line = line_of(Described("m", (Message("user", ("?",)),), schema=Schema("S", schema)), Api.CHAT, "r-1")
    assert json.loads(line)["body"]["response_format"]["json_schema"] == {"name": "S", "schema": schema}


@pytest.mark.parametrize("model", [Full, Tree, Chain, Cat])
def test_openais_own_client_names_the_same_members(model: Any) -> None:
    """Which members an object has, and that all are required, is what their own converter says too."""

    def members(schema: Any) -> list[tuple[list[str], bool]]:
        found = [
            (each["required"], each["additionalProperties"])
            for each in _schemas(schema)
            if "properties" in each
        ]
        return sorted(found)

    theirs, ours = to_strict_json_schema(model), closed(schema_of(model))
    assert {str(each) for each in members(theirs)} == {str(each) for each in members(ours)}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
        {"$ref": "https://example.org/a"},
        {"$ref": "#/nowhere"},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"minLength": 1}]}}},
        {"type": "object", "properties": "x"},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/0", "title": "t"}},
            "$defs": {
                str(n): {
                    "type": "object",
                    "properties": {k: {"$ref": f"#/$defs/{n + 1}", "title": k} for k in "ab"},
                }
                for n in range(40)
            }
            | {"40": {"type": "string"}},
        },
    ],
)
def test_what_has_no_words_is_none(schema: dict[str, Any]) -> None:
    """Circles, references to nowhere, doubling ones and half schemas end soon, and without an error."""
    assert closed(schema, ANTHROPIC) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "properties",
                        "$ref",
                        "anyOf",
                        "allOf",
                        "enum",
                        "const",
                        "items",
                        "required",
                        "#",
                        "$defs",
                    ]
                )
                | st.text(max_size=2),
                inner,
            )
        ),
        max_leaves=20,
    )
)
def test_nothing_that_is_no_schema_breaks_it(value: Any) -> None:
    """Whatever stands in a schema, it is said or it is None."""
    for takes in (OPENAI, ANTHROPIC, GEMINI):
        found = closed({"a": value, "type": "object", "properties": {"p": value}}, takes)
        assert found is None or msgspec.json.encode(found)


def _member(sent: Any) -> Any:
    """What is sent of the one member of a form."""
    return sent["properties"]["a"]


REFERRED: Final = {"$defs": {"Word": {"type": "string", "maxLength": 3}}}


@pytest.mark.parametrize(
    ("member", "takes", "expected"),
    [
        # As Pydantic's version 1 writes a described reference.
        (
            {"allOf": [{"$ref": "#/$defs/Word"}], "description": "One."},
            OPENAI,
            {"type": "string", "description": "One."},
        ),
        ({"$ref": "#/$defs/Word", "minLength": 1}, OPENAI, {"$ref": "#/$defs/Word"}),
        ({"enum": ["x", None]}, GEMINI, {"type": ["string", "null"]}),
        ({"enum": ["x", 1]}, GEMINI, {"type": ["string", "integer"], "enum": ["x", 1]}),
        ({"enum": ["x", None]}, OPENAI, {"type": ["string", "null"], "enum": ["x", None]}),
        (
            {"type": "object", "additionalProperties": {"type": "string", "maxLength": 3}},
            GEMINI,
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
    ],
)
def test_a_member_in_the_words_of_its_provider(
    member: dict[str, Any], takes: Takes, expected: dict[str, Any]
) -> None:
    """What a provider refuses is said in other words or left out; answers are never held to more by it."""
    sent = closed({"type": "object", "properties": {"a": member}, "required": ["a"], **REFERRED}, takes)
    assert sent is not None
    assert _member(sent) == expected


@pytest.mark.parametrize("reference", ["https://example.org/a", "#/nowhere", "#"])
def test_a_form_that_leads_nowhere_is_asked_for_in_the_prompt(reference: str) -> None:
    """Nobody can say that it is an object, so no provider is sent it by name."""
    described = Described("m", (Message("user", ("?",)),), schema=Schema("S", {"$ref": reference}))
    for api in (Api.CHAT, Api.RESPONSES, Api.MISTRAL, Api.ANTHROPIC):
        line = line_of(described, api, "r-1").decode()
        assert "satisfies this JSON Schema" in line
        assert '"json_schema"' not in line


def test_moments_keep_their_format() -> None:
    """What a provider does take of a format arrives."""
    schema = {"type": "object", "properties": {"when": {"type": "string", "format": "date-time"}}}
    for takes in (OPENAI, ANTHROPIC, GEMINI):
        sent = closed(schema, takes)
        assert sent is not None
        assert sent["properties"]["when"]["format"] == "date-time"
