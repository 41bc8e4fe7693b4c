"""
Twelve hours of a watched workspace, drawn from one seed: files that come, and whatever may go wrong.

Time is virtual, faults are injected, processes die at their effects. What was lost or paid twice is counted
at the end, from the files and from what the provider was asked.
"""

from __future__ import annotations

import errno
import os
import random
import re
import time
from collections import Counter
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import attrs

from reconciler import engine
from reconciler.check import check
from reconciler.decide_online import resubmit
from reconciler.errors import ReconcilerError
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from reconciler.session import Options
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Cut, LateEffect, Refuse, ReplyDropped, Reset
from reconciler.watching.arrivals import Seen
from tests.stopping import client_of
from tests.watching.living import Living
from tests.workspaces import answered, jsonl, leftovers, live, request, results

HOURS: Final = 12
STEP: Final = 600.0
"""Seconds between two things that happen."""

FAULTS: Final = (
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


@attrs.frozen
class Outcome:
    """
    How a life has ended.

    Attributes:
        dropped: Batches that users have put there.
        lost: Requests of them that have no answer in the end.
        doubled: Requests that were paid for twice.
        in_doubt: Batches that were held until a person decided.
        kills: How often the watcher died.
        passes: Passes that watchers made.
        descriptors: Open files at the end, less those at the beginning.
    """

    dropped: int
    lost: int
    doubled: int
    in_doubt: int
    kills: int
    passes: int
    descriptors: int


class HalfADay:
    """
    One life; see `live`.

    Args:
        root: The workspace, which is made.
        fake: The provider.
        seed: What is drawn from.
    """

    def __init__(self, root: Path, fake: FakeProvider, room: Http, seed: int) -> None:
        self.chance = random.Random(seed)
        self.fake = fake
        self.names: list[str] = []
        self.kills = self.passes = self.in_doubt = 0
        (root / "workdir").mkdir(parents=True)
        hooks = Hooks(providers={"openai": client_of("openai", fake)})
        flags = {"provider.name": "openai", "provider.poll_seconds": 300.0, "provider.per_batch_delay": 0.0}
        self.living = Living(root, clock=fake.clock, flags=flags, plugged=Plugged(lambda _name: hooks))
        self.living.wire = lambda: room
        room.tap = self.living.tapped

    def live(self) -> None:
        """Let half a day pass, and then what it takes to come to rest."""
        steps = int(HOURS * 3600 / STEP)
        for _ in range(steps):
            files = (self.drop, self.drop, self.triple, self.slow, self.silent)
            troubles = (self.fault, self.kill, self.fill, self.vanish, self.by_hand, self.hang_up)
            self.chance.choice([*files, *troubles])()
            self.go_on(STEP * (0.5 + self.chance.random()))
        self.fake.faults.clear()
        self.living.tap = _fine
        self.go_on(12 * 3600.0)
        held = {
            facts["batch"]
            for facts in self.living.told.of("batch.held")
            if "its create may have reached" in facts["because"]
        }
        doubtful = [name for name in self.names if name in held and not self.is_done(name)]
        if doubtful:
            # Killed on the verge of a create: held, and told of, until a person decides.
            self.in_doubt = len(doubtful)
            resubmit(str(self.living.root), self.living.settings(), doubtful, self.options)
            self.go_on(12 * 3600.0)

    def is_done(self, name: str) -> bool:
        """Whether a batch has settled."""
        return (self.living.root / "done" / name).is_dir()

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
            except Killed:
                self.kills += 1
                self.passes += self.living.watch.passes
                self.living.tap = _fine
                self.living.watch.close()
                self.living.begin()

    # What happens

    def lines(self) -> tuple[str, bytes]:
        """A new batch: its name and its input."""
        name = f"n{len(self.names)}"
        self.names.append(name)
        return name, jsonl(
            {**request(n), "custom_id": f"{name}-{n}", "body": _body(f"hi {name}-{n}")} for n in range(3)
        )

    def drop(self) -> None:
        """Somebody drops an input."""
        name, data = self.lines()
        self.living.write(f"batch_input_{name}.jsonl", data)

    def triple(self) -> None:
        """Somebody drops an input with its answers."""
        name, data = self.lines()
        self.living.write(f"batch_input_{name}.jsonl", data)
        answers = [{**answered(n), "custom_id": f"{name}-{n}"} for n in range(3)]
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
        self.fake.fault(kind, fault, times=self.chance.choice([1, 2, 5]))  # type: ignore[arg-type]

    def kill(self) -> None:
        """The process dies at one of its next effects."""
        left = [self.chance.randint(1, 40)]

        def tap(_change: str, _path: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        self.living.tap = tap

    def fill(self) -> None:
        """The disk is full for a while."""
        number = self.chance.choice([errno.ENOSPC, errno.EDQUOT, errno.EIO])

        def tap(change: str, path: str) -> None:
            if change == "write":
                raise OSError(number, os.strerror(number), path)

        self.living.tap = tap
        self.go_on(self.chance.random() * 1800.0)
        self.living.tap = _fine

    def vanish(self) -> None:
        """The workspace is not there for a while."""
        elsewhere = self.living.root.with_name("elsewhere")
        self.living.root.rename(elsewhere)
        self.go_on(self.chance.random() * 1800.0)
        elsewhere.rename(self.living.root)

    def by_hand(self) -> None:
        """Somebody reconciles by hand."""
        living = self.living
        tap, living.tap = living.tap, _fine
        with suppress(ReconcilerError):
            engine.reconcile(str(living.root), living.settings(), self.options)
        living.tap = tap

    def hang_up(self) -> None:
        """Settings are read anew."""
        self.living.watch.reload()

    # What came of it

    def outcome(self, descriptors: int) -> Outcome:
        """
        Count.

        Raises:
            AssertionError: A promise is broken.
        """
        root = self.living.root
        assert check(str(root), self.living.settings()).findings == []
        assert leftovers(root) == []
        paid: Counter[str] = Counter()
        for batch in self.fake.batches:
            for _, line in batch.source.lines():
                paid.update({found.decode() for found in re.findall(rb"hi (n\d+-\d+)", line)})
        wanted = {f"{name}-{n}" for name in self.names for n in range(3)}
        there = {
            row["custom_id"]
            for name in self.names
            if (root / "target" / f"{name}.results.jsonl").exists()
            for row in results(root, name)
            if row["outcome"] == "answered"
        }
        self.living.watch.close()
        return Outcome(
            dropped=len(self.names),
            lost=len(wanted - there),
            doubled=sum(count > 1 for count in paid.values()),
            in_doubt=self.in_doubt,
            kills=self.kills,
            passes=self.passes + self.living.watch.passes,
            descriptors=open_files(descriptors) - descriptors,
        )


def half_a_day(root: Path, fake: FakeProvider, seed: int) -> Outcome:
    """The life of one seed."""
    fake.reset()
    fake.clock.advance(60.0)
    chance = random.Random(f"fates {seed}")
    fake.script(*(chance.choice(FATES) for _ in range(200)))
    clock = fake.clock
    with Http(
        lambda seconds, _stopping: clock.advance(seconds),
        HttpSettings(spacing=0.0),
        now=lambda: clock.now,
        clock=lambda: clock.now,
        chance=lambda: 0.5,
    ) as room:
        served(fake)
        before = open_files()
        life = HalfADay(root, fake, room, seed)
        life.live()
        room.close()
        return life.outcome(before)


def served(fake: FakeProvider) -> None:
    """Have the provider's server answer once: what it opens for good is open then."""
    asked = HTTPConnection("127.0.0.1", fake.port)
    asked.request("GET", "/")
    asked.getresponse().read()
    asked.close()


def open_files(expected: int = 0) -> int:
    """How many files this process has open; the provider's server lives here too and closes later."""
    here, ends = Path("/proc/self/fd"), time.monotonic() + 10
    if not here.exists():
        return 0
    while (found := len(list(here.iterdir()))) > expected > 0 and time.monotonic() < ends:
        os.sched_yield()
    return found


def _body(text: str) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def _fine(_change: str, _path: str) -> None:
    """Nothing goes wrong."""
