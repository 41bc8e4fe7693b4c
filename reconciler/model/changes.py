"""
What user code made of failed requests before they are asked again.

Pure values. They stand in the receipt of `change-requests`, ids as their 128-bit hashes; how a child's lines
differ from its parent's stands with the child, as a tally. The changed lines themselves are elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs

from reconciler.model.coverage import FileDigest, Tally
from reconciler.model.outcome import ErrorClass

VERB: Final = "change-requests"

_WIDTH: Final = 16


@attrs.frozen
class Kept:
    """
    Requests that are not asked again, for one reason.

    Attributes:
        why: In words.
        attention: Whether a person should look: the code is at fault, not the request.
        ids: Their hashes.
    """

    why: str
    attention: bool
    ids: frozenset[int]


@attrs.frozen
class Changes:
    """
    What the code of some error classes made of their failures.

    Attributes:
        by: Name and version of the code, by error class.
        lines: The file of the changed lines; None where there are none, or a child has them by now.
        kept: What is not asked again.
    """

    by: Mapping[ErrorClass, str] = attrs.field(factory=dict)
    lines: FileDigest | None = None
    kept: tuple[Kept, ...] = ()

    @property
    def never(self) -> frozenset[int]:
        """Hashes of the ids that are not asked again."""
        return frozenset().union(*(each.ids for each in self.kept))

    @property
    def attention(self) -> frozenset[int]:
        """Hashes of those that a person should look at."""
        return frozenset().union(*(each.ids for each in self.kept if each.attention))

    @property
    def told(self) -> str:
        """What is not asked again, in words."""
        ends = {True: "for a person to look at", False: "given up"}
        return "; ".join(f"{len(each.ids)} {ends[each.attention]} ({each.why})" for each in self.kept)

    def why(self, hashed: int) -> str | None:
        """Why one request is not asked again, None when nothing is said of it."""
        return next((each.why for each in self.kept if hashed in each.ids), None)

    def without(self, gone: Collection[int]) -> Changes:
        """What is left to say once the ids in *gone* are a child's."""
        kept = (attrs.evolve(each, ids=each.ids - frozenset(gone)) for each in self.kept)
        return attrs.evolve(self, kept=tuple(each for each in kept if each.ids))


NO_CHANGES: Final = Changes()


@attrs.frozen
class Changed:
    """
    How a child's lines differ from those of its parent.

    Attributes:
        tally: The changed lines, each as `difference` gives it.
        by: Name and version of the code that made them, by the error class of the failure.
    """

    tally: Tally
    by: Mapping[ErrorClass, str]


def line_digest(line: bytes) -> str:
    """SHA-256 of a request line, without its line feed."""
    return hashlib.sha256(line).hexdigest()


def difference(hashed: int, before: str, after: str) -> int:
    """
    A 128-bit hash of one changed line; other differences have another tally.

    Args:
        hashed: The hash of the id.
        before: The digest of the parent's line.
        after: That of the child's.
    """
    text = f"{hashed:032x} {before} {after}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_WIDTH).digest(), "big")


def changes_fields(found: Changes) -> dict[str, Any]:
    """As it stands in a receipt."""
    kept = [
        {
            "why": each.why,
            "attention": each.attention,
            "ids": [f"{hashed:032x}" for hashed in sorted(each.ids)],
        }
        for each in found.kept
    ]
    lines = None if found.lines is None else {"sha256": found.lines.sha256, "bytes": found.lines.size}
    return {"by": by_fields(found.by), "lines": lines, "kept": kept}


def read_changes(receipt: Mapping[str, Any]) -> Changes:
    """The inverse of `changes_fields`, from a receipt."""
    lines = receipt.get("lines")
    return Changes(
        read_by(receipt.get("by", {})),
        None if lines is None else FileDigest(str(lines["sha256"]), int(lines["bytes"])),
        tuple(
            Kept(str(each["why"]), bool(each["attention"]), frozenset(int(one, 16) for one in each["ids"]))
            for each in receipt.get("kept", ())
        ),
    )


def by_fields(by: Mapping[ErrorClass, str]) -> dict[str, str]:
    """Which code works on which class, as it stands in files."""
    return {each.value: name for each, name in by.items()}


def read_by(found: Mapping[str, Any]) -> dict[ErrorClass, str]:
    """The inverse of `by_fields`."""
    return {ErrorClass(each): str(name) for each, name in found.items()}
