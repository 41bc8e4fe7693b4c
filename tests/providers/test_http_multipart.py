"""A form is read back by a parser that others use, whatever its names hold."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart import FormParser

from reconciler.providers.calls import Form, Kind
from reconciler.providers.multipart import Encoded, encoded, quoted
from tests.providers.calling import World, call, serving, source
from tests.providers.loopback import reply

FIELDS: Final = {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "86400"}
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]))
NAME: Final = TEXT.filter(bool)


def whole(found: Encoded, offset: int = 0) -> bytes:
    """The bytes of a form."""
    return b"".join(found.source.read(offset))


def parsed(
    content_type: str, data: bytes
) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes, bytes]]]:
    """Its fields and its files, as a server sees them."""
    fields: list[Any] = []
    files: list[Any] = []
    boundary = content_type.partition("boundary=")[2]
    parser = FormParser("multipart/form-data", fields.append, files.append, boundary=boundary)
    parser.write(data)
    parser.finalize()
    for file in files:
        file.file_object.seek(0)
    return (
        [(field.field_name, field.value or b"") for field in fields],
        [(file.field_name, file.file_name, file.file_object.read()) for file in files],
    )


def test_an_upload_arrives_as_a_form() -> None:
    """Purpose, expiry and file, streamed with an exact length."""
    data = b'{"custom_id":"1"}\n' * 10_000
    one = Form(FIELDS, "7-0123.jsonl", "application/jsonl", source(data))
    with serving(reply()) as server, World().http() as http:
        http.send(call(server, Kind.UPLOAD, content=one))

    (seen,) = server.seen
    fields, files = parsed(seen.headers["content-type"], seen.body)
    assert fields == [(name.encode(), value.encode()) for name, value in FIELDS.items()]
    assert files == [(b"file", b"7-0123.jsonl", data)]
    assert b"Content-Type: application/jsonl\r\n" in seen.body
    assert seen.headers["content-length"] == str(len(seen.body))


@given(
    st.dictionaries(TEXT.filter(bool), TEXT, max_size=3), TEXT.filter(bool), TEXT.filter(bool), st.binary()
)
def test_any_names_are_read_back(fields: dict[str, str], filename: str, name: str, data: bytes) -> None:
    """No name ends its header or its part early, and no content does."""
    one = encoded(Form(fields, filename, "application/jsonl", source(data), name=name))

    found, files = parsed(one.content_type, whole(one))

    assert found == [(quoted(field), value.encode()) for field, value in fields.items()]
    assert files == [(quoted(name), quoted(filename), data)]
    assert len(whole(one)) == one.source.size


@given(st.binary(), st.data())
def test_a_form_is_read_from_any_offset(data: bytes, more: st.DataObject) -> None:
    """What is read from an offset is the rest of what is read from the start."""
    one = encoded(Form({"purpose": "batch"}, "x.jsonl", "text/plain", source(data, block=7)), boundary="b")
    offset = more.draw(st.integers(0, one.source.size))

    assert whole(one, offset) == whole(one)[offset:]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("7.jsonl", b"7.jsonl"),
        ('a"b', b"a%22b"),
        ("a\r\nb", b"a%0D%0Ab"),
        ("a\\b", b"a%5Cb"),
        ("é\ud800", b"\xc3\xa9?"),
    ],
)
def test_names_are_quoted_as_browsers_do(name: str, written: bytes) -> None:
    """Whatever would end the quotes is written as a percent code."""
    assert quoted(name) == written
