"""
Which citations vouch for which value of a structured answer, and how sure that is.

A provider cites pieces of an answer's text. Where the answer is JSON, the place of a value in that text says
which pieces speak of it, however deep it is nested. The rule, for each text, number, boolean and null:

- 1.0: the piece lies on this value and on no other;
- 0.8: it lies on several values, and the passage that it quotes says this one;
- 0.6: no piece lies on the value, and the passage of some piece says it;
- 0.4: the piece lies on several values, and the passage does not say this one; or no piece lies on the value,
  no passage says it, and a piece beside the JSON does.

A passage says a text if it holds it as whole words, capitals and white space aside, and a number if it holds
one of the same size, commas between thousands aside; texts and numbers of one character are said by nothing,
nor are booleans and nulls. Pure, and bounded however hostile the answer: what the bounds cut off stays among
the citations.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import attrs

from reconciler.model.citation import Citation, Vouched
from reconciler.processors.places import Leaf, leaves, leaves_of, pointer

ALONE: Final = 1.0
SAID: Final = 0.8
ELSEWHERE: Final = 0.6
AMONG: Final = 0.4

MOST: Final = 5_000
"""Entries that a mapping may have."""

ROOM: Final = 2_000_000
"""Characters that they may hold together, pointers included."""

LOOKED: Final = 20_000_000
"""Characters of passages that are looked through for values."""

_SHORTEST, _LONGEST = 2, 1_000
_A_LOOK: Final = 50
_NUMBER: Final = re.compile(r"(?<![\d.,])-?\d[\d,]{0,40}(?:\.\d{1,40})?(?!\d)")
_SPACES: Final = re.compile(r"\s+")


def mapped(
    text: str, begin: int, value: Any, citations: Sequence[Citation]
) -> Mapping[str, tuple[Vouched, ...]]:
    """
    The citations of an answer by the values that they vouch for.

    Args:
        text: Its text.
        begin: Where the JSON begins in it; -1 where it was mended, and values have no places.
        value: What the JSON says.
        citations: Its citations, in the order in which their pieces stand in the text.

    Returns:
        Citations by JSON pointer, the surest first; values that none vouches for are not in it.
    """
    if not citations:
        return {}
    found = leaves_of(value) if begin < 0 else leaves(text, begin)
    found.sort(key=lambda leaf: leaf.begin)  # stable: without places they stay as they are
    passages = [_Passage(each, text) for each in citations]
    over = [_lain_on(each, found) if begin >= 0 else range(0) for each in passages]
    on: dict[int, list[int]] = {}
    lying = ((leaf, at) for at, covered in enumerate(over) for leaf in covered)
    for leaf, at in islice(lying, MOST):
        on.setdefault(leaf, []).append(at)
    return _Mapping(found, passages, over, on).made()


@attrs.define
class _Mapping:
    """What is known of an answer, and how much of the bounds is left."""

    leaves: Sequence[Leaf]
    passages: Sequence[_Passage]
    over: Sequence[range]
    on: Mapping[int, list[int]]
    entries: int = MOST
    room: int = ROOM
    looked: int = LOOKED

    def made(self) -> Mapping[str, tuple[Vouched, ...]]:
        """All of it, or what the bounds leave of it."""
        found: dict[str, tuple[Vouched, ...]] = {}
        for at, leaf in enumerate(self.leaves):
            sure = [(self._lying(each, leaf), each) for each in self.on.get(at, ())] or self._elsewhere(leaf)
            if not sure:
                continue
            where = pointer(leaf.path)
            self.room -= len(where) + sum(self.passages[each].size for _, each in sure)
            self.entries -= len(sure)
            if self.room < 0 or self.entries < 0:
                break
            sure.sort(key=lambda each: -each[0])
            found[where] = tuple(Vouched(much, self.passages[each].citation) for much, each in sure)
        return found

    def _lying(self, at: int, leaf: Leaf) -> float:
        """How sure a citation is whose piece lies on a value."""
        if len(self.over[at]) == 1:
            return ALONE
        return SAID if self._says(self.passages[at].quoted, _wanted(leaf.value)) else AMONG

    def _elsewhere(self, leaf: Leaf) -> list[tuple[float, int]]:
        """The citations that say a value on which no piece lies."""
        wanted = _wanted(leaf.value)
        if wanted is None or self.looked < 0:
            return []
        said = [at for at, each in enumerate(self.passages) if self._says(each.quoted, wanted)]
        if said:
            return [(ELSEWHERE, at) for at in said]
        beside = [at for at, covered in enumerate(self.over) if not covered]
        return [(AMONG, at) for at in beside if self._says(self.passages[at].piece, wanted)]

    def _says(self, words: _Words, wanted: str | Decimal | None) -> bool:
        """Whether a text says a value, as long as there is patience to look."""
        self.looked -= len(words.text) + _A_LOOK
        return self.looked >= 0 and wanted is not None and words.say(wanted)


class _Words:
    """A text in which values are looked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._plain: str | None = None
        self._numbers: frozenset[Decimal] | None = None

    def say(self, wanted: str | Decimal) -> bool:
        """Whether it says a text or a number."""
        if isinstance(wanted, Decimal):
            if self._numbers is None:
                said = _NUMBER.findall(self.text)
                self._numbers = frozenset(Decimal(each.replace(",", "")) for each in said)
            return wanted in self._numbers
        if self._plain is None:
            self._plain = _plain(self.text)
        at = self._plain.find(wanted)
        for _ in range(_SHORTEST * 10):
            if at < 0:
                return False
            end = at + len(wanted)
            if not (_joined(self._plain, at) or _joined(self._plain, end)):
                return True
            at = self._plain.find(wanted, at + 1)
        return False


class _Passage:
    """A citation, and the texts of it in which values are looked for."""

    def __init__(self, citation: Citation, text: str) -> None:
        self.citation = citation
        self.quoted = _Words(citation.cited_text)
        self.piece = _Words(citation.text)
        self.size = len(citation.text) + len(citation.cited_text)
        # White space around a piece says nothing of what lies beside it.
        piece = text[citation.at : citation.at + len(citation.text)]
        self.begin = citation.at + len(piece) - len(piece.lstrip())
        self.end = citation.at + len(piece.rstrip())


def _lain_on(passage: _Passage, found: Sequence[Leaf]) -> range:
    """Which leaves a piece lies on: they follow each other."""
    first = bisect_right(found, passage.begin, key=lambda leaf: leaf.end)
    end = bisect_right(found, passage.end - 1, key=lambda leaf: leaf.begin)
    return range(first, max(first, end))


def _wanted(value: Any) -> str | Decimal | None:
    """What is looked for of a value; None where finding it would say nothing."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        shown = str(value)
        return Decimal(shown) if _SHORTEST <= len(shown) <= _LONGEST else None
    wanted = _plain(value[: _LONGEST + 1]).strip()
    return wanted if len(wanted) >= _SHORTEST and len(value) <= _LONGEST else None


def _plain(text: str) -> str:
    return _SPACES.sub(" ", text).casefold()


def _joined(text: str, at: int) -> bool:
    """Whether a word goes on at a place between two characters."""
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()
