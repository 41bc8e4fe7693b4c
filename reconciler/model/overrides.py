"""
What a custom error processor has answered, where it differs from what the error classes say.

Pure values; they stand in the receipt of `process-errors`, ids as their 128-bit hashes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs


@attrs.frozen
class Overrides:
    """
    Answers that change something.

    Attributes:
        again: Hashes of ids that are asked again though their class is not.
        never: Hashes of ids that are not asked again though their class is.
        attention: Hashes of ids that a person should look at.
    """

    again: frozenset[int] = frozenset()
    never: frozenset[int] = frozenset()
    attention: frozenset[int] = frozenset()

    def without(self, gone: Collection[int]) -> Overrides:
        """What is left of the answers once the ids in *gone* are a child's."""
        gone = frozenset(gone)
        return Overrides(self.again - gone, self.never - gone, self.attention - gone)


NO_OVERRIDES: Final = Overrides()
_KINDS: Final = ("again", "never", "attention")


def overrides_fields(found: Overrides) -> dict[str, Any]:
    """The answers as they stand in a receipt."""
    return {kind: [f"{each:032x}" for each in sorted(getattr(found, kind))] for kind in _KINDS}


def read_overrides(receipt: Mapping[str, Any]) -> Overrides:
    """The inverse of `overrides_fields`, from a receipt."""
    return Overrides(*(frozenset(int(each, 16) for each in receipt.get(kind, ())) for kind in _KINDS))
