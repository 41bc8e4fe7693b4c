"""
What a custom error processor has answered, where it differs from what the error classes say.

Pure values; they stand in the receipt of `process-errors`, ids as their 128-bit hashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs


@attrs.frozen
class Overrides:
    """
    Answers that change something.

    Attributes:
        again: Hashes of ids that are asked again though their class is not.
        never: Hashes of ids that are not asked again though their class is.
        attention: How many ids a person should look at.
    """

    again: frozenset[int] = frozenset()
    never: frozenset[int] = frozenset()
    attention: int = 0


NO_OVERRIDES: Final = Overrides()


def overrides_fields(found: Overrides) -> dict[str, Any]:
    """The answers as they stand in a receipt."""
    return {
        "again": [f"{each:032x}" for each in sorted(found.again)],
        "never": [f"{each:032x}" for each in sorted(found.never)],
        "attention": found.attention,
    }


def read_overrides(receipt: Mapping[str, Any]) -> Overrides:
    """The inverse of `overrides_fields`, from a receipt."""
    return Overrides(
        frozenset(int(each, 16) for each in receipt.get("again", ())),
        frozenset(int(each, 16) for each in receipt.get("never", ())),
        int(receipt.get("attention", 0)),
    )
