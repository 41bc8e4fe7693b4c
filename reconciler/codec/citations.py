"""
Read the citations of an answer in Anthropic's shape.

Source: Anthropic's API reference (messages, citations of text blocks) and its guide on citations: pages count
from 1, characters and blocks from 0, and what is named as the end is not part of the passage.

What is not written as the reference has it is left out, never an error: the answer itself is sound without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from reconciler.codec.failure import objects, text_or_none
from reconciler.model.citation import Citation, Unit

MOST: Final = 1_000
"""Citations of one answer that are read."""

ROOM: Final = 1_000_000
"""Characters that they may hold together: a piece is repeated for each of its citations."""

_BIGGEST: Final = 1 << 53
_UNITS: Final = {
    "page_location": (Unit.PAGE, "start_page_number", "end_page_number"),
    "char_location": (Unit.CHARACTER, "start_char_index", "end_char_index"),
    "content_block_location": (Unit.BLOCK, "start_block_index", "end_block_index"),
    "search_result_location": (Unit.BLOCK, "start_block_index", "end_block_index"),
    "web_search_result_location": (Unit.NONE, "", ""),
}


def citations_of(texts: Iterable[Mapping[str, Any]]) -> tuple[Citation, ...]:
    """
    The citations of an answer, in the order in which it bears them.

    Args:
        texts: Its blocks of text, which one after the other are its text.
    """
    found: list[Citation] = []
    room = ROOM
    for each in _every(texts):
        room -= len(each.text) + len(each.cited_text) + len(each.title or "") + len(each.source or "")
        if room < 0 or len(found) == MOST:
            break
        found.append(each)
    return tuple(found)


def _every(texts: Iterable[Mapping[str, Any]]) -> Iterator[Citation]:
    at = 0
    for block in texts:
        text = block.get("text")
        if not isinstance(text, str):
            continue
        for each in objects(block.get("citations")):
            citation = _citation(text, at, each)
            if citation is not None:
                yield citation
        at += len(text)


def _citation(text: str, at: int, said: Mapping[str, Any]) -> Citation | None:
    """One citation; None where its kind is not known, or it quotes nothing."""
    kind, cited = said.get("type"), said.get("cited_text")
    if not isinstance(kind, str) or kind not in _UNITS or not isinstance(cited, str):
        return None
    unit, first_key, end_key = _UNITS[kind]
    first, end = _number(said.get(first_key)), _number(said.get(end_key))
    if first is None or end is None or end <= first:
        # A passage of no known place is a passage all the same.
        unit, first, end = Unit.NONE, None, None
    searched = kind == "search_result_location"
    return Citation(
        text=text,
        at=at,
        cited_text=cited,
        document=_number(said.get("search_result_index" if searched else "document_index")),
        title=text_or_none(said.get("title" if "search" in kind else "document_title")),
        unit=unit,
        first=first,
        last=None if end is None else end - 1,
        source=text_or_none(said.get("source" if searched else "url")),
    )


def _number(value: object) -> int | None:
    """A whole number of a usual size."""
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _BIGGEST
    return value if whole and isinstance(value, int) else None
