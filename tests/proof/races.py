"""
Races in full: many processes at once, over several names of one workspace, and kills at random moments.

History is read from outside: from the provider's list of calls, and from what lies there in the end.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Final

from reconciler import decide_online
from reconciler.check import check
from reconciler.model.failure import InDoubt
from reconciler.testing import FakeProvider
from tests.online import Online
from tests.proof.outside.process import CASES, ENDS, quiet
from tests.proof.test_races import BATCHES, DIED, LOCKED, child, ended, inputs, proven
from tests.stopping import client_of
from tests.workspaces import scratch, settings

ROUNDS: Final = 40
"""Rounds after which a race should long be over."""

START: Final = 0.02
"""Seconds within which the processes of a round begin."""


def names_of(root: Path) -> list[Path]:
    """Names that lead to a workspace: its own, links to it and to the folder above, a detour."""
    linked, above = root.parent / "linked", root.parent / "above"
    linked.symlink_to(root)
    above.symlink_to(root.parent)
    return [root, linked, above / root.name, root / "workdir" / ".."]


def race(fake: FakeProvider, seed: int, processes: int, *, bound: Sequence[Path] = ()) -> int:
    """
    Let many processes reconcile one workspace at once until it is settled, some of them killed.

    Args:
        fake: The provider.
        seed: Decides when each begins, by which name, and who is killed where.
        processes: How many at once.
        bound: Further names of a folder that workspaces are made in.

    Returns:
        How many processes there were.
    """
    chance = random.Random(f"{seed} {processes}")
    fake.reset()
    fake.clock.advance(60.0)
    born = 0
    with scratch() as folder:
        root = folder / "w"
        inputs(root)
        names = [*names_of(root), *(each / folder.name / "w" for each in bound)]
        codes: set[int] = set()
        for _ in range(ROUNDS):
            if len([*root.glob("done/*/manifest.json")]) == BATCHES:
                break
            at_work = [_begin(chance, chance.choice(names), fake) for _ in range(processes)]
            codes |= {ended(each) for each in at_work}
            born += processes
            quiet(fake)
            fake.clock.advance(1800.0)
        assert codes <= {0, LOCKED, DIED}, f"seed {seed}: {codes}"
        settled(root, fake, f"seed {seed}")
    return born


def _begin(chance: random.Random, name: Path, fake: FakeProvider) -> int:
    """Begin a pass over the workspace at *name*, somewhat later; it may be killed at an effect."""
    stop = chance.randint(1, 80) if chance.random() < 0.2 else 0
    wait = chance.random() * START
    seen: list[str] = []

    def tap(change: str, _path: str) -> None:
        seen.append(change)
        if len(seen) == stop:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        Event().wait(wait)
        Online(name, fake, client_of("openai", fake), tap=tap).run()

    return child(work)


def killed(fake: FakeProvider, seed: int, kills: int) -> tuple[int, int]:
    """
    Kill passes at random moments, again and again, and check after each; a new workspace when one is settled.

    Args:
        fake: The provider.
        seed: Decides when.
        kills: How many.

    Returns:
        How many were killed, and how many workspaces that took.
    """
    chance = random.Random(seed)
    died = workspaces = 0
    # How long a pass takes says where a kill may fall; it is found on the way.
    long = 0.5
    while died < kills:
        fake.reset()
        fake.clock.advance(60.0)
        workspaces += 1
        with scratch() as folder:
            root = folder / "w"
            inputs(root)
            while died < kills and len([*root.glob("done/*/manifest.json")]) < BATCHES:
                process = child(Online(root, fake, client_of("openai", fake)).run)
                Event().wait(chance.random() * long)
                os.kill(process, signal.SIGKILL)
                code = ended(process)
                assert code in (0, DIED), f"seed {seed}, kill {died}: {code}"
                died += code == DIED
                # A third of the passes is to come to its end.
                long *= 1.1 if code == DIED else 0.75
                quiet(fake)
                broken(root, fake, f"seed {seed}, kill {died}")
                fake.clock.advance(chance.choice([0.0, 60.0, 900.0]))
            fake.clock.advance(1800.0)
            settled(root, fake, f"seed {seed}, kill {died}")
    return died, workspaces


def killed_command(fake: FakeProvider, seed: int, kills: int) -> tuple[int, int]:
    """The same with the command itself, from a tenth of a second on; each workspace up to 8 times."""
    chance = random.Random(seed)
    died = workspaces = 0
    long = 0.5
    case = CASES["send-openai"]
    while died < kills:
        workspaces += 1
        with case.make(fake) as real:
            for _ in range(8):
                process = real.start()
                Event().wait(0.1 + chance.random() * long)
                process.kill()
                code, said = real.end(process)
                assert code in {*ENDS, DIED}, f"seed {seed}, kill {died}: {code}: {said}"
                died += code == DIED
                long *= 1.1 if code == DIED else 0.75
                case.sound(real, f"seed {seed}, kill {died}")
                if (real.root / "done" / "1").is_dir() or died == kills:
                    break
            case.mend(real, f"seed {seed}, kill {died}")
            case.sound(real, f"seed {seed}, kill {died}, and mended")
    return died, workspaces


def broken(root: Path, fake: FakeProvider, when: str) -> None:
    """Raise where a promise is broken, as things stand now."""
    found = [each for each in check(str(root), settings()).findings if "torn" not in each.what]
    assert found == [], f"{when}: {found}"
    assert len(fake.batches) <= BATCHES, when
    for n in range(BATCHES):
        held = {path.read_bytes() for path in root.rglob(f"batch_input_{n}.jsonl")}
        assert len(held) == 1, f"{when}: input {n} is gone, or is two"


def settled(root: Path, fake: FakeProvider, when: str) -> None:
    """
    What is left comes to its end; each create was made once, and each result published once.

    A create that was killed before it arrived is held, and only then: a person sends it again.
    """
    online = Online(root, fake, client_of("openai", fake))
    doubts = [batch.name for batch in online.wait().batches if isinstance(batch.failure, InDoubt)]
    assert len(fake.batches) == BATCHES - len(doubts), f"{when}: {doubts} are in doubt"
    if doubts:
        online.decide(decide_online.resubmit, *doubts)
    proven(root, fake, arrived=True)
