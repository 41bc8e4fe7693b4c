"""
What one pass did, and the exit code that says so.

Pure values.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from reconciler.model.coverage import Coverage
from reconciler.model.identity import BatchName
from reconciler.model.receipt import Receipt

if TYPE_CHECKING:
    from reconciler.model.failure import Failure


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


@attrs.frozen
class Report:
    """
    One pass.

    Attributes:
        root: The workspace.
        batches: Every batch that was looked at, in order.
        ignored: Files that are not ours, with the reason.
        warnings: What a person should know and need not act on.
    """

    root: str
    batches: tuple[BatchReport, ...]
    ignored: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

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

            raise ReconciliationFailed(self.failures)

    def count(self, state: State) -> int:
        """How many batches are in *state*."""
        return sum(batch.state is state for batch in self.batches)
