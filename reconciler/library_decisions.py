"""
What a person decides about the batches of a workspace, as methods: `retry`, `dismiss`, `submit`, `replay` ...

A part of the Python API; see `library.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Unpack

import attrs

from reconciler import decide, decide_online, deciding, repairing, replaying, resuming, retention
from reconciler.check import keys_in
from reconciler.choices import Choices, merged, names_of, options_of, prepared, refuse_timeout
from reconciler.config import Settings
from reconciler.failed_requests import failed_requests
from reconciler.model.report import Report
from reconciler.plugins import Mode
from reconciler.results import Results


@attrs.frozen
class Decisions:
    """
    A workspace, as far as a person decides about it.

    Attributes:
        path: Where it is.
        choices: What every call on it chooses, unless the call says otherwise.
    """

    path: str
    choices: Choices = attrs.field(factory=Choices)

    def retry(self, *names: str, classes: Sequence[str] = ()) -> deciding.Decision:
        """
        Ask failed and missing requests again, each batch's as a child batch, then make a pass.

        Args:
            names: The batches; none of them: all that have something to ask again.
            classes: Only failures of these error classes, whatever `[policy.classes]` says of them.
        """
        return decided(self, partial(decide.retry, classes=classes), names_of("retry", names))

    def failed_requests(self, *names: str, classes: Sequence[str] = ()) -> Iterator[bytes]:
        """The failed and missing request lines of *names*, or of every batch, as they stand in the inputs."""
        names = names_of("failed_requests", names)
        settings = prepared(self.path, self.choices, Mode.LOOK).settings
        return failed_requests(self.path, settings, names, classes)

    def dismiss(self, *names: str) -> deciding.Decision:
        """Give up what *names* have lost, then make a pass."""
        return decided(self, decide.dismiss, names_of("dismiss", names))

    def process(self, *names: str) -> deciding.Decision:
        """Hand all answers of *names* to the output processor once more, then make a pass."""
        return decided(self, decide.process, names_of("process", names))

    def replay(
        self,
        *names: str,
        model: str | None = None,
        since: str | float | None = None,
        dry_run: bool = False,
        **choices: Unpack[Choices],
    ) -> replaying.Replay:
        """
        Run the processors of today over the answers of settled batches; no call to a provider is made.

        Args:
            names: Names or patterns; none means all of `done/`.
            model: Only batches in which a request or an answer names this model; a pattern works.
            since: Only batches that settled since: seconds since the epoch, an ISO date or time, or `7d`.
            dry_run: Publish nothing; user code is called all the same.
            choices: What this call chooses; see `Choices`.

        Returns:
            For each batch what changed: counts of lines, examples, and what was published.

        Raises:
            UsageError: A name is no settled batch, or *since* is no time.
            UserError: The settings cannot be obeyed, or another reconciler holds the workspace.
        """
        names = names_of("replay", names)
        chosen = merged(self.choices, choices)
        ready = prepared(self.path, chosen)
        options = options_of(ready, chosen, ())
        return replaying.replay(
            self.path, ready.settings, names, options, model=model, since=since, dry_run=dry_run
        )

    def retain(self, *names: str, dry_run: bool = False) -> retention.Retention:
        """
        Remove the JSONL of settled batches, as `[retain]` says, and say why the rest is kept.

        Args:
            names: Settled batches; none means all of `done/`.
            dry_run: Only say what would be removed; nothing is locked.
        """
        names = names_of("retain", names)
        ready = prepared(self.path, self.choices, Mode.LOOK)
        options = options_of(ready, self.choices, ())
        return retention.retain(self.path, ready.settings, names, options, dry_run=dry_run)

    def repair(self) -> repairing.Repaired:
        """Mend what is provably safe to mend, as `check --repair`, and check again; nothing is sent."""
        ready = prepared(self.path, self.choices, Mode.LOOK)
        secrets = keys_in(os.environ if self.choices.get("environment", True) else {})
        return repairing.repair(
            self.path, ready.settings, options_of(ready, self.choices, ()), secrets=secrets
        )

    def submit(self, *names: str) -> deciding.Decision:
        """Send *names* now, also under `submit = "manual"`, then make a pass."""
        return decided(self, decide_online.submit, names_of("submit", names))

    def cancel(self, *names: str) -> deciding.Decision:
        """Have the provider stop *names*, then make a pass; what was answered until then is fetched."""
        return decided(self, decide_online.cancel, names_of("cancel", names))

    def rescue(
        self, *names: str, wait: bool = False, timeout: float | None = None, **choices: Unpack[Choices]
    ) -> deciding.Decision:
        """
        Have what of *names* has no answer asked live, then make a pass over them.

        A batch under way is stopped at its provider first, and what it answered is fetched; while that takes,
        they wait, and the same call again goes on.

        Args:
            names: The batches.
            wait: Go on until all of it has settled, or needs a person.
            timeout: Seconds after which to stop waiting.
            choices: What this call chooses; `worker` says who answers.

        Raises:
            NeedsPerson: No worker is chosen, or requests might be paid for twice.
        """
        refuse_timeout(timeout, wait=wait)
        chosen = attrs.evolve(self, choices=merged(self.choices, choices))
        if wait:
            return decided(
                chosen,
                partial(decide_online.rescue_until_settled, timeout=timeout),
                names_of("rescue", names),
            )
        return decided(chosen, decide_online.rescue, names_of("rescue", names))

    def resume(self) -> tuple[str, ...]:
        """Let batches be sent again to where others were refused; gives what held them back, a line each."""
        ready = prepared(self.path, self.choices, Mode.LOOK)
        return resuming.resume(self.path, ready.settings, options_of(ready, self.choices, ()))

    def resubmit(self, *names: str) -> deciding.Decision:
        """Send *names* once more, in doubt, refused or lost as they are, and maybe pay twice; then a pass."""
        return decided(self, decide_online.resubmit, names_of("resubmit", names))


def readable(report: Report, settings: Settings) -> Report:
    """A report that leads to the results of its batches."""

    def of(*names: str, finished: bool = False) -> Callable[[], Results]:
        return lambda: Results(report.root, settings, names, finished=finished)

    batches = tuple(attrs.evolve(batch, reads=of(batch.name)) for batch in report.batches)
    return attrs.evolve(report, batches=batches, reads=of(finished=True))


def decided(
    workspace: Decisions, verb: Callable[..., deciding.Decision], names: Sequence[str], *more: str
) -> deciding.Decision:
    """A decision of a person, carried out."""
    ready = prepared(workspace.path, workspace.choices)
    found = verb(workspace.path, ready.settings, names, *more, options_of(ready, workspace.choices, ()))
    return attrs.evolve(found, report=readable(found.report, ready.settings))
