"""
What stands in the way of a batch, in one word; `failure.py` has a type for each.

Pure.
"""

from __future__ import annotations

import enum


class Trouble(enum.StrEnum):
    """What stands in the way of a batch, in one word."""

    MISSING_INPUT = "missing-input"
    BAD_INPUT = "bad-input"
    ID_MISMATCH = "id-mismatch"
    BAD_RECORD = "bad-record"
    BAD_FILE = "bad-file"
    FILE_CHANGED = "file-changed"
    NAME_TAKEN = "name-taken"
    ANSWERS_GONE = "answers-gone"
    REFUSED = "refused"
    FAILED_FOR_GOOD = "failed-for-good"
    UNHANDLED = "unhandled"
    HELD = "held"
    NO_KEY = "no-key"
    IN_DOUBT = "in-doubt"
    STEP_FAILED = "step-failed"
    OTHER = "other"
