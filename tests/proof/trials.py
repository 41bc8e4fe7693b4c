"""What goes wrong in a pass of a live run, the machine that it runs on, and what the pass came to."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from reconciler.errors import Later, PermanentError, TransientError
from tests.looptime import JumpingLoop
from tests.workers import chat

DAY: Final = 86_400.0
LEAP: Final = 7200.0
LARGE: Final = 150_000
"""Bytes of a large answer: a few of them fill the disks of these worlds."""

ROOM: Final = (600_000, 1_300_000, 1_500_000)
"""Bytes that a file may have on a disk that fills up; the first leaves no room to begin."""

INTERRUPTED: Final = 130


@attrs.frozen
class Trial:
    """
    One pass, and what goes wrong in it; whatever is 0 does not.

    Attributes:
        kill: The effect before which the process is killed.
        call: The call in which it is killed.
        full: The effect that finds the disk full, and all later ones do if *sticky*.
        room: Bytes that a file may have.
        stop: The call in which someone asks for an end.
        seconds: How long it may begin requests.
        leap: The call in which the machine wakes up from a sleep that its clock saw.
        wall: The call in which somebody sets the time of day, and by how much.
    """

    kill: int = 0
    call: int = 0
    full: int = 0
    sticky: bool = False
    room: int = 0
    stop: int = 0
    seconds: float = 0.0
    leap: int = 0
    wall: tuple[int, float] = (0, 0.0)


@attrs.define
class Machine:
    """
    The machine that a pass runs on.

    Attributes:
        trial: What goes wrong with it.
        wall: The time of day, in seconds.
        loops: The loops that were made on it.
        calls: How many calls there were.
        changes: How many effects there were.
    """

    trial: Trial
    wall: float = 1_800_000_000.0
    loops: list[JumpingLoop] = attrs.field(factory=list)
    calls: int = 0
    changes: int = 0

    def loop(self) -> JumpingLoop:
        """A loop that jumps over all waiting."""
        self.loops.append(JumpingLoop(patient=True))
        return self.loops[-1]

    def called(self) -> None:
        """A call begins."""
        self.calls += 1
        if self.calls == self.trial.call:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.calls == self.trial.leap:
            self.loops[-1].now += LEAP
        if self.calls == self.trial.wall[0]:
            self.wall += self.trial.wall[1]

    def tap(self, change: str, path: str) -> None:
        """An effect is about to take place."""
        self.changes += 1
        if self.changes == self.trial.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        full = self.trial.full
        if full and (self.changes == full or (self.trial.sticky and self.changes > full)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{change} {path}")


@attrs.frozen
class Call:
    """
    A call of the worker, as it was written down.

    Attributes:
        at: When, on the clock of its loop.
        key: Which request.
        fate: What was to become of it.
    """

    at: float
    key: str
    fate: str


@attrs.frozen
class Ended:
    """
    What a pass came to.

    Attributes:
        code: What its process ended with.
        calls: The calls that it made.
        kept: The answer line of each request that has an end, afterwards.
    """

    code: int
    calls: Sequence[Call]
    kept: Mapping[str, bytes]

    @property
    def tidy(self) -> bool:
        """Whether it ended by itself, with room for what it wanted to write down."""
        return self.code in (0, 75, INTERRUPTED)


async def played(fate: str, key: str) -> Any:
    """What becomes of a send."""
    word, _, seconds = fate.partition(" ")
    await asyncio.sleep(0.01)
    match word:
        case "fails":
            raise TransientError("not now")
        case "later":
            raise Later("slow down", float(seconds))
        case "odd":
            raise ValueError("odd")
        case "never":
            raise PermanentError("never")
        case "hangs":
            await asyncio.sleep(600)
            return chat("late")
        case "slow":
            await asyncio.sleep(20)
    return chat(f"answer to {key}." + ("x" * LARGE if word == "large" else ""))


def trial(chance: random.Random) -> Trial:
    """What goes wrong in the next pass."""
    kinds: Sequence[Callable[[], Trial]] = (
        lambda: Trial(kill=chance.randint(1, 40)),
        lambda: Trial(call=chance.randint(1, 12)),
        lambda: Trial(full=chance.randint(1, 40), sticky=chance.random() < 0.5),
        lambda: Trial(room=chance.choice(ROOM)),
        lambda: Trial(stop=chance.randint(1, 8)),
        lambda: Trial(seconds=chance.choice([0.05, 5.0, 45.0])),
        lambda: Trial(leap=chance.randint(1, 8)),
        lambda: Trial(wall=(chance.randint(1, 8), chance.choice([-DAY, DAY]))),
    )
    return chance.choice(kinds)()
