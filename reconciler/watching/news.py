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
    """Where each batch stood when it was last told of."""

    def __init__(self) -> None:
        # By batch, and then by where it lies: as a live one, or in which folder of quarantine/.
        self._known: dict[BatchName, dict[str, State]] = {}
        self._standing: dict[BatchName, list[BatchReport]] = {}

    @property
    def standing(self) -> list[BatchReport]:
        """What is not settled, each where it is known to stand."""
        return [report for reports in self._standing.values() for report in reports]

    def of(
        self, report: Report, fresh: Callable[[BatchName], bool], *, everything: bool = True
    ) -> Iterator[Change]:
        """
        What a pass has changed.

        Args:
            report: The pass.
            fresh: Which batches were not asked for in it.
            everything: It was over all batches: one that it does not report is gone. Otherwise those
                that it does not report stand where they stood.
        """
        before = self._known
        if everything:
            self._known, self._standing = {}, {}
        else:
            names = {batch.name for batch in report.batches}
            before = {name: self._known.pop(name) for name in names & before.keys()}
            for name in names:
                self._standing.pop(name, None)
        for batch in report.batches:
            where = batch.path if batch.path.startswith("quarantine/") else ""
            was = before.get(batch.name, {}).get(where)
            if batch.state is State.INTERRUPTED or (
                was in (State.FAILED, State.HELD)
                and batch.state is State.WAITING
                and not batch.receipts
                and fresh(batch.name)
            ):
                # Nobody was asked, so nothing is known that was not known before.
                if was is not None:
                    self._stands(attrs.evolve(batch, state=was), where)
                continue
            if was is None and batch.state is State.WAITING and not batch.receipts:
                # It is new, and waits to be looked at in a moment.
                continue
            self._stands(batch, where)
            if batch.state is not was or (batch.state is State.SETTLED and batch.receipts):
                yield Change(batch, was)

    def _stands(self, report: BatchReport, where: str) -> None:
        self._known.setdefault(report.name, {})[where] = report.state
        if report.state is not State.SETTLED:
            self._standing.setdefault(report.name, []).append(report)
