"""What differs between two published files, line by line where each line is a request's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs
import msgspec

from reconciler.model.coverage import hash_id
from reconciler.workspace.reading import Reading

EXAMPLES: Final = 3
"""How many changed lines are shown."""
_ROWS: Final = (".results.jsonl", "/index.jsonl")


@attrs.frozen
class Change:
    """
    One member of one line that is not what it was.

    Attributes:
        custom_id: The request; None for a file that has no lines of requests.
        member: Which member of its line, or the path of the file.
        old: What it was, None when there was nothing.
        new: What it is, None when it is not there any more.
    """

    custom_id: str | None
    member: str
    old: Any
    new: Any


@attrs.frozen
class Difference:
    """
    How what is published now differs from what was there.

    Attributes:
        unchanged: Lines, or files without lines of requests, that are what they were.
        changed: Those that are not.
        added: Those that were not there.
        gone: Those that are not there any more.
        examples: The first few members that differ.
    """

    unchanged: int = 0
    changed: int = 0
    added: int = 0
    gone: int = 0
    examples: tuple[Change, ...] = ()

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            self.unchanged + other.unchanged,
            self.changed + other.changed,
            self.added + other.added,
            self.gone + other.gone,
            (*self.examples, *other.examples)[:EXAMPLES],
        )

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.changed or self.added or self.gone)


NO_DIFFERENCE: Final = Difference()


def compare_files(look: Reading, path: str, old: str | None, new: str | None) -> Difference:
    """
    Compare what stands under two names.

    Args:
        look: The room for reading.
        path: What people know it as.
        old: Where the old file is, None when there is none.
        new: Where the new one is, None when there is none.
    """
    if path.endswith(_ROWS) and old is not None and new is not None:
        return _lines(look, old, new)
    if old is None:
        return Difference(added=1)
    if new is None:
        return Difference(gone=1)
    if look.digest(old) == look.digest(new):
        return Difference(unchanged=1)
    return Difference(changed=1, examples=(Change(None, path, None, None),))


def _lines(look: Reading, old: str, new: str) -> Difference:
    """Line by line, by the id of the request; kept per id is where its old line stands."""
    places: dict[int, tuple[int, int]] = {}
    spare = 0
    for offset, line in _placed(look, old):
        hashed = _id_of(line)
        if hashed is None or hashed in places:
            spare += 1
        else:
            places[hashed] = offset, len(line)
    found = Difference(gone=spare)
    with look.open_random(old) as read:
        for _, line in _placed(look, new):
            place = places.pop(_id_of(line) or -1, None)
            if place is None:
                found += Difference(added=1)
            elif (before := read(*place)) == line:
                found += Difference(unchanged=1)
            else:
                found += Difference(changed=1, examples=tuple(_members(before, line)))
    return found + Difference(gone=len(places))


def _placed(look: Reading, path: str) -> Iterator[tuple[int, bytes]]:
    """Each line with its first byte."""
    offset = 0
    with look.open(path) as stream:
        for line in stream:
            yield offset, line
            offset += len(line)


def _id_of(line: bytes) -> int | None:
    """The hash of a line's id; None where somebody has edited it away."""
    try:
        return hash_id(msgspec.json.decode(line, type=_Named).custom_id)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None


class _Named(msgspec.Struct):
    """A line, as far as it says whose it is."""

    custom_id: str


def _members(old: bytes, new: bytes) -> Iterator[Change]:
    """The members of a line that differ."""
    before, after = msgspec.json.decode(old), msgspec.json.decode(new)
    for member in dict.fromkeys((*after, *before)):
        if before.get(member) != after.get(member):
            yield Change(after["custom_id"], member, before.get(member), after.get(member))
