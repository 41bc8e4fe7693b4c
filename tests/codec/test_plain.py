"""The short way never says anything that the long way would not say."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.jsonl import Line, line_at
from reconciler.codec.passing import passed_answers, plain_fields
from reconciler.codec.plain import plain_answers, plain_requests
from reconciler.codec.request import decode_request, request_id
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


def plain_request(raw: bytes) -> bytes | None:
    """The short way over a block of one line."""
    ((at, end, custom_id),) = plain_requests(raw, len(raw))
    assert (at, end) == (0, len(raw))
    return custom_id


def plain_answer(raw: bytes) -> bytes | None:
    """The same for an answer."""
    ((at, end, custom_id, _),) = plain_answers(raw, len(raw))
    assert (at, end) == (0, len(raw))
    return custom_id


def same(raw: bytes) -> tuple[bool, bool]:
    """Hold both ways against each other; tells for which readers the short way was taken."""
    asked, answered = plain_request(raw), plain_answer(raw)
    whole = line(raw)
    if asked is not None:
        assert whole is not None
        assert request_id(whole, PATH) == asked.decode()
        # A blank in front is no plain writing, so the line goes the long way.
        assert decode_request(whole, PATH) == decode_request(whole._replace(data=b" " + whole.data), PATH)
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


INSIDE = [
    *(
        b"",
        b',"error":null',
        b',"error":{}',
        b',"error":{"code":"x"}',
        b',"error":"x"',
        b',"err\\u006fr":"x"',
    ),
    *(b',"error":{"code":"x"},"error":null', b',"error":null,"error":{"code":"x"}', b',"choices":[]'),
    *(b',"choices":null', b',"choices":[1]', b',"a":NaN', b',"a":1e999', b',"a":' + b"9" * 5000, b',"a":-0'),
    *(b',"a":"\xff"', b',"a":"\xed\xa0\x80"', b',"a":"\\ud800"', b',"a":"\\ud83d\\ude80"', b',"a":"\x00"'),
    *(
        b',"a":' + b"[" * 5000 + b"]" * 5000,
        b',"a":[' + b"[" * 5000,
        b"}},1",
        b'}},"error":null} {"b":{"c":{}',
    ),
    *(b'}},"response":{"status_code":500,"body":{}', b'}},"custom_id":"b","x":{"y":{}', b',"a":"\xc3\xa9"'),
    *(b'},"status_code":500,"x":{}', b'},"body":{"error":1}', b'}},"error":{"a":{"b":{}}},"x":{"y":{}'),
    *(b'}},"\\u0065rror":{"a":1},"x":{"y":{}', b'}},"custom_\\u0069d":"b","x":{"y":{}', b',"a":"\x1f"'),
]
HOSTILE = [
    start + inside + end
    for inside in INSIDE
    for start, end in (
        (b'{"custom_id":"a","response":{"status_code":200,"body":{"choices":[{}]', b'}},"error":null}'),
        (b'{"id":"i","custom_id":"a","response":{"status_code":200,"body":{"choices":[{}]', b"}}}"),
        (b'{"key":"a","response":{"candidates":[{"content":{"parts":[{"text":"t"}]', b"}}]}}"),
        (b'{"custom_id":"a","result":{"type":"succeeded","message":{"content":[]', b"}}}"),
        (b'{"custom_id":"a","method":"POST","url":"/v1","body":{"x":{"y":1', b"}}}"),
        (b'{"custom_id":"a","params":{"x":{"y":1', b"}}}"),
    )
]


@pytest.mark.parametrize("data", HOSTILE)
def test_hostile_lines(data: bytes) -> None:
    """Repeats, errors inside, escaped names, odd numbers, bad UTF-8, depth: nothing the long way denies."""
    same(data + b"\n")
    same(data)


@given(
    st.lists(st.sampled_from([*LINES, *HOSTILE, b"", b" ", b"\r", b"}", b"{"]), max_size=8),
    st.sampled_from([b"", b"\n"]),
    st.binary(max_size=9) | st.sampled_from([b'{"custom_id":"z","params":{}}\n', b"}\n", b"\xff"]),
)
def test_lines_in_a_block(lines: list[bytes], last: bytes, behind: bytes) -> None:
    """A line says the same wherever in a block it stands, among any neighbours, whatever follows."""
    data = b"\n".join(lines) + last
    block, end = bytearray(data + behind), len(data)
    asked, answered = list(plain_requests(block, end)), list(plain_answers(block, end))
    passed = list(passed_answers(block, end))
    alone = re.findall(rb"[^\n]*\n|[^\n]+\Z", data)
    assert [bytes(block[at:stop]) for at, stop, _ in asked] == alone
    assert [each[:2] for each in asked] == [each[:2] for each in answered] == [each[:2] for each in passed]
    assert [each[2] for each in asked] == [plain_request(raw) for raw in alone]
    assert (
        [each[2] for each in answered] == [each[2] for each in passed] == [plain_answer(raw) for raw in alone]
    )
    assert [each[3] for each in passed] == [plain_fields(raw) for raw in alone]


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
