"""Citations as Anthropic serves them, and everything that is almost one."""

import json
from typing import Any, Final

import pytest

from reconciler.codec.citations import MOST, ROOM, citations_of
from reconciler.codec.jsonl import Line
from reconciler.codec.passing import plain_fields
from reconciler.codec.result import decode_result, decode_verdict
from reconciler.model.citation import Citation, Unit
from reconciler.model.outcome import Outcome

DOCUMENT: Final = {"document_index": 1, "document_title": "a.pdf", "cited_text": "The sky is blue."}


def line(*blocks: Any) -> Line:
    """An answer of some blocks."""
    message = {
        "model": "c-1",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1},
    }
    whole = {"custom_id": "r-1", "result": {"type": "succeeded", "message": message}}
    return Line(1, 0, json.dumps(whole).encode(), terminated=True)


def block(text: str, *citations: Any) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": text, "citations": list(citations) or None}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(
            {"type": "page_location", "start_page_number": 2, "end_page_number": 4, "file_id": None},
            (1, "a.pdf", Unit.PAGE, 2, 3),
            id="pages-from-1-the-end-not-included",
        ),
        pytest.param(
            {"type": "char_location", "start_char_index": 0, "end_char_index": 16},
            (1, "a.pdf", Unit.CHARACTER, 0, 15),
            id="characters-from-0",
        ),
        pytest.param(
            {"type": "content_block_location", "start_block_index": 3, "end_block_index": 4},
            (1, "a.pdf", Unit.BLOCK, 3, 3),
            id="blocks-from-0",
        ),
        pytest.param(
            {"type": "page_location", "start_page_number": 4, "end_page_number": 4},
            (1, "a.pdf", Unit.NONE, None, None),
            id="no-page-between-them",
        ),
        pytest.param(
            {"type": "page_location", "start_page_number": True, "end_page_number": 1e300},
            (1, "a.pdf", Unit.NONE, None, None),
            id="no-numbers",
        ),
        pytest.param(
            {"type": "char_location", "start_char_index": -5, "end_char_index": 1 << 80},
            (1, "a.pdf", Unit.NONE, None, None),
            id="numbers-beyond-all-documents",
        ),
    ],
)
def test_where_a_passage_stands(said: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Document, unit, first and last; a place that is none is left out, and the passage stays."""
    (found,) = citations_of([block("Blue.", {**DOCUMENT, **said})])
    assert (found.document, found.title, found.unit, found.first, found.last) == expected
    assert (found.text, found.at, found.cited_text) == ("Blue.", 0, "The sky is blue.")


def test_search_results_name_their_source() -> None:
    """Results that were sent along by block, results of a search by URL."""
    sent = {
        "type": "search_result_location",
        "cited_text": "x",
        "search_result_index": 2,
        "source": "https://a.example",
        "title": "A",
        "start_block_index": 0,
        "end_block_index": 1,
    }
    web = {"type": "web_search_result_location", "cited_text": "y", "url": "https://b.example", "title": None}
    first, second = citations_of([block("ab", sent, web)])
    assert first == Citation("ab", 0, "x", 2, "A", Unit.BLOCK, 0, 0, "https://a.example")
    assert second == Citation("ab", 0, "y", source="https://b.example")


def test_pieces_stand_where_the_text_has_them() -> None:
    """Whatever stands between blocks of text, the text from `at` on begins with the piece."""
    cited = {"type": "page_location", "start_page_number": 1, "end_page_number": 2, **DOCUMENT}
    found = decode_result(
        line(
            block("It is "),
            {"type": "thinking", "thinking": "hm"},
            block("blué", cited),
            {"type": "text", "text": None},
            block(", they say", cited, cited),
        ),
        "f",
    )
    assert found.text == "It is blué, they say"
    assert [each.at for each in found.citations] == [6, 10, 10]
    assert all(found.text.startswith(each.text, each.at) for each in found.citations)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(7, id="a-number"),
        pytest.param("page_location", id="a-word"),
        pytest.param([None, [], "x", 3], id="no-objects"),
        pytest.param([{"type": "page_location"}], id="no-passage"),
        pytest.param([{"type": "page_location", "cited_text": ["x"]}], id="a-passage-that-is-no-text"),
        pytest.param([{"type": ["page_location"], "cited_text": "x"}], id="no-kind"),
        pytest.param([{"type": "moon_location", "cited_text": "x"}], id="a-kind-that-nobody-knows"),
    ],
)
def test_what_is_no_citation_is_left_out(said: Any) -> None:
    """The answer stands as it would without: text, outcome, and no error."""
    given = line({"type": "text", "text": "4", "citations": said})
    found = decode_result(given, "f")
    assert (found.text, found.citations, found.outcome) == ("4", (), Outcome.ANSWERED)
    assert decode_verdict(given, "f").outcome is Outcome.ANSWERED


def test_a_cited_answer_goes_the_long_way() -> None:
    """The short way passes bytes on, and knows no citations; null is none."""
    cited = {"type": "page_location", "start_page_number": 1, "end_page_number": 2, **DOCUMENT}
    assert plain_fields(line(block("4", cited)).data + b"\n") is None
    assert plain_fields(line(block("4")).data + b"\n") is not None


def test_no_answer_makes_more_of_its_citations_than_it_holds() -> None:
    """A piece is repeated for each of its citations: their number and their size are bounded."""
    cited = {"type": "page_location", "start_page_number": 1, "end_page_number": 2, **DOCUMENT}
    assert len(citations_of([block("4", *[cited] * (MOST + 5))])) == MOST
    found = citations_of([block("x" * (ROOM // 10), *[cited] * 100)])
    assert 0 < sum(len(each.text) for each in found) <= ROOM


@pytest.mark.parametrize("where", ["cited_text", "title", "url"])
def test_whatever_is_long_of_a_citation_counts(where: str) -> None:
    """Text, passage, title and source take room, each to the last character."""
    said = {"type": "web_search_result_location", "cited_text": "y", "title": "t", "url": "u"}
    for more, kept in ((0, 1), (1, 0)):
        long = "x" * (ROOM - 3 + more)
        assert len(citations_of([block("z", {**said, where: long})])) == kept
