"""How far a run is that answers requests one by one."""

from __future__ import annotations

import attrs


@attrs.frozen
class Standing:
    """
    How far a run is.

    Attributes:
        answered: Requests that were answered in this run.
        failed: Requests that failed for good in this run.
        under_way: Requests that are being asked, or whose end is being written down.
        room: How many may be under way now.
        requests_per_minute: Sends that ended in the last minute, or as a rate where there was less of it.
        tokens_per_minute: The tokens that they took, in and out together.
        requests: Requests in all; 0 where nobody knows.
        before: Requests that had ended before this run.
        missed: Requests under way whose last send failed for a while; they are asked again.
        why: What the last of them met; empty where there is none.
    """

    answered: int
    failed: int
    under_way: int
    room: int
    requests_per_minute: float
    tokens_per_minute: float
    requests: int = 0
    before: int = 0
    missed: int = 0
    why: str = ""

    @property
    def left(self) -> int:
        """Requests that have no end yet."""
        return max(self.requests - self.before - self.answered - self.failed, 0)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this rate; None where nobody can say."""
        if not self.requests or not self.requests_per_minute:
            return None
        return self.left * 60 / self.requests_per_minute
