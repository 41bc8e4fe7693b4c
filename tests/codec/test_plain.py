"""The short way never says anything that the long way would not say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.jsonl import Line, line_at
from reconciler.codec.plain import plain_answer, plain_request
from reconciler.codec.request import request_id
from reconciler.codec.result import decode_verdict
from reconciler.errors import BadLine
from reconciler.model.exchange import Verdict
from reconciler.model.outcome import Outcome
from tests.codec.failed_samples import FAILED
from tests.codec.samples import ANSWERED, REQUESTS, Sample, chat, envelope, message, response, said

PATH = "workdir/batch_output_7.jsonl"
LINES = [sample.line for sample in (*REQUESTS, *ANSWERED, *FAILED)]
SPACED = [json.dumps(json.loads(line)).encode() for line in LINES]
PIECES = [
    *(b'"custom_id":"b"', b'"error":null', b'"error":1', b'"response":null', b'"key":"k"', b'"body":{}'),
    *(b',"response":{}', b'},"error":null}', b', "error": null}\n', b"}", b"{", b",", b'"', b"\\", b"\n"),
    *(b"\r", b" ", b"\x00", b"\x1f", b"\xff", "é".encode(), b"[", b"]", b"NaN", b"01", b"\\ud800", b"1e999"),
]


def line(raw: bytes) -> Line | None:
    """Line 3 of a file."""
    return line_at(raw, PATH, 3, 100)


def same(raw: bytes) -> tuple[bool, bool]:
    """Hold both ways against each other; tells for which readers the short way was taken."""
    asked, answered = plain_request(raw), plain_answer(raw)
    whole = line(raw)
    if asked is not None:
        assert whole is not None
        assert request_id(whole, PATH) == asked.decode()
    if answered is not None:
        assert whole is not None
        assert decode_verdict(whole, PATH) == Verdict(answered.decode(), Outcome.ANSWERED, None)
    return asked is not None, answered is not None


@pytest.mark.parametrize("data", [*LINES, *SPACED])
def test_every_known_shape(data: bytes) -> None:
    """For each provider's own lines, the short way gives what the long way gives, or leaves them to it."""
    same(data + b"\n")


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("sample", REQUESTS, ids=lambda sample: sample.name)
def test_requests_take_the_short_way(sample: Sample, spaced: bool) -> None:  # noqa: FBT001 - a parameter
    """Every provider's plain request is settled at one look, written with or without spaces."""
    data = json.dumps(json.loads(sample.line)).encode() if spaced else sample.line
    assert plain_request(data + b"\n") == b"r-1"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(envelope(chat({"content": "é\u2028"})), id="chat"),
        pytest.param(envelope(response("completed", [said({"type": "output_text"})])), id="responses"),
        pytest.param(message(), id="anthropic"),
        pytest.param(b'{"key":"r-1","response":{"candidates":[{}]}}', id="gemini"),
    ],
)
def test_answers_take_the_short_way(data: bytes) -> None:
    """Every provider's plain answer is settled at one look, and the last line of a torn file is not."""
    assert plain_answer(data + b"\n") == b"r-1"
    assert plain_answer(json.dumps(json.loads(data), ensure_ascii=False).encode() + b"\n") == b"r-1"
    assert plain_answer(data) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"custom_id":"a","body":{},"body":{}}', id="body"),
        pytest.param(b'{"custom_id":"a","custom_id":"b","body":{}}', id="id"),
        pytest.param(
            envelope(chat({})).replace(b',"error"', b',"response":{"status_code":500},"error"'), id="response"
        ),
        pytest.param(envelope(chat({})).replace(b'"error"', b'"error":1,"error"'), id="error"),
        pytest.param(envelope(chat({})).replace(b'"id"', b'"error":1,"id"', 1), id="error-first"),
    ],
)
def test_a_repeat_never_takes_the_short_way(data: bytes) -> None:
    """A member given twice is left to the long way, which refuses it."""
    assert same(data + b"\n") == (False, False)


@given(
    st.sampled_from([*LINES, *SPACED]),
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 9), st.sampled_from(PIECES) | st.binary(max_size=3)),
        max_size=3,
    ),
)
def test_damaged_lines(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    """Whatever is cut out of a line or put into it, the short way says what the long way says, or nothing."""
    for at, gone, new in cuts:
        data = data[:at] + new + data[at + gone :]
    for raw in (data + b"\n").splitlines(keepends=True):
        same(raw)


_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from([200, 404, "completed", "succeeded"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from("choices output data error status object type message text body".split()), inner
        )
    ),
    max_leaves=8,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("id custom_id key response result error body params request method url".split()),
            _VALUE | st.fixed_dictionaries({"status_code": st.just(200), "body": _VALUE}),
        ),
        max_size=5,
    ),
    st.sampled_from(["", " "]),
)
def test_members_in_any_order_and_number(members: list[tuple[str, Any]], space: str) -> None:
    """Whatever members a line has, in any order and number, both ways agree or the short one keeps out."""
    pairs = [f'"{name}":{space}{json.dumps(value)}' for name, value in members]
    raw = ("{" + f",{space}".join(pairs) + "}\n").encode()
    try:
        same(raw)
    except BadLine as error:  # the short way took what the long way refuses
        pytest.fail(str(error))
