"""Results lines composed of JSON text say what lines say that were decoded and written anew."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.jsonl import line_at
from reconciler.codec.passing import plain_fields
from reconciler.codec.result import decode_result
from reconciler.model.identity import BatchName
from reconciler.processors.results import Origin, head_of_plain, line_of, tail_of_plain
from tests.codec.failed_samples import FAILED
from tests.codec.samples import ANSWERED, GOOD, TEXT_PART, chat, dump, envelope, message, response, said

PATH = "workdir/batch_output_7.jsonl"
ORIGIN = Origin(BatchName("7"), "openai", 2)
LINES = [sample.line for sample in (*ANSWERED, *FAILED)]
CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"n":1.5}'}}]


def read(text: bytes) -> list[tuple[str, Any]]:
    """The members of a line, in their order."""
    return json.loads(text, object_pairs_hook=list)  # type: ignore[no-any-return]


def same(data: bytes) -> bool:
    """Hold both ways against each other; tells whether the short one was taken."""
    fields = plain_fields(data + b"\n")
    if fields is None:
        return False
    line = line_at(data + b"\n", PATH, 3, 100)
    assert line is not None
    result = decode_result(line, PATH)
    short = head_of_plain(fields) + tail_of_plain(ORIGIN)
    long = line_of(result.custom_id, result, ORIGIN, None)
    assert read(short) == read(long)
    assert short.endswith(b"}\n")
    assert short.count(b"\n") == 1
    return True


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(envelope(GOOD), id="chat"),
        pytest.param(envelope(chat({"content": 'é\u2028\U0001f600\n"\\'}, "length")), id="chat-escapes"),
        pytest.param(envelope(chat({"content": ""})), id="chat-empty"),
        pytest.param(envelope(chat({"content": None, "refusal": 'No "x".'})), id="chat-refusal"),
        pytest.param(envelope(chat({"content": None, "tool_calls": CALLS}, "tool_calls")), id="chat-calls"),
        pytest.param(envelope(chat({"content": "4", "tool_calls": []})), id="chat-no-calls"),
        pytest.param(envelope({**GOOD, "usage": {"n": 10**30, "cost": 0.1}}), id="chat-long-number"),
        pytest.param(
            envelope(response("completed", [{"type": "reasoning"}, said(TEXT_PART)])), id="response"
        ),
        pytest.param(
            envelope(response("incomplete", [said(TEXT_PART, TEXT_PART)], incomplete_details={"reason": ""})),
            id="response-incomplete",
        ),
        pytest.param(
            message(content=[{"type": "thinking"}, {"type": "text", "text": "4é"}], usage={"n": 1}),
            id="anthropic",
        ),
        pytest.param(
            dump(
                {
                    "key": "r-1",
                    "response": {
                        "candidates": [
                            {
                                "content": {
                                    "parts": [{"text": "a", "thought": True}, {"text": "b"}, {"text": "c"}]
                                }
                            }
                        ],
                        "modelVersion": "g-1",
                    },
                }
            ),
            id="gemini",
        ),
    ],
)
def test_plain_answers_are_passed_on(data: bytes) -> None:
    """The answers that most lines hold take the short way, with and without spaces and escapes."""
    assert same(data)
    assert same(json.dumps(json.loads(data)).encode())
    assert same(json.dumps(json.loads(data), ensure_ascii=False).encode())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(envelope({**GOOD, "usage": {"n": 5}}).replace(b":5", b":1e999"), id="beyond-floats"),
        pytest.param(envelope({**GOOD, "usage": {"n": 5}}).replace(b":5", b":" + b"7" * 5000), id="digits"),
        pytest.param(envelope({**GOOD, "usage": [1]}), id="usage-list"),
        pytest.param(envelope({**GOOD, "error": {"code": "x"}}), id="error-inside"),
        pytest.param(envelope(chat({"content": None})), id="body-is-the-answer"),
        pytest.param(envelope(chat({"content": [{"type": "text", "text": "4"}]})), id="chunks"),
        pytest.param(envelope(chat({"content": "4", "tool_calls": [1]})), id="call-1"),
        pytest.param(envelope(chat({"content": "4"}), 500), id="failed"),
        pytest.param(message(stop_reason="refusal", content=[{"type": "text", "text": "No."}]), id="refusal"),
    ],
)
def test_what_is_not_plain_is_left(data: bytes) -> None:
    """What has to be understood to be written down is left to the long way."""
    assert not same(data)


@pytest.mark.parametrize("data", LINES)
def test_every_known_shape(data: bytes) -> None:
    """For each provider's own lines, both ways give equal values, or the short one keeps out."""
    same(data)
    same(json.dumps(json.loads(data)).encode())


_ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_WORD = (
    st.none() | st.text(max_size=9) | st.sampled_from(["stop", "completed", "incomplete", "refusal"]) | _ANY
)
_TYPE = st.sampled_from("message text output_text refusal tool_use function_call reasoning".split())
_PART = st.fixed_dictionaries(
    {}, optional={"type": _TYPE, "text": _WORD, "refusal": _WORD, "thought": st.booleans() | _ANY}
)
_PARTS = st.lists(_PART, max_size=3) | _ANY
_USAGE = st.none() | st.dictionaries(st.text(max_size=5), _ANY, max_size=3) | _ANY
_MESSAGE = st.fixed_dictionaries(
    {"content": st.text(max_size=9) | _WORD},
    optional={"refusal": _WORD, "tool_calls": st.lists(_USAGE, max_size=2) | _ANY, "function_call": _ANY},
)
_CHOICE = st.fixed_dictionaries({"message": _MESSAGE}, optional={"finish_reason": _WORD, "text": _WORD})
_ITEM = st.fixed_dictionaries({"type": _TYPE}, optional={"content": _PARTS})
_BODY = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(_CHOICE, max_size=2),
        "output": st.lists(_ITEM, max_size=3),
        "status": _WORD,
        "incomplete_details": st.none() | st.fixed_dictionaries({"reason": _WORD}) | _ANY,
        "usage": _USAGE,
        "model": _WORD,
        "error": st.none() | _ANY,
        "object": st.sampled_from(["list", "response", "error"]),
        "data": _ANY,
    },
)
_CANDIDATE = st.fixed_dictionaries(
    {"content": st.fixed_dictionaries({}, optional={"parts": _PARTS})}, optional={"finishReason": _WORD}
)
_RESPONSE = st.fixed_dictionaries(
    {"status_code": st.just(200) | _ANY, "body": _BODY}
) | st.fixed_dictionaries(
    {"candidates": st.lists(_CANDIDATE, max_size=2)},
    optional={"usageMetadata": _USAGE, "modelVersion": _WORD, "error": st.none() | _ANY},
)
_SAID = st.fixed_dictionaries(
    {"content": _PARTS},
    optional={"stop_reason": _WORD, "usage": _USAGE, "model": _WORD, "stop_details": _ANY},
)
_LINE = st.tuples(st.just("response"), _RESPONSE) | st.tuples(
    st.just("result"), st.fixed_dictionaries({"type": st.just("succeeded"), "message": _SAID})
)


@given(_LINE, st.sampled_from(["custom_id", "key"]), st.booleans())
def test_any_mixture_of_members(found: tuple[str, Any], name: str, spaced: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever an answer is made of, both ways give equal values, or the short one keeps out."""
    separators = (", ", ": ") if spaced else (",", ":")
    same(json.dumps({name: "a", found[0]: found[1]}, separators=separators).encode())
