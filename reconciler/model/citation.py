"""
What an answer rests on: passages of documents, as its provider quotes them, and the values they vouch for.

Pure values. `codec/citations.py` reads them, `processors/citing.py` finds the values.
"""

from __future__ import annotations

import enum

import attrs


class Unit(enum.StrEnum):
    """What a passage is counted in."""

    PAGE = "page"
    CHARACTER = "character"
    BLOCK = "block"
    NONE = "none"


@attrs.frozen
class Citation:
    """
    A passage that a piece of an answer rests on.

    Attributes:
        text: The piece of the answer.
        at: Where it begins in the answer's text, in characters from 0.
        cited_text: The passage, as the provider quotes it.
        document: Which document of the request it stands in, from 0; of search results, which result.
        title: What the document is called; for a file that was sent with the request, the file's name.
        unit: What the passage is counted in.
        first: Its first page (from 1), character or block (from 0).
        last: Its last one, included.
        source: Where a search result comes from.
    """

    text: str
    at: int
    cited_text: str
    document: int | None = None
    title: str | None = None
    unit: Unit = Unit.NONE
    first: int | None = None
    last: int | None = None
    source: str | None = None


@attrs.frozen
class Vouched:
    """
    A citation that vouches for a value of an answer.

    Attributes:
        confidence: How sure that is, from 0 to 1, by the rule of `processors/citing.py`.
        citation: The citation.
    """

    confidence: float
    citation: Citation
