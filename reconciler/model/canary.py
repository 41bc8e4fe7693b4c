"""What has come of the batches that go ahead of others. Pure values."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from reconciler.model.identity import BatchName
from reconciler.model.record import Record


@attrs.frozen
class Sample:
    """
    The canaries of a held batch, with all that was asked again of them.

    Attributes:
        answered: Valid answers of those that have settled.
        requests: What was asked in all of these, each request once.
        going: Those that have not settled, with their metadata where that can be read.
        gone: Those that are nowhere to be found.
    """

    answered: int
    requests: int
    going: Mapping[BatchName, Record | None] = attrs.field(factory=dict)
    gone: tuple[BatchName, ...] = ()

    @property
    def share(self) -> float:
        """How many of the requests have a valid answer, as a part of all."""
        return self.answered / self.requests if self.requests else 1.0
