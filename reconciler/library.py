"""
The Python API: what the command line does, as functions and objects.

Everything here is reached through the package itself: `from reconciler import Workspace, reconcile`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypedDict, Unpack

import attrs

from reconciler import check as audit
from reconciler import decide, engine
from reconciler.config import Settings, settle
from reconciler.errors import UsageError
from reconciler.executor.context import Progress, Silent, viewing
from reconciler.executor.hooks import Plugged
from reconciler.model.exchange import Result
from reconciler.model.identity import BatchName
from reconciler.model.plan import Plan
from reconciler.model.policy import Policy
from reconciler.model.report import BatchReport, Report
from reconciler.model.snapshot import Snapshot
from reconciler.planner import plan as decide_plan
from reconciler.plugins import NOTHING_GIVEN, Given, Plugs
from reconciler.preview import Preview, preview
from reconciler.processors.base import Per, Processor, wrap
from reconciler.providers.base import Worker
from reconciler.session import Options, Unwatched, Watcher
from reconciler.status import Status, status
from reconciler.trust import require
from reconciler.workspace.layout import find
from reconciler.workspace.observe import observe
from reconciler.workspace.scan import scan
from reconciler.workspace.sources import own_file, settings_files, user_file

Function: TypeAlias = Callable[..., Any]

_POLICY: Final = Policy()


class Choices(TypedDict, total=False):
    """
    What any call may choose; everything else is as the settings say.

    Keys:
        provider: Who answers, as `[provider] name`.
        content: What answers are read as: `text`, `json` or `jsonl`.
        on_result: Called with each answered result; what it returns is the `value` of that line.
        output_processor: Instead of it: a built-in name, `module:function`, or a function of `(result)` or
            `(batch, context)`.
        error_processor: `summary`, `module:function`, or a function; says what becomes of failures.
        worker: What the embedded provider runs: `echo`, `module:function`, or a function of `(request)`.
        settings: Any other setting, by `section.key`.
        environment: Whether RECONCILER_ variables and the user's own file count; True unless given.
        watcher: Told what a pass does.
        progress: Told about long reading.
        stopping: Asked now and then whether to stop.
    """

    provider: str
    content: str
    on_result: Callable[[Result], Any]
    output_processor: str | Function
    error_processor: str | Function
    worker: str | Worker
    settings: Mapping[str, Any]
    environment: bool
    watcher: Watcher
    progress: Progress
    stopping: Callable[[], bool]


@attrs.frozen
class Prepared:
    """
    A workspace's settings and code, ready for a pass.

    Attributes:
        settings: Every setting.
        plugged: What users have plugged in.
    """

    settings: Settings
    plugged: Plugged


def prepare(
    workspace: str,
    flags: Mapping[str, Any],
    given: Given = NOTHING_GIVEN,
    environment: Mapping[str, str] | None = None,
    *,
    run: bool = True,
) -> Prepared:
    """
    Put settings together, hold them to what the user trusts, and load the code that they name.

    Args:
        workspace: Its path.
        flags: Values of this call, by `section.key`; None means not given.
        given: Code of this call.
        environment: The environment variables that count; None for neither them nor the user's own file.
        run: Whether user code will run; what only looks imports none, and needs no trust.

    Raises:
        ConfigError: The settings cannot be obeyed, or name code without trust.
        UsageError: There is no workspace.
    """
    find(workspace)
    named = "" if environment is None else environment.get("RECONCILER_USER_CONFIG")
    ours = {key: value for key, value in (environment or {}).items() if key.startswith("RECONCILER_")}
    settings = settle(settings_files(workspace, named), ours, flags)
    mine = own_file(workspace)
    pinned = require(settings, mine, user_file(named).rpartition("/")[0]) if run else {}
    return Prepared(settings, Plugs(settings, mine, given, pinned=pinned, run=run).plugged)


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
    ready = _prepared(path, choices)
    return engine.reconcile(path, ready.settings, _options(ready, choices, only))


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
        return reconcile(self.path, only, **_merged(self.choices, choices))

    def preview(self, only: Sequence[str] = (), **choices: Unpack[Choices]) -> Preview:
        """What the next pass would do for every batch; nothing is touched."""
        ready = _prepared(self.path, _merged(self.choices, choices), run=False)
        return preview(self.path, ready.settings, only=only, deep=True, plugged=ready.plugged)

    def status(self) -> Status:
        """Where every batch stands, settled ones included."""
        ready = _prepared(self.path, self.choices, run=False)
        return status(self.path, ready.settings, ready.plugged)

    def check(self) -> audit.Verdict:
        """Recount every id from the files alone."""
        return audit.check(self.path, _prepared(self.path, self.choices, run=False).settings)

    def retry(self, *names: str) -> decide.Decision:
        """Ask the failed and missing requests of *names* again, each as a child batch, then make a pass."""
        return self._decided(decide.retry, names)

    def dismiss(self, *names: str) -> decide.Decision:
        """Give up what *names* have lost, then make a pass."""
        return self._decided(decide.dismiss, names)

    def process(self, *names: str) -> decide.Decision:
        """Hand all answers of *names* to the output processor once more, then make a pass."""
        return self._decided(decide.process, names)

    def _decided(self, verb: Callable[..., decide.Decision], names: Sequence[str]) -> decide.Decision:
        """A decision of a person, carried out."""
        ready = _prepared(self.path, self.choices)
        return verb(self.path, ready.settings, names, _options(ready, self.choices, ()))


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
        ready = _prepared(self.workspace.path, self.workspace.choices, run=False)
        with viewing(self.workspace.path, ready.settings) as view:
            listing = scan(view.look, view.layout)
            return observe(view.look, view.layout, listing, self.name)

    def plan(self) -> Plan:
        """
        What the next pass would do for it, matching included; nothing is touched.

        Raises:
            UsageError: No live batch is called so.
        """
        for _, found in self.workspace.preview(only=[self.name]).batches:
            return found
        raise UsageError(f"no live batch is called {self.name}")

    def reconcile(self, **choices: Unpack[Choices]) -> BatchReport:
        """
        A pass over this batch alone, and over the children that come of it.

        Raises:
            UsageError: No live or quarantined batch is called so.
            UserError: The settings cannot be obeyed, or another reconciler holds the workspace.
        """
        return self.workspace.reconcile([self.name], **choices).batch(self.name)


def _merged(first: Choices, then: Choices) -> Choices:
    """Choices of a call over those of its workspace."""
    if "on_result" in then or "output_processor" in then:
        first = _without(first, ("on_result", "output_processor"))
    return {**first, **then}


def _without(choices: Choices, keys: Sequence[str]) -> Choices:
    """Choices but for some."""
    kept: Any = {key: value for key, value in choices.items() if key not in keys}
    found: Choices = kept
    return found


def _prepared(path: str, choices: Choices, *, run: bool = True) -> Prepared:
    """Settings and code of one call."""
    unknown = sorted(set(choices) - Choices.__annotations__.keys())
    if unknown:
        known = ", ".join(sorted(Choices.__annotations__))
        raise UsageError(f"unknown: {', '.join(unknown)}", hint=f"known: {known}")
    flags = dict(choices.get("settings", {}))
    flags |= {"provider.name": choices.get("provider"), "output.content": choices.get("content")}
    output = _function(flags, "output.processor", choices.get("output_processor"))
    on_result = choices.get("on_result")
    if on_result is not None:
        if "output_processor" in choices:
            raise UsageError("on_result is an output processor too; give one of the two")
        output = _wrapped("on_result", on_result)
        if output.per is not Per.RECORD:
            raise UsageError("on_result takes one result", hint="output_processor= takes (batch, context)")
    worker = _function(flags, "local.worker", choices.get("worker"), whole=False)
    given = Given(output, _function(flags, "output.error_processor", choices.get("error_processor")), worker)
    environment = os.environ if choices.get("environment", True) else None
    return prepare(path, flags, given, environment, run=run)


def _function(
    flags: dict[str, Any], setting: str, choice: str | Function | None, *, whole: bool = True
) -> Any:
    """A function that was given; a name goes to the flags instead."""
    if choice is None or isinstance(choice, str):
        if choice is not None:
            flags[setting] = choice
        return None
    if not callable(choice):
        raise UsageError(f"{choice!r:.80} is neither a name nor a function")
    return _wrapped(setting, choice) if whole else choice


def _wrapped(what: str, function: Function) -> Processor:
    """A function as a processor."""
    try:
        return wrap(function)
    except TypeError as error:
        raise UsageError(f"{what}: {error}") from error


def _options(ready: Prepared, choices: Choices, only: Sequence[str]) -> Options:
    """What a pass takes."""
    return Options(
        only=tuple(only),
        watcher=choices.get("watcher", Unwatched()),
        progress=choices.get("progress", Silent()),
        stopping=choices.get("stopping", lambda: False),
        plugged=ready.plugged,
    )
