"""
What the next pass looks at: everything that lies there, or the few lineages that somebody has named.

Where 100,000 files lie, to list them takes a thousand times as long as to look at one batch. What a look at
names cannot tell, such as another name that is the same but for case, is held against what the last listing
has shown and what was seen since; where that does not suffice, everything is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from reconciler.executor.context import Context
from reconciler.model.identity import ANSWERS, BatchName, Role, child_number, file_name, lineage_root
from reconciler.watching.arrivals import Arrivals, Heard
from reconciler.workspace.scan import Kin, Listing

CHILDREN: Final = 100
"""The greatest number of a child, of which each is looked for by its name."""


class Looks:
    """
    What is known of a live folder between two listings of it.

    Args:
        arrivals: What is seen to happen there.

    Attributes:
        names: The batches that the last look was made for; None for all.
    """

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._by_case: dict[str, BatchName] = {}
        self._clashing: set[str] = set()
        self._last_child: dict[BatchName, int] = {}
        self.names: Collection[BatchName] | None = None

    def begin(self, heard: Heard, due: Collection[BatchName]) -> Kin | None:
        """
        A look begins at what was heard of and what is due.

        Returns:
            The lineages to look at; None where everything has to be looked at.
        """
        self.add(heard.seen)
        names = frozenset((*heard.named, *due))
        kin = None if heard.everything else self._of(names)
        self.names = None if kin is None else names
        return kin

    def add(self, names: Iterable[BatchName]) -> None:
        """Batches of which something is there now, or was."""
        for name in names:
            if not name.isdecimal() and self._by_case.setdefault(name.lower(), name) != name:
                self._clashing.add(name.lower())
            if number := child_number(name):
                root = lineage_root(name)
                self._last_child[root] = max(number, self._last_child.get(root, 0))

    def writing(self, ctx: Context, listing: Listing) -> Mapping[BatchName, float]:
        """
        Batches that are left alone because a file of theirs is being written, and until when.

        An answer file that is cut would send its batch to quarantine. So one that changed a moment ago is
        taken for whole only where somebody was seen to close it.
        """
        if self.names is None:
            self._learn(listing)
        found = self._arrivals.writing()
        settle, now = self._arrivals.patience.settle, ctx.fx.now()
        for name, roles in listing.batches.items():
            if roles.keys().isdisjoint(ANSWERS):
                continue
            for role in roles.keys() - {Role.METADATA}:
                leaf = file_name(role, name)
                fact = ctx.fx.fact(ctx.layout.live_path(leaf))
                age = settle if fact is None else now - fact.mtime_ns / 1e9
                if -settle < age < settle and not self._arrivals.is_whole(leaf):
                    found[name] = max(found.get(name, 0.0), now - age + settle)
        return found

    # Within

    def _of(self, names: Collection[BatchName]) -> Kin | None:
        """The lineages of *names*; None where a look at them alone could miss something."""
        if any(not name.isdecimal() and name.lower() in self._clashing for name in names):
            return None
        roots = frozenset(map(lineage_root, names))
        last = {root: self._last_child[root] for root in roots if root in self._last_child}
        return None if any(number > CHILDREN for number in last.values()) else Kin(roots, last)

    def _learn(self, listing: Listing) -> None:
        """Everything was listed: nothing else is known any more."""
        self._by_case = {name.lower(): name for name in listing.batches if not name.isdecimal()}
        self._clashing = {name.lower() for name in listing.clashes}
        self._last_child = dict(listing.last_child)
