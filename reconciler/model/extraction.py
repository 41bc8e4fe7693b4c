"""
What is taken out of an answer, and what an answer has to hold for that.

Pure data, never code: it is kept with the account that was drawn up by it, so that any process, at any
time, can draw the same account again. `processors/extraction.py` takes out, and `config/extraction.py`
reads the settings.
"""

from __future__ import annotations

import enum
import hashlib
import json
from typing import Any, Final

import attrs


class Kind(enum.StrEnum):
    """By what it is found."""

    TAGS = "tags"
    POINTER = "pointer"
    SCHEMA = "schema"


class Think(enum.StrEnum):
    """What becomes of a `<think>` block before the answer proper."""

    SKIP = "skip"
    SEARCH = "search"


TAG_PREFIX: Final = "<BETTER_SAMPLE>"
TAG_SUFFIX: Final = "</BETTER_SAMPLE>"
"""The tags where none are named: those of pairwiseLLM's multi-batch functions."""


@attrs.frozen
class Extraction:
    """
    One way to take something out of answers; an answer that does not hold it is invalid.

    Attributes:
        kind: By what it is found. Of the fields below, those of other kinds are empty.
        prefix: What stands before it.
        suffix: What stands behind it.
        pointer: An RFC 6901 JSON pointer into the answer; empty is all of it.
        schema: A JSON Schema that the answer has to satisfy, as JSON text with sorted keys.
        think: Whether a `<think>` block is searched too.
        repair: The version of what repairs broken JSON, which the account may hang on; empty for tags.
    """

    kind: Kind
    prefix: str = ""
    suffix: str = ""
    pointer: str = ""
    schema: str = ""
    think: Think = Think.SKIP
    repair: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """Every field that says something, in a fixed order."""
        found = {each.name: getattr(self, each.name) for each in attrs.fields(Extraction)}
        return {name: str(value) for name, value in found.items() if value or name == self.kind}

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, hexadecimal."""
        return hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode()).hexdigest()
