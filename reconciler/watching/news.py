"""
What has changed for a batch since it was last told of: each change once, however many passes see it.

Pure. Holds what is not settled, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from reconciler.model.identity import BatchName
from reconciler.model.report import BatchReport, Report, State


@attrs.frozen
class Change:
    """
    A batch stands elsewhere than before.

    Attributes:
        report: Where it stands now.
        before: Where it stood; None for a batch that was not there.
    """

    report: BatchReport
    before: State | None


class News:
    """
    Where each batch stood when it was last told of.

    Attributes:
        standing: The batches of the last pass, each where it is known to stand.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[BatchName, str], State] = {}
        self.standing: list[BatchReport] = []

    def of(self, report: Report, fresh: Callable[[BatchName], bool]) -> Iterator[Change]:
        """
        What a pass has changed.

        Args:
            report: The pass.
            fresh: Which batches were not asked for in it.
        """
        before, self._known, self.standing = self._known, {}, []
        for batch in report.batches:
            key = (batch.name, batch.path if batch.path.startswith("quarantine/") else "")
            was = before.get(key)
            if batch.state is State.INTERRUPTED or (
                was in (State.FAILED, State.HELD)
                and batch.state is State.WAITING
                and not batch.receipts
                and fresh(batch.name)
            ):
                # Nobody was asked, so nothing is known that was not known before.
                if was is not None:
                    self._known[key] = was
                    self.standing.append(attrs.evolve(batch, state=was))
                continue
            if was is None and batch.state is State.WAITING and not batch.receipts:
                # It is new, and waits to be looked at in a moment.
                continue
            self._known[key] = batch.state
            self.standing.append(batch)
            if batch.state is not was or (batch.state is State.SETTLED and batch.receipts):
                yield Change(batch, was)
