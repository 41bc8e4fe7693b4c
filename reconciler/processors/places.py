"""
Where each value of a JSON text stands in it.

Pure. Readers of JSON tell what a text says; who wants to know which part of it says so needs the places.
"""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import Any, Final, TypeAlias

import attrs
import msgspec

Path: TypeAlias = "tuple[Path, str | int] | None"
"""The way to a value, its last step last: ways share what they have in common, however long names are."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_STRINGS: Final = JSONDecoder()
_SCALAR: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")


@attrs.frozen
class Leaf:
    """
    A text, number, boolean or null in a JSON text.

    Attributes:
        path: The way to it.
        begin: Where it begins; of a text what stands between its quotes.
        end: Where it ends.
        value: What it says.
    """

    path: Path
    begin: int
    end: int
    value: Any


def pointer(path: Path) -> str:
    """The way to a value as an RFC 6901 pointer."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(str(step).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{step}" for step in reversed(steps))


def leaves(text: str, begin: int) -> list[Leaf]:
    """
    The leaves of the JSON value that begins at a place of a text, in the order in which they stand.

    Args:
        text: A text in which a reader has read that value: it is sound, and not too deep for recursion.
        begin: Where it begins.
    """
    return _value(text, _past(text, begin), None)[0]


def leaves_of(value: Any) -> list[Leaf]:
    """The same of a value whose text is not known: no leaf has a place."""
    found: list[Leaf] = []
    ahead: list[tuple[Path, Any]] = [(None, value)]
    while ahead:
        path, each = ahead.pop()
        if isinstance(each, dict):
            ahead += [((path, name), inner) for name, inner in reversed(each.items())]
        elif isinstance(each, list):
            ahead += [((path, at), inner) for at, inner in reversed(list(enumerate(each)))]
        else:
            found.append(Leaf(path, -1, -1, each))
    return found


def _value(text: str, at: int, path: Path) -> tuple[list[Leaf], int]:
    """The leaves of the value that begins at a place, and where it ends."""
    match text[at]:
        case "{":
            return _object(text, at, path)
        case "[":
            return _array(text, at, path)
        case '"':
            value, end = _STRINGS.raw_decode(text, at)
            return [Leaf(path, at + 1, end - 1, value)], end
        case _:
            found = _SCALAR.match(text, at)
            end = at if found is None else found.end()
            return [Leaf(path, at, end, msgspec.json.decode(text[at:end]))], end


def _object(text: str, at: int, path: Path) -> tuple[list[Leaf], int]:
    members: dict[str, list[Leaf]] = {}
    at = _past(text, at + 1)
    while text[at] != "}":
        name, at = _STRINGS.raw_decode(text, at)
        # Of a name that is given twice the last one counts, as for every reader.
        members[name], at = _value(text, _past(text, _past(text, at) + 1), (path, name))
        at = _next(text, at)
    return [leaf for each in members.values() for leaf in each], at + 1


def _array(text: str, at: int, path: Path) -> tuple[list[Leaf], int]:
    found: list[Leaf] = []
    at, number = _past(text, at + 1), 0
    while text[at] != "]":
        inner, at = _value(text, at, (path, number))
        found += inner
        at, number = _next(text, at), number + 1
    return found, at + 1


def _next(text: str, at: int) -> int:
    """Where the next member or element begins, or the bracket that ends them."""
    at = _past(text, at)
    return _past(text, at + 1) if text[at] == "," else at


def _past(text: str, at: int) -> int:
    """Where white space ends."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
