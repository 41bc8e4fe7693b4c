"""Which batches a call is about, by what was asked for; and what it says of those in quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from reconciler.errors import UsageError
from reconciler.model.identity import BatchName
from reconciler.model.report import BatchReport, State
from reconciler.workspace.layout import QUARANTINE
from reconciler.workspace.scan import Listing

UNDO: Final = (
    "mend the files and move them back to the live folder\n"
    "reconcile dismiss WORKSPACE {name}    to accept the loss"
)
"""The ways out of quarantine."""


def select(listing: Listing, only: Sequence[str]) -> list[BatchName]:
    """
    The batches that *only* asks for, in order.

    Raises:
        UsageError: A name or pattern matches no batch of the workspace.
    """
    names = list(listing.batches)
    known = [*names, *listing.quarantined]
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UsageError(
                f"no live or quarantined batch is called {pattern}", hint=f"here are: {_first(known)}"
            )
    return [name for name in names if not only or any(fnmatchcase(name, pattern) for pattern in only)]


def quarantined(
    folders_of: Mapping[BatchName, tuple[str, ...]], only: Sequence[str] = ()
) -> list[BatchReport]:
    """A report for each folder in `quarantine/` that still holds batch files."""
    if not folders_of:
        return []
    from reconciler.model.failure import Quarantined  # noqa: PLC0415 - fifteen classes
    from reconciler.model.operation import MatchRequestIds  # noqa: PLC0415 - thirty of them

    return [
        BatchReport(
            name,
            State.ATTENTION,
            f"it is in {QUARANTINE}/{folder}/; see reason.json there",
            UNDO.format(name=name),
            path=f"{QUARANTINE}/{folder}",
            failure=Quarantined(
                batch=name,
                operation=MatchRequestIds.verb,
                because=f"it is in {QUARANTINE}/{folder}/; see reason.json there",
                hint=UNDO.format(name=name),
                path=f"{QUARANTINE}/{folder}",
            ),
        )
        for name, folders in folders_of.items()
        for folder in folders
        if not only or any(fnmatchcase(name, pattern) for pattern in only)
    ]


def _first(names: Sequence[str], limit: int = 8) -> str:
    """A few names, for a hint."""
    shown = ", ".join(names[:limit]) or "none"
    return f"{shown}, ..." if len(names) > limit else shown
