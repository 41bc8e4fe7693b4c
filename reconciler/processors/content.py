"""
Read the text of an answer as JSON or as lines of JSON.

Models wrap JSON in fences and prose, and break it. What can be read is read, and how it was read is told;
what was cut off by the length limit is never repaired into something that looks whole.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import attrs
import msgspec

from reconciler.model.content import Content
from reconciler.model.exchange import Result
from reconciler.model.extraction import Think
from reconciler.processors.repair import BeyondRepair, repaired


class How(enum.StrEnum):
    """How a value was found in a text."""

    WHOLE = "whole"
    FENCED = "fenced"
    PROSE = "prose"
    REPAIRED = "repaired"


class Why(enum.StrEnum):
    """Why a text holds no value."""

    TRUNCATED = "truncated"
    BROKEN = "broken"
    REFUSED = "refused"
    NO_TEXT = "no-text"


@attrs.frozen
class Parsed:
    """A value that was found, and how; *at* is where it begins in the text, -1 where it was mended."""

    value: Any
    how: How
    at: int = attrs.field(default=-1, eq=False)


@attrs.frozen
class Unreadable:
    """Why there is none; *reason* is for people."""

    why: Why
    reason: str


TRUNCATING: Final = frozenset(
    "length max_tokens max_output_tokens incomplete model_length model_context_window_exceeded".split()
)
"""Finish reasons, in lower case, of an answer that its length limit cut off, whoever the provider."""

_FENCE: Final = re.compile(r"```[\w+-]*[ \t]*\r?\n(.*?)(```|\Z)", re.DOTALL)
# An array of objects, or of strings among which objects stand; a citation such as [1] is neither.
_ARRAY: Final = re.compile(r"""\[\s*[{"\[]""")
# What follows says whether a brace begins an object, well written or not, or is a word in braces.
_OBJECT: Final = re.compile(r"""\{\s*(?:["'}]|[A-Za-z_]\w*\s*:)""")
_CANDIDATES: Final = 200
"""Places in one text where a value is looked for; hostile text may hold a million brackets."""


_THINK, _THOUGHT = "<think>", "</think>"


def read(result: Result, content: Content, think: Think = Think.SKIP) -> Parsed | Unreadable:
    """
    The value of an answer.

    Args:
        result: An answer; not a failure.
        content: JSON or JSONL; JSONL gives a list.
        think: Whether a `<think>` block before the answer proper is searched too.
    """
    if result.text is None or not result.text.strip():
        if result.refusal:
            return Unreadable(Why.REFUSED, f"the model refused: {result.refusal[:200]}")
        return Unreadable(Why.NO_TEXT, "the answer has no text")
    cut = (result.finish_reason or "").lower() in TRUNCATING
    text = result.text.strip().removeprefix("\ufeff")
    if think is Think.SKIP:
        text = _answer_in(text)
    if not text:
        why = Why.TRUNCATED if cut else Why.NO_TEXT
        return Unreadable(why, "the answer holds thinking and nothing else")
    if content is Content.JSONL:
        return _read_lines(text, cut=cut)
    found = _read_one(text, cut=cut)
    if isinstance(found, Unreadable) or found.at < 0:
        return found
    return attrs.evolve(found, at=found.at + len(result.text.rstrip()) - len(text))


def behind_thinking(text: str) -> str:
    """
    What follows a `<think>` block with which a text begins; nothing where that block does not end.

    Templates of some models open the block in the prompt, so only its end stands in the answer.
    """
    if text.lstrip().startswith(_THINK):
        return text.partition(_THOUGHT)[2]
    before, end, after = text.partition(_THOUGHT)
    return after if end and _THINK not in before else text


def _answer_in(text: str) -> str:
    """The same, but that such words may stand within a value."""
    answer = behind_thinking(text).strip()
    whole = answer == text or any(_strict(each) is not _NOTHING for each in (text, text.partition("\n")[0]))
    return text if whole else answer


def _read_one(text: str, *, cut: bool) -> Parsed | Unreadable:
    """One JSON value."""
    value = _strict(text)
    if value is not _NOTHING:
        return Parsed(value, How.WHOLE, 0)
    for inside, closed, at in _fenced(text):
        value = _strict(inside) if closed else _NOTHING
        if value is not _NOTHING:
            return Parsed(value, How.FENCED, at)
    start, at, value = _in_prose(text)
    if value is not _NOTHING:
        return Parsed(value, How.PROSE, at)
    if cut:
        return Unreadable(Why.TRUNCATED, f"cut off by the length limit after {len(text)} characters")
    if start < 0:
        return Unreadable(Why.BROKEN, "there is no JSON in it")
    inside = next((inside for inside, _, _ in _fenced(text) if "{" in inside or "[" in inside), text[start:])
    return _repaired(inside)


def _read_lines(text: str, *, cut: bool) -> Parsed | Unreadable:
    """Lines of JSON, as a list."""
    inside = next((inside for inside, _, _ in _fenced(text)), None)
    how = How.WHOLE if inside is None else How.FENCED
    lines = [line for line in (text if inside is None else inside).split("\n") if line.strip()]
    if cut:
        # Nobody knows how many lines were to follow, nor whether the last one is whole.
        return Unreadable(Why.TRUNCATED, f"cut off by the length limit in line {len(lines)}")
    values = []
    for number, line in enumerate(lines, 1):
        value = _strict(line.strip())
        if value is _NOTHING:
            if line.lstrip()[:1] not in ("{", "["):
                return Unreadable(Why.BROKEN, f"line {number} is no JSON")
            mended = _repaired(line)
            if isinstance(mended, Unreadable):
                return attrs.evolve(mended, reason=f"line {number}: {mended.reason}")
            value, how = mended.value, How.REPAIRED
        values.append(value)
    return Parsed(values, how) if values else Unreadable(Why.BROKEN, "there is no line in it")


_NOTHING: Final = object()


def _strict(text: str) -> Any:
    """The value of a text that is JSON and nothing else, `_NOTHING` otherwise."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _NOTHING


def _fenced(text: str) -> Iterator[tuple[str, bool, int]]:
    """What stands in ``` fences, whether the fence was closed, and where it begins."""
    for found in _FENCE.finditer(text):
        inside = found[1].strip()
        yield inside, bool(found[2]), found.start(1) + len(found[1].rstrip()) - len(inside)


def _in_prose(text: str) -> tuple[int, int, Any]:
    """
    The longest object (or array) among other words.

    Returns:
        Where the first one begins (-1: nowhere), where the longest does, and its value; `_NOTHING` when one
        that begins does not end well: what stands inside a broken value is not the answer.
    """
    start = begin = _begin(text, 0)
    best, where, value = 0, -1, _NOTHING
    for _ in range(_CANDIDATES):
        if begin < 0:
            break
        try:
            _, end = _SCAN.raw_decode(text, begin)
        except (ValueError, RecursionError):
            return begin, -1, _NOTHING
        # An object outweighs any citation beside it.
        weight = end - begin + (len(text) if text[begin] == "{" or _ARRAY.match(text, begin) else 0)
        if weight > best:
            found = _strict(text[begin:end])
            if found is not _NOTHING:
                best, where, value = weight, begin, found
        begin = _begin(text, end)
    return start, where, value


def _begin(text: str, after: int) -> int:
    """Where the next object begins, or the array around it; an array alone where there is no object."""
    found, around = _OBJECT.search(text, after), _ARRAY.search(text, after)
    if found is None:
        return text.find("[", after)
    return around.start() if around is not None and around.start() < found.start() else found.start()


def _repaired(text: str) -> Parsed | Unreadable:
    """What a broken value probably was."""
    try:
        return Parsed(repaired(text), How.REPAIRED)
    except BeyondRepair as error:
        return Unreadable(Why.BROKEN, str(error))


def _no_constant(word: str) -> NoReturn:
    """NaN and Infinity are no JSON."""
    raise ValueError(f"{word} is no JSON")


_SCAN: Final = json.JSONDecoder(parse_constant=_no_constant)
