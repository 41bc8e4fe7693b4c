"""
One worker of a crew: a process that settles batches, effects and all, as they come in over a pipe.

It works under the lock of the pass that started it, of which it holds a copy: whatever becomes of the pass,
nobody else gets the workspace before the worker has ended. It ends when its pipe does.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from reconciler import __version__
from reconciler.config import Settings
from reconciler.executor.context import Context
from reconciler.executor.hooks import Plugged
from reconciler.looking import settle_one
from reconciler.model.identity import BatchName
from reconciler.model.operation import (
    MatchRequestIds,
    MoveToDone,
    ProcessErrors,
    ProcessOutput,
    Quarantine,
    RetryLeftovers,
)
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport
from reconciler.session import Options, Session
from reconciler.workspace.effects import Effects, Tap
from reconciler.workspace.layout import Layout
from reconciler.workspace.scan import Listing

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from reconciler.providers.calls import Exchange

OURS: Final = (MatchRequestIds, ProcessOutput, ProcessErrors, RetryLeftovers, MoveToDone, Quarantine)
"""What a worker does; whatever else a plan holds is for the pass itself."""


@attrs.frozen
class Task:
    """
    One batch to settle; no user code looks at it.

    Attributes:
        layout: The workspace.
        line_limit: Longest line that is read, in bytes.
        name: The batch.
        policy: What the planner may decide for it.
        listing: What the scan saw of it and its lineage.
        csv: Whether its results are published as CSV too.
    """

    layout: Layout
    line_limit: int
    name: BatchName
    policy: Policy
    listing: Listing
    csv: bool = False


@attrs.frozen
class Reply:
    """
    What became of a batch.

    Attributes:
        name: The batch.
        told: Plans and receipts, as a watcher has to hear of them.
        report: Where it stands; None when the pass has to see to it itself.
    """

    name: BatchName
    told: tuple[Plan | Receipt, ...] = ()
    report: BatchReport | None = None


class NotHere(Exception):
    """A plan holds a step that is not for a worker; nothing of the plan was done."""


@attrs.frozen
class _Heard:
    """A watcher that remembers, and that lets no plan pass which is not for a worker."""

    told: list[Plan | Receipt] = attrs.field(factory=list)

    def planned(self, decision: Plan) -> None:
        """A batch got a plan that has steps."""
        if not all(isinstance(step, OURS) for step in decision.steps):
            raise NotHere
        self.told.append(decision)

    def done(self, receipt: Receipt) -> None:
        """An operation took place."""
        self.told.append(receipt)

    def ended(self, report: BatchReport) -> None:
        """Who asked for the batch tells of its end."""

    def called(self, exchange: Exchange) -> None:
        """No step that asks a provider is for a worker."""


@attrs.frozen
class _Plain(Plugged):
    """Nothing plugged in, and the policy that the pass has made."""

    policy: Policy = attrs.field(factory=Policy)

    def policy_of(self, name: str, settings: Settings) -> Policy:  # noqa: ARG002 - as the base says
        """What the planner may decide."""
        return self.policy


def main(opened: int, tap: Tap | None = None) -> None:
    """Work until the pipe *opened* (a file descriptor) ends, or somebody asks for an end."""
    asked: list[int] = []
    # Ctrl-C reaches every process of the terminal; it is the pass that passes it on, as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    from multiprocessing.connection import Connection  # noqa: PLC0415 - in the worker alone

    with Connection(opened) as line:
        serve(line, tap, lambda: bool(asked))


def serve(line: Connection, tap: Tap | None, stopping: Callable[[], bool]) -> None:
    """Settle what comes in over *line*, until it ends or *stopping* says so."""
    fx: Effects | None = None
    try:
        while not stopping():
            task: Task = line.recv()
            if fx is None:
                fx = Effects(task.layout.root, tap) if tap else Effects(task.layout.root)
            if not stopping():
                line.send(settled(task, fx, stopping))
    except (EOFError, OSError):
        return
    finally:
        if fx is not None:
            fx.close()


def settled(task: Task, fx: Effects, stopping: Callable[[], bool]) -> Reply:
    """Settle one batch."""
    heard = _Heard()
    plugged = _Plain(policy=task.policy)
    ctx = Context(
        look=fx,
        layout=task.layout,
        line_limit=task.line_limit,
        stopping=stopping,
        version=__version__,
        plugged=plugged,
        csv=task.csv,
    )
    held = Session(ctx, Settings({}, {}), Options(watcher=heard, stopping=stopping, plugged=plugged))
    try:
        report = settle_one(held, task.listing, task.name)
    except NotHere:
        return Reply(task.name)
    return Reply(task.name, tuple(heard.told), report)
