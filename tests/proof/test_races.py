"""
Many reconcilers at once on one workspace, each a process of its own: seen from outside, as if there were one.

What they did is read from the provider's list of calls, from history, and from what lies there in the end.
"""

import fcntl
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from reconciler.check import check
from reconciler.errors import WorkspaceLocked
from reconciler.testing import FakeProvider
from tests.online import Online
from tests.stopping import client_of
from tests.workspaces import ledger, put, request, results, scratch, settings, stats

BATCHES: Final = 3
LOCKED: Final = 4
DIED: Final = -signal.SIGKILL


def child(work: Callable[[], object]) -> int:
    """Begin *work* in a process of its own; it ends with 0, or LOCKED if another is at work."""
    process = os.fork()
    if process == 0:
        code = 99
        with suppress(BaseException):
            try:
                work()
                code = 0
            except WorkspaceLocked:
                code = LOCKED
        os._exit(code)
    return process


def ended(process: int) -> int:
    """What a process ended with."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def race(root: Path, fake: FakeProvider, chance: random.Random, processes: int, *, kill: bool) -> set[int]:
    """Reconcile in many processes at once, some of which are killed at an effect; what they ended with."""
    codes: set[int] = set()
    for _ in range(12):
        born = []
        for _ in range(processes):
            stop = chance.randint(1, 80) if kill and chance.random() < 0.3 else 0
            seen: list[str] = []

            def tap(change: str, _path: str, seen: list[str] = seen, stop: int = stop) -> None:
                seen.append(change)
                if len(seen) == stop:
                    os.kill(os.getpid(), signal.SIGKILL)

            born.append(child(Online(root, fake, client_of("openai", fake), tap=tap).run))
        codes |= {ended(each) for each in born}
        fake.clock.advance(1800.0)
    return codes


def proven(root: Path, fake: FakeProvider, *, arrived: bool = False) -> None:
    """Each input has one create (with *arrived*, one that was answered), one batch, and its own results."""
    Online(root, fake, client_of("openai", fake)).wait()
    assert check(str(root), settings()).findings == []
    creates = fake.calls.of("create")
    if arrived:
        assert len([each for each in creates if each.status == 200]) <= BATCHES
    else:
        assert len(creates) == BATCHES
    assert len(fake.batches) == BATCHES
    settled = Counter(each["batch"] for each in ledger(root) if each["event"] == "batch.settled")
    assert settled == {str(n): 1 for n in range(BATCHES)}
    for n in range(BATCHES):
        assert [row["custom_id"] for row in results(root, str(n))] == [f"q-{n}0", f"q-{n}1"]


def inputs(root: Path) -> None:
    """Some inputs that nobody has sent."""
    for n in range(BATCHES):
        put(root, str(n), input=[request(10 * n) | {"custom_id": f"q-{n}{k}"} for k in range(2)])


@pytest.mark.parametrize("kill", [False, True], ids=["all-live", "some-are-killed"])
@pytest.mark.parametrize("processes", [2, 4])
def test_many_at_once(fake_provider: FakeProvider, processes: int, *, kill: bool) -> None:
    """Some work, the others say that it is locked; whoever dies leaves what the next one goes on with."""
    with scratch() as folder:
        inputs(folder / "w")
        fake_provider.clock.advance(60.0)
        codes = race(folder / "w", fake_provider, random.Random(f"{processes} {kill}"), processes, kill=kill)
        assert codes <= {0, LOCKED, *([DIED] if kill else [])}
        proven(folder / "w", fake_provider)


def test_the_holder_of_the_lock_stands_still(fake_provider: FakeProvider) -> None:
    """While a process that was stopped (SIGSTOP) holds the lock, nobody else works; then it goes on."""
    with scratch() as folder:
        root = folder / "w"
        inputs(root)
        fake_provider.clock.advance(60.0)
        seen: list[str] = []

        def tap(change: str, _path: str) -> None:
            seen.append(change)
            if seen.count("POST create") == 1 and change == "POST create":
                os.kill(os.getpid(), signal.SIGSTOP)

        holder = child(Online(root, fake_provider, client_of("openai", fake_provider), tap=tap).run)
        assert os.WIFSTOPPED(os.waitpid(holder, os.WUNTRACED)[1])
        try:
            other = child(Online(root, fake_provider, client_of("openai", fake_provider)).run)
            assert ended(other) == LOCKED
            assert fake_provider.calls.count("create") == 0
        finally:
            os.kill(holder, signal.SIGCONT)
        assert ended(holder) == 0
        proven(root, fake_provider)


def test_the_live_folder_is_held_by_another_workspace(fake_provider: FakeProvider) -> None:
    """Whoever works in the same live folder, by whatever other name, keeps a pass out of it."""
    with scratch() as folder:
        root = folder / "w"
        inputs(root)
        fake_provider.clock.advance(60.0)
        opened = os.open(root / "workdir", os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            before = stats(root / "workdir")
            with pytest.raises(WorkspaceLocked, match="as part of another workspace"):
                Online(root, fake_provider, client_of("openai", fake_provider)).run()
            assert stats(root / "workdir") == before
            assert not [*fake_provider.calls]
        finally:
            os.close(opened)
        proven(root, fake_provider)
