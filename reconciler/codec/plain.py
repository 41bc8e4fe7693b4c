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
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

_CHARACTER: Final = rb'[^"\\\x00-\x1f]'
_TEXT: Final = rb'"%b*"' % _CHARACTER
_ID: Final = rb'"(%b+)"' % _CHARACTER

_REQUEST: Final = re.compile(
    rb'\{"(?:custom_id": ?%b, ?(?:"method": ?"POST", ?"url": ?"(%b+)", ?"body"|"(params|body)")'
    rb'|key": ?%b, ?"request"): ?' % (_ID, _CHARACTER, _ID)
)
"""The head of a request's line: id, then endpoint or name of the payload; for Gemini's the id alone."""

_ANSWER: Final = re.compile(
    rb'\{(?:"id": ?%b, ?)?"(?:custom_id|key)": ?%b, ?"(?:(response)|result)": ?' % (_TEXT, _ID)
)
_BLANK: Final = ord(" ")  # before "null": where the longer of the two tails has a blank
_NO_ERROR: Final = (b', "error": null}\n', b',"error":null}\n')

Block = bytes | bytearray
"""Bytes among which lines are looked at where they stand."""

AskedAt = tuple[int, int, bytes | None]
"""Where a line begins, where it ends behind its line feed, and its id as UTF-8; None if not plain."""

Fields = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""An id without its quotes; then text, finish reason, refusal, tool calls, usage and model as JSON text."""

Answered = tuple[int, int, bytes | None, Fields | None]
"""The same of an answer; and what `passing` has taken from it, if it was asked to."""

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


_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ANYTHING: Final = msgspec.json.Decoder(Anything)
RESPONSE: Final = msgspec.json.Decoder(Response)
RESULT: Final = msgspec.json.Decoder(Succeeded)


def plain_requests(block: Block, end: int) -> Iterator[AskedAt]:
    """
    The lines of requests in a block, each with its id where it is written plainly.

    Args:
        block: Whole lines; no copy is made of them.
        end: Where they end; what stands behind it is of no account.
    """
    view, ascii_only, stop = memoryview(block), block.isascii(), 0
    while stop < end:
        at, stop = stop, block.find(b"\n", stop, end) + 1 or end
        head = _REQUEST.match(block, at, stop)
        custom_id: bytes | None = None
        if head is not None and block.endswith(b"}\n", at, stop):
            try:
                if not ascii_only:
                    str(view[at:stop], "utf-8")
                _ANYTHING.decode(view[head.end() : stop - 2])
            except NOT_PLAIN:
                pass
            else:
                custom_id = head[1] or head[4]
        yield at, stop, custom_id


class PlainRequest(NamedTuple):
    """A request whose line is written plainly: `payload` is one of `body`, `params`, `request`."""

    custom_id: str
    url: str | None
    payload: str
    body: dict[str, Any]


def plain_request(line: bytes) -> PlainRequest | None:
    r"""One line without its "\n", decoded; None if it is not plain."""
    head = _REQUEST.match(line)
    if head is None or not line.endswith(b"}"):
        return None
    custom_id, url, payload, key = head.groups()
    try:
        body = _OBJECT.decode(memoryview(line)[head.end() : -1])
        if payload is not None:
            return PlainRequest(custom_id.decode(), None, payload.decode(), body)
        if url is not None:
            return PlainRequest(custom_id.decode(), url.decode(), "body", body)
        return PlainRequest(key.decode(), None, "request", body)
    except NOT_PLAIN:
        return None


def plain_answers(block: Block, end: int) -> Iterator[Answered]:
    """The same of answers: the lines, each with its id where it is plainly an answer."""
    view, ascii_only, stop = memoryview(block), block.isascii(), 0
    while stop < end:
        at, stop = stop, block.find(b"\n", stop, end) + 1 or end
        head = head_of(block, at, stop)
        tail = 0 if head is None else tail_of(block, at, stop)
        custom_id: bytes | None = None
        if head is not None and tail:
            try:
                if not ascii_only:
                    str(view[at:stop], "utf-8")
                value = view[head.end() : tail]
                if is_answer(RESPONSE.decode(value)) if head[2] else RESULT.decode(value).type == "succeeded":
                    custom_id = head[1]
            except NOT_PLAIN:
                pass
        yield at, stop, custom_id, None


head_of: Final = _ANSWER.match
"""The head of an answer line: group 1 is the id, group 2 stands where a `response` follows, no `result`."""


def tail_of(block: Block, at: int, end: int) -> int:
    """
    Where the last value of the answer line from *at* to *end* ends; 0 where no end is seen.

    An error inside of the value cannot be mistaken for the line's: what remained would be cut short.
    """
    if block.endswith(_NO_ERROR, at, end):
        return end - len(_NO_ERROR[0] if block[end - 7] == _BLANK else _NO_ERROR[1])
    return end - 2 if block.endswith(b"}\n", at, end) else 0


def is_answer(response: Response) -> bool:
    """Whether these members of a `response` show an answer; False leaves the question open."""
    body = response.body
    if body is UNSET:
        return response.status_code is UNSET and bool(response.candidates)
    if response.status_code not in SUCCESS:
        return False
    choices = body.choices
    if choices is not UNSET:
        return bool(choices)
    if body.output:
        return body.status in ("completed", "incomplete")
    return body.output is UNSET and body.object == "list" and bool(body.data)
