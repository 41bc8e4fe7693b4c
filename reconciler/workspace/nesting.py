"""How deep a document of ours may nest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

NESTED: Final = 100
"""Lists and objects within each other in a document of ours: what can be read must not hang on the stack."""


def may_be_deep(data: bytes) -> bool:
    """Whether a document has brackets enough to be nested too deeply."""
    return data.count(b"[") + data.count(b"{") > NESTED


def shallow(data: bytes, found: Any) -> Any:
    """
    What was read from *data*, as it is.

    Raises:
        ValueError: It is nested too deeply.
    """
    if not may_be_deep(data):
        return found
    level = [found]
    for _ in range(NESTED + 1):
        level = [each for value in level for each in _within(value)]
        if not level:
            return found
    raise ValueError("it is nested too deeply")


def _within(value: Any) -> Iterable[Any]:
    """What stands in a value."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
