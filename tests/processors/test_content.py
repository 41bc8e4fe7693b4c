"""
Reading answers as JSON: what is there is found, what is broken is mended or refused, nothing is made up.

The table holds what models really write; the laws hold for any text.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.outcome import Outcome
from reconciler.processors.content import TRUNCATING, How, Parsed, Unreadable, Why, read


def seen(
    text: str | None, content: Content = Content.JSON, finish: str | None = "stop"
) -> Parsed | Unreadable:
    """What is read in the text of an answer."""
    return read(Result("q", Outcome.ANSWERED, text=text, finish_reason=finish), content)


DRAFT: Final = '<think>perhaps {"a": 2, "b": 3}</think>\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(DRAFT + '{"a": 1}', Parsed({"a": 1}, How.WHOLE), id="whole"),
        pytest.param(DRAFT + 'It is {"a": 1}.', Parsed({"a": 1}, How.PROSE), id="prose"),
        pytest.param(DRAFT + "{'a': 1,}", Parsed({"a": 1}, How.REPAIRED), id="repaired"),
        pytest.param(DRAFT.removeprefix("<think>") + "[1]", Parsed([1], How.WHOLE), id="prompt-opened-it"),
        pytest.param('{"a": "x</think>y"}', Parsed({"a": "x</think>y"}, How.WHOLE), id="within-a-value"),
        pytest.param(
            '{"a": 1} <think>{"b": 22}</think>', Parsed({"b": 22}, How.PROSE), id="later-it-is-no-thinking"
        ),
    ],
)
def test_thinking_is_not_read(text: str, expected: Parsed) -> None:
    """What stands in a `<think>` block at the beginning is a draft, and no value."""
    assert seen(text) == expected


@pytest.mark.parametrize(
    ("text", "finish", "why"),
    [
        pytest.param(DRAFT, "stop", Why.NO_TEXT, id="nothing-else"),
        pytest.param('<think>so {"a": 1}', "stop", Why.NO_TEXT, id="without-an-end"),
        pytest.param('<think>so {"a": 1}', "length", Why.TRUNCATED, id="cut-off"),
        pytest.param(DRAFT + "five", "stop", Why.BROKEN, id="no-json-behind"),
    ],
)
def test_thinking_is_no_answer(text: str, finish: str, why: Why) -> None:
    """Where nothing follows that is JSON, there is no value, whatever the draft holds."""
    for content in (Content.JSON, Content.JSONL):
        found = seen(text, content, finish)
        assert (found.why if isinstance(found, Unreadable) else found) == why


def test_lines_behind_thinking() -> None:
    """Lines are read behind the block; such words within the first line are no end of one."""
    assert seen(DRAFT + "[1]\n[2]", Content.JSONL) == Parsed([[1], [2]], How.WHOLE)
    assert seen('["</think>"]\n[2]', Content.JSONL) == Parsed([["</think>"], [2]], How.WHOLE)


FOUND: Final[Mapping[str, tuple[str, How, Any]]] = {
    "object": ('{"a": 1}', How.WHOLE, {"a": 1}),
    "array": ("[1, 2]", How.WHOLE, [1, 2]),
    "string": ('"yes"', How.WHOLE, "yes"),
    "number": ("-1.5", How.WHOLE, -1.5),
    "null": ("null", How.WHOLE, None),
    "false": ("false", How.WHOLE, False),
    "empty-object": ("{}", How.WHOLE, {}),
    "spaces-around": ('\n\t {"a": 1} \n', How.WHOLE, {"a": 1}),
    "byte-order-mark": ('\ufeff{"a": 1}', How.WHOLE, {"a": 1}),
    "fence-inside-a-string": ('{"a": "```json\\n{}\\n```"}', How.WHOLE, {"a": "```json\n{}\n```"}),
    "long-number": (f'{{"a": {10**30}}}', How.WHOLE, {"a": 10**30}),
    "fenced": ('```json\n{"a": 1}\n```', How.FENCED, {"a": 1}),
    "fenced-capital": ('```JSON\n{"a": 1}\n```', How.FENCED, {"a": 1}),
    "fenced-windows": ('```json\r\n{"a": 1}\r\n```', How.FENCED, {"a": 1}),
    "fenced-no-word": ('```\n{"a": 1}\n```', How.FENCED, {"a": 1}),
    "fenced-in-prose": ("Here you are:\n```json\n[1]\n```\nAnything else?", How.FENCED, [1]),
    "fenced-scalar": ("```json\ntrue\n```", How.FENCED, True),
    "several-fences": ('```sh\nls -l\n```\nthen\n```json\n{"a": 1}\n```', How.FENCED, {"a": 1}),
    "several-fences-first-wins": ('```json\n{"a": 1}\n```\n```json\n{"b": 22222}\n```', How.FENCED, {"a": 1}),
    "fence-not-closed": ('```json\n{"a": 1}', How.PROSE, {"a": 1}),
    "fence-on-one-line": ('```json {"a": 1}```', How.PROSE, {"a": 1}),
    "fence-in-a-fenced-string": ('```json\n{"a": "```"}\n```', How.PROSE, {"a": "```"}),
    "prose": ('The answer is {"a": 1}, I think.', How.PROSE, {"a": 1}),
    "prose-array": ("The answer is [1, 2].", How.PROSE, [1, 2]),
    "prose-array-of-objects": ('So: [{"a": 1}, {"b": 2}]', How.PROSE, [{"a": 1}, {"b": 2}]),
    "prose-longest": ('{"a": 1} or rather {"a": 1, "b": 2}', How.PROSE, {"a": 1, "b": 2}),
    "prose-longest-first": ('{"a": 1, "b": 2} or {"a": 1}', How.PROSE, {"a": 1, "b": 2}),
    "citation": ('As in [1] and [23], {"a": 1}', How.PROSE, {"a": 1}),
    "citation-behind": ('{"a": 1} as in [1]', How.PROSE, {"a": 1}),
    "trailing-comma": ('{"a": 1,}', How.REPAIRED, {"a": 1}),
    "single-quotes": ("{'a': 1}", How.REPAIRED, {"a": 1}),
    "bare-key": ("{a: 1}", How.REPAIRED, {"a": 1}),
    "no-comma": ('{"a": "b" "c": 1}', How.REPAIRED, {"a": "b", "c": 1}),
    "not-closed": ('{"a": [1, 2', How.REPAIRED, {"a": [1, 2]}),
    "broken-in-prose": ('Sure: {"a": 1,}', How.REPAIRED, {"a": 1}),
    "broken-in-a-fence": ('Sure:\n```json\n{"a": 1,}\n```\nBye.', How.REPAIRED, {"a": 1}),
}


@pytest.mark.parametrize(("text", "how", "value"), FOUND.values(), ids=FOUND)
def test_json_that_is_there(text: str, how: How, value: Any) -> None:
    """The value in a text is found whatever is written around it, and how it was found is told."""
    assert seen(text) == Parsed(value, how)


BROKEN: Final[Mapping[str, str]] = {
    "prose": "I cannot say.",
    "closing-brace-only": "}",
    "brace-only": "{",
    "brackets-only": "[[[",
    "infinity-by-exponent": '{"a": 1e999}',
    "infinity-alone": "1e999",
    "infinity-to-mend": '{"a": -1e999,}',
    "half-a-surrogate-escaped": '{"a": "\\ud800"}',
    "half-a-surrogate-raw": '{"a": "\ud800"}',
    "half-a-surrogate-to-mend": '{"a": "\\udfff",}',
    "half-a-surrogate-in-prose": 'so {"a": "\\ud800"}',
    "half-a-surrogate-as-key": '{"\\ud800": 1}',
    "not-a-number-alone": "NaN",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_is_beyond_repair(text: str) -> None:
    """A text without a value that every reader takes has none; the reason is in words."""
    found = seen(text)
    assert isinstance(found, Unreadable), found
    assert (found.why, bool(found.reason)) == (Why.BROKEN, True)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("form", ['{{"a": {0}}}', 'so {{"a": {0}}} it is', "```\n[{0}]\n```", "[{0},]"])
def test_no_number_that_is_none(form: str, word: str) -> None:
    """NaN and Infinity never get into a value as numbers, nor keep the text from an end."""
    found = seen(form.format(word))
    if isinstance(found, Parsed):
        assert found.how is How.REPAIRED
        msgspec.json.decode(msgspec.json.encode(found.value))
        assert not any(isinstance(each, float) for each in leaves(found.value))


@pytest.mark.parametrize(
    "word",
    [
        pytest.param("length", id="openai-mistral"),
        pytest.param("max_tokens", id="anthropic"),
        pytest.param("MAX_TOKENS", id="gemini"),
        pytest.param("max_output_tokens", id="openai-responses"),
        pytest.param("incomplete", id="openai-responses-status"),
        pytest.param("model_length", id="mistral-context"),
        pytest.param("model_context_window_exceeded", id="anthropic-context"),
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2',
        '{"a": 1,}',
        'Sure: {"a": 1',
        '```json\n{"a": "b',
        '```json\n{"a": 1,',
        "Well, I",
        '{"a": 1} {"b',
    ],
)
def test_what_was_cut_off(word: str, text: str) -> None:
    """What the length limit cut off is told as such and never mended, whoever the provider."""
    assert word.lower() in TRUNCATING
    found = seen(text, finish=word)
    assert isinstance(found, Unreadable), found
    assert found.why is Why.TRUNCATED


def test_whole_in_spite_of_the_limit() -> None:
    """A document that is whole is read though the answer was cut off behind it."""
    assert seen('{"a": 1}', finish="length") == Parsed({"a": 1}, How.WHOLE)
    assert seen('```json\n{"a": 1}\n```\nThis is wh', finish="length") == Parsed({"a": 1}, How.FENCED)


@pytest.mark.parametrize("finish", ["stop", "end_turn", "STOP", "content_filter", "tool_calls", None, ""])
def test_other_ends_are_mended(finish: str | None) -> None:
    """Any other finish reason, or none, leaves a broken text to be mended."""
    assert seen('{"a": 1,}', finish=finish) == Parsed({"a": 1}, How.REPAIRED)


@pytest.mark.parametrize("content", [Content.JSON, Content.JSONL])
@pytest.mark.parametrize("text", [None, "", " \n\t"])
def test_no_text(text: str | None, content: Content) -> None:
    """An answer without text has no value; a refusal is told in the model's words."""
    found = seen(text, content)
    assert isinstance(found, Unreadable)
    assert found.why is Why.NO_TEXT
    refused = read(Result("q", Outcome.ANSWERED, text=text, refusal="I will not."), content)
    assert isinstance(refused, Unreadable)
    assert refused.why is Why.REFUSED
    assert "I will not." in refused.reason


def test_a_refusal_beside_a_text() -> None:
    """Where there is a text it is read, whatever else the model said."""
    result = Result("q", Outcome.ANSWERED, text="[1]", refusal="but I would rather not")
    assert read(result, Content.JSON) == Parsed([1], How.WHOLE)


MANY: Final = 1_000_000


@pytest.mark.parametrize("content", [Content.JSON, Content.JSONL])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * MANY, id="open"),
        pytest.param("]" * MANY, id="close"),
        pytest.param("[" * MANY + "]" * MANY, id="nested"),
        pytest.param("[]" * MANY, id="pairs"),
        pytest.param("[1] " * MANY, id="citations"),
        pytest.param('{"a":' * MANY, id="objects"),
        pytest.param("```\n" * MANY, id="fences"),
        pytest.param("`" * MANY, id="backticks"),
        pytest.param('"' * MANY, id="quotes"),
    ],
)
def test_hostile_text(text: str, content: Content) -> None:
    """A million brackets, fences or quotes come to an end, and to an answer."""
    assert isinstance(seen(text, content), Parsed | Unreadable)


LINES: Final[Mapping[str, tuple[str, How, list[Any]]]] = {
    "lines": ('{"a": 1}\n{"a": 2}', How.WHOLE, [{"a": 1}, {"a": 2}]),
    "one": ('{"a": 1}', How.WHOLE, [{"a": 1}]),
    "scalars": ('1\n"x"\nnull', How.WHOLE, [1, "x", None]),
    "windows": ('{"a": 1}\r\n{"a": 2}\r\n', How.WHOLE, [{"a": 1}, {"a": 2}]),
    "blank-lines": ('\n{"a": 1}\n\n  \n[2]\n', How.WHOLE, [{"a": 1}, [2]]),
    "line-separator-in-a-string": ('"a\u2028b"\n"c"', How.WHOLE, ["a\u2028b", "c"]),
    "fenced": ('```jsonl\n{"a": 1}\n{"a": 2}\n```', How.FENCED, [{"a": 1}, {"a": 2}]),
    "fenced-in-prose": ("Here:\n```\n1\n2\n```\nDone.", How.FENCED, [1, 2]),
    "fence-not-closed": ('```jsonl\n{"a": 1}\n{"a": 2}', How.FENCED, [{"a": 1}, {"a": 2}]),
    "one-mended": ('{"a": 1}\n{"a": 2,}\n{"a": 3}', How.REPAIRED, [{"a": 1}, {"a": 2}, {"a": 3}]),
}


@pytest.mark.parametrize(("text", "how", "values"), LINES.values(), ids=LINES)
def test_lines_of_json(text: str, how: How, values: list[Any]) -> None:
    """Lines come as a list, in order, with the worst of how they were found."""
    assert seen(text, Content.JSONL) == Parsed(values, how)


@pytest.mark.parametrize(
    ("text", "finish", "why", "words"),
    [
        pytest.param('{"a": 1}\n{"a":', "length", Why.TRUNCATED, "line 2", id="cut-in-the-last-line"),
        pytest.param('```\n{"a": 1}\n{"a":', "MAX_TOKENS", Why.TRUNCATED, "line 2", id="cut-in-a-fence"),
        pytest.param('Here:\n{"a": 1}', "stop", Why.BROKEN, "line 1", id="prose"),
        pytest.param('{"a": 1}\nDone.', "stop", Why.BROKEN, "line 2", id="prose-behind"),
        pytest.param('{"a": 1}\n{"a": 1e999}', "stop", Why.BROKEN, "line 2", id="beyond-repair"),
        pytest.param('[1]\n["\\ud800"]', "stop", Why.BROKEN, "line 2", id="half-a-surrogate"),
        pytest.param("```jsonl\n\n```", "stop", Why.BROKEN, "no line", id="empty-fence"),
    ],
)
def test_lines_that_are_none(text: str, finish: str, why: Why, words: str) -> None:
    """One line that cannot be read makes the answer unreadable, and its number is told."""
    found = seen(text, Content.JSONL, finish)
    assert isinstance(found, Unreadable), found
    assert found.why is why
    assert words in found.reason


# Laws

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
_PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", '"', ":", ",", "\\", "```", "```json\n", "\n", " ", "a", '"a"', "1", "-"),
        *("1e999", "NaN", "Infinity", "null", "\\ud800", "\ud800", "\ufeff", "[1]", '{"a": 1}', "'"),
        *("//", "/*", "é", "0"),
    ]
)
_TEXTS = st.text(max_size=40) | st.lists(_PIECES, max_size=14).map("".join)
_FINISHES = st.sampled_from(["stop", "length", "MAX_TOKENS", None])


def leaves(value: Any) -> list[Any]:
    """Every scalar of a value, keys included."""
    if isinstance(value, dict):
        return [leaf for each in value.items() for leaf in leaves(list(each))]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


def strict(value: Any) -> Any:
    """A value written and read by a strict reader, which knows neither NaN nor half a surrogate pair."""
    return msgspec.json.decode(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())


@given(_TEXTS, st.sampled_from([Content.JSON, Content.JSONL]), _FINISHES)
@example('{"a": NaN}', Content.JSON, "stop")
@example('["\\ud800"', Content.JSON, "stop")
@example("[1e999,", Content.JSON, "stop")
def test_any_text_has_a_value_or_a_reason(text: str, content: Content, finish: str | None) -> None:
    """Whatever the text, there is a value that survives strict JSON, or a reason why there is none."""
    found = seen(text, content, finish)
    if isinstance(found, Unreadable):
        assert found.reason
        assert found.reason.isprintable() or text != found.reason
        return
    assert strict(found.value) == found.value
    assert not any(isinstance(each, float) and not math.isfinite(each) for each in leaves(found.value))
    if content is Content.JSONL:
        assert isinstance(found.value, list)
        assert found.value
    if finish in ("length", "MAX_TOKENS") and content is Content.JSON:
        assert found.how is not How.REPAIRED


@given(_DOCUMENTS, st.booleans(), st.sampled_from([None, 2]), _FINISHES)
def test_a_document_is_found_whole(
    value: Any,
    ascii_only: bool,  # noqa: FBT001 - drawn
    indent: int | None,
    finish: str | None,
) -> None:
    """A strict JSON document is read as it is, however it is written and whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, allow_nan=False)
    assert seen(text, finish=finish) == Parsed(value, How.WHOLE)


@given(st.lists(_DOCUMENTS, min_size=1, max_size=5), _FINISHES)
def test_lines_are_found_whole(values: list[Any], finish: str | None) -> None:
    """Strict JSON lines are read as they are; under a length limit nobody knows whether they are all."""
    text = "\n".join(json.dumps(each, ensure_ascii=False, allow_nan=False) for each in values)
    found = seen(text, Content.JSONL, finish)
    if (finish or "").lower() in TRUNCATING:
        assert isinstance(found, Unreadable)
        assert found.why is Why.TRUNCATED
    else:
        assert found == Parsed(values, How.WHOLE)


@given(st.dictionaries(st.text('abc{}[]`\\"é', max_size=5), _SCALARS, min_size=1, max_size=4))
def test_a_document_is_found_in_prose(value: dict[str, Any]) -> None:
    """An object among words that hold no bracket is found, whatever stands inside its strings."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    found = seen(f"Here it is: {text} and that is all.")
    assert isinstance(found, Parsed)
    assert (found.value, found.how) == (value, How.PROSE)


@pytest.mark.parametrize("begin", ["{'", '[[[../../message":['])
def test_what_is_nested_deeply_is_not_repaired(begin: str) -> None:
    """Repair takes time by the square of what is nested, in strings that a stray quotation mark ends too."""
    text = begin + '{"message":[' * 1500 + "a': [1, 2,], d: True}"
    began = time.process_time()
    for content in Content:
        found = read(Result("a", Outcome.ANSWERED, text=text), content)
        assert isinstance(found, Unreadable)
        assert "deep" in found.reason
    assert time.process_time() - began < 1


def test_what_closes_another_bracket_closes_none() -> None:
    """Repair passes over it, so that a thousand lines of it nest a thousand deep, and took seconds."""
    found = read(Result("a", Outcome.ANSWERED, text='{"a": 1}\n' + '{"b": 2]\n' * 1000), Content.JSON)
    assert isinstance(found, Unreadable)
    assert "nest more than" in found.reason
    few = read(Result("a", Outcome.ANSWERED, text='[{"b": 2]' + ', {"c": 3}' * 3 + "]"), Content.JSON)
    assert isinstance(few, Parsed)


TANGLED: Final = {
    "quotation marks in an array": '["*1' + '"*1' * 3000,
    "escapes and quotation marks": '["' + '\\n"' * 3000,
    "parentheses": "[" + "(" * 5000,
    "objects with arrays": "{a[b]}" * 2000,
}


@pytest.mark.parametrize("text", TANGLED.values(), ids=TANGLED)
def test_what_is_tangled_is_not_repaired(text: str) -> None:
    """Repair that reads a text over and over ends after a bounded number of looks, and says so."""
    found = read(Result("a", Outcome.ANSWERED, text=text), Content.JSON)
    assert isinstance(found, Unreadable)
    assert (found.why, "tangled" in found.reason) == (Why.BROKEN, True)


BROKEN_ONCE: Final = {
    "many brackets": lambda text: text[:-2],
    "many commas": lambda text: text.replace("}, {", "},, {"),
    "single quotation marks": lambda text: text.replace('"', "'"),
    "keys without": lambda text: text.replace('"n"', "n"),
    "commas forgotten": lambda text: text.replace(', "t"', ' "t"'),
}


@pytest.mark.parametrize("breaks", BROKEN_ONCE.values(), ids=BROKEN_ONCE)
def test_what_is_large_and_broken_is_repaired(breaks: Callable[[str], str]) -> None:
    """An ordinary answer of 90,000 characters, broken in an ordinary way, comes nowhere near the bound."""
    value = [{"n": [number], "t": "some words, as they come"} for number in range(1800)]
    found = read(Result("a", Outcome.ANSWERED, text=breaks(json.dumps(value))), Content.JSON)
    assert isinstance(found, Parsed)
    assert found.how is How.REPAIRED
    assert len(found.value) == len(value)
