"""The C code takes a line in as Python does, or leaves it to Python."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.passing import plain_fields
from reconciler.codec.plain import plain_answers, plain_requests
from reconciler.processors.results import PIECES, head_of_plain
from tests.codec.samples import (
    ANSWERED,
    GOOD,
    REQUESTS,
    TEXT_PART,
    Sample,
    chat,
    dump,
    envelope,
    message,
    said,
)
from tests.codec.samples import response as responded
from tests.codec.test_plain import HOSTILE, LINES, SPACED
from tests.codec.test_plain import PIECES as PARTS
from tests.native import varied
from tests.native.built import answer_taken, native, only_built, request_taken

pytestmark = only_built

GEMINI = dump(
    {
        "key": "r-1",
        "response": {
            "candidates": [{"content": {"parts": [{"text": "a", "thought": True}, {"text": "b"}]}}],
            "usageMetadata": {"n": 1},
            "modelVersion": "g-1",
        },
    }
)
PASSED = [
    pytest.param(envelope(GOOD), id="chat"),
    pytest.param(envelope(chat({"content": 'é\u2028\U0001f600\n"\\'}, "length")), id="chat-escapes"),
    pytest.param(envelope(responded("completed", [{"type": "reasoning"}, said(TEXT_PART)])), id="responses"),
    pytest.param(message(content=[{"type": "thinking"}, {"type": "text", "text": "4é"}]), id="anthropic"),
    pytest.param(GEMINI, id="gemini"),
]


def same(raw: bytes) -> tuple[bool, bool, bool]:
    """Hold C against Python; tells whether a request, an answer, and the head of an answer were taken."""
    ((_, _, asked),) = plain_requests(raw, len(raw))
    taken = request_taken(raw)
    assert taken in {None, asked}
    ((_, _, custom_id, _),) = plain_answers(raw, len(raw))
    fields = plain_fields(raw)
    expected = None if fields is None else head_of_plain(fields)
    wanted = custom_id or b"r-1"
    as_answer, nothing = answer_taken(raw, wanted, keep=False)
    with_head, head = answer_taken(raw, wanted, keep=True)
    assert nothing is None
    assert not as_answer or custom_id == wanted
    assert not with_head or (as_answer and head == expected is not None)
    assert native().results_head(raw, PIECES) in {None, expected}
    return taken is not None, as_answer, with_head


@pytest.mark.parametrize("form", ["as it is", "spaced", "utf-8"])
@pytest.mark.parametrize("data", PASSED)
def test_answers_of_every_provider_are_taken(data: bytes, form: str) -> None:
    """What most answers look like is taken in, and its results line is byte for byte that of Python."""
    if form != "as it is":
        data = json.dumps(json.loads(data), ensure_ascii=form != "utf-8").encode()
    assert same(data + b"\n")[1:] == (True, True)


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("sample", REQUESTS, ids=lambda sample: sample.name)
def test_requests_of_every_provider_are_taken(sample: Sample, spaced: bool) -> None:  # noqa: FBT001 - a parameter
    """What most requests look like is taken in."""
    data = json.dumps(json.loads(sample.line)).encode() if spaced else sample.line
    assert same(data + b"\n")[0]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(envelope(chat({"content": None, "tool_calls": [{"id": "c"}]})), id="calls"),
        pytest.param(envelope(chat({"content": None, "refusal": "No."})), id="refusal"),
        pytest.param(envelope(chat({"content": [{"type": "text", "text": "4"}]})), id="chunks"),
        pytest.param(envelope({**GOOD, "usage": {"n": 5}}).replace(b":5", b":1e999"), id="beyond-floats"),
        pytest.param(envelope({**GOOD, "usage": {"n": 5}}).replace(b":5", b":" + b"7" * 500), id="digits"),
        pytest.param(envelope({**GOOD, "usage": [1]}), id="usage-list"),
        pytest.param(envelope({**GOOD, "model": 'm"'}), id="model-escaped"),
        pytest.param(message(stop_reason="refusal", content=[{"type": "text", "text": "No."}]), id="refused"),
        pytest.param(message(content=[{"type": "text", "text": text} for text in "ab"]), id="two-texts"),
    ],
)
def test_an_answer_that_has_to_be_read_is_one_all_the_same(data: bytes) -> None:
    """Where a results line takes more than copying, the answer is still counted, and its line is Python's."""
    assert same(data + b"\n")[1:] == (True, False)


@pytest.mark.parametrize("data", PASSED)
def test_any_member_left_out_repeated_escaped_changed_or_added(data: bytes) -> None:
    """However an answer differs in one member from a plain one, C says what Python says, or nothing."""
    taken = [same(raw) for raw in varied.lines(data)]
    assert len(taken) > 2000
    assert {each[1:] for each in taken} == {(False, False), (True, False), (True, True)}


@pytest.mark.parametrize("sample", REQUESTS, ids=lambda sample: sample.name)
def test_any_member_of_a_request(sample: Sample) -> None:
    """The same of requests."""
    assert {same(raw)[0] for raw in varied.lines(sample.line)} == {False, True}


STRINGS = [
    *(
        b"\\ud800",
        b"\\udbff",
        b"\\udc00",
        b"\\udfff",
        b"\\ud800\\ud800",
        b"\\ud800\\udc0",
        b"\\ud800x",
        b"\\ud800\\n",
    ),
    *(
        b"\\ud800\\ue000",
        b"\\ud83d\\ude80",
        b"\\uDBFF\\uDFFF",
        b"\\ud7ff",
        b"\\ue000",
        b"\\u00e9",
        b"\\u12g4",
        b"\\u123",
    ),
    *(
        b'\\"',
        b"\\\\",
        b"\\/",
        b"\\b",
        b"\\f",
        b"\\n",
        b"\\r",
        b"\\t",
        b"\\v",
        b"\\0",
        b"\\x41",
        b"\\U0041",
        b"\\ ",
        b"\\\x00",
        b"\\'",
    ),
    *(b"\xc0\x80", b"\xc1\xbf", b"\xc2\x80", b"\xdf\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe0\xa0\x80"),
    *(
        b"\xed\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xee\x80\x80",
        b"\xef\xbf\xbf",
        b"\xf0\x80\x80\x80",
    ),
    *(
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
    ),
    *(
        b"\xc2",
        b"\xc2x",
        b"\xe1\x80",
        b"\xe1\x80x",
        b"\xf1\x80\x80",
        b"\xf1\x80\x80x",
        b"\x80",
        b"\xbf",
        b"\xfe",
        b"\xff",
    ),
    *(bytes([each]) for each in range(0x20) if each != 0x0A),
    *(b"\x7f", b"\x20", b""),
]


@pytest.mark.parametrize("ahead", [0, 5, 13, 15, 16, 17, 40])
def test_strings(ahead: int) -> None:
    """Each escape, each kind of UTF-8, right or wrong: taken if and only if Python takes it."""
    for inside in STRINGS:
        for behind in (b"", b"x", b"\xc3\xa9", b"y" * 20):
            raw = ASKED % (b'"%b%b%b"' % (b"x" * ahead, inside, behind))
            ((_, _, asked),) = plain_requests(raw, len(raw))
            assert request_taken(raw) == asked, raw


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"custom_id":"","body":{}}\n', id="no-id"),
        pytest.param(b'{"custom_id":"r\\u002d1","body":{}}\n', id="escaped-id"),
        pytest.param(b'{"custom_id":"r-1","method":"POST","url":"","body":{}}\n', id="no-url"),
        pytest.param(b'{"custom_id":"r-1","method":"POST","url":"\\/v1","body":{}}\n', id="escaped-url"),
        pytest.param(b'{"custom_id":"r-1","body":[]}\n', id="a-list"),
        pytest.param(b'{"custom_id":"r-1","body":"x"}\n', id="a-text"),
        pytest.param(b'{"custom_id":"r-1","body":{"x":\n1}}\n', id="over-two-lines"),
        pytest.param(b'{"custom_id":"r-1","body":\n{}}\n', id="broken-before-the-body"),
        pytest.param(b'{"custom_id":"r-1","body":{}\n}\n', id="broken-behind-the-body"),
        pytest.param(b'{"custom_id":"r-1","body":{}} \n', id="blank-at-the-end"),
        pytest.param(b'{"custom_id":"r-1","body":{}}\r\n', id="carriage-return"),
        pytest.param(b'{"custom_id":"r-1","body":{}}{}\n', id="two-documents"),
        pytest.param(b'{"custom_id":"r-1",  "body":{}}\n', id="two-blanks"),
    ],
)
def test_requests_that_are_left(raw: bytes) -> None:
    """What is not written as most are is left to Python; a line ends where its line feed is."""
    assert request_taken(raw) is None


@pytest.mark.parametrize("data", [b'"status_code":200\n,', b'"body":\n{', b"}\n}"])
def test_an_answer_over_two_lines(data: bytes) -> None:
    """The same of answers."""
    whole = envelope(GOOD)
    raw = whole.replace(data.replace(b"\n", b""), data, 1) + b"\n"
    assert raw.count(b"\n") == 2
    assert answer_taken(raw, b"r-1", keep=False) == (False, None)


@pytest.mark.parametrize("data", [*LINES, *SPACED, *(sample.line for sample in ANSWERED)])
def test_every_known_shape(data: bytes) -> None:
    """Of each provider's own lines, failures among them, nothing is taken that Python does not take."""
    same(data + b"\n")
    same(data)


@pytest.mark.parametrize("data", HOSTILE)
def test_hostile_lines(data: bytes) -> None:
    """Repeats, errors inside, escaped names, odd numbers, depth: C takes nothing that Python leaves."""
    same(data + b"\n")
    same(data)


ASKED = b'{"custom_id":"r-1","body":{"x":%b}}\n'


@pytest.mark.parametrize("depth", [1, 60, 70, 300])
def test_depth(depth: int) -> None:
    """What is nested deep is left to Python, and no stack overflows over it."""
    assert same(ASKED % (b"[" * depth + b"]" * depth))[0] is (depth <= 60)
    assert request_taken(ASKED % (b'{"a":' * 1_000_000)) is None


_TEXTS = st.text() | st.text(st.characters(min_codepoint=0x80, codec="utf-8")) | st.binary(max_size=40)


@given(_TEXTS, st.integers(0, 40), st.booleans())
def test_any_text(text: str | bytes, ahead: int, escaped: bool) -> None:  # noqa: FBT001 - a parameter
    """A text is taken if and only if Python takes it, wherever it begins and however it is written."""
    data = json.dumps(text, ensure_ascii=escaped).encode() if isinstance(text, str) else b'"%b"' % text
    if b"\n" in data:
        data = data.replace(b"\n", b"")
    raw = ASKED % (b" " * ahead + data)
    ((_, _, asked),) = plain_requests(raw, len(raw))
    assert request_taken(raw) == asked


_NUMBERS = st.text("0123456789-+.eE", max_size=8)


@given(_NUMBERS)
def test_any_number(number: str) -> None:
    """A number is taken if and only if Python takes it."""
    raw = ASKED % number.encode()
    ((_, _, asked),) = plain_requests(raw, len(raw))
    assert request_taken(raw) == asked


@given(
    st.sampled_from([*LINES, *SPACED, *(each.values[0] for each in PASSED)]),
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(0, 9),
            st.sampled_from([*PARTS, b"e", b"1e5", b'"thought":true,', b'"type":"text",', b"null", b"[]"])
            | st.binary(max_size=3),
        ),
        max_size=3,
    ),
)
def test_damaged_lines(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    """Whatever is cut out of a line or put into it, C says what Python says, or nothing."""
    for at, gone, new in cuts:
        data = data[:at] + new + data[at + gone :]
    for raw in (data + b"\n").splitlines(keepends=True):
        if raw.count(b"\n") == 1:
            same(raw)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 15, 16, 63, 64, 65])
def test_digests_of_ids(size: int) -> None:
    """The digest of an id is that of hashlib; an id of more than 64 bytes is left to Python."""
    custom_id = b"x" * size
    raw = ASKED.replace(b"r-1", custom_id) % b"1"
    at, digests, _, _ = native().take_requests(raw, 0, len(raw), 0, 0, {})
    assert at == (len(raw) if size <= 64 else 0)
    assert digests == (hashlib.blake2b(custom_id, digest_size=16).digest() if at else b"")


@given(st.binary(min_size=1, max_size=64))
def test_digests_of_any_id(custom_id: bytes) -> None:
    """Whatever bytes an id is made of: if it is taken, its digest is that of hashlib."""
    raw = ASKED.replace(b"r-1", custom_id.replace(b"%", b"")) % b"1"
    positions: dict[bytes, int] = {}
    _, digests, _, _ = native().take_requests(raw, 0, len(raw), 0, 0, positions)
    assert digests == b"".join(hashlib.blake2b(each, digest_size=16).digest() for each in positions)
