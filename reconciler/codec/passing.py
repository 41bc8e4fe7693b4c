r"""
Take from a plain answer what the results say of it, as JSON text that is passed on and not decoded.

Only what most answers are made of is known here: one text, no tool calls but OpenAI's, numbers of usual
size. For every other line the answer is None, and `decode_result` reads it; where both read a line, they
come to equal values, though not always to equal bytes (`\u00e9` stays `\u00e9` here).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from reconciler.codec.plain import (
    NOT_PLAIN,
    SUCCESS,
    Answered,
    Block,
    Fields,
    head_of,
    plain_answers,
    tail_of,
)

_Words = tuple[str | None, str | None, str | None]
"""Finish reason, refusal, model."""

_NULL: Final = b"null"
_NONE: Final = Raw(_NULL)
_QUOTE: Final = b'"'
_QUOTED: Final = ord(_QUOTE)
_OBJECT: Final = ord("{")
_SAME: Final = bytes.maketrans(b"123456789E", b"000000000e")
_EXPONENT: Final = b"0e"
_NO_ANSWER: Final[Fields] = (b"", b"", b"", b"", b"", b"", b"")
_LONG: Final = b"0" * 300
"""What a number beyond the range of floats has, when all digits are taken for zeros: either of the two."""


class _Message(msgspec.Struct, gc=False):
    content: Raw = _NONE
    refusal: str | None = None
    tool_calls: list[Raw] | None = None
    function_call: None = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message
    finish_reason: str | None = None
    text: None = None


class _Part(msgspec.Struct, gc=False):
    type: str
    text: Raw = _NONE
    refusal: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str
    content: list[_Part] | None = None


class _Why(msgspec.Struct, gc=False):
    reason: str | None = None


class _Body(msgspec.Struct, gc=False):
    choices: list[_Choice] | UnsetType = UNSET
    output: list[_Item] | UnsetType = UNSET
    status: str | None = None
    incomplete_details: _Why | None = None
    usage: Raw = _NONE
    model: str | None = None
    error: Raw = _NONE


class _Thought(msgspec.Struct, gc=False):
    text: Raw = _NONE
    thought: bool = False
    functionCall: None = None  # noqa: N815 - Gemini's name


class _Content(msgspec.Struct, gc=False):
    parts: list[_Thought] = []


class _Candidate(msgspec.Struct, gc=False):
    content: _Content
    finishReason: str | None = None  # noqa: N815 - Gemini's name


class _Response(msgspec.Struct, gc=False):
    status_code: int | UnsetType = UNSET
    body: _Body | UnsetType = UNSET
    candidates: list[_Candidate] = []
    usageMetadata: Raw = _NONE  # noqa: N815 - Gemini's name
    modelVersion: str | None = None  # noqa: N815 - Gemini's name
    error: None = None


class _Block(msgspec.Struct, gc=False):
    type: str
    text: Raw = _NONE
    citations: None = None


class _Answer(msgspec.Struct, gc=False):
    content: list[_Block]
    stop_reason: str | None = None
    usage: Raw = _NONE
    model: str | None = None


class _Result(msgspec.Struct, gc=False):
    type: str
    message: _Answer


_RESPONSE: Final = msgspec.json.Decoder(_Response)
_RESULT: Final = msgspec.json.Decoder(_Result)


def passed_answers(block: Block, end: int) -> Iterator[Answered]:
    """What `plain_answers` yields, and the fields of each answer that has them."""
    view, ascii_only, stop = memoryview(block), block.isascii(), 0
    while stop < end:
        at, stop = stop, block.find(b"\n", stop, end) + 1 or end
        fields = _taken(block, view, at, stop, ascii_only)
        if fields is _NO_ANSWER:
            yield at, stop, None, None
        elif fields is None:
            raw = bytes(view[at:stop])
            for _, _, custom_id, _ in plain_answers(raw, len(raw)):
                yield at, stop, custom_id, None
        else:
            yield at, stop, fields[0], fields


def plain_fields(raw: bytes) -> Fields | None:
    """
    Take what the results say from a line that is plainly an answer.

    Args:
        raw: The line, line feed included.

    Returns:
        JSON text for each field; None where the line has to be read the long way.
    """
    fields = _taken(raw, memoryview(raw), 0, len(raw), raw.isascii())
    return None if fields is _NO_ANSWER else fields


def _taken(block: Block, view: memoryview, at: int, stop: int, ascii_only: bool) -> Fields | None:  # noqa: FBT001 - called for every line
    """The same of the line from *at* to *stop*; `_NO_ANSWER` where a status says that it is none."""
    head = head_of(block, at, stop)
    if head is None:
        return None
    end = tail_of(block, at, stop)
    if not end:
        return None
    try:
        if not ascii_only:
            str(view[at:stop], "utf-8")
        if not head[2]:
            return _of_result(head[1], _RESULT.decode(view[head.end() : end]))
        response = _RESPONSE.decode(view[head.end() : end])
    except NOT_PLAIN:
        return None
    body = response.body
    if body is UNSET:
        return None if response.status_code is not UNSET else _of_candidates(head[1], response)
    if response.status_code not in SUCCESS:
        return _NO_ANSWER
    if bytes(body.error) != _NULL:
        return None
    if body.choices is not UNSET:
        return _of_choices(head[1], body, body.choices)
    return None if body.output is UNSET else _of_output(head[1], body, body.output)


def _of_choices(custom_id: bytes, body: _Body, choices: list[_Choice]) -> Fields | None:
    """Chat completions; the first choice is the answer."""
    if not choices:
        return None
    choice = choices[0]
    message = choice.message
    calls = _array(message.tool_calls) if message.tool_calls else _NULL
    if calls is None:
        return None
    text = bytes(message.content)
    if text[0] != _QUOTED and text != _NULL:
        return None
    words = choice.finish_reason, message.refusal, body.model
    return _fields(custom_id, text, words, body.usage, calls)


def _of_output(custom_id: bytes, body: _Body, output: list[_Item]) -> Fields | None:
    """Responses API: messages, and what the model did on the way; calls of our own tools are not plain."""
    if not output or body.status not in ("completed", "incomplete"):
        return None
    texts: list[Raw] = []
    for item in output:
        if item.type in ("function_call", "custom_tool_call"):
            return None
        if item.type == "message" and item.content:
            if any(part.type == "refusal" for part in item.content):
                return None
            texts += [part.text for part in item.content if part.type == "output_text"]
    why = body.incomplete_details
    words = (None if why is None else why.reason) or body.status, None, body.model
    return _fields(custom_id, _joined(texts), words, body.usage)


def _of_candidates(custom_id: bytes, response: _Response) -> Fields | None:
    """Gemini; the first candidate is the answer, and its thoughts are left out."""
    if not response.candidates:
        return None
    candidate = response.candidates[0]
    parts = [part.text for part in candidate.content.parts if not part.thought]
    words = candidate.finishReason, None, response.modelVersion
    return _fields(custom_id, _joined(parts), words, response.usageMetadata)


def _of_result(custom_id: bytes, result: _Result) -> Fields | None:
    """Anthropic; a refusal, calls of tools and citations are not plain."""
    message = result.message
    if result.type != "succeeded" or message.stop_reason == "refusal":
        return None
    if any(block.type == "tool_use" for block in message.content):
        return None
    texts = [block.text for block in message.content if block.type == "text"]
    return _fields(custom_id, _joined(texts), (message.stop_reason, None, message.model), message.usage)


def _fields(
    custom_id: bytes, text: bytes | None, words: _Words, usage: Raw, calls: bytes = _NULL
) -> Fields | None:
    """The fields as JSON text; None where usage is odd, or where the body has to speak for the answer."""
    finish_reason, refusal, model = words
    used = bytes(usage)
    if used != _NULL and (used[0] != _OBJECT or _is_odd(used)):
        return None
    if text is None or (text == _NULL and refusal is None and calls is _NULL):
        return None
    told = _NULL if refusal is None else msgspec.json.encode(refusal)
    return custom_id, text, _encoded(finish_reason), told, calls, used, _encoded(model)


def _joined(texts: list[Raw]) -> bytes | None:
    """The parts of a text as one; None unless all of them are strings and there is one."""
    parts = [bytes(text) for text in texts]
    if not parts or any(part[:1] != _QUOTE for part in parts):
        return None
    return parts[0] if len(parts) == 1 else b'"%b"' % b"".join(part[1:-1] for part in parts)


def _array(items: list[Raw]) -> bytes | None:
    """A list of objects as it stands; None when something else is among them."""
    parts = [bytes(item) for item in items]
    if any(part[:1] != b"{" or _is_odd(part) for part in parts):
        return None
    return b"[%b]" % b",".join(parts)


def _is_odd(text: bytes) -> bool:
    """Whether a number may stand in *text* that is too big to be decoded and encoded as a number."""
    alike = text.translate(_SAME)
    # Looked for from its end, digits are what is compared first, and they are rarer than the letter e.
    return alike.rfind(_EXPONENT) >= 0 or (len(text) >= len(_LONG) and _LONG in alike)


@functools.lru_cache(maxsize=256)
def _encoded(word: str | None) -> bytes:
    """One of a few words, as JSON text."""
    return msgspec.json.encode(word)
