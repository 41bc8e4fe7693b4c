"""
What was seen to happen in a live folder: when to look, and which files are not whole yet.

Told from the threads of an observer, asked from the thread that makes passes. Bounded: ten thousand events
are one more look. Nothing here says what a file is; the pass finds that out.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Final

import attrs

from reconciler.model.identity import BatchName, Role, parse_file_name

MOST: Final = 50_000
"""Files of which it is remembered that they are being written; past that the whole folder has to be quiet."""

NAMES: Final = 5_000
"""Batches that are remembered by name between two looks; past that everything is looked at."""


class Seen(enum.Enum):
    """What happened to a file."""

    APPEARED = "appeared"
    """Its name is new: created to be written, or linked there whole."""
    GREW = "grew"
    """Something was written to it."""
    WHOLE = "whole"
    """Whoever wrote it closed it, or it was moved there."""
    WENT = "went"
    """Its name is gone."""
    ANY = "any"
    """Something happened, and nobody knows what."""


@attrs.frozen
class Patience:
    """
    How long to wait for a folder to be quiet, in seconds.

    Attributes:
        quiet: After the last thing that was seen, before a look.
        longest: After the first thing that was seen, however much follows.
        settle: After the last change of a file that nobody was seen to close.
        unclosed: The same for a file that was written and is open still; for when its closing was lost.
    """

    quiet: float = 0.2
    longest: float = 2.0
    settle: float = 2.0
    unclosed: float = 60.0


@attrs.frozen
class Heard:
    """
    What was seen since the last look.

    Attributes:
        named: Batches to look at: a file of theirs is whole, or has stood still, and none is being written.
        seen: Batches of which anything at all was seen.
        everything: Not all of it is known by name: whatever lies there is to be looked at.
    """

    named: frozenset[BatchName] = frozenset()
    seen: frozenset[BatchName] = frozenset()
    everything: bool = False


class Arrivals:
    """
    What was seen of one folder since the last look.

    Args:
        clock: Seconds since the epoch.
        wake: Called when something was seen.
    """

    def __init__(self, clock: Callable[[], float], wake: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._wake = wake
        self._lock = Lock()
        self._first: float | None = None
        self._last = 0.0
        # The oldest first: whatever is seen of a file puts it last.
        self._appeared: dict[str, float] = {}
        self._growing: dict[str, float] = {}
        self._whole: dict[str, float] = {}
        self._crowded: float | None = None
        self._named: set[BatchName] = set()
        self._seen: set[BatchName] = set()
        self._everything = False
        self.closes = True
        self.patience = Patience()

    def see(self, what: Seen, leaf: str = "") -> None:
        """Something happened to the file *leaf* of the folder."""
        name: BatchName | None = None
        if what is Seen.ANY:
            leaf = ""
        else:
            found = parse_file_name(leaf)
            if found is None or found[0] is Role.METADATA:
                # Temporary names, and records that passes write themselves.
                return
            name = found[1]
        now = self._clock()
        with self._lock:
            before = self._due()
            self._take_in(what, leaf, now)
            self._remember_name(what, name)
            due = self._due()
        if due is not None and (before is None or due < before):
            self._wake()

    def due(self) -> float | None:
        """When to look because of what was seen; None for never."""
        with self._lock:
            return self._due()

    def look(self) -> Heard:
        """Somebody looks now: what has led there, which is forgotten."""
        now = self._clock()
        with self._lock:
            everything = self._everything or self._crowded is not None
            if self._crowded is not None and self._crowded + self.patience.settle <= now:
                self._crowded = None
            self._first, self._everything = None, False
            for files, wait in self._waits():
                for leaf in [leaf for leaf, last in files.items() if last + wait <= now]:
                    del files[leaf]
                    self._named |= _batch_of(leaf)
            for leaf in [leaf for leaf, last in self._whole.items() if last + self.patience.settle <= now]:
                del self._whole[leaf]
            # What is being written is named again when that has ended.
            if self._named:
                self._named.difference_update(*map(_batch_of, (*self._growing, *self._appeared)))
            heard = Heard(frozenset(self._named), frozenset(self._seen), everything)
            self._named.clear()
            self._seen.clear()
            return heard

    def writing(self) -> dict[BatchName, float]:
        """Batches of which a file is seen to be written, and until when to leave them alone at the most."""
        with self._lock:
            found: dict[BatchName, float] = {}
            for files, wait in self._waits():
                for leaf, last in files.items():
                    named = parse_file_name(leaf)
                    if named is not None:
                        found[named[1]] = max(found.get(named[1], 0.0), last + wait)
            return found

    def is_whole(self, leaf: str) -> bool:
        """Whether somebody was seen to close the file, or to move it there, a moment ago."""
        with self._lock:
            return leaf in self._whole

    # Within

    def _take_in(self, what: Seen, leaf: str, now: float) -> None:
        known = self._growing.pop(leaf, None) is not None
        open_still = self._appeared.pop(leaf, None) is not None or known
        self._whole.pop(leaf, None)
        # Where what was being written goes, the rest of its batch has waited for nothing.
        left = what is Seen.WENT and open_still
        if left:
            self._named |= _batch_of(leaf)
        if left or what in (Seen.WHOLE, Seen.ANY):
            self._first = now if self._first is None else self._first
            self._last = now
            if what is Seen.WHOLE and len(self._whole) < MOST:
                self._whole[leaf] = now
        elif what is Seen.GREW or (what is Seen.APPEARED and known):
            self._remember(self._growing, leaf, now)
        elif what is Seen.APPEARED:
            self._remember(self._appeared, leaf, now)

    def _remember_name(self, what: Seen, name: BatchName | None) -> None:
        if name is None or max(len(self._named), len(self._seen)) >= NAMES:
            self._everything = True
        if self._everything or name is None:
            self._named.clear()
            self._seen.clear()
            return
        self._seen.add(name)
        if what is Seen.WHOLE:
            self._named.add(name)

    def _remember(self, files: dict[str, float], leaf: str, now: float) -> None:
        if len(self._growing) + len(self._appeared) < MOST:
            files[leaf] = now
        else:
            self._crowded = now

    def _waits(self) -> Iterator[tuple[dict[str, float], float]]:
        yield self._appeared, self.patience.settle
        yield self._growing, self.patience.unclosed if self.closes else self.patience.settle

    def _due(self) -> float | None:
        found = []
        if self._first is not None:
            found.append(min(self._last + self.patience.quiet, self._first + self.patience.longest))
        for files, wait in self._waits():
            if files:
                found.append(next(iter(files.values())) + wait)
        if self._crowded is not None:
            # Nobody knows any more which files are whole.
            return self._crowded + self.patience.settle
        return min(found, default=None)


def _batch_of(leaf: str) -> frozenset[BatchName]:
    """The batch whose file that is."""
    found = parse_file_name(leaf)
    return frozenset() if found is None else frozenset((found[1],))
