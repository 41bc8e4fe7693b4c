"""
The files that pairwiseLLM leaves beside its registry, as lines of ours.

Its inputs for OpenAI are request lines already. Those for Anthropic and Gemini are one JSON document
`{"requests": [...]}`, whose items have `custom_id` and `params`, or `custom_id`, `ID1`, `ID2` and `request`.
Its outputs are what the provider served, but for Gemini: there each line is made by itself, with `custom_id`
and `result`, which holds the `response`, or the `error`.

Pure. Values keep their bytes but for white space between them. Source: pairwiseLLM's public repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from reconciler.codec.jsonl import Line, decode_strict
from reconciler.errors import BadLine


class _Item(msgspec.Struct):
    """One request of a document; what else it holds says nothing of it."""

    custom_id: msgspec.Raw = msgspec.Raw(b"")
    params: msgspec.Raw = msgspec.Raw(b"")
    request: msgspec.Raw = msgspec.Raw(b"")


class _Document(msgspec.Struct):
    requests: list[_Item]


class _Result(msgspec.Struct):
    """What became of a Gemini request, as it is written there."""

    response: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")


_DOCUMENT: Final = msgspec.json.Decoder(_Document)
_RESULT: Final = msgspec.json.Decoder(_Result)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NULL: Final = msgspec.Raw(b"null")
_BEGINS: Final = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"requests"\s*:')


def is_document(head: bytes) -> bool:
    """Whether a file that begins like this is one document of requests, and not request lines."""
    return _BEGINS.match(head) is not None


def request_lines(data: bytes, path: str) -> Iterator[bytes]:
    """
    The requests of a document, as lines without their line feeds.

    Args:
        data: The whole document.
        path: What it is called, for messages.

    Raises:
        BadLine: It is no such document, or one of its requests is none.
    """
    try:
        data.decode()
        items = _DOCUMENT.decode(data.removeprefix(b"\xef\xbb\xbf")).requests
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadLine(
            path, 0, f"neither request lines nor a document of requests ({str(error)[:200]})"
        ) from error
    for number, item in enumerate(items, 1):
        for id_name, name, payload in (
            ("custom_id", "params", item.params),
            ("key", "request", item.request),
        ):
            if bytes(payload) and bytes(item.custom_id):
                yield b'{"%b":%b,"%b":%b}' % (
                    id_name.encode(),
                    msgspec.json.format(bytes(item.custom_id), indent=-1),
                    name.encode(),
                    msgspec.json.format(bytes(payload), indent=-1),
                )
                break
        else:
            raise BadLine(path, 0, f"request {number} has no custom_id, or neither params nor request")


def gemini_answer(line: Line, path: str) -> bytes:
    """
    An answer line that it has made of a Gemini answer, as the provider would have served it in a file.

    Lines of the provider's own are as they are.

    Raises:
        BadLine: It is none of either.
    """
    members = decode_strict(line, path)
    if "result" not in members or "custom_id" not in members:
        return line.data
    try:
        result = _RESULT.decode(members["result"])
        response = result.response
        if bytes(response).lstrip()[:1] == b"[":
            # R writes a row of a table as a list of one.
            (response,) = _LIST.decode(response)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadLine(path, line.number, f"result is not one answer ({str(error)[:200]})") from error
    parts = [b'"key":' + bytes(members["custom_id"])]
    parts += [
        b'"%b":%b' % (name, bytes(value))
        for name, value in ((b"response", response), (b"error", result.error))
        if value != _NULL
    ]
    return b"{" + b",".join(parts) + b"}"
