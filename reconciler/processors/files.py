"""
The built-in output processor `files`: one file a request, and an index that says which is whose.

A custom_id is never a path: it becomes a file name only when it is harmless and cannot be taken for another.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec

from reconciler.model.content import Content
from reconciler.model.exchange import Result

INDEX: Final = "index.jsonl"

# Lower case only: on some file systems A and a are one name.
_HARMLESS: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}", re.ASCII)
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)
_LIKE_OURS: Final = re.compile(r".*-[0-9a-f]{16}", re.ASCII)
_ENDINGS: Final = {Content.TEXT: "txt", Content.JSON: "json", Content.JSONL: "jsonl"}


def folder_of(batch: str) -> str:
    """Where the files of a batch appear, relative to the workspace."""
    return f"target/{batch}.files"


def leaf_of(custom_id: str, content: Content) -> str:
    """
    The file name for an id: the id itself where that is harmless, else a readable part of it and its hash.

    Returns:
        A name of at most 104 characters; two ids never get the same one, however they are spelled.
    """
    ending = _ENDINGS[content]
    # The index has a name of its own, and so do the names that are made below.
    if _HARMLESS.fullmatch(custom_id) and not _LIKE_OURS.fullmatch(custom_id) and custom_id != "index":
        return f"{custom_id}.{ending}"
    digest = hashlib.blake2b(custom_id.encode(), digest_size=8).hexdigest()
    return f"{_ODD.sub('_', custom_id)[:80].strip('_-') or 'id'}-{digest}.{ending}"


def data_of(result: Result, content: Content) -> bytes:
    """What the file of an answer holds: the value where one was read, else the text, else the whole body."""
    if content is Content.JSONL and isinstance(result.value, list):
        return b"".join(msgspec.json.encode(each) + b"\n" for each in result.value)
    if content is not Content.TEXT:
        return msgspec.json.format(msgspec.json.encode(result.value), indent=2) + b"\n"
    if result.value_from:
        return str(result.value).encode()
    if result.text is not None:
        return result.text.encode()
    return msgspec.json.format(msgspec.json.encode(result.body), indent=2) + b"\n"


def index_line(custom_id: str, outcome: str, leaf: str | None, facts: dict[str, Any]) -> bytes:
    """One line of the index, newline included; *leaf* is None where a request has no file."""
    return msgspec.json.encode({"custom_id": custom_id, "outcome": outcome, "file": leaf, **facts}) + b"\n"


def leaves(index: bytes) -> set[str]:
    """The files that an index names; nothing of a line that is not ours."""
    found = set()
    for line in index.split(b"\n"):
        try:
            leaf = msgspec.json.decode(line, type=_Named).file
        except msgspec.MsgspecError:
            continue
        if leaf is not None and _OURS.fullmatch(leaf):
            found.add(leaf)
    return found


class _Named(msgspec.Struct):
    """A line of the index, as far as it names a file."""

    file: str | None = None


_OURS: Final = re.compile(r"[A-Za-z0-9_-]{1,100}\.(?:txt|json|jsonl)", re.ASCII)
