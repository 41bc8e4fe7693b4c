"""
The Python API: what the command line does, as functions and objects.

Everything here is reached through the package itself: `from reconciler import Workspace, reconcile`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, Unpack

import attrs

from reconciler import check as checking
from reconciler import (
    decide_online,
    deciding,
    engine,
    explaining,
    inventory,
    registry,
)
from reconciler.choices import (
    Choices,
    asking,
    merged,
    names_of,
    options_of,
    path_of,
    prepared,
    progress_of,
    refuse_timeout,
)
from reconciler.errors import UsageError
from reconciler.executor.context import viewing
from reconciler.importing import Import, Source, import_registry
from reconciler.inventory import Inventory
from reconciler.library_decisions import Decisions, decided, readable
from reconciler.model.identity import BatchName
from reconciler.model.life import Explanation
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.report import BatchReport, Report
from reconciler.model.shares import Shares
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan as decide_plan
from reconciler.plugins import Mode
from reconciler.preview import Preview, preview
from reconciler.results import Results
from reconciler.splitting import Asked, Split, split_into_workspace
from reconciler.status import Status, status
from reconciler.waiting import reconcile_until_settled
from reconciler.workspace.layout import find
from reconciler.workspace.observe import observe
from reconciler.workspace.scan import scan

_POLICY: Final = Policy()


def reconcile(
    workspace: str | os.PathLike[str],
    only: Sequence[str] = (),
    *,
    wait: bool = False,
    timeout: float | None = None,
    **choices: Unpack[Choices],
) -> Report:
    """
    One pass: do for every batch all that can be done now; or pass after pass, until nothing waits.

    Args:
        workspace: A folder of batch files.
        only: Names or patterns; empty means every batch.
        wait: Go on until every batch has settled, or needs a person; it blocks for as long as that takes.
        timeout: Seconds after which to stop waiting; what still waits then is in the report.
        choices: What this call chooses; see `Choices`.

    Returns:
        What was done, and where every batch stands; `raise_for_failures()` turns it into an exception.

    Raises:
        UserError: There is no workspace, its settings cannot be obeyed, or another reconciler holds it.
        Interrupted: `stopping` asked for an end between two passes.
    """
    refuse_timeout(timeout, wait=wait)
    only = names_of("only", only)
    path = path_of("reconcile", workspace)
    ready = prepared(path, choices)
    options = options_of(ready, choices, only)
    if wait:
        report = reconcile_until_settled(ready.root, ready.settings, options, timeout)
    else:
        report = engine.reconcile(ready.root, ready.settings, options)
    return readable(report, ready.settings)


def plan(snapshot: Snapshot, policy: Policy = _POLICY) -> Plan:
    """
    What a batch needs, decided from a look at it; nothing is read and nothing is touched.

    Args:
        snapshot: The look, as `Workspace.batch(name).snapshot()` gives it.
        policy: What may be decided without asking; the built-in defaults unless given.
    """
    return decide_plan(snapshot, policy)


@attrs.frozen
class Workspace(Decisions):
    """
    A folder of batch files.

    Attributes:
        path: Where it is, as a real path.
        choices: What every call on it chooses, unless the call says otherwise.
    """

    @classmethod
    def open(cls, path: str | os.PathLike[str], **choices: Unpack[Choices]) -> Workspace:
        """
        The workspace at *path*; nothing is locked and nothing is created.

        Raises:
            UsageError: Nothing is there, or it is no workspace.
        """
        # User code may make another folder the current one, between two calls too.
        return cls(find(path_of("Workspace.open", path)).root, choices)

    def batch(self, name: str) -> WorkspaceBatch:
        """The batch *name*; it need not be there yet."""
        return WorkspaceBatch(self, BatchName(*names_of("batch", (name,))))

    def batches(self) -> Iterator[WorkspaceBatch]:
        """Every live batch, in order."""
        for snapshot, _ in self.preview().batches:
            yield WorkspaceBatch(self, snapshot.name)

    def reconcile(
        self,
        only: Sequence[str] = (),
        *,
        wait: bool = False,
        timeout: float | None = None,
        **choices: Unpack[Choices],
    ) -> Report:
        """One pass, or with *wait* as many as it takes; see `reconciler.reconcile`."""
        return reconcile(self.path, only, wait=wait, timeout=timeout, **merged(self.choices, choices))

    def preview(self, only: Sequence[str] = (), **choices: Unpack[Choices]) -> Preview:
        """What the next pass would do for every batch; nothing is touched."""
        only = names_of("only", only)
        ready = prepared(self.path, merged(self.choices, choices), Mode.PLAN)
        return preview(self.path, ready.settings, only=only, deep=True, plugged=ready.plugged)

    def status(self) -> Status:
        """Where every batch stands, settled ones included."""
        ready = prepared(self.path, self.choices, Mode.LOOK)
        return status(self.path, ready.settings, ready.plugged)

    def results(self, *names: str, only: Literal["ok", "failed"] | None = None) -> Results:
        """
        The best answer of every request, over its batch and all retry children; no lock is taken.

        Args:
            names: Batches or patterns; none means every batch.
            only: `ok`: requests with an answer; `failed`: those that have none and get none.

        Returns:
            Rows that are read when they are gone through; `write()` and `dataframe()` make more of them.
        """
        names = names_of("results", names)
        if only not in (None, "ok", "failed"):
            raise UsageError(f"only is {only!r:.40}", hint="'ok' or 'failed'")
        ready = prepared(self.path, self.choices, Mode.LOOK)
        progress = progress_of(self.choices)
        stopping = self.choices.get("stopping", lambda: False)
        return Results(
            self.path,
            ready.settings,
            names,
            only,
            progress=progress,
            stopping=stopping,
        )

    def audit(self, *, delete_remote: bool = False) -> Inventory:
        """
        What lies at the providers, held against what lies here.

        Args:
            delete_remote: Remove remote files whose content is settled here and was read again just before.
        """
        ready = prepared(self.path, self.choices)
        options = options_of(ready, self.choices, ())
        return inventory.audit(self.path, ready.settings, options, delete_remote=delete_remote)

    def check(self) -> checking.Verdict:
        """Recount every id from the files alone."""
        settings = prepared(self.path, self.choices, Mode.LOOK).settings
        secrets = checking.keys_in(os.environ if self.choices.get("environment", True) else {})
        return checking.check(self.path, settings, secrets=secrets)

    def import_registry(self, source: Source, *, name: str = "") -> Import:
        """
        Take over the batches that a registry names; files are copied, nothing is sent, and no pass is made.

        Args:
            source: A CSV file, a folder that holds `jobs_registry.csv`, mappings with its columns, or a
                DataFrame.
            name: What names begin with that the registry does not give; its folder's name unless given.
        """
        ready = prepared(self.path, self.choices, Mode.LOOK)
        options = options_of(ready, self.choices, ())
        return import_registry(self.path, ready.settings, source, options, name=name)

    def export_registry(self, file: str | os.PathLike[str]) -> int:
        """Write every batch as a row of a CSV file; gives the number of rows."""
        settings = prepared(self.path, self.choices, Mode.LOOK).settings
        return registry.export(self.path, settings, os.fspath(file))

    def split(  # noqa: PLR0913 - as the command line
        self,
        file: str | os.PathLike[str],
        *,
        batch_size: int | None = None,
        segments: int | None = None,
        name: str = "",
        provider: str = "",
        again: bool = False,
    ) -> Split:
        """
        Make inputs of a file of ready request lines; nothing is sent.

        Args:
            file: The file; its bytes stay as they are.
            batch_size: Requests in a batch; the last one may have fewer.
            segments: How many batches, as even as can be; one of the two is given, or a provider.
            name: What their names begin with; the file's name unless given.
            provider: Whose limits and line shapes hold.
            again: Split it though it was split here before, in another way.
        """
        ready = prepared(self.path, *asking(self.choices, provider))
        asked = Asked(Shares(batch_size, segments), name, provider, again)
        options = options_of(ready, self.choices, ())
        return split_into_workspace(os.fspath(file), self.path, ready.settings, asked, options)

    def explain(self, custom_id: str) -> Explanation:
        """
        The life of one request: every batch that has asked it, and what became of it there.

        Raises:
            UsageError: No batch has asked it; the hint names ids that are close.
            NeedsPerson: None of those that could be read has, and some could not.
        """
        settings = prepared(self.path, self.choices, Mode.LOOK).settings
        return explaining.explain(self.path, settings, custom_id)


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

    def submit(self) -> deciding.Decision:
        """Send it now, also under `submit = "manual"`, then make a pass over it."""
        return self.workspace.submit(self.name)

    def cancel(self) -> deciding.Decision:
        """Have the provider stop it, then make a pass over it; what was answered until then is fetched."""
        return self.workspace.cancel(self.name)

    def resubmit(self) -> deciding.Decision:
        """Send it once more, in doubt, refused or lost as it is, and maybe pay twice; then a pass over it."""
        return self.workspace.resubmit(self.name)

    def rescue(
        self, *, wait: bool = False, timeout: float | None = None, **choices: Unpack[Choices]
    ) -> deciding.Decision:
        """Have what of it has no answer asked live, then make a pass over it; see `Workspace.rescue`."""
        return self.workspace.rescue(self.name, wait=wait, timeout=timeout, **choices)

    def adopt(self, what: str | os.PathLike[str]) -> deciding.Decision:
        """
        Take over a remote batch, or a results file downloaded by hand, as its answers; then a pass over it.

        Args:
            what: The id of the remote batch, or the path of a file.

        Raises:
            NeedsPerson: It cannot be that batch.
            PermanentError: The file holds something else than answers to this input.
        """
        return decided(self.workspace, decide_online.adopt, self.name, os.fspath(what))

    def reconcile(
        self, *, wait: bool = False, timeout: float | None = None, **choices: Unpack[Choices]
    ) -> BatchReport:
        """
        A pass over this batch and the children that come of it; with *wait*, until all have settled.

        Raises:
            UsageError: No live or quarantined batch is called so.
            UserError: The settings cannot be obeyed, or another reconciler holds the workspace.
        """
        report = self.workspace.reconcile([_exactly(self.name)], wait=wait, timeout=timeout, **choices)
        return report.batch(self.name)


def _exactly(name: str) -> str:
    """A pattern that matches *name* alone."""
    return re.sub(r"([*?[])", r"[\1]", name)
