"""
The file over all finished batches that a pass keeps: `[results] combined`, `--combined`.

It holds what `reconcile results` shows of settled batches, row for row, and is replaced whole. A pass writes
it at its end when something has changed, and meanwhile as batches settle, but only so often that this takes
no more than about a tenth of the time.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final

from reconciler.errors import ConfigError, Interrupted, ReconcilerError, TransientError, UsageError
from reconciler.executor.standings import rows_of
from reconciler.model.plan import Plan
from reconciler.model.receipt import Receipt
from reconciler.model.report import BatchReport, State
from reconciler.processors.tables import SUFFIXES, Format, format_of, written
from reconciler.session import Session
from reconciler.workspace import combined as state
from reconciler.workspace.exporting import Destination, destination, export, in_target
from reconciler.workspace.layout import SETTINGS
from reconciler.workspace.reading import Reading

SETTING: Final = "results.combined"

TIMES: Final = 10
"""How many times as long as the last writing took has to pass before the next one that may wait."""

LEAST: Final = 60.0
"""Seconds before the first one within a pass, and between two."""


class Combined:
    """
    A watcher that keeps the file, and passes on what it is told.

    Args:
        held: A locked workspace, whose settings name the file.

    Raises:
        ConfigError: They name one that they may not, or of no format that is known.
        UsageError: No file can be put there.
    """

    def __init__(self, held: Session) -> None:
        self._held = held
        self._told = held.options.watcher
        self._where, self._kind = place_of(held)
        self._pace = held.options.pace
        if self._pace.due is None:
            self._pace.due = held.ctx.fx.now() + LEAST

    def planned(self, decision: Plan) -> None:
        """Pass it on."""
        self._told.planned(decision)

    def called(self, exchange: Any) -> None:
        """Pass it on."""
        self._told.called(exchange)

    def done(self, receipt: Receipt) -> None:
        """Pass it on."""
        self._told.done(receipt)

    def ended(self, report: BatchReport) -> None:
        """The pass is through with a batch: the file is written if it is time again."""
        self._told.ended(report)
        if report.state is State.SETTLED and self._is_due():
            # Others may be on their way to done/ meanwhile, so nobody may take it for the last word.
            with suppress(ReconcilerError, OSError):
                self._write()

    def finish(self, *, last: bool = False) -> tuple[str, ...]:
        """
        Make the file true, if it is not, at the end of a pass.

        Args:
            last: Whatever was put off is done now.

        Returns:
            What could not be read, for people: there are requests without a row, or rows that say less.

        Raises:
            TransientError: It cannot be written; what stood there stands.
        """
        ctx = self._held.ctx
        ctx.fx.refresh()
        if ctx.stopping() or self._is_true():
            return ()
        if self._pace.patient and not last and not self._is_due() and self._pace.written:
            self._pace.owed = True
            return ()
        self._pace.owed = False
        try:
            said, problems = self._write()
            if not problems:
                state.say(ctx.fx, said)
        except Interrupted:
            return ()
        except OSError as error:
            message = f"{self._where.whole} cannot be written: {error.strerror or error}"
            raise TransientError(message, hint="the older one stands; the next pass tries again") from error
        return tuple(f"{self._where.whole}: {problem}" for problem in problems)

    # Within

    def _is_due(self) -> bool:
        """Whether the last writing is long enough ago."""
        return self._pace.due is not None and self._held.ctx.fx.now() >= self._pace.due

    @property
    def _named(self) -> str:
        """The file as it is remembered."""
        return self._where.path if self._where.inside else self._where.whole

    def _is_true(self) -> bool:
        """Whether nothing has changed since the file was written, itself included."""
        ctx = self._held.ctx
        said = state.said(ctx.fx)
        if said is None or (said.path, said.version) != (self._named, ctx.version):
            return False
        look = Reading(self._where.folder)
        try:
            fact = look.fact(self._where.path)
            same = fact is not None and fact.size == said.digest.size
            return same and look.digest(self._where.path) == said.digest
        except (ReconcilerError, OSError):
            return False
        finally:
            look.close()

    def _write(self) -> tuple[state.Said, list[str]]:
        """Write the file, and say what it holds and what could not be read for it."""
        ctx, problems = self._held.ctx, list[str]()
        began = ctx.fx.now()
        rows = rows_of(ctx, problems, finished=True)
        try:
            # Under the lock nobody else writes in the workspace; elsewhere somebody may.
            digest = export(self._where, written(rows, self._kind), ctx.fx.tell, alone=self._where.inside)
        finally:
            self._pace.written = True
            took = ctx.fx.now() - began
            self._pace.due = ctx.fx.now() + max(TIMES * took, LEAST)
        return state.Said(self._named, digest, ctx.version), problems


def place_of(held: Session) -> tuple[Destination, Format]:
    """
    Where the file goes, and as what.

    Raises:
        ConfigError: The workspace's own settings lead out of it, or the name has no end that is known.
        UsageError: No file can be put there, or Parquet cannot be written.
    """
    named, origin = held.settings[SETTING], held.settings.origins[SETTING]
    root = held.layout.root
    own = origin == f"{root}/{SETTINGS}"
    target = in_target(named)
    kind = format_of(named)
    if kind is None:
        ends = ", ".join(f".{end}" for end in SUFFIXES)
        raise ConfigError(f"{origin}: {SETTING} is {named!r:.200}", hint=f"end its name with one of: {ends}")
    if kind is Format.PARQUET and find_spec("pyarrow") is None:
        message = f"{origin}: {SETTING} is {named!r:.200}, and Parquet is written by pyarrow"
        raise UsageError(message, hint="pip install 'reconciler[parquet]'")
    base = root if own or target is not None else ""
    where = destination(root, target or named, base=base, contained=f"{origin}: {SETTING}" if own else "")
    return where, kind


def refresh(held: Session) -> tuple[str, ...]:
    """Make the file true, where one is kept, after something that was no pass or that has put it off."""
    return Combined(held).finish(last=True) if held.settings[SETTING] else ()
