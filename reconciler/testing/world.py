"""
The world behind the APIs: a clock, accounts, files and batches.

It holds what happened and decides when things happen; how any of it looks on the wire is the dialects'
matter. All of it lives on the server's thread; what tests reach from theirs are single reads and writes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from reconciler.testing.fates import Fate
from reconciler.testing.files import Content, Disk

DAY: Final = 86_400.0
ENDS: Final = frozenset({"completed", "failed", "expired", "cancelled"})
KEY: Final = "test-key"
OTHER_KEY: Final = "other-key"


class Clock:
    """
    The virtual clock: it stands still until a test moves it.

    Args:
        start: Unix seconds; the time of day when None.
        ticking: It also runs by itself (the foreground server).
    """

    def __init__(self, start: float | None = None, *, ticking: bool = False) -> None:
        self._base = float(int(time.time())) if start is None else start
        self._began = time.monotonic() if ticking else None

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self._base + (time.monotonic() - self._began if self._began is not None else 0)

    def advance(self, seconds: float) -> None:
        """Move the clock; backwards, too."""
        self._base += seconds


@attrs.define(eq=False)
class File:
    """A file at a provider; *ready* counts down the looks until it is processed."""

    id: str
    dialect: str
    account: str
    name: str
    purpose: str
    content: Content
    created_at: float
    expires_at: float | None = None
    deleted: bool = False
    ready: int = 0
    generated: bool = False
    mime: str = ""


@attrs.define(eq=False)
class Batch:
    """
    A batch at a provider.

    Attributes:
        stage: queued, running, finalizing, cancelling, or one of the ends.
        word: The state to tell in place of the stage, when the fate scripts one.
        looks: How often it was looked at.
        after: How often it was looked at since its end.
        stamps: When it came to each stage.
        lines: Its requests, one line each, with their places.
        extra: What the dialect keeps.
    """

    id: str
    dialect: str
    account: str
    fate: Fate
    created_at: float
    source: Content
    lines: list[tuple[int, int]]
    extra: dict[str, Any] = attrs.field(factory=dict)
    stage: str = "queued"
    word: str = ""
    looks: int = 0
    after: int = 0
    cancel_asked: bool = False
    cancel_looks: int = 0
    hidden: int = 0
    deleted: bool = False
    stamps: dict[str, float] = attrs.field(factory=dict)
    output: File | None = None
    error: File | None = None
    counts: dict[str, int] = attrs.field(factory=dict)

    @property
    def total(self) -> int:
        """How many requests it has."""
        return len(self.lines)

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, and is not made to say otherwise."""
        return self.stage in ENDS and not self.word

    def go(self, stage: str, now: float) -> None:
        """Come to *stage*."""
        if stage != self.stage:
            self.stage = stage
            self.stamps[stage] = now


Finish = Callable[[Batch, str], None]
"""Writes a batch's results when it comes to its end."""


@attrs.define
class World:
    """Everything that happened so far."""

    disk: Disk
    clock: Clock
    accounts: dict[str, str] = attrs.field(factory=lambda: {KEY: "one", OTHER_KEY: "two"})
    default: Fate = attrs.field(factory=Fate)
    script: deque[Fate] = attrs.field(factory=deque)
    files: dict[str, File] = attrs.field(factory=dict)
    batches: dict[str, Batch] = attrs.field(factory=dict)
    pending: list[Late] = attrs.field(factory=list)
    _made: dict[str, int] = attrs.field(factory=dict)

    def number(self, what: str) -> int:
        """The next number of its kind: ids are the same in every run."""
        self._made[what] = self._made.get(what, 0) + 1
        return self._made[what]

    def next_fate(self) -> Fate:
        """What becomes of the batch that is created now."""
        return self.script.popleft() if self.script else self.default

    def add(self, batch: Batch) -> Batch:
        """A batch is created."""
        batch.hidden = batch.fate.lag
        batch.stamps["queued"] = batch.created_at
        self.batches[batch.id] = batch
        return batch

    def file(self, dialect: str, account: str, file_id: str) -> File | None:
        """The file, if this account can see it now."""
        file = self.files.get(file_id)
        if file is None or file.dialect != dialect or file.account != account or self._gone(file):
            return None
        return file

    def files_of(self, dialect: str, account: str) -> list[File]:
        """The files that this account can see, oldest first."""
        return [f for f in self.files.values() if self.file(dialect, account, f.id) is not None]

    def _gone(self, file: File) -> bool:
        return file.deleted or (file.expires_at is not None and self.clock.now >= file.expires_at)

    def delete(self, file: File) -> None:
        """A file is deleted; batches that were made from it keep what they read."""
        file.deleted = True

    def batch(self, dialect: str, account: str, batch_id: str) -> Batch | None:
        """The batch, if this account can see it."""
        batch = self.batches.get(batch_id)
        if batch is None or batch.dialect != dialect or batch.account != account or self._vanished(batch):
            return None
        return batch

    def batches_of(self, dialect: str, account: str) -> list[Batch]:
        """What one list of this account shows, newest first; batches that lag behind come one list nearer."""
        shown = []
        for batch in reversed(self.batches.values()):
            if self.batch(dialect, account, batch.id) is None:
                continue
            if batch.hidden > 0:
                batch.hidden -= 1
            else:
                shown.append(batch)
        return shown

    def _vanished(self, batch: Batch) -> bool:
        return batch.deleted or (batch.fate.vanishes == "batch" and batch.ended)

    def look(self, batch: Batch, finish: Finish) -> Batch:
        """One look at a batch: it moves on by one step of its fate."""
        fate, now = batch.fate, self.clock.now
        batch.looks += 1
        if batch.looks <= len(fate.words):
            batch.word = fate.words[batch.looks - 1]
            return batch
        batch.word = ""
        if batch.stage in ENDS:
            batch.after += 1
        elif batch.cancel_asked:
            batch.cancel_looks += 1
            if batch.cancel_looks > fate.cancelling:
                # What was refused at validation has nothing to cancel.
                self._end(batch, "failed" if fate.end == "failed" else "cancelled", finish)
        elif self._due(batch):
            self._end(batch, fate.end, finish)
        else:
            batch.go(_stage(batch.looks - len(fate.words), fate), now)
        return batch

    def _due(self, batch: Batch) -> bool:
        fate = batch.fate
        if fate.seconds is not None:
            return self.clock.now >= batch.created_at + fate.seconds
        return batch.looks - len(fate.words) > fate.polls

    def _end(self, batch: Batch, end: str, finish: Finish) -> None:
        finish(batch, end)
        batch.go(end, self.clock.now)

    def cancel(self, batch: Batch) -> None:
        """Somebody asks to cancel a batch that is under way."""
        batch.cancel_asked = True
        batch.word = ""
        batch.go("cancelling", self.clock.now)

    async def land(self) -> None:
        """Let what was sent long ago and is due now take effect."""
        for late in tuple(self.pending):
            late.calls -= 1
            if late.calls <= 0 and self.clock.now >= late.at:
                self.pending.remove(late)
                await late.effect()


@attrs.define(eq=False)
class Late:
    """A call whose effect is still on its way: due at a time of the clock and after some further calls."""

    at: float
    calls: int
    effect: Callable[[], Awaitable[Any]]


def _stage(look: int, fate: Fate) -> str:
    """The stage at the *look*-th (from 1) look at a batch that is under way."""
    if fate.end == "failed" or (fate.seconds is None and fate.polls > 1 and look == 1):
        return "queued"
    if fate.seconds is None and fate.polls > 2 and look == fate.polls:
        return "finalizing"
    return "running"
