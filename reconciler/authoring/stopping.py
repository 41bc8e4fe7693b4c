"""Passes over the batches of a run alone: until they have settled, or to have them stopped."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from reconciler import decide_online, engine
from reconciler.authoring.reading import Asking, first_batches, live_batches
from reconciler.config import Settings
from reconciler.deciding import Decision
from reconciler.errors import NeedsPerson
from reconciler.library_decisions import readable
from reconciler.model.report import Report
from reconciler.session import Options
from reconciler.waiting import reconcile_until_settled
from reconciler.workspace.layout import find


def wait(asking: Asking, settings: Settings, options: Options, timeout: float | None = None) -> Report:
    """
    Pass after pass over the batches of a run, until they have settled or need a person.

    Raises:
        Interrupted: Someone asked for an end between two passes.
        UserError: There is no workspace, or another reconciler holds it at the first pass.
    """
    first = first_batches(asking)

    def one_pass(path: str, settings: Settings, options: Options) -> Report:
        return _pass(path, settings, options, live_batches(asking, first))

    return readable(reconcile_until_settled(asking.path, settings, options, timeout, one_pass), settings)


def cancel(asking: Asking, settings: Settings, options: Options) -> Decision:
    """
    Stop every batch of a run, and fetch what it has answered.

    Args:
        asking: The run.
        settings: Settings under which nothing is sent.
        options: What else the caller wants.

    Raises:
        UserError: There is no workspace, or another reconciler holds it.
    """
    first = first_batches(asking)
    told: list[str] = []
    refused: tuple[NeedsPerson, ...] = ()
    report = Report(find(asking.path).root, ())
    # A batch that had ended may leave a child behind when it is fetched; nothing of that is sent either.
    for _ in range(2):
        names = live_batches(asking, first)
        try:
            decision = decide_online.cancel(asking.path, settings, names, options) if names else None
        except NeedsPerson as error:
            decision, refused = None, (error,)
        if decision is not None:
            told += decision.told
            refused = decision.refused
        report = _pass(asking.path, settings, options, live_batches(asking, first))
    return Decision(tuple(told), readable(report, settings), refused)


def _pass(path: str, settings: Settings, options: Options, names: Sequence[str]) -> Report:
    """One pass over some batches; none at all where there is none."""
    if not names:
        return Report(find(path).root, ())
    return engine.reconcile(path, settings, attrs.evolve(options, only=tuple(names)))
