"""Live runs whose machine fails: no end is lost, none is paid for again, and the next pass goes on."""

from __future__ import annotations

import ctypes
import os
import random
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import engine
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.exchange import Request
from reconciler.model.policy import LOCAL
from reconciler.model.report import State
from reconciler.providers.local import Local
from reconciler.providers.pacing import Pace
from reconciler.session import Options
from tests.proof.runner import Life, live
from tests.proof.trials import Trial
from tests.workers import Noted, answer, chat, ids, kept, note, noted
from tests.workspace.faults import in_child
from tests.workspaces import put, request, scratch, settings

SEEDS: Final = 6
"""Lives that a normal run lives; a slow one lives five hundred."""

STEP: Final = 8
"""A normal run kills before every STEP-th effect, a slow one before each."""

_NEW_USER, _NEW_MOUNTS, _PRIVATE = 0x10000000, 0x00020000, 0x4000 | 0x40000
SKIPPED: Final = 77


def test_lives() -> None:
    """Kills, full disks, hangs and jumps, from seeds: no promise is broken; each kind of end was there."""
    ends = sum((live(seed) for seed in range(1, SEEDS + 1)), Counter[str]())
    assert {"-9", "0", "1", "75", "130"} <= ends.keys(), ends


def test_what_is_told_to_come_later_holds_the_next_batch_too() -> None:
    """A `Retry-After` that the last send of one batch was given is waited for by the first of the next."""
    live(203)


@pytest.mark.slow
def test_many_lives() -> None:
    """The same for five hundred seeds."""
    for seed in range(1, 501):
        live(seed)


def crowded(folder: Path) -> Life:
    """A batch whose ends are written down in groups, some at a second send."""
    life = Life(folder / "w", random.Random(1), pace=Pace(requests_per_minute=0), concurrency=3)
    life.add("b", 7)
    life.fates = {key: [] for key in life.fates} | {"b-1": ["fails"], "b-4": ["never"], "b-5": ["later 40"]}
    return life


def kill_everywhere(step: int) -> int:
    """Kill a run before every *step*-th of its effects, commits of groups among them; how many there were."""
    point, tried = 1, 0
    while True:
        with scratch() as folder:
            life = crowded(folder)
            if life.run(Trial(kill=point)).code == 0:
                return tried
            tried += 1
            life.converge()
            # What was under way at the kill, and nothing else.
            assert len(life.passes[1].calls) <= 7 + 2 - len(life.passes[0].calls) + 3
        point += step


def test_killed_between_two_effects() -> None:
    """Inside of a group, or between the last commit and the published files: the next pass goes on."""
    assert kill_everywhere(STEP) >= 5


@pytest.mark.slow
def test_killed_between_any_two_effects() -> None:
    """The same before each effect."""
    assert kill_everywhere(1) >= 25


def test_without_room_nothing_is_called() -> None:
    """A disk that has no room for answers is found out first; what is left of the look is in nobody's way."""
    with scratch() as folder:
        life = crowded(folder)
        # Killed at each effect in turn, until one pass gets as far as asking: the look is among them.
        while not life.run(Trial(kill=len(life.passes) + 1)).calls:
            assert life.passes[-1].code == -9
        for room in (600_000, 1_000_000):
            before = life.run(Trial(room=room))
            assert (before.code, before.calls) == (1, [])
        life.converge()


def on_small_disk(folder: Path, size: int, work: Callable[[Path], int]) -> int:
    """Do *work* on a disk of so many bytes, which nobody else sees; SKIPPED where none can be made."""

    def alone() -> int:
        libc, mine = ctypes.CDLL(None), f"0 {os.getuid()} 1"
        if libc.unshare(_NEW_MOUNTS):
            if libc.unshare(_NEW_USER | _NEW_MOUNTS):
                return SKIPPED
            Path("/proc/self/uid_map").write_text(mine, "ascii")
        # What is mounted here must not be seen by anybody else.
        if libc.mount(b"none", b"/", None, _PRIVATE, None):
            return SKIPPED
        if libc.mount(b"none", bytes(folder), b"tmpfs", 0, f"size={size}".encode()):
            return SKIPPED
        return work(folder)

    def told() -> int:
        try:
            return alone()
        except BaseException:
            traceback.print_exc()
            raise

    return in_child(told)


def filled(folder: Path) -> int:
    """Fill a disk with answers while they come; see what is left, make room, and go on."""
    root, log = folder / "w", folder / "calls"
    put(root, "1", input=[request(n) for n in range(40)])
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(5 << 20))
    large = Noted(log, lambda asked: chat(f"{asked.custom_id} " + "x" * 100_000))
    report = answer(root, large, concurrency=4)
    assert (report.exit_code, report.batch("1").state) == (1, State.FAILED), report
    assert "full" in report.batch("1").because, report.batch("1").because
    before, first = kept(root, "1"), noted(log)
    assert 0 < len(before) < 40
    assert len(first.keys() - before) <= 4
    # Nothing is called while there is no room for an answer.
    assert answer(root, large, concurrency=4).exit_code == 1
    assert noted(log) == first
    ballast.unlink()
    short = Noted(log, lambda asked: chat(asked.custom_id))
    assert answer(root, short, concurrency=4).exit_code == 0
    again = noted(log) - first
    assert not again.keys() & before, again
    assert set(again) == {f"q-{n}" for n in range(40)} - before
    assert max(noted(log).values()) <= 2
    assert ids(root / "done/1/batch_output_1.jsonl") == [f"q-{n}" for n in range(40)]
    return 0


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "unshare"), reason="Linux only")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """SQLite finds no room in the midst of a run: what was kept stays, the rest goes on later."""
    code = on_small_disk(tmp_path, 9 << 20, filled)
    if code == SKIPPED:
        pytest.skip("this machine lets nobody make a disk of their own")
    assert code == 0


def test_a_thread_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    """A plain function that does not return is given up after `request_seconds`; the others are answered."""
    root, log = tmp_path / "w", tmp_path / "calls"
    put(root, "1", input=[request(n) for n in range(6)])
    enough = threading.Event()

    def worker(asked: Request) -> dict[str, Any]:
        note(log, asked.custom_id)
        if asked.custom_id == "q-0":
            assert enough.wait(30)
        elif len(kept(root, "1")) >= 3:
            # By now the first one has been given up, or has not: it hangs until the others have an end.
            enough.set()
        return chat(asked.custom_id)

    pace = Pace(request_seconds=0.2, retry_seconds=0)
    hooks = Hooks(providers={LOCAL: Local(worker, 1, pace)})
    chosen = settings(provider=LOCAL, settle_seconds=0, max_attempts=2)
    report = engine.reconcile(str(root), chosen, Options(plugged=Plugged(lambda _name: hooks)))
    assert report.exit_code == 0
    assert noted(log)["q-0"] == 2
    assert noted(log).keys() == {f"q-{n}" for n in range(6)}
    assert ids(root / "done/1/batch_error_1.jsonl") == ["q-0"]
