"""What is taken out of an answer, and which answers are invalid, whoever wrote them."""

import json
import time
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.jsonl import Line
from reconciler.codec.result import decode_result
from reconciler.model.exchange import Result
from reconciler.model.extraction import TAG_PREFIX, TAG_SUFFIX, Extraction, Kind, Think
from reconciler.model.outcome import ErrorClass, Outcome
from reconciler.processors.extraction import BadSchema, Invalid, Taken, compile_schema, held_to, take
from reconciler.processors.repair import DEPTH

TAGS: Final = Extraction(Kind.TAGS, TAG_PREFIX, TAG_SUFFIX)
A, B = f"{TAG_PREFIX}A{TAG_SUFFIX}", f"{TAG_PREFIX}B{TAG_SUFFIX}"
SECONDS: Final = 30.0
"""What no hostile answer may take."""


def result(text: str | None, **fields: Any) -> Result:
    """An answer with a text."""
    return Result("q", Outcome.ANSWERED, text=text, **fields)


def schema(**fields: Any) -> Extraction:
    """An extraction by a schema."""
    return Extraction(Kind.SCHEMA, schema=compile_schema(fields))


def pointer(text: str) -> Extraction:
    """An extraction by a pointer."""
    return Extraction(Kind.POINTER, pointer=text)


def came_of(found: Taken | Invalid) -> Any:
    """The value, or the word of why there is none."""
    return found.value if isinstance(found, Taken) else found.why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"I choose {A}.", "A", id="one"),
        pytest.param(f"{TAG_PREFIX} \n A b\t{TAG_SUFFIX}", "A b", id="white-space-around-it"),
        pytest.param(f"{A} as I said, {A}", "A", id="twice-the-same"),
        pytest.param(f"{A} or {B}", "tags-differ", id="two-that-differ"),
        pytest.param(f"{A} or {TAG_PREFIX}{TAG_SUFFIX}", "empty-tag", id="one-of-two-is-empty"),
        pytest.param(f"{TAG_PREFIX}  {TAG_SUFFIX}", "empty-tag", id="empty"),
        pytest.param("neither", "no-tag", id="none"),
        pytest.param(f"{TAG_PREFIX}A", "no-tag", id="never-closed"),
        pytest.param(f"A{TAG_SUFFIX}", "no-tag", id="never-opened"),
        pytest.param(f"in {TAG_PREFIX} tags: {A}", "A", id="the-tag-is-spoken-of-before"),
        pytest.param(f"{A}, in {TAG_PREFIX} tags", "A", id="the-tag-is-spoken-of-behind"),
        pytest.param(A.lower(), "no-tag", id="case-counts"),
        pytest.param(f"<think>{B}</think>{A}", "A", id="thinking-is-not-searched"),
        pytest.param(f"so {B} it is</think>{A}", "A", id="thinking-that-the-prompt-opened"),
        pytest.param(f" <think>{A}", "no-text", id="nothing-but-thinking"),
        pytest.param(f"{A} <think>{B}</think>", "tags-differ", id="later-it-is-no-thinking"),
        pytest.param("", "no-text", id="no-text"),
        pytest.param(None, "no-text", id="no-text-at-all"),
    ],
)
def test_tags(text: str | None, expected: str) -> None:
    """What every pair of tags agrees on is taken; no tag, an empty one, and two that differ are invalid."""
    assert came_of(take(result(text), TAGS)) == expected


def test_tags_that_are_the_same_word() -> None:
    """A tag that opens and closes pairs in order."""
    bars = Extraction(Kind.TAGS, "||", "||")
    assert [came_of(take(result(text), bars)) for text in ("x ||A|| y", "||A|| ||B||", "||A")] == [
        "A",
        "tags-differ",
        "no-tag",
    ]


def test_thinking_is_searched_where_the_settings_say_so() -> None:
    """With `think = "search"` a block counts as any text."""
    searching = Extraction(Kind.TAGS, TAG_PREFIX, TAG_SUFFIX, think=Think.SEARCH)
    assert came_of(take(result(f"<think>{B}</think>{A}"), searching)) == "tags-differ"


DOCUMENT: Final = {"a/b": 1, "m~n": 8, "": 0, "foo": ["bar", {"x": None}], "01": "key", "0": "zero"}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param("", DOCUMENT, id="whole"),
        pytest.param("/foo/0", "bar", id="array"),
        pytest.param("/foo/1/x", None, id="null-is-a-value"),
        pytest.param("/a~1b", 1, id="slash"),
        pytest.param("/m~0n", 8, id="tilde"),
        pytest.param("/", 0, id="empty-name"),
        pytest.param("/01", "key", id="digits-are-a-name-in-an-object"),
        pytest.param("/foo/00", "pointer", id="no-leading-zeros"),
        pytest.param("/foo/2", "pointer", id="beyond-the-end"),
        pytest.param("/foo/-", "pointer", id="the-place-after-the-last"),
        pytest.param("/foo/-1", "pointer", id="not-from-behind"),
        pytest.param("/foo/\u0661", "pointer", id="other-digits"),
        pytest.param("/foo/0/0", "pointer", id="not-into-texts"),
        pytest.param("/nowhere/x", "pointer", id="nowhere"),
    ],
)
def test_pointer(at: str, expected: Any) -> None:
    """A pointer leads where RFC 6901 says, and else the answer is invalid."""
    assert came_of(take(result(json.dumps(DOCUMENT)), pointer(at))) == expected


@pytest.mark.parametrize(
    ("text", "finish", "how"),
    [
        pytest.param('{"a": 1}', "stop", "whole", id="whole"),
        pytest.param('Sure:\n```json\n{"a": 1}\n```', "stop", "fenced", id="fenced"),
        pytest.param('It is {"a": 1}.', "stop", "prose", id="prose"),
        pytest.param("{'a': 1,}", "stop", "repaired", id="repaired"),
        pytest.param('{"a": 1', "length", "truncated", id="cut-off-and-never-repaired"),
        pytest.param("five", "stop", "broken", id="no-json"),
        pytest.param('<think>{"a": 2}</think>{"a": 1}', "stop", "whole", id="thinking"),
        pytest.param('{"a": "b</think>c"}', "stop", "whole", id="such-words-within-a-value"),
    ],
)
def test_json_is_read_as_content_reads_it(text: str, finish: str, how: str) -> None:
    """Pointer and schema read what `content = "json"` reads and say how; what it cannot read is invalid."""
    for extraction in (pointer("/a"), schema(required=["a"])):
        found = take(result(text, finish_reason=finish), extraction)
        assert (found.how if isinstance(found, Taken) else found.why) == how


@pytest.mark.parametrize(
    ("fields", "value", "because"),
    [
        pytest.param({"type": "object"}, {}, "", id="holds"),
        pytest.param({"required": ["a"]}, {}, '"a" is a required property', id="violated"),
        pytest.param(
            {"properties": {"a": {"items": {"type": "integer"}}}},
            {"a": [1, "x"]},
            '"x" is not of type "integer" (at \'/a/1\')',
            id="where",
        ),
        pytest.param({"$ref": "#/$defs/n", "$defs": {"n": {"minimum": 3}}}, 2, "minimum of 3", id="own-ref"),
        pytest.param({"$ref": "#"}, 1, "", id="a-schema-that-is-itself"),
        pytest.param({"format": "email"}, "no mail", "", id="formats-are-remarks"),
        pytest.param(
            {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True},
            1,
            "minimum",
            id="older-draft",
        ),
    ],
)
def test_schema(fields: dict[str, Any], value: Any, because: str) -> None:
    """An answer that satisfies the schema is taken whole; of another it is said why and where."""
    found = take(result(json.dumps(value)), schema(**fields))
    if isinstance(found, Taken):
        assert (found.value, because) == (value, "")
    else:
        assert found.why == "schema"
        assert because
        assert because in found.reason


@pytest.mark.parametrize(
    ("bad", "because"),
    [
        pytest.param(True, "a JSON object", id="boolean"),
        pytest.param({"type": "strng"}, '"strng" is not valid', id="unknown-type"),
        pytest.param({"pattern": "("}, "regex", id="broken-expression"),
        pytest.param({"pattern": "((a{1,1000}){1,1000}){1,1000}"}, "regex", id="immoderate-expression"),
        pytest.param({"$ref": "http://127.0.0.1:9/s.json"}, "Retrieval is disabled", id="remote"),
        pytest.param({"$defs": {"a": {"$ref": "https://a.test/b"}}}, "Retrieval is disabled", id="inside"),
        pytest.param({"$ref": "file:///etc/passwd"}, "Retrieval is disabled", id="file"),
        pytest.param({"$ref": "#/nowhere"}, "nowhere", id="nowhere"),
        pytest.param({"$schema": "http://a.test/draft"}, "meta-schema", id="unknown-draft"),
        pytest.param(json.loads('{"not":' * 200 + "{}" + "}" * 200), "nested", id="deep"),
    ],
)
def test_what_is_no_schema_is_refused(bad: Any, because: str) -> None:
    """A broken schema, one that leads elsewhere, and one that costs too much are told when they are read."""
    with pytest.raises(BadSchema, match=because):
        compile_schema(bad)


def test_a_schema_is_kept_without_its_layout() -> None:
    """The order of keys and white space do not make another schema, hence no other account."""
    one, other = json.loads('{"type": "object", "required": ["a"]}'), {"required": ["a"], "type": "object"}
    assert compile_schema(one) == compile_schema(other) == '{"required":["a"],"type":"object"}'


def nested(depth: int) -> str:
    """Arrays in arrays."""
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "extraction", "expected"),
    [
        pytest.param(A * 1_000_000, TAGS, "A", id="a-million-tags"),
        pytest.param(TAG_PREFIX * 1_000_000, TAGS, "no-tag", id="a-million-openings"),
        pytest.param(TAG_PREFIX * 500_000 + A, TAGS, "A", id="openings-and-an-answer"),
        pytest.param(nested(DEPTH), pointer("/0/0"), json.loads(nested(DEPTH - 2)), id="as-deep-as-may-be"),
        pytest.param(nested(DEPTH + 1), pointer(""), "too-deep", id="one-deeper"),
        pytest.param(nested(1_000_000), pointer(""), "too-deep", id="a-million-deep"),
        pytest.param("[" * 1_000_000, pointer(""), "too-deep", id="a-million-brackets"),
        pytest.param(json.dumps(["[" * 500]), pointer("/0"), "[" * 500, id="brackets-in-a-text-are-none"),
        pytest.param('{{"' + '\\"' * 500_000 + "[{" * 100, pointer(""), "broken", id="a-text-without-end"),
        pytest.param(json.dumps("a" * 50 + "!"), schema(pattern="^(a+)+$"), "schema", id="backtracking"),
        pytest.param(json.dumps("a" * 50 + "!"), schema(pattern=r"^(a*)*\1$"), "schema", id="backreference"),
        pytest.param(
            json.dumps([{"a": n} for n in range(50_000)] * 2), schema(uniqueItems=True), "schema", id="unique"
        ),
    ],
)
def test_hostile_answers(text: str, extraction: Extraction, expected: Any) -> None:
    """No answer takes long, and none ends the process; a million of anything is a matter of a moment."""
    begun = time.process_time()
    assert came_of(take(result(text), extraction)) == expected
    assert time.process_time() - begun < SECONDS


def test_what_is_told_of_an_answer_is_short_and_harmless() -> None:
    """A reason neither repeats an answer of any length nor what a terminal would obey."""
    evil = "\x1b[2J\n" + "x" * 10_000
    found = [
        take(result(f"{TAG_PREFIX}{evil}{TAG_SUFFIX}{A}"), TAGS),
        take(result(json.dumps({"a": evil})), schema(properties={"a": {"type": "integer"}})),
    ]
    for each in found:
        assert isinstance(each, Invalid)
        assert len(each.reason) < 600
        assert each.reason.isprintable()


def test_a_failed_check_is_a_failure_with_all_that_was_known() -> None:
    """An invalid answer keeps its text, usage and model; a failure stays what it is."""
    invalid = held_to(result("none", usage={"n": 1}, model="m"), TAGS)
    assert (invalid.outcome, invalid.error_class) == (Outcome.FAILED, ErrorClass.INVALID_ANSWER)
    assert (invalid.error_code, invalid.text, invalid.usage, invalid.model) == (
        "no-tag",
        "none",
        {"n": 1},
        "m",
    )
    other = Result("q", Outcome.FAILED, text=A, error_class=ErrorClass.RATE_LIMIT)
    assert held_to(other, TAGS) is other
    assert held_to(result("none"), None) == result("none")


def openai(message: dict[str, Any]) -> dict[str, Any]:
    """A chat completion."""
    body = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return {"custom_id": "q", "response": {"status_code": 200, "body": body}, "error": None}


def responses(*output: dict[str, Any]) -> dict[str, Any]:
    """An object of the Responses API."""
    body = {"object": "response", "status": "completed", "output": output}
    return {"custom_id": "q", "response": {"status_code": 200, "body": body}, "error": None}


LINES: Final = {
    "openai": openai({"role": "assistant", "content": A}),
    "openai-reasoning-content": openai({"role": "assistant", "content": A, "reasoning_content": B}),
    "openai-responses": responses(
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": B}]},
        {"type": "message", "content": [{"type": "output_text", "text": A}]},
    ),
    "mistral": openai(
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": B}]},
                {"type": "text", "text": A},
            ],
        }
    ),
    "anthropic": {
        "custom_id": "q",
        "result": {
            "type": "succeeded",
            "message": {
                "content": [{"type": "thinking", "thinking": B}, {"type": "text", "text": A}],
                "stop_reason": "end_turn",
            },
        },
    },
    "gemini": {
        "key": "q",
        "response": {
            "candidates": [
                {"content": {"parts": [{"text": B, "thought": True}, {"text": A}]}, "finishReason": "STOP"}
            ]
        },
    },
    "think-block": openai({"role": "assistant", "content": f"<think>{B}</think>\n{A}"}),
}


@pytest.mark.parametrize("shape", LINES)
def test_every_providers_line(shape: str) -> None:
    """Of every provider's line the answer is searched, and nothing that the model thought on the way."""
    read = decode_result(Line(1, 0, json.dumps(LINES[shape]).encode()), "file")
    assert (held_to(read, TAGS).value, held_to(read, TAGS).value_from) == ("A", "tags")


PIECES: Final = st.lists(st.sampled_from(["<t>", "</t>", "a", "b", " "]), max_size=12)


@given(PIECES)
def test_tags_as_a_plain_reading_has_it(pieces: list[str]) -> None:
    """The law: each closing belongs to the last opening before it that was not closed, and all agree."""
    opened: int | None = None
    found = []
    for at, piece in enumerate(pieces):
        if piece == "<t>":
            opened = at
        elif piece == "</t>" and opened is not None:
            found.append("".join(pieces[opened + 1 : at]).strip())
            opened = None
    expected: set[str] = set(found)
    got = came_of(take(result("x" + "".join(pieces)), Extraction(Kind.TAGS, "<t>", "</t>")))
    if len(expected) == 1 and "" not in expected:
        assert {got} == expected
    else:
        assert got in ({"no-tag"} if not found else {"empty-tag", "tags-differ"})


@pytest.mark.parametrize("text", ["\U0010ffff", "\x1b", "\u202e", "問", "a"])
def test_a_reason_is_short_whatever_it_shows(text: str) -> None:
    """What differs is shown as it can be read, escaped where a terminal would obey, and cut after that."""
    said = f"<T>{text * 500}</T> and <T>{text * 501}</T>"
    found = take(result(said), Extraction(Kind.TAGS, "<T>", "</T>"))
    assert isinstance(found, Invalid)
    assert (found.why, found.reason.isprintable()) == ("tags-differ", True)
    assert len(found.reason) < 500
    assert (text in found.reason) is text.isprintable()
