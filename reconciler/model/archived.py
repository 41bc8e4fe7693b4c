"""
What was seen of one settled batch, frozen at one moment: what decides whether its JSONL may go.

Pure. A batch that has settled is looked at in no other way; `snapshot.py` is for live ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from reconciler.model.coverage import Coverage, FileDigest
from reconciler.model.facts import FileFact
from reconciler.model.identity import BatchName, Role


@attrs.frozen
class Archived:
    """
    One batch in `done/`.

    Attributes:
        name: The batch.
        seen_at: When, in seconds since the epoch.
        problem: Why nothing can be said of it; None when everything below can be trusted.
        files: Input and answers that still lie in its folder.
        removing: It has a tombstone: its JSONL was removed, or a removal was cut off.
        settled_at: When it settled, in seconds since the epoch.
        coverage: Its account; None only where there is a problem.
        set_aside: It was dismissed out of quarantine, so its answers were never trusted.
        unhandled: How many answers its output processor could not handle.
        published: What its output processor published, by path.
        sizes: The sizes of these files as they are now; a file that is not there is left out.
        unsettled: Children, and children of children, that have not settled.
        parent: The batch whose leftovers it asked, when that one still has its JSONL.
        live: Live files bear its name.
    """

    name: BatchName
    seen_at: float
    problem: str | None = None
    files: Mapping[Role, FileFact] = attrs.field(factory=dict)
    removing: bool = False
    settled_at: float = 0.0
    coverage: Coverage | None = None
    set_aside: bool = False
    unhandled: int = 0
    published: Mapping[str, FileDigest] = attrs.field(factory=dict)
    sizes: Mapping[str, int] = attrs.field(factory=dict)
    unsettled: tuple[BatchName, ...] = ()
    parent: BatchName | None = None
    live: bool = False
