"""The audit of a whole workspace: every batch, then the history."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from reconciler.check.batches import check_live, check_quarantined, check_settled
from reconciler.check.removed import check_removal
from reconciler.check.verdict import Verdict
from reconciler.config import Settings
from reconciler.errors import StaleSnapshot
from reconciler.executor.context import Progress, View, viewing
from reconciler.model.identity import BatchName, file_name, parse_name
from reconciler.workspace import ledger, settled
from reconciler.workspace.layout import DONE, QUARANTINE
from reconciler.workspace.observe import TRIPLE
from reconciler.workspace.scan import scan


def check(path: str, settings: Settings, progress: Progress | None = None) -> Verdict:
    """
    Audit the workspace at *path*.

    Raises:
        UserError: There is no workspace.
    """
    with viewing(path, settings, progress) as view:
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
        _history(view, verdict)
        for folder in (DONE, QUARANTINE):
            staging = (each.name for each in view.look.listing(folder) if each.name.startswith(".staging-"))
            verdict.notes += [
                f"{folder}/{name}/: left by a move that was cut off" for name in sorted(staging)
            ]
        verdict.notes += [f"{stale}: left by a crash; the next pass removes it" for stale in listing.stale]
        return verdict


def _patiently(verdict: Verdict, name: BatchName, look: Callable[[], None]) -> None:
    """Look at one batch; one that moves away meanwhile is a pass at work, not a broken promise."""
    try:
        look()
    except (StaleSnapshot, FileNotFoundError):
        verdict.notes.append(f"{name}: a pass is working on it; run check again when it has ended")


def _history(view: View, verdict: Verdict) -> None:
    """The ledger: every line whole, every settled batch still there."""
    set_aside: dict[BatchName, tuple[str, str]] = {}
    for entry in ledger.entries(view.look):
        where = f"{ledger.PATH}:{entry.number}"
        if entry.problem == ledger.TORN:
            # A crash in the middle of an append leaves this; the next append began a new line.
            verdict.notes.append(f"{where}: {entry.problem}; it is skipped")
        elif entry.problem is not None:
            verdict.object(3, where, entry.problem)
        name = parse_name(str(entry.fields.get("batch")))
        if entry.event == "batch.settled" and name and view.look.kind(f"{DONE}/{name}") is None:
            verdict.object(2, where, f"done/{name}/ settled once and is gone")
        if entry.event == "batch.removed" and name:
            check_removal(view, name, entry, verdict)
        if entry.event == "batch.quarantined" and name:
            set_aside[name] = (where, str(entry.fields.get("folder")))
        elif name:
            set_aside.pop(name, None)
    for name, (where, folder) in set_aside.items():
        live = any(view.look.kind(view.layout.live_path(file_name(role, name))) for role in TRIPLE)
        if not live and not any(view.look.kind(path) for path in (folder, settled.folder_of(name))):
            verdict.object(1, where, f"{folder}/ was set aside and is gone")
