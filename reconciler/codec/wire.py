"""
Ids for the wire: in place of a line's `custom_id` on the way out, and taken out again on the way home.

For a provider that keeps no tag: what it does keep, the ids, says whose batch it is. A wire id is the
beginning of the intent and the number of the request in the input, so that the input is the map and nothing
else is stored. All bytes of a line but those of its id stay.
"""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from reconciler.codec.jsonl import Line, decode_id, decode_strict
from reconciler.errors import BadLine

NAME: Final = "custom_id"
BODY: Final = "body"
MARK: Final = 8
"""Characters of the intent that a wire id begins with."""

_WIRE_ID: Final = re.compile(r"([0-9a-f]{8})-([1-9][0-9]{0,8})", re.ASCII)
_PLAIN: Final = re.compile(rb'\{"custom_id": ?("[^"\\\x00-\x1f]+")')
_SPACES: Final = re.compile(r"[ \t\r\n]*")
_JSON: Final = json.JSONDecoder(parse_int=str, parse_float=str)


def wire_id(intent: str, number: int) -> str:
    """The id that request *number* (from 1) has on the wire."""
    return f"{intent[:MARK]}-{number}"


def line_number(found: str, intent: str | None = None) -> int | None:
    """
    The request that a wire id speaks of.

    Args:
        found: An id of an answer.
        intent: Whose ids count; None for anybody's.

    Returns:
        Its number in the input, None when *found* is no wire id, or one of another intent.
    """
    parts = _WIRE_ID.fullmatch(found)
    if parts is None or (intent is not None and parts[1] != intent[:MARK]):
        return None
    return int(parts[2])


def to_wire(line: Line, path: str, found: str) -> bytes:
    """
    An input line under the wire id *found*, white space around it left out.

    Raises:
        BadLine: It is no object with one id.
    """
    return _put(line, path, found).strip(b" \t\r\n")


def to_item(line: Line, path: str, found: str) -> bytes:
    """
    An input line as `{"custom_id":...,"body":...}`: what else it says holds for the whole batch.

    Raises:
        BadLine: It is no object with one id and a body.
    """
    members = decode_strict(line, path)
    for name in (NAME, BODY):
        if name not in members:
            raise BadLine(path, line.number, f"{name} is missing")
    decode_id(members[NAME], NAME, line, path)
    return b'{"custom_id":%b,"body":%b}' % (msgspec.json.encode(found), bytes(members[BODY]))


def from_wire(line: Line, path: str, custom_id: str) -> bytes:
    """
    An answer line under the id *custom_id* of the request that it answers.

    Raises:
        BadLine: It is no object with one id.
    """
    return _put(line, path, custom_id)


def _put(line: Line, path: str, found: str) -> bytes:
    """The line with *found* as its id."""
    members = decode_strict(line, path)
    if NAME not in members:
        raise BadLine(path, line.number, f"{NAME} is missing")
    decode_id(members[NAME], NAME, line, path)
    plain = _PLAIN.match(line.data)
    start, end = plain.span(1) if plain else _span(line, path)
    put = line.data[:start] + msgspec.json.encode(found) + line.data[end:]
    # A second id, spelled with escapes, would be the one that readers take.
    if decode_strict(line._replace(data=put), path)[NAME] != msgspec.Raw(msgspec.json.encode(found)):
        raise BadLine(path, line.number, f"{NAME} is given twice")
    return put


def _span(line: Line, path: str) -> tuple[int, int]:
    """Where the id of a line stands, quotes included, when the line is not written as most are."""
    text = line.data.decode()
    at = _skip(text, 0) + 1
    try:
        while True:
            name, at = _JSON.raw_decode(text, _skip(text, at))
            start = _skip(text, _skip(text, at) + 1)
            _, at = _JSON.raw_decode(text, start)
            if name == NAME:
                return len(text[:start].encode()), len(text[:at].encode())
            at = _skip(text, at) + 1
    except (
        RecursionError,
        ValueError,
        IndexError,
    ) as error:  # pragma: no cover - one depth; not while traced
        raise BadLine(path, line.number, "nested too deeply") from error


def _skip(text: str, at: int) -> int:
    """The first character from *at* on that is no white space."""
    found = _SPACES.match(text, at)
    return found.end() if found else at
