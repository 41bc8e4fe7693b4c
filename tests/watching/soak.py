"""
Three days of a watched workspace, over virtual time: a kill every half minute, a million requests.

    python -m tests.watching.soak HOURS [SEED]

The time is not real: what passes do is, all of it; what a machine does while nothing happens is not. The fake
provider is a process of its own, so that descriptors and memory are those of the watcher and of this.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import attrs

from reconciler.providers.http import Http
from reconciler.testing import FakeProvider
from tests.stopping import client_at
from tests.watching.apart import Apart
from tests.watching.counting import Outcome, open_files, paid_twice, resident
from tests.watching.half_a_day import FATES, HalfADay, virtual
from tests.watching.living import fine
from tests.workspaces import scratch

HOURS: Final = 72
BATCHES: Final = 1000
"""In so many hours; in fewer as many fewer."""

REQUESTS: Final = 1000
"""Of each batch."""

STEP: Final = 25.0
"""Seconds between two things that happen."""

AGAIN: Final = 0.85
"""How probably the one that begins after a kill is killed, too, before the next thing happens."""

LOOKS: Final = 0.3
"""
How probably a look at the provider counts as an effect that a kill may hit: most calls are looks, and a kill
before one of them leaves nothing half done.
"""

LOOK: Final = "GET read"

STRETCHES: Final = 12
"""Parts of a life; at the end of each is measured what is held."""

QUIET: Final = 1 / 6
"""The last part of each stretch, in which nobody kills: a watcher that lives long may leak, too."""

WARM: Final = 2
"""Stretches after which all that is loaded or kept once is there."""

THIRD: Final = 4
"""Stretches early in life, and as many late in it; the first of each is where the others begin."""

DRIFT: Final = 0.05
"""By how much memory may grow from then on."""

TROUBLES: Final = 150.0
"""Steps between two other troubles."""


@attrs.frozen
class Rest:
    """
    What is held at the end of a stretch, between two passes, and what was done in it.

    Attributes:
        hours: Of life by then.
        batches: That came by then.
        kills: By then.
        passes: In this stretch.
        changes: Effects and calls in it.
        seconds: Of processor time of this process in it.
        descriptors: Open files.
        resident: Bytes of memory.
        objects: That the collector of garbage knows.
    """

    hours: float
    batches: int
    kills: int
    passes: int
    changes: int
    seconds: float
    descriptors: int
    resident: int
    objects: int


@attrs.frozen
class Soaked:
    """
    A life: how it ended, and what was held on the way.

    Attributes:
        outcome: The end.
        looked: Kills before a look at the provider, which leave nothing half done.
        rests: What was held.
    """

    outcome: Outcome
    looked: int
    rests: list[Rest]

    @property
    def drift(self) -> float:
        """By which part memory has grown since all was warm, at the most."""
        first, *others = self.rests[WARM - 1 :]
        return max(each.resident for each in others) / max(first.resident, 1) - 1

    @property
    def opened(self) -> int:
        """How many more files were open than when all was warm, at the most."""
        first, *others = self.rests[WARM - 1 :]
        return max(each.descriptors for each in others) - first.descriptors

    @property
    def growth(self) -> tuple[float, float]:
        """Effects for a batch, and processor time for an effect: how many times those early in life."""
        early, late = (
            (
                sum(each.changes for each in rests) / (rests[-1].batches - before.batches),
                sum(each.seconds for each in rests) / sum(each.changes for each in rests),
            )
            for before, *rests in (self.rests[:THIRD], self.rests[-THIRD:])
        )
        return late[0] / early[0], late[1] / early[1]


class Soak(HalfADay):
    """
    One life; see `live`.

    Args:
        root: The workspace, which is made.
        fake: The provider.
        hours: How long it lasts.
        requests: How many each batch has.
        seed: What is drawn from.
        tell: Told of each stretch.
    """

    poll = 60.0
    within = 8
    longest = 600.0
    enough = 3 * 3600.0

    def __init__(  # noqa: PLR0913 - what a life is
        self,
        root: Path,
        fake: Apart,
        hours: float,
        *,
        requests: int = REQUESTS,
        seed: int = 1,
        tell: Callable[[Rest], None] = lambda _rest: None,
    ) -> None:
        super().__init__(root, fake, client_at("openai", fake.url("openai"), fake.key), seed)
        self.apart, self.clock = fake, fake.clock
        self.hours, self.requests, self.tell = hours, requests, tell
        self.rests: list[Rest] = []
        self.killing = False
        self.looked = 0
        self.room = self.opened()
        self.living.wire, self.living.tap = self.opened_anew, fine
        self._before = (0, 0, time.process_time())

    def opened(self) -> Http:
        """The network, in virtual time."""
        return virtual(self.clock, tap=self.called)

    def called(self, call: str, path: str) -> None:
        """A call is about to be made."""
        self.clock.arrive()
        self.living.tapped(call, path)

    def opened_anew(self) -> Http:
        """The network for a pass: as in the product, each that calls opens its own, and closes it."""
        self.room.close()
        self.room = self.opened()
        return self.room

    def live(self) -> None:
        """Let the time pass, and then what it takes to come to rest."""
        began, length = self.living.now(), self.hours * 3600.0
        batches = self.hours / HOURS * BATCHES
        for stretch in range(1, STRETCHES + 1):
            ends = began + length * stretch / STRETCHES
            quiet = ends - length / STRETCHES * QUIET
            while (now := self.living.now()) < ends:
                self.killing = now < quiet
                if self.killing and self.living.tap is fine:
                    self.kill()
                if len(self.names) < batches * (now - began) / length:
                    self.chance.choice(self.files)()
                if self.chance.random() < 1 / TROUBLES:
                    self.chance.choice(self.troubles)()
                self.go_on(STEP)
            self.killing = False
            self.fake.faults.clear()
            self.living.tap = fine
            self.decide()
            self.rest((self.living.now() - began) / 3600.0)
        self.come_to_rest()

    def died(self, at: str) -> None:
        """It may die again at once."""
        self.looked += at == LOOK
        if self.killing and self.chance.random() < AGAIN:
            self.kill()

    def spares(self, change: str) -> bool:
        """Looks at the provider, mostly."""
        return change == LOOK and self.chance.random() > LOOKS

    def rest(self, hours: float) -> None:
        """Measure what is held."""
        self.room.close()
        self.living.told.events.clear()
        self.apart.ask(_forget_calls)
        passes, changes = self.passes + self.living.watch.passes, self.living.changes
        spent = time.process_time()
        held = resident()
        before, self._before = self._before, (passes, changes, time.process_time())
        rest = Rest(
            hours=hours,
            batches=len(self.names),
            kills=self.kills,
            passes=passes - before[0],
            changes=changes - before[1],
            seconds=spent - before[2],
            descriptors=open_files(),
            resident=held,
            objects=len(gc.get_objects()),
        )
        self.rests.append(rest)
        self.tell(rest)


def soak(  # noqa: PLR0913 - what a life is
    root: Path,
    hours: float,
    *,
    requests: int = REQUESTS,
    seed: int = 1,
    life: Callable[..., Soak] = Soak,
    tell: Callable[[Rest], None] = lambda _rest: None,
) -> Soaked:
    """The life of one seed."""
    with Apart() as fake:
        chance = Random(f"fates {seed}")
        fake.script(*(chance.choice(FATES) for _ in range(2 * BATCHES)))
        lived = life(root, fake, hours, requests=requests, seed=seed, tell=tell)
        before = open_files()
        lived.live()
        lived.room.close()
        return Soaked(lived.outcome(fake.ask(_paid_twice), before), lived.looked, lived.rests)


def _forget_calls(fake: FakeProvider) -> None:
    fake.calls.clear()


def _paid_twice(fake: FakeProvider) -> int:
    return paid_twice(fake.batches)


def proof(hours: float, seed: int = 1) -> str:
    """
    Live, and hold the figures to what is promised.

    Raises:
        AssertionError: Something was lost, doubled, or has grown.
    """
    with scratch() as folder:
        found = soak(folder / "w", hours, seed=seed, tell=_print)
    end, (effects, seconds) = found.outcome, found.growth
    if end.lost or end.doubled or end.descriptors > 0 or found.opened > 0 or found.drift >= DRIFT:
        raise AssertionError(f"seed {seed}: {found}")
    return (
        f"{hours:g} virtual hours, {end.dropped} batches of {REQUESTS} ids, {end.kills} kills, "
        f"{end.kills - found.looked} of them before a change, {end.passes} passes: lost 0, doubled 0, "
        f"{end.in_doubt} decided by a person; open files {found.opened:+}, memory {found.drift:+.1%}; "
        f"late in life {effects:.2f} times the effects a batch, {seconds:.2f} times the time an effect"
    )


def _print(rest: Rest) -> None:
    print(rest, file=sys.stderr, flush=True)  # noqa: T201 - a sign of life


if __name__ == "__main__":
    print(proof(*map(int, sys.argv[1:])))  # noqa: T201 - a command
