"""
Where every request id of a batch stands, as counts and digests that can be added up.

Pure. A digest of ids is the sum of their 128-bit hashes: the order of lines does not matter, a
repeated id counts twice, and the parts of an account add up to the whole without listing one id.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from reconciler.model.extraction import Extraction
from reconciler.model.identity import Role
from reconciler.model.outcome import ErrorClass

_WIDTH: Final = 16
_MODULUS: Final = 1 << (8 * _WIDTH)


def hash_id(custom_id: str) -> int:
    """
    A 128-bit hash of an id's exact code points.

    Raises:
        UnicodeEncodeError: The id holds a lone surrogate; the codec refuses such ids.
    """
    return int.from_bytes(digest_id(custom_id.encode()), "big")


def digest_id(custom_id: bytes) -> bytes:
    """The same hash as its 16 bytes, of an id that is UTF-8 already."""
    return hashlib.blake2b(custom_id, digest_size=_WIDTH).digest()


@attrs.frozen
class Tally:
    """
    A multiset of ids, reduced to its size and an order-independent digest.

    Attributes:
        requests: How many ids.
        ids: Sum of their hashes modulo 2**128.
    """

    requests: int = 0
    ids: int = 0

    @classmethod
    def of(cls, hashes: Iterable[int]) -> Tally:
        """The tally of ids given by their hashes."""
        requests = total = 0
        for value in hashes:
            requests += 1
            total += value
        return cls(requests, total % _MODULUS)

    @classmethod
    def of_digests(cls, digests: bytes | bytearray) -> Tally:
        """The tally of ids given by their 16-byte digests, one after the other."""
        halves = array("Q", digests)
        if sys.byteorder == "little":  # pragma: no branch - the other machines are big-endian
            halves.byteswap()
        total = (sum(halves[0::2]) << 64) + sum(halves[1::2])
        return cls(len(halves) // 2, total % _MODULUS)

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.requests + other.requests, (self.ids + other.ids) % _MODULUS)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(self.requests - other.requests, (self.ids - other.ids) % _MODULUS)

    @property
    def digest(self) -> str:
        """The digest as 32 hexadecimal digits, as it stands on disk."""
        return f"{self.ids:032x}"


@attrs.frozen
class FileDigest:
    """
    The content of a file.

    Attributes:
        sha256: Hexadecimal.
        size: In bytes.
    """

    sha256: str
    size: int


NOTHING: Final = Tally()


@attrs.frozen
class Coverage:
    """
    The account of one batch: every input id stands in exactly one of the five parts.

    Attributes:
        input: All ids of the input.
        answered: Ids with an answer.
        failed: Ids whose failure is not retried in a child and not dismissed.
        retried: Ids that a retry child owns.
        dismissed: Ids that a person gave up.
        missing: Ids of which no file says anything.
        by_class: `failed` once more, by error class.
        digests: The files that this was computed from.
        extraction: What answers were held to; those that fell short have failed. None where they were not.
    """

    input: Tally
    answered: Tally = NOTHING
    failed: Tally = NOTHING
    retried: Tally = NOTHING
    dismissed: Tally = NOTHING
    missing: Tally = NOTHING
    by_class: Mapping[ErrorClass, Tally] = attrs.field(factory=dict)
    digests: Mapping[Role, FileDigest] = attrs.field(factory=dict)
    extraction: Extraction | None = None

    @property
    def accounted(self) -> Tally:
        """Everything that has an end: answered, failed, retried or dismissed."""
        return self.answered + self.failed + self.retried + self.dismissed

    @property
    def given_up(self) -> Tally:
        """The ids that nobody asks any more though they have no answer, be it by policy or by a person."""
        return self.failed + self.dismissed

    @property
    def given(self) -> Tally:
        """The answers that came, those that are invalid included: all of them were paid for."""
        return self.answered + self.by_class.get(ErrorClass.INVALID_ANSWER, NOTHING)

    @property
    def balanced(self) -> bool:
        """Whether every input id has an end; only then may the batch move to `done/`."""
        return self.missing == NOTHING and self.accounted == self.input

    @property
    def conserved(self) -> bool:
        """Whether the five parts add up to the input, nothing lost and nothing counted twice."""
        return self.accounted + self.missing == self.input

    def failed_in(self, classes: Iterable[ErrorClass]) -> Tally:
        """The part of `failed` whose class is one of *classes*."""
        wanted = frozenset(classes)
        return sum((tally for name, tally in self.by_class.items() if name in wanted), NOTHING)
