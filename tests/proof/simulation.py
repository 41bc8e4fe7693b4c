"""
Whole lives of workspaces, each drawn from one seed.

    python -m tests.proof.simulation 4711            the life of that seed, step by step
    python -m tests.proof.simulation --seeds 1000    the seeds from 1 on, until one fails
"""

from __future__ import annotations

import errno
import random
import sys
import time
from collections.abc import Iterable
from typing import Final

from reconciler.testing import FakeProvider
from tests.proof.fortunes import FATES, FAULTS
from tests.proof.holding import converge, hold
from tests.proof.world import World, begin
from tests.stopping import PROVIDERS
from tests.workspace.faults import Crash, errno_failure

STEPS: Final = 12

AGAIN: Final = 100
"""Of so many seeds one is lived twice."""

PORT: Final = 48611
"""Where the provider listens: its address is a part of what a batch's account is known by."""

ERRNOS: Final = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE, errno.EACCES, errno.EROFS, errno.ESTALE)


def live(seed: int, fake: FakeProvider) -> str:
    """
    The life of one seed.

    Returns:
        The digest of all that happened.

    Raises:
        AssertionError: A promise was broken; the message names the seed and how to see its life.
    """
    chance = random.Random(seed)
    with begin(chance.choice(PROVIDERS), seed, fake) as world:
        try:
            for number in range(STEPS):
                step(world, chance, number)
                hold(world)
            converge(world)
        except Exception as error:
            told = "\n".join(world.log)
            where = f"seed {seed}: python -m tests.proof.simulation {seed}"
            raise AssertionError(f"{where}\n{world.provider}\n{told}\n{error!r}") from error
        return world.digest


def live_all(seeds: Iterable[int], fake: FakeProvider) -> None:
    """
    The lives of many seeds, one in a hundred of them twice.

    Raises:
        AssertionError: A promise was broken, or two lives of one seed were not the same to the byte.
    """
    for number, seed in enumerate(seeds):
        digest = live(seed, fake)
        if number % AGAIN == 0:
            again = f"two lives of seed {seed} differ: python -m tests.proof.simulation {seed} {seed}"
            assert live(seed, fake) == digest, again


def step(world: World, chance: random.Random, number: int) -> None:  # noqa: C901 - a flat list of what may happen
    """One thing that happens."""
    users = world.users
    what = chance.choices(
        [
            "add",
            "answers",
            "grow",
            "delete",
            "edit",
            "pass",
            "crash",
            "cut",
            "errno",
            "time",
            "fault",
            "fate",
        ],
        [3, 1, 1, 1, 1, 4, 3, 3, 2, 2, 2, 2],
    )[0]
    match what:
        case "add":
            after = chance.choice([*users.samples(), None, None])
            limit = chance.choice([None, None, 600.0, 7200.0, 43200.0])
            users.add(
                f"b{number}", chance.randint(1, 4), half=chance.random() < 0.2, limit=limit, after=after
            )
        case "answers":
            users.answers(f"a{number}", chance.randint(1, 3))
        case "grow" if users.growing:
            users.grow(chance.choice(sorted(users.growing)))
        case "delete" if names := users.deletable():
            users.delete(chance.choice(names))
        case "edit" if paths := users.editable():
            users.edit(chance.choice(paths))
            world.run()
            users.put_all_back()
        case "crash":
            world.run(chance.randint(1, 60), Crash)
        case "cut":
            world.run(chance.randint(1, 60), Crash, chance)
        case "errno":
            world.run(chance.randint(1, 60), errno_failure(chance.choice(ERRNOS)))
        case "time":
            world.wait(chance.choice([1.0, 60.0, 3600.0, 43200.0, -120.0]))
        case "fault":
            kind, fault = chance.choice(FAULTS)
            world.fortunes.fault(kind, fault, chance.choice([1, 1, 2, 5]))
            world.note(f"fault {kind} {type(fault).__name__}")
        case "fate":
            world.fortunes.script(chance.choice(FATES))
            world.note("fate")
        case _:
            world.run()


def main(words: list[str]) -> int:
    """Live one seed and show it, or many and count them."""
    with FakeProvider(port=PORT) as fake:
        if words[:1] == ["--seeds"]:
            began = time.monotonic()
            live_all(range(1, int(words[1]) + 1), fake)
            print(f"{words[1]} seeds, no promise broken, {time.monotonic() - began:.0f} s")  # noqa: T201 - its result
            return 0
        for word in words:
            print(live(int(word), fake))  # noqa: T201 - its result
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
