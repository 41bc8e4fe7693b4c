"""
A provider's word for the state of its batch, and what that word means here.

Pure. An unknown word is kept and read as "not finished": guessing otherwise would lose answers.
"""

from __future__ import annotations

import enum
from typing import Final


class Phase(enum.StrEnum):
    """What a provider's status means for planning."""

    RUNNING = "running"
    """Not finished: come back later."""
    DONE = "done"
    """Finished; every file that exists can be downloaded."""
    PARTIAL = "partial"
    """Expired or cancelled: what was answered is there and paid, the rest never ran."""
    REFUSED = "refused"
    """The input was not accepted; nothing ran."""


# The words of OpenAI and Azure, Anthropic, Gemini, Mistral, Together and xAI, without the prefixes
# JOB_STATE_ and BATCH_STATE_, in lower case. A cancelled or expired Anthropic batch also says "ended":
# there the counts of its lines tell, not the status.
_PHASES: Final = {
    "completed": Phase.DONE,
    "ended": Phase.DONE,
    "succeeded": Phase.DONE,
    "partially_succeeded": Phase.DONE,
    "success": Phase.DONE,
    "expired": Phase.PARTIAL,
    "timeout_exceeded": Phase.PARTIAL,
    "cancelled": Phase.PARTIAL,
    "canceled": Phase.PARTIAL,
    "failed": Phase.REFUSED,
}
_PREFIXES: Final = ("batch_state_", "job_state_")


def phase_of(status: str | None) -> Phase:
    """What *status* (the provider's word, any case; None when nobody asked yet) means."""
    if status is None:
        return Phase.RUNNING
    word = status.strip().lower()
    for prefix in _PREFIXES:
        word = word.removeprefix(prefix)
    return _PHASES.get(word, Phase.RUNNING)
