"""
Where the answer of each request stands, in the order of the input.

Pure. Kept in arrays and not in an object a line: a batch may have a million lines, and what matching has
learned of them goes from there to the results, sometimes from one process to another.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import Final

import attrs

from reconciler.model.exchange import Result
from reconciler.model.extraction import Extraction
from reconciler.model.identity import ANSWERS, Role
from reconciler.model.outcome import ErrorClass

_WIDTH: Final = 16
_NOT_ZERO: Final = re.compile(rb"[^\0]")
_CLASSES: Final = tuple(ErrorClass)
_CODES: Final = {error_class: code for code, error_class in enumerate(_CLASSES, start=1)}
ROLE_CODES: Final = {role: code for code, role in enumerate(ANSWERS, start=1)}
"""How the files of answers are written down in `Answers.roles`."""


@attrs.frozen
class Place:
    """
    Where one answer line stands, and what it says in short.

    Attributes:
        role: Its file.
        number: Its line.
        offset: Its first byte.
        size: Its length in bytes, without a line feed.
        failed: Its error class, None when it is an answer.
    """

    role: Role
    number: int
    offset: int
    size: int
    failed: ErrorClass | None


def _numbers() -> array[int]:
    return array("Q")


@attrs.define(eq=False)
class Answers:
    """
    The places of the answers of one batch; requests are known by their position in the input, from 0.

    Attributes:
        digests: The 16-byte digest of each request's id, one after the other.
        heads: Of small batches, the results line of each plain answer up to what all lines share.
        failures_read: Of small batches, failures that were decoded on the way, by position.
        extraction: What the answers were held to.
        starts: The first byte of each request's line in the input.
        lines: The number of that line.
        roles: For each request a code of the file that answers it, 0 while none does.
        failed: For each request a code of the class of its failure, 0 when it has not failed.
        numbers: The line of each answer.
        offsets: The first byte of each answer.
        sizes: The length of each answer.
    """

    digests: bytearray = attrs.field(factory=bytearray)
    heads: list[bytes | None] | None = None
    failures_read: dict[int, Result] = attrs.field(factory=dict, init=False)
    extraction: Extraction | None = None
    starts: array[int] = attrs.field(factory=_numbers)
    lines: array[int] = attrs.field(factory=_numbers)
    roles: bytearray = attrs.field(factory=bytearray, init=False)
    failed: bytearray = attrs.field(factory=bytearray, init=False)
    numbers: array[int] = attrs.field(factory=_numbers, init=False)
    offsets: array[int] = attrs.field(factory=_numbers, init=False)
    sizes: array[int] = attrs.field(factory=_numbers, init=False)

    def __attrs_post_init__(self) -> None:
        count = len(self)
        self.roles, self.failed = bytearray(count), bytearray(count)
        self.numbers, self.offsets, self.sizes = (array("Q", bytes(8 * count)) for _ in range(3))

    def __len__(self) -> int:
        return len(self.digests) // _WIDTH

    def fail(self, at: int, error_class: ErrorClass) -> None:
        """Say that the request at a position has failed."""
        self.failed[at] = _CODES[error_class]

    def place(self, at: int) -> Place | None:
        """Where the answer to the request at a position stands, None when there is none."""
        code, failed = self.roles[at], self.failed[at]
        if not code:
            return None
        return Place(
            ANSWERS[code - 1],
            self.numbers[at],
            self.offsets[at],
            self.sizes[at],
            _CLASSES[failed - 1] if failed else None,
        )

    def hashed(self, at: int) -> int:
        """The hash of the id at a position, as `hash_id` gives it."""
        return int.from_bytes(self.digests[_WIDTH * at : _WIDTH * (at + 1)], "big")

    @property
    def complete(self) -> bool:
        """Whether every request has an answer of some kind."""
        return 0 not in self.roles

    def failures(self) -> Iterator[tuple[int, Place]]:
        """Position and place of every failure, in input order."""
        for found in _NOT_ZERO.finditer(self.failed):
            place = self.place(found.start())
            if place is not None:
                yield found.start(), place

    def missing(self) -> Iterator[int]:
        """The positions without any answer, in input order."""
        at = self.roles.find(0)
        while at >= 0:
            yield at
            at = self.roles.find(0, at + 1)
