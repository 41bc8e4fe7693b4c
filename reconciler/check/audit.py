"""The audit of a whole workspace: every batch, then the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from reconciler.check.batches import check_live, check_quarantined, check_settled
from reconciler.check.history import check_history
from reconciler.check.secrets import check_keys
from reconciler.check.spending import check_spending
from reconciler.check.verdict import Verdict
from reconciler.config import Settings
from reconciler.errors import StaleSnapshot
from reconciler.executor.context import Progress, View, viewing
from reconciler.model.identity import BatchName
from reconciler.workspace import settled
from reconciler.workspace.layout import DONE, QUARANTINE
from reconciler.workspace.scan import scan


def check(
    path: str,
    settings: Settings,
    progress: Progress | None = None,
    secrets: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """
    Audit the workspace at *path*.

    Args:
        path: The workspace.
        settings: Every setting.
        progress: Told about long reading.
        secrets: Keys that must stand nowhere, by the name of their variable.

    Raises:
        UserError: There is no workspace.
    """
    with viewing(path, settings, progress) as view:
        return audit(view, secrets)


def audit(view: View, secrets: Mapping[str, str]) -> Verdict:
    """Audit the workspace that is looked at."""
    listing = scan(view.look, view.layout)
    verdict = Verdict(view.look.root)
    for name in listing.batches:
        _patiently(verdict, name, partial(check_live, view, listing, name, verdict))
    for name, folders in listing.quarantined.items():
        for folder in folders:
            path = f"{QUARANTINE}/{folder}"
            _patiently(verdict, name, partial(check_quarantined, view, name, path, verdict))
    for name in settled.names(view.look):
        _patiently(verdict, name, partial(check_settled, view, listing, name, verdict))
    check_history(view, listing, verdict)
    check_spending(view, verdict)
    check_keys(view, listing, secrets, verdict)
    for folder in (DONE, QUARANTINE):
        staging = (each.name for each in view.look.listing(folder) if each.name.startswith(".staging-"))
        verdict.notes += [f"{folder}/{name}/: left by a move that was cut off" for name in sorted(staging)]
    verdict.notes += [f"{stale}: left by a crash; the next pass removes it" for stale in listing.stale]
    return verdict


def _patiently(verdict: Verdict, name: BatchName, look: Callable[[], None]) -> None:
    """Look at one batch; one that moves away meanwhile is a pass at work, not a broken promise."""
    try:
        look()
    except (StaleSnapshot, FileNotFoundError):
        verdict.notes.append(f"{name}: a pass is working on it; run check again when it has ended")
