"""
Mend JSON that a model has broken, within a bound.

The library that mends reads some texts over and over: an array of stray quotation marks costs it the square
of their number. So its looks at the text are counted, and what takes too many is refused. A count, unlike a
clock, ends alike on every machine: whether an answer has a value is part of the account.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any, Final, SupportsIndex

import msgspec

_HUGE: Final = re.compile(r"[0-9]{300,}")
_LARGEST: Final = 100_000
"""Characters up to which repair is tried."""

_LOOKS: Final = 10_000
_LOOKS_PER_CHARACTER: Final = 10
"""How often repair may look at a text: of 4,000 broken at random the worst took 5.5 looks a character."""
_SLICE: Final = 1_000
"""Characters of a slice that cost as much as one look."""

DEPTH: Final = 100
"""How deep a value may be nested: readers, repair and schemas work by recursion, and the stack has an end."""

_BRACKET: Final = re.compile(r"[\[{\]}]")
_CLOSED_BY: Final = {"[": "]", "{": "}"}
# A string that does not end reaches to the end of the text: looking on inside of it would take for ever.
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


class BeyondRepair(ValueError):
    """A text of which no value is made; its words say why, for people."""


def repaired(text: str) -> Any:
    """
    What a broken object or array probably was.

    Raises:
        BeyondRepair: It cannot be told, or not within the bounds.
    """
    if _HUGE.search(text):
        raise BeyondRepair("it holds a number of hundreds of digits, which no reader keeps exact")
    if len(text) > _LARGEST:
        raise BeyondRepair(f"no JSON, and too large to be repaired ({len(text)} characters)")
    # One quotation mark too many turns strings inside out: repair follows brackets that others take for text.
    if nested_text(text) or _depth(text) > DEPTH:
        raise BeyondRepair(f"no JSON, and its brackets nest more than {DEPTH} deep")
    import json_repair  # noqa: PLC0415 - 57 ms that most passes never need

    counted = _Counted.of(text, [_LOOKS + _LOOKS_PER_CHARACTER * len(text)])
    try:
        value = json_repair.loads(counted, skip_json_loads=True)
        written = json.dumps(value, allow_nan=False)
    except _TooLong as error:
        raise BeyondRepair(f"no JSON, and too tangled to be repaired ({len(text)} characters)") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise BeyondRepair(f"no JSON, and beyond repair ({str(error)[:100]})") from error
    if not isinstance(value, dict | list) or not value:
        raise BeyondRepair("no JSON, and beyond repair")
    try:
        return msgspec.json.decode(written)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # A half surrogate pair is written as an escape that nobody reads back.
        raise BeyondRepair("no JSON, and beyond repair") from error


def nested_text(text: str) -> bool:
    """Whether brackets outside of strings nest too deep to be read; told without recursion."""
    if text.count("{") + text.count("[") <= DEPTH:
        return False
    return _depth(_STRINGS.sub("", text)) > DEPTH


def _depth(text: str) -> int:
    """
    How deep brackets nest.

    Repair passes over a bracket that closes another kind, so that what it should have closed stays open.
    """
    open_: list[str] = []
    deepest = 0
    for found in _BRACKET.finditer(text):
        if found[0] in _CLOSED_BY:
            open_.append(_CLOSED_BY[found[0]])
            deepest = max(deepest, len(open_))
        elif open_ and open_[-1] == found[0]:
            open_.pop()
    return deepest


@functools.cache
def repair_version() -> str:
    """The version of what repairs broken JSON; another one may repair otherwise."""
    from importlib.metadata import version  # noqa: PLC0415 - where an account hangs on it

    return version("json-repair")


class _TooLong(Exception):
    """Repair has looked at a text too often."""


class _Counted(str):
    """A text that may be looked at so often, together with what is cut out of it and put together again."""

    __slots__ = ("left",)
    left: list[int]

    @classmethod
    def of(cls, text: str, left: list[int]) -> _Counted:
        """The text; *left* is one number, which goes down, for all that comes of it."""
        made = cls(text)
        made.left = left
        return made

    def __getitem__(self, at: SupportsIndex | slice) -> str:
        found = super().__getitem__(at)
        left = self.left
        left[0] -= 1
        if left[0] < 0:
            raise _TooLong
        if isinstance(at, slice):
            left[0] -= len(found) // _SLICE
            return _Counted.of(found, left)
        return found

    def __add__(self, other: str) -> str:
        self.left[0] -= (len(self) + len(other)) // _SLICE
        return _Counted.of(super().__add__(other), self.left)
