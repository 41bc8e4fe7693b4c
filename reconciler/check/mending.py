"""Repairs as values: what is done, to what, and what is left and why."""

from __future__ import annotations

import attrs

from reconciler.model.coverage import FileDigest
from reconciler.model.identity import BatchName
from reconciler.workspace import ledger
from reconciler.workspace.aside import ASIDE
from reconciler.workspace.settled import Manifest


@attrs.frozen
class RemoveTemporary:
    """Remove a temporary file whose own file is there, whole."""

    path: str
    told: str = "removed: left by a crash, and the file that it was for is there"


@attrs.frozen
class RemoveStaging:
    """Remove a folder in which a move was put together, and whose every file stands elsewhere too."""

    path: str
    told: str = "removed: left by a move that was cut off; all that is in it stands elsewhere too"


@attrs.frozen
class RemoveAside:
    """Remove what a replay that was cut off has made and not published."""

    path: str = ASIDE
    told: str = "removed: left by a replay that was cut off, before it published anything of it"


@attrs.frozen
class RemoveProgress:
    """Remove the progress of a local run whose batch has settled."""

    path: str
    name: BatchName
    told: str = "removed: progress of a run whose answers have settled"


@attrs.frozen
class Narrow:
    """Keep others from a file or folder of ours."""

    path: str
    mode: int
    told: str = "closed to other users"


@attrs.frozen
class RemoveTorn:
    """Take torn lines out of history; *digest* is what it holds now."""

    digest: FileDigest
    torn: int
    path: str = ledger.PATH
    told: str = "without the torn lines: files and history agree on everything else"


@attrs.frozen
class PublishAgain:
    """Publish the results of a settled batch again, byte for byte what its receipt says."""

    path: str
    name: BatchName
    digest: FileDigest
    told: str = "published again from the settled answers, byte for byte as before"


@attrs.frozen
class PublishManifest:
    """Give a settled batch its manifest again; *manifest* is proven by files, metadata and history."""

    path: str
    name: BatchName
    manifest: Manifest
    told: str = "made again from its files, its metadata and history, which agree"


Repair = (
    RemoveTemporary
    | RemoveStaging
    | RemoveAside
    | RemoveProgress
    | Narrow
    | RemoveTorn
    | PublishAgain
    | PublishManifest
)


@attrs.frozen
class Left:
    """
    What is not repaired.

    Attributes:
        path: The file or folder.
        why: Why it is left.
        hint: What to do about it.
    """

    path: str
    why: str
    hint: str = ""
