r"""
The short way for lines that are written as most lines are: looked at once, and settled.

A line is taken apart as head, value, tail: the head is held against one pattern, the tail is one of a few
literals, and what is left has to be one JSON value. So the whole line is one object with exactly these
members, each given once, and nothing has to be searched for repeats. Whatever is written in any other way
is None here, neither accepted nor refused: the readers of `request` and `result` decide on it.

Lines come with their "\n"; the last one of a file may lack it, and then goes the long way.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

_CHARACTER: Final = rb'[^"\\\x00-\x1f]'
_TEXT: Final = rb'"%b*"' % _CHARACTER
_ID: Final = rb'"(%b+)"' % _CHARACTER

_REQUEST: Final = re.compile(
    rb'\{"(?:custom_id": ?%b, ?(?:"method": ?"POST", ?"url": ?"%b+", ?"body"|"params"|"body")'
    rb'|key": ?%b, ?"request"): ?' % (_ID, _CHARACTER, _ID)
)
_ANSWER: Final = re.compile(
    rb'\{(?:"id": ?%b, ?)?"(?:custom_id|key)": ?%b, ?"(?:(response)|result)": ?' % (_TEXT, _ID)
)
_BLANK: Final = ord(" ")
_NO_ERROR: Final = (b', "error": null}\n', b',"error":null}\n')


NOT_PLAIN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
SUCCESS: Final = range(200, 300)


class Anything(msgspec.Struct, gc=False):
    """Any object; its members are checked for syntax and not kept."""


class Body(msgspec.Struct, gc=False):
    """The members by which a body is plainly an answer; `error` of any other type is no plain matter."""

    choices: list[Anything] | UnsetType = UNSET
    output: list[Anything] | UnsetType = UNSET
    data: list[Anything] = []
    status: str | None = None
    object: str | None = None
    error: None = None


class Response(msgspec.Struct, gc=False):
    """The members by which a `response` is plainly an answer, in OpenAI's shape or in Gemini's."""

    status_code: int | UnsetType = UNSET
    body: Body | UnsetType = UNSET
    candidates: list[Anything] = []
    error: None = None


class Succeeded(msgspec.Struct, gc=False):
    """A `result` in Anthropic's shape that holds a message."""

    type: str
    message: Anything


_ANYTHING: Final = msgspec.json.Decoder(Anything)
RESPONSE: Final = msgspec.json.Decoder(Response)
RESULT: Final = msgspec.json.Decoder(Succeeded)


def plain_request(raw: bytes) -> bytes | None:
    """The id of a request line, as UTF-8; None where the line has to be read the long way."""
    head = _REQUEST.match(raw)
    if head is None or not raw.endswith(b"}\n"):
        return None
    try:
        if not raw.isascii():
            raw.decode()
        _ANYTHING.decode(raw[head.end() : -2])
    except NOT_PLAIN:
        return None
    return head[1] or head[2]


def plain_answer(raw: bytes) -> bytes | None:
    """The id of a line that is plainly an answer, as UTF-8; None where it has to be read the long way."""
    head = head_of(raw)
    end = tail_of(raw)
    if head is None or not end:
        return None
    try:
        if not raw.isascii():
            raw.decode()
        if head[2]:
            return head[1] if is_answer(RESPONSE.decode(raw[head.end() : end])) else None
        return head[1] if RESULT.decode(raw[head.end() : end]).type == "succeeded" else None
    except NOT_PLAIN:
        return None


head_of: Final = _ANSWER.match
"""The head of an answer line: group 1 is the id, group 2 stands where a `response` follows, no `result`."""


def tail_of(raw: bytes) -> int:
    """
    Where the last value of an answer line ends, counted from the end of the line; 0 where none is seen.

    An error inside of the value cannot be mistaken for the line's: what remained would be cut short.
    """
    if raw.endswith(_NO_ERROR):
        return -len(_NO_ERROR[0]) if raw[-7] == _BLANK else -len(_NO_ERROR[1])
    return -2 if raw.endswith(b"}\n") else 0


def is_answer(response: Response) -> bool:
    """Whether these members of a `response` show an answer; False leaves the question open."""
    body = response.body
    if body is UNSET:
        return response.status_code is UNSET and bool(response.candidates)
    if response.status_code not in SUCCESS or body.choices == []:
        return False
    if body.choices:
        return True
    if body.output:
        return body.status in ("completed", "incomplete")
    return body.output is UNSET and body.object == "list" and bool(body.data)
