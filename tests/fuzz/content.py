"""
The text of an answer, which a model may have written in any way: JSON, lines of it, and what is taken out.

No text is an error: what cannot be read is told, and what the length limit cut off is never mended.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import attrs
import msgspec

from reconciler.model.citation import Citation
from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.extraction import TAG_PREFIX, TAG_SUFFIX, Extraction, Kind, Think
from reconciler.model.outcome import Outcome
from reconciler.processors.content import How, Parsed, Unreadable, read
from reconciler.processors.extraction import Invalid, Taken, held_to, take
from tests.fuzz.oracle import expect, is_deep

EXTRACTIONS: Final = (
    Extraction(Kind.TAGS, TAG_PREFIX, TAG_SUFFIX),
    Extraction(Kind.TAGS, TAG_PREFIX, TAG_SUFFIX, think=Think.SEARCH),
    Extraction(Kind.POINTER, pointer="/a/0", repair="1"),
    Extraction(Kind.SCHEMA, schema='{"type":"object","required":["a"]}', repair="1"),
)

ANYTHING: Final = Extraction(Kind.SCHEMA, schema="{}", repair="1")


@attrs.frozen
class Readers:
    """The readers that are tried; a test puts broken ones in their places."""

    read: Callable[[Result, Content], Parsed | Unreadable] = read
    take: Callable[[Result, Extraction], Taken | Invalid] = take


READERS: Final = Readers()


def content(data: bytes, readers: Readers = READERS) -> None:
    """The bytes of an answer's text."""
    # Repair, which several of the readings below try, is allowed its tenth of a second for each 20 KB.
    text = data.decode("utf-8", "replace")[:20_000]
    for word in ("stop", "MAX_TOKENS"):
        result = Result("a", Outcome.ANSWERED, text=text, finish_reason=word)
        for kind in (Content.JSON, Content.JSONL):
            _read(readers.read(result, kind), text, whole=word == "stop", lines=kind is Content.JSONL)
        for extraction in EXTRACTIONS:
            _taken(readers.take(result, extraction), extraction, text)
        _vouched(text, word)


def _vouched(text: str, word: str) -> None:
    """Each citation that is mapped is one of the answer, and vouches for a value that is there."""
    third = max(1, len(text) // 3)
    pieces = [(at, text[at : at + third]) for at in range(0, len(text), third)]
    citations = tuple(Citation(piece, at, text[-third:]) for at, piece in pieces)
    held = held_to(
        Result("a", Outcome.ANSWERED, text=text, finish_reason=word, citations=citations), ANYTHING
    )
    for where, vouched in held.citation_mappings.items():
        value = held.value
        for step in where.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            value = value[int(name)] if isinstance(value, list) else value[name]
        expect(not isinstance(value, dict | list), "a value with parts", where)
        expect(all(each.citation in citations and 0 < each.confidence <= 1 for each in vouched), vouched)


def _read(found: Parsed | Unreadable, text: str, *, whole: bool, lines: bool) -> None:
    """A value can be written and read again; one that was mended was never cut off; reasons are short."""
    if isinstance(found, Unreadable):
        expect(0 < len(found.reason) < 1000, "a reason", found)
        return
    expect(whole or (found.how is not How.REPAIRED and not lines), "cut off, and mended", text, found)
    if is_deep(text.encode()):
        return
    _same(found.value)
    if found.how is How.WHOLE and not lines:
        told = json.loads(text.strip().removeprefix("\ufeff"), parse_float=float)
        expect(told == found.value, "another value than is written", told, found.value)


def _taken(found: Taken | Invalid, extraction: Extraction, text: str) -> None:
    """What was taken stands in the text, or can be written and read again; what was not is told in a line."""
    if isinstance(found, Invalid):
        expect(0 < len(found.reason) < 1000 and found.why, "a reason", found)
        expect(found.reason.isprintable(), "for no terminal", found)
    elif extraction.kind is Kind.TAGS:
        expect(found.value and found.value in text and TAG_SUFFIX not in found.value, "between tags", found)
    else:
        _same(found.value)


def _same(value: Any) -> None:
    expect(msgspec.json.decode(msgspec.json.encode(value)) == value, "written and read again", value)
