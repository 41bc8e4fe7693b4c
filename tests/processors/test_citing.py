"""Which citations vouch for which value: by the place of the piece, and by what the passage says."""

import json
import time
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.citation import Citation, Unit
from reconciler.model.exchange import Result
from reconciler.model.extraction import Extraction, Kind
from reconciler.model.outcome import Outcome
from reconciler.processors.citing import MOST, ROOM, mapped
from reconciler.processors.extraction import compile_schema, held_to
from reconciler.processors.places import leaves, pointer

SECONDS: Final = 5.0
"""What no hostile answer may take of a processor."""


def answered(*pieces: str | tuple[str, str], schema: Any = None) -> Result:
    """An answer put together of pieces; a pair is a piece and the passage that it cites."""
    text, citations = "", []
    for each in pieces:
        piece, cited = each if isinstance(each, tuple) else (each, None)
        if cited is not None:
            citations.append(Citation(piece, len(text), cited, 0, "a.pdf", Unit.PAGE, 1, 1))
        text += piece
    return held_to(
        Result("q", Outcome.ANSWERED, text=text, citations=tuple(citations)),
        Extraction(Kind.SCHEMA, schema=compile_schema(schema or {}), repair="1"),
    )


def shown(result: Result) -> dict[str, list[tuple[str, float]]]:
    """What vouches for what: the passages and how sure each is."""
    return {
        where: [(each.citation.cited_text, each.confidence) for each in vouched]
        for where, vouched in result.citation_mappings.items()
    }


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            ['{"name": ', ('"Acme"', "we are Acme"), ', "total": ', ("12.5", "owed: 12.50"), "}"],
            {"/name": [("we are Acme", 1.0)], "/total": [("owed: 12.50", 1.0)]},
            id="a-piece-each",
        ),
        pytest.param(
            ['{"name": "', ("Acme", "passage"), '", "total": 3}'],
            {"/name": [("passage", 1.0)]},
            id="within-the-quotes",
        ),
        pytest.param(
            ['{"name": "Acme', ('", "total": 35', "passage"), "}"],
            {"/total": [("passage", 1.0)]},
            id="the-quote-before-is-not-the-value-before",
        ),
        pytest.param(
            ['{"a": {"b": [{"c": ', ("1", "x"), '}, {"c": ', ("2", "y"), "}]}}"],
            {"/a/b/0/c": [("x", 1.0)], "/a/b/1/c": [("y", 1.0)]},
            id="nested",
        ),
        pytest.param(
            ['{"said": "', ("One.", "x"), " ", ("Two.", "y"), '"}'],
            {"/said": [("x", 1.0), ("y", 1.0)]},
            id="several-pieces-of-one-text",
        ),
        pytest.param(
            [('{"name": "Acme", "total": 1234.5, "paid": true}', "ACME\n owes 1,234.50 now")],
            {
                "/name": [("ACME\n owes 1,234.50 now", 0.8)],
                "/total": [("ACME\n owes 1,234.50 now", 0.8)],
                "/paid": [("ACME\n owes 1,234.50 now", 0.4)],
            },
            id="one-piece-on-all",
        ),
        pytest.param(
            [("Acme owes a lot.", "Acme owes 1,234.50"), '\n```json\n{"name": "Acme", "total": 1234.5}\n```'],
            {"/name": [("Acme owes 1,234.50", 0.6)], "/total": [("Acme owes 1,234.50", 0.6)]},
            id="prose-beside-the-json",
        ),
        pytest.param(
            [("The firm is Acme.", "wir heissen so"), ' {"name": "Acme"}'],
            {"/name": [("wir heissen so", 0.4)]},
            id="only-the-prose-says-it",
        ),
        pytest.param(
            ["<think>{}</think>", '{"a": ', ("12", "x"), "}"], {"/a": [("x", 1.0)]}, id="behind-thinking"
        ),
        pytest.param(
            ['\ufeff \n{"a": ', ("12", "x"), "}  "], {"/a": [("x", 1.0)]}, id="white-space-and-a-mark-before"
        ),
        pytest.param(
            ['{"a": 7, "a": ', ("12", "x"), "}"], {"/a": [("x", 1.0)]}, id="of-a-name-twice-the-last-counts"
        ),
        pytest.param(['{"a": ', ("7", "x"), ', "a": 12}'], {}, id="of-a-name-twice-the-first-does-not"),
        pytest.param(
            ['{"a/b": {"c~d": ', ("null", "none given"), "}}"],
            {"/a~1b/c~0d": [("none given", 1.0)]},
            id="names-are-escaped",
        ),
        pytest.param([('"all of it"', "x")], {"": [("x", 1.0)]}, id="a-text-alone"),
        pytest.param(
            ['{"a": "ab", "b": 5, "c": true, "d": 23}', (" So.", "cabin, 5, true, 1.23 and 230")],
            {},
            id="parts-of-words-and-numbers-say-nothing",
        ),
        pytest.param(
            ['{"name": "Acme", "total: ', ("12.5", "Acme, owed: 12.50"), "}"],
            None,
            id="mended-by-the-passage",
        ),
    ],
)
def test_what_vouches_for_what(pieces: list[Any], expected: dict[str, Any] | None) -> None:
    """By the rule of `citing`, for each shape of answer that models give."""
    found = answered(*pieces)
    if expected is None:  # mended: values have no places, and the passage has to say them
        assert found.value_from == "repaired"
        assert set(shown(found)) <= {"/name", "/total"}
        assert shown(found)["/name"] == [("Acme, owed: 12.50", 0.6)]
        return
    assert shown(found) == expected
    assert len(found.citations) == sum(isinstance(each, tuple) for each in pieces)


def test_an_invalid_answer_keeps_its_citations_and_maps_none() -> None:
    """There is no value that they could vouch for."""
    found = answered(('{"a": 1}', "x"), schema={"required": ["b"]})
    assert (found.outcome, found.citation_mappings, len(found.citations)) == (Outcome.FAILED, {}, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        key = step.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


@given(JSON, st.sampled_from(["", "Here: ", " \n"]), st.sampled_from([None, 1]), st.booleans())
def test_every_leaf_is_found_where_it_stands(
    value: Any,
    before: str,
    indent: int | None,
    plain: bool,  # noqa: FBT001 - drawn
) -> None:
    """Each pointer leads to the value, each place holds its text, none overlaps, and none is left out."""
    text = before + json.dumps(value, indent=indent, ensure_ascii=plain)
    found = leaves(text, len(before))
    end = 0
    for leaf in found:
        assert _at(value, pointer(leaf.path).split("/")[1:]) == leaf.value
        quote = '"' if isinstance(leaf.value, str) else ""
        assert json.loads(f"{quote}{text[leaf.begin : leaf.end]}{quote}") == leaf.value
        assert end <= leaf.begin <= leaf.end
        end = leaf.end
    assert len({pointer(leaf.path) for leaf in found}) == len(found) == _leaves(value)


def _leaves(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 1 if inner is None else sum(map(_leaves, inner))


@given(
    st.lists(st.sampled_from(['{"a": ', "12", ', "b": [', '"x y"', "]", "}", "x y", " "]), max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_mapping_is_a_choice_among_the_citations(pieces: list[str], cited: list[bool]) -> None:
    """Whatever the answer: the same twice, no citation that it does not have, the surest first."""
    parts = [(piece, "x y 12") if yes else piece for piece, yes in zip(pieces, cited, strict=False)]
    first, second = answered(*parts), answered(*parts)
    assert first == second
    for vouched in first.citation_mappings.values():
        sure = [each.confidence for each in vouched]
        assert sure == sorted(sure, reverse=True)
        assert all(0 < each <= 1 for each in sure)
        assert all(each.citation in first.citations for each in vouched)


@pytest.mark.parametrize(
    ("text", "piece", "count"),
    [
        pytest.param("[" + "11," * 200_000 + "11]", 600_000, 1, id="one-piece-on-everything"),
        pytest.param("[" + "11," * 200_000 + "11]", 0, 1_000, id="nothing-lies-on-anything"),
        pytest.param('["' + "x" * 500_000 + '"]', 100, 1_000, id="a-text-without-end"),
        pytest.param(
            '{"' + "n" * 300_000 + '":' + "[" * 90 + "1,2,3,4" + "]" * 90 + "}", 300_200, 50, id="long-names"
        ),
    ],
)
def test_a_hostile_answer_costs_little(text: str, piece: int, count: int) -> None:
    """However many values and citations there are: seconds, and a mapping within its bounds."""
    citations = [Citation(text[:piece], 0, "11 x " * 20)] * count
    start = time.process_time()
    found = mapped(text, 0, json.loads(text), citations)
    assert time.process_time() - start < SECONDS
    assert sum(map(len, found.values())) <= MOST
    held = sum(len(each.citation.text) + len(each.citation.cited_text) for e in found.values() for each in e)
    assert held <= ROOM


@pytest.mark.parametrize("value", ["1", "-2.5e3", "null", "true"])
def test_a_bare_value_between_too_many_backticks(value: str) -> None:
    """A value ends where JSON says that it does, whatever stands right behind it."""
    found = answered(f"```\n{value}````\n", ("as said", value))
    assert found.value == json.loads(value)
    assert [leaf.value for leaf in leaves(f"{value}````", 0)] == [json.loads(value)]
