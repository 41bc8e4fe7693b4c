"""Answer lines that are written here read as what they were written from, in every provider's shape."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.answer import encode_answer, encode_failure, is_plain_answer
from reconciler.codec.jsonl import Line
from reconciler.codec.result import decode_result, decode_verdict
from reconciler.model.exchange import Dialect, Request
from reconciler.model.outcome import ErrorClass, Outcome

texts = st.text(st.characters(exclude_categories=["Cs"]))
ids = texts.filter(lambda text: text != "" and "\0" not in text)
words = st.sampled_from("server_error invalid_request_error timeout worker_error rate_limit_exceeded".split())


def body_of(dialect: Dialect, text: str) -> dict[str, Any]:
    """The shortest body of a provider that says *text*."""
    match dialect:
        case Dialect.ANTHROPIC:
            return {"type": "message", "content": [{"type": "text", "text": text}]}
        case Dialect.GEMINI:
            return {"candidates": [{"content": {"parts": [{"text": text}]}}]}
        case Dialect.OPENAI | Dialect.MISTRAL:
            return {"choices": [{"message": {"role": "assistant", "content": text}}]}


def asked(dialect: Dialect, custom_id: str = "r-1") -> Request:
    """A request."""
    url = "/v1/chat/completions" if dialect is Dialect.OPENAI else None
    return Request(custom_id, dialect, url, {}, None)


@pytest.mark.parametrize("dialect", [Dialect.OPENAI, Dialect.MISTRAL])
def test_an_answer_stands_as_openai_writes_it(dialect: Dialect) -> None:
    """Other tools find what they look for: the status 200, an id, and no error."""
    body = body_of(dialect, "hi")
    assert json.loads(encode_answer(asked(dialect), body, 7)) == {
        "id": "local-7",
        "custom_id": "r-1",
        "response": {"status_code": 200, "request_id": "local-7", "body": body},
        "error": None,
    }


@given(st.sampled_from(Dialect), ids, texts, st.integers(1, 1 << 40))
def test_an_answer_reads_as_what_it_was_written_from(
    dialect: Dialect, custom_id: str, text: str, number: int
) -> None:
    """Id, outcome, text and body come back, on one line, and matching sees the same."""
    body = body_of(dialect, text)
    data = encode_answer(asked(dialect, custom_id), body, number)
    line = Line(number, 0, data)
    found = decode_result(line, "here")
    assert (found.custom_id, found.outcome, found.text) == (custom_id, Outcome.ANSWERED, text)
    assert found.body == body
    assert b"\n" not in data
    verdict = decode_verdict(line, "here")
    assert (verdict.custom_id, verdict.outcome) == (custom_id, Outcome.ANSWERED)


MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.sampled_from([[], [{}], [{"message": {"content": "x"}}], [1], None, {}]),
        "output": st.sampled_from([[], [{"type": "message"}], None, 1]),
        "data": st.sampled_from([[], [{}], [1], None]),
        "candidates": st.sampled_from([[], [{}], [{"content": {"parts": [{"text": "x"}]}}], "x"]),
        "status": st.sampled_from(["completed", "incomplete", "failed", None, 7]),
        "status_code": st.sampled_from([200, 500, None]),
        "object": st.sampled_from(["list", "chat.completion", None, 1]),
        "error": st.sampled_from([None, {}, {"message": "no"}, "no", 0]),
        "type": st.sampled_from(["message", "error", None, 1]),
        "body": st.sampled_from([{}, {"choices": [{}]}, None]),
    },
)


@given(st.sampled_from(Dialect), MEMBERS)
def test_a_plain_answer_is_read_as_an_answer(dialect: Dialect, body: dict[str, Any]) -> None:
    """What is taken for an answer at one look is one for every later reader of its line."""
    if is_plain_answer(asked(dialect), body):
        line = Line(1, 0, encode_answer(asked(dialect), body, 1))
        assert decode_verdict(line, "here").outcome is Outcome.ANSWERED
        assert decode_result(line, "here").outcome is Outcome.ANSWERED


@pytest.mark.parametrize("dialect", Dialect)
def test_answers_are_plain_to_see(dialect: Dialect) -> None:
    """The body that each provider answers with is settled at one look."""
    assert is_plain_answer(asked(dialect), body_of(dialect, "x"))


@given(st.sampled_from(Dialect), ids, words, texts, st.integers(1, 1 << 40))
def test_a_failure_reads_as_what_it_was_written_from(
    dialect: Dialect, custom_id: str, code: str, message: str, number: int
) -> None:
    """Id, code and words come back as a failure, on one line, and matching sees the same."""
    data = encode_failure(asked(dialect, custom_id), code, message, number)
    line = Line(number, 0, data)
    found = decode_result(line, "here")
    assert (found.custom_id, found.outcome, found.error_code) == (custom_id, Outcome.FAILED, code)
    if message:
        assert found.error_message == message
    assert b"\n" not in data
    verdict = decode_verdict(line, "here")
    assert (verdict.outcome, verdict.error_class) == (Outcome.FAILED, found.error_class)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("server_error", ErrorClass.SERVER_ERROR, id="transient"),
        pytest.param("invalid_request_error", ErrorClass.INVALID_REQUEST, id="permanent"),
        pytest.param("timeout", ErrorClass.TIMEOUT, id="timeout"),
        pytest.param("worker_error", ErrorClass.UNKNOWN, id="anything-else"),
    ],
)
def test_the_code_of_a_failure_decides_its_class(code: str, expected: ErrorClass, dialect: Dialect) -> None:
    """The words that workers' failures are given mean the same in every shape."""
    line = Line(1, 0, encode_failure(asked(dialect), code, "words", 1))
    assert decode_result(line, "here").error_class is expected


@pytest.mark.parametrize("dialect", Dialect)
def test_the_line_of_an_answer_has_the_shape_of_its_provider(dialect: Dialect) -> None:
    """Whoever reads a provider's files reads these too."""
    line = json.loads(encode_answer(asked(dialect), body_of(dialect, "x"), 7))
    assert (
        sorted(line)
        == {
            Dialect.OPENAI: ["custom_id", "error", "id", "response"],
            Dialect.MISTRAL: ["custom_id", "error", "id", "response"],
            Dialect.ANTHROPIC: ["custom_id", "result"],
            Dialect.GEMINI: ["key", "response"],
        }[dialect]
    )
