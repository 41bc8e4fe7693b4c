"""
`Run`: requests that were described, on their way to their answers.

All is read from the workspace each time, so another process, without the code that asked, sees the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Self, Unpack

import attrs

from reconciler.authoring import stopping
from reconciler.authoring.adding import Added
from reconciler.authoring.answers import Answer, Answers
from reconciler.authoring.counting import RunStatus
from reconciler.authoring.files import write_each
from reconciler.authoring.following import Listener, follower
from reconciler.authoring.reading import Asking, read, status
from reconciler.choices import Choices, merged, names_of, options_of, path_of, prepared, refuse_timeout
from reconciler.deciding import Decision
from reconciler.model.report import Report
from reconciler.plugins import Mode
from reconciler.workspace.layout import find


@attrs.frozen
class Run:
    """
    Requests of a workspace: those of a batch that was run, or all that stand there.

    Attributes:
        workspace: Where it is, as a real path.
        added: What was made of the batch; empty for a run that was opened.
        report: Where its batches stand after the pass that was made; empty for a run that was opened.
        names: Of a run that was opened: names or patterns of its batches, empty for all; else None.
        choices: What later calls choose, unless they say otherwise.
    """

    workspace: str
    added: Added
    report: Report
    names: tuple[str, ...] | None = None
    choices: Choices = attrs.field(factory=Choices, kw_only=True, repr=False)

    @classmethod
    def open(cls, workspace: str | os.PathLike[str], *names: str, **choices: Unpack[Choices]) -> Self:
        """
        The requests that stand in a workspace, whoever asked them; nothing is locked and nothing is sent.

        Args:
            workspace: Its path.
            names: Names or patterns of batches, such as `cities-*`; none of them: every batch.
            choices: What `wait` and `cancel` choose; see `Choices`.

        Raises:
            UsageError: Nothing is there, or it is no workspace.
        """
        root = find(path_of("Run.open", workspace)).root
        names = names_of("Run.open", names)
        return cls(root, Added((), (), 0), Report(root, ()), names, choices=choices)

    def __len__(self) -> int:
        return len(self.results())

    @property
    def is_complete(self) -> bool:
        """Whether every request has come to its end."""
        return self.status().is_complete

    def status(self) -> RunStatus:
        """
        Where it stands now.

        Raises:
            TransientError: A pass moved files while they were read; the same again will do.
        """
        return status(self.asking)

    def results(self) -> Answers:
        """What became of each request, in the order in which they were added; read anew each time."""
        size = len(self.added.asked) if self.names is None else None
        return Answers(self._answers, size)

    def to_json(self, folder: str | os.PathLike[str] | None = None) -> str:
        """
        Write each request that has come to its end as a JSON file of its own, and an index of all of them.

        Args:
            folder: Where to, in place of older files of the same requests; `target/answers` of the workspace
                unless given.

        Returns:
            The folder, as an absolute path.
        """
        return write_each(self.workspace, None if folder is None else os.fspath(folder), self._answers())

    def wait(
        self,
        timeout: float | None = None,
        *,
        on_progress: Listener | None = None,
        progress_interval: float = 1.0,
        **choices: Unpack[Choices],
    ) -> Report:
        """
        Pass after pass over the batches of this run, until they have settled or need a person.

        Args:
            timeout: Seconds after which to stop waiting.
            on_progress: As for `Batch.run`.
            progress_interval: Likewise.
            choices: As for `reconciler.reconcile`, over those of the run; `progress=True` as for `Batch.run`.
        """
        refuse_timeout(timeout)
        chosen = merged(self.choices, choices)
        with follower(self.asking, chosen, on_progress, progress_interval) as followed:
            chosen["progress"] = followed
            ready = prepared(self.workspace, chosen)
            report = stopping.wait(self.asking, ready.settings, options_of(ready, chosen, ()), timeout)
        return attrs.evolve(report, warnings=(*report.warnings, *followed.problems))

    def cancel(self, **choices: Unpack[Choices]) -> Decision:
        """
        Have the providers stop what is in flight, and send nothing more of this run.

        What was answered until then is fetched, by this call or, where the provider takes its time, by `wait`
        or any later pass. Nothing of it is asked again by itself.

        Returns:
            What was done, where its batches stand, and which of them could not be stopped, with the reason.
        """
        chosen = merged(self.choices, choices)
        chosen.pop("progress", None)
        chosen["settings"] = {**chosen.get("settings", {}), "policy.submit": "manual"}
        ready = prepared(self.workspace, chosen)
        return stopping.cancel(self.asking, ready.settings, options_of(ready, chosen, ()))

    @property
    def asking(self) -> Asking:
        """Which requests of the workspace these are."""
        settings = prepared(self.workspace, self.choices, Mode.LOOK).settings
        asked = self.added.asked if self.names is None else None
        return Asking(self.workspace, settings, self.names or (), asked)

    def _answers(self) -> Iterator[Answer]:
        return read(self.asking)
