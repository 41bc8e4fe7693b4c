"""The files that pairwiseLLM leaves beside its registry: each value arrives, and what is none is named."""

from __future__ import annotations

import pytest

from reconciler.codec.jsonl import Line
from reconciler.codec.pairwise import gemini_answer, request_lines
from reconciler.errors import BadLine


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b'{"requests": []}', []),
        (
            b'{"requests": [{"custom_id": "a", "params": {"m": 1.0}}]}',
            [b'{"custom_id":"a","params":{"m":1.0}}'],
        ),
        (
            b'\xef\xbb\xbf{"requests": [{"custom_id": "a", "ID1": "x", "request": {"c": [ ]}}]}',
            [b'{"key":"a","request":{"c":[]}}'],
        ),
    ],
)
def test_requests_of_a_document(data: bytes, lines: list[bytes]) -> None:
    """Each item is a line in its provider's own shape, its values as they were written."""
    assert list(request_lines(data, "in.json")) == lines


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{", "neither request lines nor a document"),
        (b'{"requests": 1}', "neither request lines nor a document"),
        (b'{"requests": [{"custom_id": "\xff", "params": {}}]}', "neither request lines nor a document"),
        (
            b'{"requests": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "neither request lines nor a document",
        ),
        (b'{"requests": [{"custom_id": "a", "params": {}}, {"params": {}}]}', "request 2 has no custom_id"),
        (b'{"requests": [{"custom_id": "a", "body": {}}]}', "request 1 has no custom_id, or neither params"),
    ],
    ids=["cut", "no-list", "no-utf-8", "deep", "no-id", "no-body"],
)
def test_what_is_no_document_of_requests(data: bytes, told: str) -> None:
    """The file is named, and the request; no part of it is left out in silence."""
    with pytest.raises(BadLine, match=told) as refused:
        list(request_lines(data, "in.json"))
    assert "in.json" in str(refused.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'{"custom_id": "a", "result": {"response": {"c": 1.50}}}',
            b'{"key":"a","response":{"c": 1.50}}',
        ),
        (b'{"custom_id": "a", "result": {"response": [{"c": 1}]}}', b'{"key":"a","response":{"c": 1}}'),
        (b'{"custom_id": "a", "result": {"error": {"code": 3}}}', b'{"key":"a","error":{"code": 3}}'),
        (b'{"key": "a", "response": {"c": 1}}', b'{"key": "a", "response": {"c": 1}}'),
        (b'{"custom_id": "a", "response": {}}', b'{"custom_id": "a", "response": {}}'),
    ],
    ids=["response", "row-of-a-table", "error", "served", "of-another"],
)
def test_an_answer_of_gemini(data: bytes, expected: bytes) -> None:
    """It is what the provider would have served; a line that it did serve stays byte for byte."""
    assert gemini_answer(Line(7, 0, data), "out.jsonl") == expected


@pytest.mark.parametrize("result", [b"1", b'{"response": []}', b'{"response": [{}, {}]}'])
def test_a_result_that_is_not_one_answer(result: bytes) -> None:
    """Neither is a second answer dropped nor a missing one made up: the line is named."""
    with pytest.raises(BadLine, match=r"out\.jsonl:7: result is not one answer"):
        gemini_answer(Line(7, 0, b'{"custom_id": "a", "result": ' + result + b"}"), "out.jsonl")


def test_an_id_over_several_lines_makes_one_line() -> None:
    """What stands in the place of an id, and is none, is for the reader of lines to refuse, not two lines."""
    document = b'{"requests": [{"custom_id": [1,\r\n 2], "params": {"a":\n 1}}]}'
    assert list(request_lines(document, "a.json")) == [b'{"custom_id":[1,2],"params":{"a":1}}']
