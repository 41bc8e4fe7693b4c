"""
What one pass did, and the exit code that says so.

Pure values.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from reconciler.model.coverage import Coverage
from reconciler.model.identity import BatchName
from reconciler.model.receipt import Receipt

if TYPE_CHECKING:
    from reconciler.model.failure import Failure
    from reconciler.model.rows import ResultRows


class State(enum.StrEnum):
    """Where a batch stands after a pass."""

    SETTLED = "settled"
    WAITING = "waiting"
    HELD = "held"
    ATTENTION = "needs attention"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


# Of several that hold, the first in this order is the exit code of the pass.
_CODES: Final = (
    (State.INTERRUPTED, 130),
    (State.ATTENTION, 3),
    (State.HELD, 3),
    (State.FAILED, 1),
    (State.WAITING, 75),
)


@attrs.frozen
class BatchReport:
    """
    One batch after a pass.

    Attributes:
        name: The batch.
        state: Where it stands.
        because: Why, in one line.
        hint: What a person could type or change; empty when nothing is asked of them.
        receipts: What was done, in order.
        coverage: Where its ids stand, when that is known.
        until: When to look again (seconds since the epoch), for a waiting batch.
        path: Where its files are.
        failure: Why it did not settle and will not by waiting, as a type; None when it did, or may.
        reads: Opens its results; of a report that the library has given.
        behind: It waits for other batches of the workspace to move on, and for nothing else.
    """

    name: BatchName
    state: State
    because: str
    hint: str = ""
    receipts: tuple[Receipt, ...] = ()
    coverage: Coverage | None = None
    until: float | None = None
    path: str = ""
    failure: Failure | None = None
    reads: Callable[[], ResultRows] | None = attrs.field(default=None, eq=False, repr=False)
    behind: bool = False

    @property
    def done(self) -> bool:
        """Whether it has settled."""
        return self.state is State.SETTLED

    def results(self) -> ResultRows:
        """
        The best answer of each of its requests, retry children included; read when they are gone through.

        Raises:
            ValueError: The report is not one that the library has given.
        """
        return _opened(self.reads)


@attrs.frozen
class Report:
    """
    One pass.

    Attributes:
        root: The workspace.
        batches: Every batch that was looked at, in order.
        ignored: Files that are not ours, with the reason.
        warnings: What a person should know and need not act on.
        reads: Opens the results of all finished batches; of a report that the library has given.
    """

    root: str
    batches: tuple[BatchReport, ...]
    ignored: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    reads: Callable[[], ResultRows] | None = attrs.field(default=None, eq=False, repr=False)

    def combined(self) -> ResultRows:
        """
        The best answer of each request of every finished batch, those of earlier runs included.

        Raises:
            ValueError: The report is not one that the library has given.
        """
        return _opened(self.reads)

    @property
    def exit_code(self) -> int:
        """The exit code that says how the pass ended."""
        states = {batch.state for batch in self.batches}
        code = next((code for state, code in _CODES if state in states), 0)
        own = [each.exit_code for each in self.failures if each.exit_code is not None]
        # A limit that cannot be held to, and then a lack of a key, outrank all but an interruption.
        return max(own) if own and State.INTERRUPTED not in states else code

    @property
    def changed(self) -> bool:
        """Whether anything was done but matching, which only reads what it has read before."""
        return any(each.verb != "match-request-ids" for batch in self.batches for each in batch.receipts)

    def batch(self, name: str) -> BatchReport:
        """
        The report on one batch.

        Raises:
            KeyError: The pass did not look at any batch of that name.
        """
        for batch in self.batches:
            if batch.name == name:
                return batch
        raise KeyError(f"no batch called {name} was looked at in this pass")

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Why batches did not settle and will not by waiting, in order."""
        return tuple(batch.failure for batch in self.batches if batch.failure is not None)

    def raise_for_failures(self) -> None:
        """
        Do nothing when every batch has settled or waits.

        Raises:
            ReconciliationFailed: Some did not; it holds all of `failures`.
        """
        if self.failures:
            from reconciler.model.failure import ReconciliationFailed  # noqa: PLC0415 - fifteen classes

            raise ReconciliationFailed(self.failures, self.exit_code)

    def count(self, state: State) -> int:
        """How many batches are in *state*."""
        return sum(batch.state is state for batch in self.batches)


def _opened(reads: Callable[[], ResultRows] | None) -> ResultRows:
    """The results that a report leads to."""
    if reads is None:
        raise ValueError("this report does not know its workspace; Workspace.results() reads results")
    return reads()
