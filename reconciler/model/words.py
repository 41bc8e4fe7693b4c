"""
Numbers with their nouns, for messages.

Pure.
"""

from __future__ import annotations


def many(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 id`, `2 ids`; *nouns* where adding an s is not enough."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"
