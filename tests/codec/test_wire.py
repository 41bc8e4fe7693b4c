"""Ids for the wire: nothing but the id changes, there and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.codec.jsonl import Line
from reconciler.codec.wire import from_wire, line_number, to_item, to_wire, wire_id
from reconciler.errors import BadLine

INTENT = "0123456789abcdef0123456789abcdef"
WIRE = "01234567-12"

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text(min_size=1, max_size=6).filter(lambda name: name != "custom_id")
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
SPACE = st.sampled_from(["", " ", "  ", "\t", "\r"])


@st.composite
def lines(draw: Any) -> tuple[bytes, str, dict[str, Any]]:
    """A line, its id, and its other members: in any order, with any white space, with or without escapes."""
    custom_id = draw(IDS)
    others = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    members = draw(st.permutations([("custom_id", custom_id), *others.items()]))
    text = draw(SPACE) + "{"
    for at, (name, value) in enumerate(members):
        ascii_only = draw(st.booleans())
        text += "," * bool(at) + draw(SPACE) + json.dumps(name, ensure_ascii=ascii_only)
        text += draw(SPACE) + ":" + draw(SPACE) + json.dumps(value, ensure_ascii=ascii_only) + draw(SPACE)
    return (text + "}" + draw(SPACE)).encode(errors="surrogatepass"), custom_id, others


def valid(data: bytes) -> bool:
    """Whether every text in *data* can be written as UTF-8."""
    try:
        json.dumps(json.loads(data.decode()), ensure_ascii=False).encode()
    except UnicodeError:
        return False
    return True


@given(lines(), IDS)
def test_there_and_back(made: tuple[bytes, str, dict[str, Any]], custom_id: str) -> None:
    """Only the id changes: the bytes around it are those that stood there, whatever the line looks like."""
    data, own, others = made
    if not valid(data):
        return
    away = to_wire(Line(1, 0, data), "f", WIRE)
    back = from_wire(Line(1, 0, away), "f", own)

    assert json.loads(away) == {**others, "custom_id": WIRE}
    assert json.loads(back) == {**others, "custom_id": own}
    assert to_wire(Line(1, 0, back), "f", WIRE) == away
    assert json.loads(from_wire(Line(1, 0, data), "f", custom_id)) == {**others, "custom_id": custom_id}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"custom_id":"a","params":{}}', b'{"custom_id":"01234567-12","params":{}}'),
        (b'{"custom_id": "a", "params": {}}', b'{"custom_id": "01234567-12", "params": {}}'),
        (
            b'{"params":{"custom_id":"a"},"custom_id":"a"}',
            b'{"params":{"custom_id":"a"},"custom_id":"01234567-12"}',
        ),
        (b' {"custom\\u005fid":"\\u0061"}\r', b'{"custom\\u005fid":"01234567-12"}'),
        ('{"x":"ä€😀","custom_id":"ü"}'.encode(), '{"x":"ä€😀","custom_id":"01234567-12"}'.encode()),
        (b'{"a":1,"a":1,"custom_id":1e0,"custom_id":"a"}', None),
        (b'{"custom_id":"a","custom\\u005fid":"a"}', None),
        (b'{"custom_id":5}', None),
        (b'{"custom_id":""}', None),
        (b'{"params":{}}', None),
        (b"[1]", None),
        (b'{"custom_id":"a"', None),
        (b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b',"custom_id":"a"}', None),
    ],
)
def test_to_wire(data: bytes, expected: bytes | None) -> None:
    """An id is replaced where it stands and nowhere else; a line without exactly one is refused."""
    if expected is None:
        with pytest.raises(BadLine):
            to_wire(Line(1, 0, data), "f", WIRE)
    else:
        assert to_wire(Line(1, 0, data), "f", WIRE) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'{"custom_id": "a", "url": "/v1", "body": {"a":  1}}',
            b'{"custom_id":"01234567-12","body":{"a":  1}}',
        ),
        (b'{"custom_id":5,"body":{}}', None),
        (b'{"custom_id":"","body":{}}', None),
        (b'{"custom_id":"a"}', None),
        (b'{"body":{}}', None),
    ],
)
def test_to_item(data: bytes, expected: bytes | None) -> None:
    """Id and body alone, the body byte for byte; a line without either is refused."""
    if expected is None:
        with pytest.raises(BadLine):
            to_item(Line(1, 0, data), "f", WIRE)
    else:
        assert to_item(Line(1, 0, data), "f", WIRE) == expected


def test_an_id_behind_any_depth() -> None:
    """An id that stands behind deep nesting is replaced, or its line is refused; nothing else comes of it."""
    for depth in range(600, 1010):
        deep = b"[" * depth + b"]" * depth
        try:
            found = to_wire(Line(1, 0, b'{"x":' + deep + b',"custom_id":"a"}'), "f", WIRE)
        except BadLine as error:
            assert "nested too deeply" in str(error)  # noqa: PT017 - some depths are read
        else:
            assert found == b'{"x":' + deep + b',"custom_id":"01234567-12"}'


def test_repeats_of_other_members_are_kept() -> None:
    """What does not say whose the line is stays as it was written, even twice."""
    data = b'{"a":"i","a":"i","custom_id":"i","b":1,"b":2}'
    assert to_wire(Line(1, 0, data), "f", WIRE) == data.replace(b'_id":"i"', b'_id":"01234567-12"')


@pytest.mark.parametrize(
    ("found", "intent", "number"),
    [
        ("01234567-12", INTENT, 12),
        ("01234567-12", None, 12),
        ("01234567-12", "f" * 32, None),
        ("01234567-0", INTENT, None),
        ("01234567-012", INTENT, None),
        ("01234567--1", INTENT, None),
        ("01234567-1x", INTENT, None),
        ("0123456-1", INTENT, None),
        ("01234567-٣", INTENT, None),
        ("", INTENT, None),
        ("r-1", INTENT, None),
    ],
)
def test_line_number(found: str, intent: str | None, number: int | None) -> None:
    """A wire id leads to its line, and nothing that merely looks like one does."""
    assert line_number(found, intent) == number


@given(st.integers(1, 10**9 - 1))
def test_wire_ids_are_read_as_they_are_written(number: int) -> None:
    """Every line has a wire id of its own, which names it, and which every provider takes as an id."""
    found = wire_id(INTENT, number)

    assert line_number(found, INTENT) == number
    assert len(found) <= 64
    assert found.replace("-", "").isalnum()
