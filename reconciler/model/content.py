"""
What answers are read as.

Pure.
"""

from __future__ import annotations

import enum


class Content(enum.StrEnum):
    """What answers are read as."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
