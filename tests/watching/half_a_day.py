"""
Twelve hours of a watched workspace, drawn from one seed: files that come, and whatever may go wrong.

Time is virtual, faults are injected, processes die at their effects. What was lost or paid twice is counted
at the end, from the files and from what the provider was asked.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from reconciler import engine
from reconciler.check import check
from reconciler.decide_online import resubmit
from reconciler.errors import ReconcilerError
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.report import State
from reconciler.providers.base import Remote
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from reconciler.session import Options
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Cut, Fault, LateEffect, Refuse, ReplyDropped, Reset
from reconciler.testing.records import Kind
from reconciler.watching.arrivals import Seen
from tests.stopping import client_of
from tests.watching.counting import Outcome, answered_in, open_files, paid_twice, served
from tests.watching.living import Living, fine
from tests.workspaces import answered, jsonl, leftovers, live, request

HOURS: Final = 12
STEP: Final = 600.0
"""Seconds between two things that happen."""

FAULTS: Final[tuple[tuple[Kind | None, Fault], ...]] = (
    ("create", ReplyDropped()),
    ("create", LateEffect(seconds=120.0)),
    ("create", Refuse(429, "slow down")),
    ("upload", ReplyDropped()),
    ("get", Refuse(500)),
    ("list", Refuse(503)),
    ("download", Cut(40)),
    ("download", Cut(40, "reset")),
    (None, Reset()),
)

FATES: Final = (Fate(seconds=1800), Fate(seconds=7200), Fate(polls=3), Fate(seconds=900, shuffle=True))


class Killed(BaseException):
    """The process is gone."""


class Faked(Protocol):
    """A fake provider, in this process or in another one."""

    @property
    def clock(self) -> Any:
        """Its time."""

    @property
    def faults(self) -> Any:
        """What goes wrong there."""

    def fault(self, kind: Kind | None, fault: Fault, **when: Any) -> None:
        """Let something go wrong there."""


class HalfADay:
    """
    One life; see `live`.

    Args:
        root: The workspace, which is made.
        fake: The provider.
        client: Its client.
        seed: What is drawn from.

    Attributes:
        requests: How many each batch has.
        poll: Seconds between two looks at a batch at the provider.
        within: A kill comes before one of so many effects.
        longest: Seconds that a disk is full, or a workspace away, at the most.
        enough: Seconds after which all is at rest.
    """

    requests = 3
    poll = 300.0
    within = 40
    longest = 1800.0
    enough = 12 * 3600.0

    def __init__(self, root: Path, fake: Faked, client: Remote, seed: int) -> None:
        self.chance = random.Random(seed)
        self.fake = fake
        self.names: list[str] = []
        self.kills = self.passes = self.in_doubt = 0
        (root / "workdir").mkdir(parents=True)
        hooks = Hooks(providers={"openai": client})
        flags = {"provider.name": "openai", "provider.poll_seconds": self.poll}
        flags |= {"provider.per_batch_delay": 0.0}
        self.living = Living(root, clock=fake.clock, flags=flags, plugged=Plugged(lambda _name: hooks))

    def live(self) -> None:
        """Let half a day pass, and then what it takes to come to rest."""
        steps = int(HOURS * 3600 / STEP)
        for _ in range(steps):
            self.chance.choice([*self.files, *self.troubles])()
            self.go_on(STEP * (0.5 + self.chance.random()))
        self.come_to_rest()

    def come_to_rest(self) -> None:
        """Nothing goes wrong any more, and whoever has to decide something does."""
        self.fake.faults.clear()
        self.living.tap = fine
        self.go_on(self.enough)
        if self.decide():
            self.go_on(self.enough)

    def decide(self) -> bool:
        """Killed on the verge of a create: held, and told of, until a person decides; whether any was."""
        doubtful = [
            report.name
            for report in self.living.watch.standing
            if report.state is State.HELD and "its create may have reached" in report.because
        ]
        if doubtful:
            self.in_doubt += len(doubtful)
            resubmit(str(self.living.root), self.living.settings(), doubtful, self.options)
        return bool(doubtful)

    @property
    def files(self) -> tuple[Callable[[], None], ...]:
        """The ways in which a batch comes."""
        return (self.drop, self.drop, self.triple, self.slow, self.silent)

    @property
    def troubles(self) -> tuple[Callable[[], None], ...]:
        """What happens beside that."""
        return (self.fault, self.kill, self.fill, self.vanish, self.by_hand, self.hang_up)

    @property
    def options(self) -> Options:
        """What a pass by hand takes."""
        living = self.living
        return Options(
            plugged=living.plugged, pause=living.pause, clock=living.now, chance=lambda: 0.0, wire=living.wire
        )

    def go_on(self, seconds: float) -> None:
        """Let time pass; a watcher that dies in it is followed by another."""
        ends = self.living.now() + seconds
        while (left := ends - self.living.now()) > 0:
            try:
                self.living.live_for(left)
            except Killed as killed:
                self.kills += 1
                self.passes += self.living.watch.passes
                self.living.tap = fine
                self.living.watch.close()
                self.living.begin()
                self.died(*killed.args)

    def died(self, at: str) -> None:
        """A watcher has died before a change, and another one begins."""

    def spares(self, _change: str) -> bool:
        """Whether a kill passes over a change."""
        return False

    # What happens

    def lines(self) -> tuple[str, bytes]:
        """A new batch: its name and its input."""
        name = f"n{len(self.names)}"
        self.names.append(name)
        return name, jsonl(
            {**request(n), "custom_id": f"{name}-{n}", "body": _body(f"hi {name}-{n}")}
            for n in range(self.requests)
        )

    def drop(self) -> None:
        """Somebody drops an input."""
        name, data = self.lines()
        self.living.write(f"batch_input_{name}.jsonl", data)

    def triple(self) -> None:
        """Somebody drops an input with its answers."""
        name, data = self.lines()
        self.living.write(f"batch_input_{name}.jsonl", data)
        answers = [{**answered(n), "custom_id": f"{name}-{n}"} for n in range(self.requests)]
        self.living.write(f"batch_output_{name}.jsonl", answers)

    def slow(self) -> None:
        """Somebody copies an input slowly."""
        name, data = self.lines()
        leaf = f"batch_input_{name}.jsonl"
        self.living.write(leaf, data[: len(data) // 2], Seen.APPEARED, Seen.GREW)
        for _ in range(3):
            self.go_on(self.chance.random() * 20.0)
            self.living.write(leaf, data[: len(data) // 2 + 1], Seen.GREW)
        self.living.write(leaf, data, Seen.GREW, Seen.WHOLE)

    def silent(self) -> None:
        """Somebody drops an input, and nobody hears of it."""
        name, data = self.lines()
        path = live(self.living.root) / f"batch_input_{name}.jsonl"
        path.write_bytes(data)
        os.utime(path, (self.living.now(), self.living.now()))

    def fault(self) -> None:
        """Something goes wrong at the provider."""
        kind, fault = self.chance.choice(FAULTS)
        self.fake.fault(kind, fault, times=self.chance.choice([1, 2, 5]))

    def kill(self) -> None:
        """The process dies at one of its next effects."""
        left = [self.chance.randint(1, self.within)]

        def tap(change: str, _path: str) -> None:
            left[0] -= not self.spares(change)
            if left[0] == 0:
                raise Killed(change)

        self.living.tap = tap

    def fill(self) -> None:
        """The disk is full for a while."""
        number = self.chance.choice([errno.ENOSPC, errno.EDQUOT, errno.EIO])

        def tap(change: str, path: str) -> None:
            if change == "write":
                raise OSError(number, os.strerror(number), path)

        self.living.tap = tap
        self.go_on(self.chance.random() * self.longest)
        self.living.tap = fine

    def vanish(self) -> None:
        """The workspace is not there for a while."""
        elsewhere = self.living.root.with_name("elsewhere")
        self.living.root.rename(elsewhere)
        self.go_on(self.chance.random() * self.longest)
        elsewhere.rename(self.living.root)

    def by_hand(self) -> None:
        """Somebody reconciles by hand."""
        living = self.living
        tap, living.tap = living.tap, fine
        with suppress(ReconcilerError):
            engine.reconcile(str(living.root), living.settings(), self.options)
        living.tap = tap

    def hang_up(self) -> None:
        """Settings are read anew."""
        self.living.watch.reload()

    # What came of it

    def outcome(self, doubled: int, descriptors: int) -> Outcome:
        """
        Count.

        Args:
            doubled: Requests that the provider was paid for twice.
            descriptors: Open files at the beginning.

        Raises:
            AssertionError: A promise is broken.
        """
        root = self.living.root
        assert check(str(root), self.living.settings()).findings == []
        assert leftovers(root) == []
        lost = sum(len(self.wanted(name) - answered_in(root, name)) for name in self.names)
        self.living.watch.close()
        return Outcome(
            dropped=len(self.names),
            lost=lost,
            doubled=doubled,
            in_doubt=self.in_doubt,
            kills=self.kills,
            passes=self.passes + self.living.watch.passes,
            descriptors=open_files(descriptors) - descriptors,
        )

    def wanted(self, name: str) -> set[str]:
        """The requests of a batch."""
        return {f"{name}-{n}" for n in range(self.requests)}


def virtual(clock: Any, **more: Any) -> Http:
    """The network in virtual time: a wait moves the clock."""
    return Http(
        lambda seconds, _stopping: clock.advance(seconds),
        HttpSettings(spacing=0.0),
        now=lambda: clock.now,
        clock=lambda: clock.now,
        chance=lambda: 0.5,
        **more,
    )


def half_a_day(root: Path, fake: FakeProvider, seed: int) -> Outcome:
    """The life of one seed."""
    fake.reset()
    fake.clock.advance(60.0)
    chance = random.Random(f"fates {seed}")
    fake.script(*(chance.choice(FATES) for _ in range(200)))
    with virtual(fake.clock) as room:
        served(fake)
        before = open_files()
        life = HalfADay(root, fake, client_of("openai", fake), seed)
        life.living.wire = lambda: room
        room.tap = life.living.tapped
        life.live()
        room.close()
        return life.outcome(paid_twice(fake.batches), before)


def _body(text: str) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}
