r"""
Split a stream into lines, and decode one line strictly.

Lines end at "\n" and nowhere else: model text may hold U+2028 or U+0085 unescaped, on which str.splitlines()
cuts a line in two. Decoding refuses whatever two readers could take two ways: a member given twice, a second
document on the line, NaN, half a surrogate pair, bytes that are not UTF-8 even where nobody looks.
"""

from __future__ import annotations

import contextlib
import decimal
import functools
import json
import re
from collections.abc import Container, Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from reconciler.errors import BadLine

LINE_LIMIT: Final = 64 * 2**20
"""Bytes that a line may have unless the caller says otherwise."""

_BOM: Final = b"\xef\xbb\xbf"
_NEWLINE: Final = ord("\n")
_SPACE: Final = b" \t\r\n"  # what JSON takes for white space, no more
_NULL: Final = msgspec.Raw(b"null")

_IDENTIFYING: Final = (
    *("custom_id", "key", "metadata"),
    *("method", "url", "body", "params", "request"),
    *("response", "result", "error", "status"),
)
"""Members that say whose a line is and what became of it; one given twice would mean two things."""

_new: Final = tuple.__new__  # half the price of Line(...), on the way that many lines take

_SMALLEST_REPEAT: Final = len('"key":0,')

# Pairs come first, so that the group catches only a half that stands alone; the last branch steps over `\\`.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY: Final = msgspec.json.Decoder()
_TEXT: Final = msgspec.json.Decoder(str)


class Line(NamedTuple):
    r"""
    One line of a file, before it is decoded. A tuple, because a file has many of them.

    Attributes:
        number: 1-based, blank lines counted.
        offset: Where `data` begins in the stream, in bytes.
        data: The line without its line feed and, on line 1, without a byte order mark; other bytes stay.
        terminated: Whether "\n" followed. False only on the last line, which a cut download leaves torn.
    """

    number: int
    offset: int
    data: bytes
    terminated: bool = True


def iter_lines(
    stream: BinaryIO, path: str, *, limit: int = LINE_LIMIT, passed: Container[int] = ()
) -> Iterator[Line]:
    r"""
    Yield the lines of a file that hold something; lines of white space are counted and skipped.

    Args:
        stream: The file, open for reading at its start.
        path: Its name, for errors.
        limit: Bytes that a line may have without its "\n".
        passed: Numbers of lines that nobody wants: they are counted, and not looked at.

    Raises:
        BadLine: A line is longer than *limit*; no more of it was read.
    """
    end = 0
    for number, raw in enumerate(raw_lines(stream, limit), start=1):
        line = None if number in passed else line_at(raw, path, number, end, limit)
        end += len(raw)
        if line is not None:
            yield line


def raw_lines(stream: BinaryIO, limit: int = LINE_LIMIT) -> Iterator[bytes]:
    r"""Every line as it stands, with its "\n"; of one over the *limit*, its first *limit* + 1 bytes."""
    return iter(functools.partial(stream.readline, limit + 1), b"")


def line_at(raw: bytes, path: str, number: int, offset: int, limit: int = LINE_LIMIT) -> Line | None:
    """
    Make a line of what `raw_lines` gave; None when it is blank.

    Args:
        raw: The bytes.
        path: The file's name, for errors.
        number: The line's number, from 1.
        offset: Where *raw* begins in the stream.
        limit: The same as `raw_lines` had.

    Raises:
        BadLine: The line is longer than *limit*.
    """
    terminated = raw[-1] == _NEWLINE
    if not terminated and len(raw) > limit:
        raise BadLine(path, number, f"longer than {limit} bytes")
    if number == 1 and raw.startswith(_BOM):
        raw = raw[len(_BOM) :]
        offset = len(_BOM)
    data = raw[:-1] if terminated else raw
    if not data.strip(_SPACE):  # a copy only where there is white space around
        return None
    return _new(Line, (number, offset, data, terminated))


def decode_strict(line: Line, path: str) -> dict[str, msgspec.Raw]:
    """
    Decode one line into its members, whose values are checked but not yet decoded.

    Args:
        line: The line.
        path: The file's name, for errors.

    Returns:
        The members of the object, each value as the bytes that stand in the line.

    Raises:
        BadLine: The line is no UTF-8, no JSON, no single object, nested too deeply, or gives a member that
            identifies it twice. An unterminated line that is no JSON is reported as torn.
    """
    data = line.data
    try:
        if not data.isascii():
            data.decode()  # msgspec does not look at the bytes of strings that it skips
        members = _MEMBERS.decode(data)
    except msgspec.ValidationError as error:
        raise BadLine(path, line.number, f"not a JSON object: {quote(data)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLine(path, line.number, _why_malformed(line, error)) from error
    except RecursionError as error:
        raise BadLine(path, line.number, "nested too deeply") from error
    # Take away what the members fill, written without white space: what is left has to hold any repeat.
    slack = len(data) - 1
    for name, value in members.items():
        slack -= len(name) + 4 + len(value)
    if slack >= _SMALLEST_REPEAT:
        _refuse_repeats(members, line, path)
    return members


def decode_value(value: msgspec.Raw | bytes | str, line: Line, path: str) -> Any:
    """
    Decode a value that `decode_strict` let through, whatever its type.

    Numbers too big for msgspec (integers of thousands of digits, 1e999) come back exact, as int or Decimal.

    Args:
        value: JSON text: a member of *line*, or text found in one.
        line: The line that it stands in.
        path: The file's name, for errors.

    Returns:
        The value in Python's own types.

    Raises:
        BadLine: The text is no JSON, or nested too deeply.
    """
    try:
        try:
            return _ANY.decode(value)
        except msgspec.ValidationError:
            # Asked for no type, msgspec finds fault with nothing but the size of a number.
            text = value if isinstance(value, str) else bytes(value)
            return json.loads(text, parse_int=_exact_int, parse_float=_exact_float)
    except RecursionError as error:
        raise BadLine(path, line.number, "nested too deeply") from error
    except ValueError as error:
        raise BadLine(path, line.number, f"not JSON: {shorten(str(error))}") from error


def decode_id(value: msgspec.Raw, name: str, line: Line, path: str) -> str:
    """
    Take the id of a line.

    Args:
        value: The member that holds it.
        name: That member's name, for errors.
        line: The line that it stands in.
        path: The file's name, for errors.

    Returns:
        A string that is not empty, has no NUL and can be written as UTF-8.

    Raises:
        BadLine: Anything else; the reason quotes what was found.
    """
    try:
        found = _TEXT.decode(value)
    except msgspec.ValidationError as error:
        raise BadLine(path, line.number, f"{name} is not a string: {quote(bytes(value))}") from error
    if not found:
        raise BadLine(path, line.number, f"{name} is empty")
    if "\0" in found:
        raise BadLine(path, line.number, f"{name} holds a NUL: {quote(found)}")
    return found


def is_null(value: msgspec.Raw | None) -> bool:
    """Whether a member is absent or null."""
    return value is None or value == _NULL


def quote(found: bytes | str, limit: int = 60) -> str:
    """Foreign text in quotes: at most *limit* characters of it, and nothing that a terminal would obey."""
    text = found[: 4 * limit].decode(errors="replace") if isinstance(found, bytes) else found
    shown = repr(text[:limit])[: 2 * limit]
    return shown + ("..." if len(text) > limit or len(shown) == 2 * limit else "")


def shorten(text: str, limit: int = 200) -> str:
    """Foreign text without quotes, on the same terms as `quote`: printable, at most *limit* characters."""
    shown = "".join(c if c.isprintable() else " " for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _why_malformed(line: Line, error: Exception) -> str:
    if not line.terminated:
        return f"the file ends in the middle of a line (at byte {line.offset + len(line.data)})"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: byte {error.object[error.start]:#04x} at byte {error.start} of the line"
    for escape in _ESCAPE.finditer(line.data):
        if escape[1]:
            return f"half a surrogate pair, {quote(escape[0])}, at byte {escape.start()} of the line"
    return f"not JSON: {shorten(str(error))}"


def _refuse_repeats(members: dict[str, msgspec.Raw], line: Line, path: str) -> None:
    """Raise BadLine when a member that identifies the line is given twice, spelled without escapes."""
    for name in _IDENTIFYING:
        if name not in members:
            continue
        token = b'"%b"' % name.encode()
        # The first value of a repeat is not among the members, so both of its tokens stand outside of them.
        outside = line.data.count(token) - sum(bytes(value).count(token) for value in members.values())
        if outside > 1 and _times_given(name, line, path) > 1:
            raise BadLine(path, line.number, f"{name} is given twice")


def _times_given(name: str, line: Line, path: str) -> int:
    try:
        pairs = json.loads(line.data, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise BadLine(path, line.number, "nested too deeply") from error
    return sum(found == name for found, _ in pairs)


def _exact_int(digits: str) -> int | decimal.Decimal:
    try:
        return int(digits)
    except ValueError:  # longer than sys.get_int_max_str_digits() allows
        return decimal.Decimal(digits)


def _exact_float(digits: str) -> float | decimal.Decimal:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        with contextlib.suppress(decimal.InvalidOperation):
            return decimal.Decimal(digits)
    return value
