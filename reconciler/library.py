"""
The Python API: what the command line does, as functions and objects.

Everything here is reached through the package itself: `from reconciler import Workspace, reconcile`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Unpack

import attrs

from reconciler import check as audit
from reconciler import decide, deciding, engine
from reconciler.choices import Choices, merged, options_of, prepared
from reconciler.errors import UsageError
from reconciler.executor.context import viewing
from reconciler.model.identity import BatchName
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.report import BatchReport, Report
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan as decide_plan
from reconciler.plugins import Mode
from reconciler.preview import Preview, preview
from reconciler.status import Status, status
from reconciler.workspace.layout import find
from reconciler.workspace.observe import observe
from reconciler.workspace.scan import scan

_POLICY: Final = Policy()


def reconcile(
    workspace: str | os.PathLike[str], only: Sequence[str] = (), **choices: Unpack[Choices]
) -> Report:
    """
    One pass: do for every batch all that can be done now.

    Args:
        workspace: A folder of batch files.
        only: Names or patterns; empty means every batch.
        choices: What this call chooses; see `Choices`.

    Returns:
        What was done, and where every batch stands; `raise_for_failures()` turns it into an exception.

    Raises:
        UserError: There is no workspace, its settings cannot be obeyed, or another reconciler holds it.
    """
    if isinstance(only, str):
        raise UsageError(f"only takes a list of names, not {only!r:.80}", hint=f"only=[{only!r:.80}]")
    path = os.fspath(workspace)
    ready = prepared(path, choices)
    return engine.reconcile(path, ready.settings, options_of(ready, choices, only))


def plan(snapshot: Snapshot, policy: Policy = _POLICY) -> Plan:
    """
    What a batch needs, decided from a look at it; nothing is read and nothing is touched.

    Args:
        snapshot: The look, as `Workspace.batch(name).snapshot()` gives it.
        policy: What may be decided without asking; the built-in defaults unless given.
    """
    return decide_plan(snapshot, policy)


@attrs.frozen
class Workspace:
    """
    A folder of batch files.

    Attributes:
        path: Where it is.
        choices: What every call on it chooses, unless the call says otherwise.
    """

    path: str
    choices: Choices = attrs.field(factory=Choices)

    @classmethod
    def open(cls, path: str | os.PathLike[str], **choices: Unpack[Choices]) -> Workspace:
        """
        The workspace at *path*; nothing is locked and nothing is created.

        Raises:
            UsageError: Nothing is there, or it is no workspace.
        """
        find(os.fspath(path))
        return cls(os.fspath(path), choices)

    def batch(self, name: str) -> WorkspaceBatch:
        """The batch *name*; it need not be there yet."""
        return WorkspaceBatch(self, BatchName(name))

    def batches(self) -> Iterator[WorkspaceBatch]:
        """Every live batch, in order."""
        for snapshot, _ in self.preview().batches:
            yield WorkspaceBatch(self, snapshot.name)

    def reconcile(self, only: Sequence[str] = (), **choices: Unpack[Choices]) -> Report:
        """One pass; see `reconciler.reconcile`."""
        return reconcile(self.path, only, **merged(self.choices, choices))

    def preview(self, only: Sequence[str] = (), **choices: Unpack[Choices]) -> Preview:
        """What the next pass would do for every batch; nothing is touched."""
        ready = prepared(self.path, merged(self.choices, choices), Mode.PLAN)
        return preview(self.path, ready.settings, only=only, deep=True, plugged=ready.plugged)

    def status(self) -> Status:
        """Where every batch stands, settled ones included."""
        ready = prepared(self.path, self.choices, Mode.LOOK)
        return status(self.path, ready.settings, ready.plugged)

    def check(self) -> audit.Verdict:
        """Recount every id from the files alone."""
        return audit.check(self.path, prepared(self.path, self.choices, Mode.LOOK).settings)

    def retry(self, *names: str) -> deciding.Decision:
        """Ask the failed and missing requests of *names* again, each as a child batch, then make a pass."""
        return self._decided(decide.retry, names)

    def dismiss(self, *names: str) -> deciding.Decision:
        """Give up what *names* have lost, then make a pass."""
        return self._decided(decide.dismiss, names)

    def process(self, *names: str) -> deciding.Decision:
        """Hand all answers of *names* to the output processor once more, then make a pass."""
        return self._decided(decide.process, names)

    def _decided(self, verb: Callable[..., deciding.Decision], names: Sequence[str]) -> deciding.Decision:
        """A decision of a person, carried out."""
        ready = prepared(self.path, self.choices)
        return verb(self.path, ready.settings, names, options_of(ready, self.choices, ()))


@attrs.frozen
class WorkspaceBatch:
    """
    One batch of a workspace.

    Attributes:
        workspace: Where it lies.
        name: Its name.
    """

    workspace: Workspace
    name: BatchName

    def snapshot(self) -> Snapshot:
        """A look at it as it is now; no input and no answer is opened."""
        ready = prepared(self.workspace.path, self.workspace.choices, Mode.LOOK)
        with viewing(self.workspace.path, ready.settings) as view:
            listing = scan(view.look, view.layout)
            return observe(view.look, view.layout, listing, self.name)

    def plan(self) -> Plan:
        """
        What the next pass would do for it, matching included; nothing is touched.

        Raises:
            UsageError: No live batch is called so.
        """
        for _, found in self.workspace.preview(only=[_exactly(self.name)]).batches:
            return found
        raise UsageError(f"no live batch is called {self.name}")

    def reconcile(self, **choices: Unpack[Choices]) -> BatchReport:
        """
        A pass over this batch alone, and over the children that come of it.

        Raises:
            UsageError: No live or quarantined batch is called so.
            UserError: The settings cannot be obeyed, or another reconciler holds the workspace.
        """
        return self.workspace.reconcile([_exactly(self.name)], **choices).batch(self.name)


def _exactly(name: str) -> str:
    """A pattern that matches *name* alone."""
    return re.sub(r"([*?[])", r"[\1]", name)
