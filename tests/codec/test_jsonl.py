"""Lines of a file, and what strict decoding refuses."""

import contextlib
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.codec.jsonl import Line, decode_strict, decode_value, iter_lines, quote, shorten
from reconciler.codec.request import decode_request, request_id
from reconciler.codec.result import decode_result, decode_verdict
from reconciler.errors import BadLine

PATH = "workdir/batch_input_7.jsonl"
REQUEST = b'{"custom_id":"a","body":{}}'
BOM = b"\xef\xbb\xbf"


def lines(data: bytes, limit: int = 2**20) -> list[Line]:
    """The lines of a file with these bytes."""
    return list(iter_lines(io.BytesIO(data), PATH, limit=limit))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"a\nb\n", [(1, 0, b"a", True), (2, 2, b"b", True)], id="two"),
        pytest.param(b"a\nb", [(1, 0, b"a", True), (2, 2, b"b", False)], id="unterminated"),
        pytest.param(b"a\r\nb\r\n", [(1, 0, b"a\r", True), (2, 3, b"b\r", True)], id="crlf-is-kept"),
        pytest.param(b"a\rb\n", [(1, 0, b"a\rb", True)], id="cr-alone-ends-no-line"),
        pytest.param(b"\n \t\r\na\n\n", [(3, 5, b"a", True)], id="blank-lines-are-counted"),
        pytest.param(b"a\n  ", [(1, 0, b"a", True)], id="blank-last-line"),
        pytest.param(
            b"a\n\x0c\n", [(1, 0, b"a", True), (2, 2, b"\x0c", True)], id="form-feed-is-no-white-space"
        ),
        pytest.param(BOM + b"a\nb\n", [(1, 3, b"a", True), (2, 5, b"b", True)], id="bom"),
        pytest.param(BOM, [], id="bom-alone"),
        pytest.param(BOM + b"\na\n", [(2, 4, b"a", True)], id="bom-on-a-blank-line"),
        pytest.param(
            b"a\n" + BOM + b"b\n", [(1, 0, b"a", True), (2, 2, BOM + b"b", True)], id="bom-further-down"
        ),
        pytest.param(
            "a\u2028b\u2029c\u0085d\x0be\x1cf\n".encode(),
            [(1, 0, "a\u2028b\u2029c\u0085d\x0be\x1cf".encode(), True)],
            id="other-separators-end-no-line",
        ),
    ],
)
def test_lines(data: bytes, expected: list[tuple[int, int, bytes, bool]]) -> None:
    """Lines end at a line feed only; blank ones are counted and skipped; a mark at the start is no text."""
    assert [tuple(line) for line in lines(data)] == expected


@given(
    st.lists(
        st.sampled_from([b"a", b"{}", b"\n", b"\r", b" ", BOM, "\u2028".encode(), b"\xff"]), max_size=20
    ).map(b"".join)
)
@example(BOM + b"a\r\n\nb")
def test_offsets_point_at_the_bytes(data: bytes) -> None:
    """Each line's bytes stand at its offset in the file, under its number, and no byte of text is lost."""
    physical = data.split(b"\n")
    found = lines(data)

    assert [data[line.offset :][: len(line.data)] for line in found] == [line.data for line in found]
    assert [line.number for line in found] == [data.count(b"\n", 0, line.offset) + 1 for line in found]
    expected = [piece.strip(b" \t\r\n") for piece in [physical[0].removeprefix(BOM), *physical[1:]]]
    assert [line.data.strip() for line in found] == [piece for piece in expected if piece]


def test_a_line_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    """The limit counts a line's bytes without its end, and holds for a last line without one."""
    assert [line.data for line in lines(b"12345678\n12345678", limit=8)] == [b"12345678"] * 2
    for data in (b"ok\n123456789\n", b"ok\n123456789", b"ok\n123456789\nmore\n"):
        with pytest.raises(BadLine, match="longer than 8 bytes") as caught:
            lines(data, limit=8)
        assert caught.value.line == 2


def test_a_line_over_the_limit_is_not_read_to_its_end() -> None:
    """A line without an end cannot fill the memory: reading stops just above the limit."""
    stream = io.BytesIO(b"x" * 10_000)
    with pytest.raises(BadLine, match="longer than 100 bytes"):
        next(iter_lines(stream, PATH, limit=100))

    assert stream.tell() <= 101


def test_a_line_of_twenty_megabytes() -> None:
    """Image inputs and embeddings make long lines; the default limit lets them through."""
    data = b'{"custom_id":"big","body":{"image":"' + b"A" * 20 * 2**20 + b'"}}\n'
    (line,) = iter_lines(io.BytesIO(data), PATH)

    assert request_id(line, PATH) == "big"
    assert len(decode_request(line, PATH).body["image"]) == 20 * 2**20


@pytest.mark.parametrize("cut", range(1, len(REQUEST)))
def test_a_torn_last_line_is_called_torn(cut: int) -> None:
    """Wherever a file is cut inside its last line, the reason says that it ends there."""
    *_, last = lines(REQUEST + b"\n" + REQUEST[:cut])

    with pytest.raises(BadLine, match="the file ends in the middle of a line") as caught:
        request_id(last, PATH)
    assert caught.value.line == 2


def test_a_torn_character_is_called_torn() -> None:
    """A cut inside a character of several bytes is a torn line, not a wrong encoding."""
    (line,) = lines('{"custom_id":"é'.encode()[:-1])

    with pytest.raises(BadLine, match="the file ends in the middle of a line"):
        request_id(line, PATH)


def test_a_whole_last_line_needs_no_line_feed() -> None:
    """Many writers leave out the last line feed."""
    (line,) = lines(REQUEST)

    assert request_id(line, PATH) == "a"


def whole(value: bytes) -> bytes:
    """A line that is a request and an answer alike, with *value* in a member that nobody looks at."""
    return b'{"custom_id":"a","x":' + value + b',"body":{},"response":null,"error":"no"}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(whole(b"NaN"), "not JSON", id="nan"),
        pytest.param(whole(b"Infinity"), "not JSON", id="infinity"),
        pytest.param(whole(b"-Infinity"), "not JSON", id="minus-infinity"),
        pytest.param(whole(b"01"), "not JSON", id="leading-zero"),
        pytest.param(whole(b'"\\x"'), "not JSON", id="bad-escape"),
        pytest.param(whole(b'"\x01"'), "not JSON", id="raw-control-character"),
        pytest.param(whole(b'"a\tb"'), "not JSON", id="raw-tab"),
        pytest.param(whole(b'"\\ud800"'), "half a surrogate pair, '\\\\ud800', at byte 22", id="high-half"),
        pytest.param(
            whole(b'"\\\\\\uDC00x"'), "half a surrogate pair, '\\\\uDC00', at byte 24", id="low-half"
        ),
        pytest.param(
            whole(b'"\\ud83d\\ude00\\ud83d-"'), "half a surrogate pair, '\\\\ud83d', at byte 34", id="third"
        ),
        pytest.param(whole(b'"\xff"'), "not UTF-8: byte 0xff at byte 22 of the line", id="latin-1"),
        pytest.param(whole(b'"\xed\xa0\x80"'), "not UTF-8: byte 0xed", id="raw-surrogate"),
        pytest.param(whole(b'"\xc0\xaf"'), "not UTF-8: byte 0xc0", id="overlong"),
        pytest.param(whole(b"1") + b" x", "not JSON", id="trailing-garbage"),
        pytest.param(whole(b"1") + whole(b"1"), "not JSON", id="two-documents"),
        pytest.param(BOM + whole(b"1"), "not JSON", id="mark-inside-the-file"),
        pytest.param(whole(b"[" * 200_000 + b"]" * 200_000), "nested too deeply", id="nesting-200k"),
        pytest.param(
            whole(b'{"a":' * 200_000 + b"1" + b"}" * 200_000), "nested too deeply", id="objects-200k"
        ),
        pytest.param(b"[1,2]", "not a JSON object: '[1,2]'", id="array"),
        pytest.param(b"nul", "not JSON", id="not-even-null"),
    ],
)
def test_strict_decoding_refuses(data: bytes, reason: str) -> None:
    """What two readers could take two ways is refused wherever it stands, and the reason names the place."""
    with pytest.raises(BadLine) as caught:
        decode_strict(Line(9, 0, data), PATH)

    assert reason in caught.value.reason
    assert caught.value.line == 9


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"7" * 5000, id="5000-digits"),
        pytest.param(b"1e999", id="beyond-float"),
        pytest.param(b'"\\ud83d\\ude00"', id="pair"),
        pytest.param(b'"\\\\ud800"', id="escaped-backslash-before-ud800"),
        pytest.param('"\u2028\u0085é"'.encode(), id="unescaped-separators"),
        pytest.param(b"[" * 200 + b"]" * 200, id="nesting-200"),
    ],
)
def test_strict_decoding_lets_through(value: bytes) -> None:
    """What has one reading passes, however odd it looks, and is handed on byte for byte."""
    members = decode_strict(Line(1, 0, whole(value)), PATH)

    assert bytes(members["x"]) == value


def test_every_depth_has_a_word() -> None:
    """However deep a line is nested, it is read or called nested too deeply, and a repeat never passes."""
    for depth in range(600, 1010):
        deep = b"[" * depth + b"]" * depth
        with pytest.raises(BadLine, match=r"given twice|nested too deeply"):
            decode_strict(Line(1, 0, b'{"custom_id":"a","custom_id":"b","body":' + deep + b"}"), PATH)
        try:
            found = decode_value(b"[" * depth + b"1e999" + b"]" * depth, Line(1, 0, b""), PATH)
        except BadLine as error:
            assert "nested too deeply" in str(error)  # noqa: PT017 - some depths are read
        else:
            while isinstance(found, list):
                (found,) = found
            assert str(found) == "1E+999"


def test_a_number_beyond_all_decimals_is_infinite() -> None:
    """An exponent that no decimal has is read as a float reads it, and ends nothing."""
    assert decode_value(b"[1e9999999999999999999999,1.5]", Line(1, 0, b""), PATH) == [float("inf"), 1.5]


def test_a_repeat_that_is_checked_exactly_survives_deep_nesting() -> None:
    """A repeat beside a nested value is refused in the same words as any other."""
    deep = b"[" * 500 + b"]" * 500
    with pytest.raises(BadLine, match="custom_id is given twice"):
        decode_strict(Line(1, 0, b'{"custom_id":"a","custom_id":"b","body":' + deep + b"}"), PATH)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, with_id: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    """No bytes make a reader raise anything but BadLine, whose reason is short and safe to print."""
    text = b'{"custom_id":"' + data + b'","body":{},"response":{}}' if with_id else data
    for decode in (request_id, decode_request, decode_verdict, decode_result):
        for line in lines(text):
            with contextlib.suppress(BadLine):
                decode(line, PATH)
                continue
            with pytest.raises(BadLine) as caught:
                decode(line, PATH)
            assert caught.value.reason.isprintable()
            assert len(caught.value.reason) < 300


@given(st.text() | st.binary())
def test_quoted_text_is_short_and_printable(found: str | bytes) -> None:
    """Foreign text in a message obeys no terminal and fills no screen."""
    shown = [quote(found), shorten(found if isinstance(found, str) else repr(found))]

    assert all(text.isprintable() and len(text) <= 200 for text in shown)


def test_quoting_cuts_and_says_so() -> None:
    """What is left out is marked; what fits is not."""
    assert quote("x" * 61) == "'" + "x" * 60 + "'..."
    assert quote("x" * 60) == "'" + "x" * 60 + "'"
    assert quote(b"\x1b[31m") == "'\\x1b[31m'"
    assert quote("\x1b" * 40) == ("'" + "\\x1b" * 40)[:120] + "..."
    assert shorten("x" * 201) == "x" * 197 + "..."
    assert shorten("x" * 200) == "x" * 200
    assert json.loads(json.dumps(shorten("a\nb"))) == "a b"
