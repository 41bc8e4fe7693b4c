"""
How many requests go into each batch when one input is cut into several.

Pure arithmetic. By size, every batch but the last is full; by segments, the remainder goes to the first ones,
one each, so that sizes differ by one at the most.
"""

from __future__ import annotations

import attrs

from reconciler.errors import UsageError


@attrs.frozen
class Shares:
    """
    How an input is to be cut; one of the two is given.

    Attributes:
        batch_size: Requests in a batch, the last one may have fewer; None for no bound but the limits.
        segments: How many batches.
    """

    batch_size: int | None = None
    segments: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.batch_size is not None and self.segments is not None:
            raise UsageError("a batch size and a number of segments exclude each other; give one of the two")
        for what, count in (("a batch size", self.batch_size), ("a number of segments", self.segments)):
            if count is not None and not isinstance(count, int):
                raise UsageError(f"{what} of {count!r:.40}: it has to be a whole number")
            if count is not None and count < 1:
                raise UsageError(f"{what} of {count}: it has to be 1 at the least")

    def of(self, total: int) -> list[int]:
        """
        The number of requests of each batch, in order; they add up to *total*.

        Raises:
            UsageError: There are fewer requests than segments.
        """
        if self.segments is not None:
            if total < self.segments:
                told = f"{total} requests do not make {self.segments} segments: a batch has one at the least"
                raise UsageError(told)
            size, rest = divmod(total, self.segments)
            return [size + 1] * rest + [size] * (self.segments - rest)
        size = self.batch_size or total
        whole, rest = divmod(total, size) if total else (0, 0)
        return [size] * whole + ([rest] if rest else [])
