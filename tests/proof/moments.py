"""
The tap of a pass that may end at any of its effects, or meet a full disk or a second reconciler there.

Used by every simulated world; it decides nothing itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from reconciler.providers.http import Http
from reconciler.session import Options
from tests.online import Online
from tests.proof.disk import Recorder
from tests.workspace.faults import Crash

TAKES_ROOM: Final = frozenset({"create", "write", "append", "mkdir", "link"})
"""Changes that a full disk refuses; what only moves or removes goes on."""


@attrs.define
class Moment(Recorder):
    """
    The tap and the syncs of a pass that may end at one of its effects.

    Attributes:
        stop: Which effect, counted from 1; 0 for none.
        failure: Makes what is raised there; None lets the process die, and the power go if *cut* says so.
        cut: Keeps track of what is not synced.
        full: The disk is full: whatever needs room fails.
        fills: The disk gets full at *stop*, and nothing else happens there.
        meanwhile: Somebody else's turn at *stop*, in place of the failure.
        seen: The effects.
    """

    stop: int = 0
    failure: Callable[[], BaseException] = Crash
    cut: bool = False
    full: bool = False
    fills: bool = False
    meanwhile: Callable[[], None] | None = None
    seen: list[str] = attrs.field(factory=list)

    def __call__(self, change: str, path: str) -> None:
        """Note the effect; end here if this is the one."""
        if self.cut:
            self.catch_up()
        self.seen.append(f"{change} {path}")
        if len(self.seen) == self.stop:
            if self.fills:
                self.full = True
            elif self.meanwhile is not None:
                self.meanwhile()
            else:
                raise self.failure()
        if self.full and change in TAKES_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def synced(self, opened: Sequence[int]) -> None:
        """Sync."""
        if self.cut:
            super().synced(opened)


@attrs.define
class Simulated(Online):
    """A workspace at a provider, whose passes draw their tokens and syncs from here."""

    syncs: Callable[[Sequence[int]], None] = lambda _opened: None
    token: Callable[[], str] = str
    room: Http | None = None

    @property
    def options(self) -> Options:
        """What a pass takes."""
        options: Options = Online.options.fget(self)  # type: ignore[attr-defined]
        room = self.room
        if room is None:
            return options
        room.tap = self.tap
        return attrs.evolve(options, syncs=self.syncs, token=self.token, wire=lambda: room)
