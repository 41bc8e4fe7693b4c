"""
A watched workspace whose time is a test's: weeks pass at once, and events come from the test.

Everything is real but for time and for who sees files come: passes, locks, files, calls to the fake provider.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler import config
from reconciler.choices import Prepared
from reconciler.config import Settings
from reconciler.errors import ConfigError
from reconciler.executor.hooks import NOTHING_PLUGGED, Plugged
from reconciler.session import Options
from reconciler.watching.arrivals import Arrivals, Seen
from reconciler.watching.rounds import Ground, Watch
from reconciler.watching.seeing import How, Sight
from reconciler.workspace.effects import Tap, no_tap
from tests.workspaces import Line, jsonl, live

START: Final = 1_800_000_000.0
"""When a world begins that has no provider."""


def fine(_change: str, _path: str) -> None:
    """Nothing goes wrong."""


@attrs.define
class Told:
    """Keeps what was told."""

    events: list[tuple[str, str, Mapping[str, Any]]] = attrs.field(factory=list)

    def __call__(self, level: str, event: str, workspace: str = "", **facts: Any) -> None:
        """Keep it."""
        self.events.append((level, event, {"workspace": workspace, **facts}))

    def names(self, *prefixes: str) -> list[str]:
        """The events that begin with one of *prefixes*, in order."""
        return [name for _, name, _ in self.events if name.startswith(prefixes)]

    def of(self, event: str) -> list[Mapping[str, Any]]:
        """The facts of each event of that name."""
        return [facts for _, name, facts in self.events if name == event]


class Hand:
    """A sight that sees what the test says; `folders` are those that it was asked to watch."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.arrivals: Arrivals | None = None
        self.closes = True

    def begin(self, folder: str, arrivals: Arrivals) -> How:
        """Begin to watch."""
        self.folders.append(folder)
        self.arrivals = arrivals
        arrivals.closes = self.closes
        return How(events=self.closes, filesystem="none")

    def close(self) -> None:
        """End."""
        self.arrivals = None

    def see(self, what: Seen, leaf: str) -> None:
        """Something happens; nobody knows of it while nobody watches."""
        if self.arrivals is not None:
            self.arrivals.see(what, leaf)


@attrs.define
class Time:
    """The time of a world without a provider."""

    now: float = START

    def advance(self, seconds: float) -> None:
        """Let it pass."""
        self.now += seconds


@attrs.define
class Living:
    """
    A watched workspace.

    Attributes:
        root: It.
        clock: Its time.
        flags: Its settings, by `section.key`; read anew at each reload.
        plugged: What is plugged in.
        tap: Called before each change.
        wire: Makes calls; None for the network as a pass opens it.
        told: What was told.
        hand: Who sees files come.
        sight: Who sees them instead, where that is somebody real.
        broken: Why settings cannot be obeyed; empty where they can.
        follower: Makes whoever is told of each pass.
        defer: The caller begins it.
        changes: How often something was about to change.
        watch: The watcher.
    """

    root: Path
    clock: Any = attrs.field(factory=Time)
    flags: dict[str, Any] = attrs.field(factory=dict)
    plugged: Plugged = NOTHING_PLUGGED
    tap: Tap = no_tap
    wire: Any = None
    told: Told = attrs.field(factory=Told)
    hand: Hand = attrs.field(factory=Hand)
    sight: Sight | None = None
    broken: str = ""
    follower: Callable[[Prepared], Any] = lambda _ready: None
    defer: bool = False
    changes: int = 0
    watch: Watch = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if not self.defer:
            self.begin()

    def begin(self) -> Watch:
        """A watcher that knows nothing yet, as of a process that has just begun."""
        self.hand = Hand()
        self.watch = Watch(
            str(self.root),
            Ground(
                load=self.load,
                listening=self.listening,
                sight=lambda _ready: self.sight or self.hand,
                tell=self.told,
                clock=self.now,
                chance=lambda: 0.0,
                wake=lambda: None,
                follower=self.follower,
            ),
        )
        return self.watch

    def load(self) -> Prepared:
        """Settings and code."""
        if self.broken:
            raise ConfigError(self.broken)
        return Prepared(str(self.root), self.settings(), self.plugged)

    def settings(self) -> Settings:
        """The settings of every pass."""
        return config.settle(flags=self.flags)

    @contextmanager
    def listening(self, ready: Prepared) -> Iterator[Options]:
        """Options for a pass."""
        yield Options(
            plugged=ready.plugged,
            pause=self.pause,
            clock=self.now,
            chance=lambda: 0.0,
            tap=self.tapped,
            wire=self.wire,
        )

    def now(self) -> float:
        """The time."""
        found: float = self.clock.now
        return found

    def tapped(self, change: str, path: str) -> None:
        """Something is about to change, here or at a provider."""
        self.changes += 1
        self.tap(change, path)

    def pause(self, seconds: float, _stopping: Callable[[], bool]) -> None:
        """Let time pass within a pass."""
        self.clock.advance(seconds)

    def live_for(self, seconds: float) -> int:
        """Let so much time pass, doing what becomes due; how many passes that were."""
        ends, before = self.now() + seconds, self.watch.passes
        while (due := self.watch.due()) <= ends:
            self.clock.advance(max(0.0, due - self.now()))
            self.watch.step()
        self.clock.advance(max(0.0, ends - self.now()))
        return self.watch.passes - before

    def write(self, leaf: str, lines: Sequence[Line] | bytes, *seen: Seen) -> Path:
        """A file of the live folder as of now, and what is seen of it; by default it is closed."""
        path = live(self.root) / leaf
        path.write_bytes(lines if isinstance(lines, bytes) else jsonl(lines))
        os.utime(path, (self.now(), self.now()))
        for each in seen or (Seen.APPEARED, Seen.GREW, Seen.WHOLE):
            self.hand.see(each, leaf)
        return path
