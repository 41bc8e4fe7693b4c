"""Two ways to one folder by bind mounts; run with mounts of its own, see `mounts.py`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from reconciler.testing import FakeProvider
from tests.online import Online
from tests.proof.races import race
from tests.proof.test_races import BATCHES, LOCKED, child, ended, inputs
from tests.stopping import client_of
from tests.workspaces import scratch

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - workspaces are made there


def bound(races: str) -> int:
    """Races of two and of eight over a workspace that is mounted at a second place, too."""
    with FakeProvider() as fake, TemporaryDirectory() as second:
        subprocess.run(["mount", "--bind", str(MEMORY), second], check=True)
        try:
            for seed in range(int(races)):
                race(fake, seed, 8 if seed % 5 == 0 else 2, bound=[Path(second)])
        finally:
            subprocess.run(["umount", second], check=True)
    return int(races)


def shared_live(races: str) -> int:
    """Two workspaces whose live folder is one and the same: one at a time works on it."""
    with FakeProvider() as fake:
        for number in range(int(races)):
            fake.reset()
            fake.clock.advance(60.0)
            with scratch() as folder:
                one, two = folder / "one", folder / "two"
                inputs(one)
                (two / "workdir").mkdir(parents=True)
                subprocess.run(["mount", "--bind", str(one / "workdir"), str(two / "workdir")], check=True)
                try:
                    passes = [Online(root, fake, client_of("openai", fake)) for root in (one, two)]
                    codes = {ended(each) for each in [child(each.run) for each in passes * 2]}
                    assert codes <= {0, LOCKED}, f"race {number}: {codes}"
                    for at in range(4):
                        fake.clock.advance(1800.0)
                        passes[(number + at) % 2].run()
                    creates = fake.calls.count("create")
                    assert creates == len(fake.batches) == BATCHES, f"race {number}: {creates} creates"
                    published = sorted(path.name for path in folder.glob("*/target/*.results.jsonl"))
                    assert published == [f"{n}.results.jsonl" for n in range(BATCHES)], f"race {number}"
                    assert not [*folder.glob("*/workdir/batch_*")], f"race {number}: something was left"
                finally:
                    subprocess.run(["umount", str(two / "workdir")], check=True)
    return int(races)
