"""
Worker processes that die cost time only: another process makes up for them, and the lock outlives them.

A worker is killed for good (SIGKILL) just before its N-th change, alone or together with the pass, for
N = 1, 2, ... until none gets that far.
"""

import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from reconciler.errors import WorkspaceLocked
from reconciler.model.report import State
from reconciler.session import Workers
from tests.crashing import asked, normal, sound
from tests.crewing import Doubting, Heard, alone, fresh, log_of, noted, states, together
from tests.hands import workers
from tests.workspaces import leftovers, run

STEP: Final = 11
"""Every STEP-th point is tried in a normal run and every point in a slow one."""

MOST: Final = 400
"""Changes that no worker makes over so few batches."""


@pytest.fixture(scope="module")
def wanted() -> dict[str, bytes]:
    """What a pass in one process leaves."""
    with fresh() as root:
        alone(root)
        run(root, provider="openai")
        return normal(root)


def pass_in_a_child(root: Path, crew: Workers) -> int:
    """A pass in a process of its own; its exit code, or the signal that it died of as a negative number."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            together(root, crew)
            os._exit(0)
        os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_for_the_lock(root: Path) -> None:
    """Come back when every process that held the workspace is gone."""
    path = root / ".reconciler" / "lock"
    if path.exists():
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def kill_workers(step: int, wanted: dict[str, bytes], *, with_the_pass: bool) -> None:
    """Kill workers before every *step*-th change, mend what that left, and hold it against a whole run."""
    with fresh() as root:
        before = asked(root)
    for point in range(1, MOST, step):
        with fresh() as root:
            when = f"killed before change {point}"
            dying = workers("dying", point, log_of(root), with_the_pass=with_the_pass)
            code = pass_in_a_child(root, dying)
            wait_for_the_lock(root)
            if not noted(root):
                assert code == 0
                assert point > step
                return
            assert code == (-signal.SIGKILL if with_the_pass else 0), when
            sound(root, when)
            assert asked(root).items() >= before.items(), when
            for _ in range(3):
                run(root, provider="openai")
            assert normal(root) == wanted, when
            assert leftovers(root) == [], when
            sound(root, f"{when} and mended")
    pytest.fail(f"some worker made more than {MOST} changes")


@pytest.mark.parametrize("with_the_pass", [False, True], ids=["alone", "with-the-pass"])
def test_workers_killed_before_a_change(wanted: dict[str, bytes], *, with_the_pass: bool) -> None:
    """Killed anywhere, no promise is broken; the pass, or the next one, goes on from there."""
    kill_workers(STEP, wanted, with_the_pass=with_the_pass)


@pytest.mark.slow
@pytest.mark.parametrize("with_the_pass", [False, True], ids=["alone", "with-the-pass"])
def test_workers_killed_before_every_change(wanted: dict[str, bytes], *, with_the_pass: bool) -> None:
    """The same at every point."""
    kill_workers(1, wanted, with_the_pass=with_the_pass)


def test_a_worker_that_dies_while_it_sets_a_batch_aside(wanted: dict[str, bytes]) -> None:
    """The pass sees the folder that came into quarantine after its scan, and makes no second one."""
    with fresh() as root:
        together(root, workers("dying_after", "quarantine/5.1", log_of(root)))
        assert noted(root)
        run(root, provider="openai")
        assert normal(root) == wanted


def test_what_a_dead_worker_left_unsynced_is_synced_before_the_pass_goes_on() -> None:
    """A worker that dies before it synced a settled folder: the pass does, before the old names go."""
    with fresh() as root:
        syncs, at = Doubting(root.parent / "log"), list[int]()

        def tap(change: str, path: str) -> None:
            if (change, path) == ("unlink", "workdir/batch_input_7.jsonl"):
                at.append(len(syncs.seen))

        together(root, workers("dying_after", "done/7", log_of(root)), syncs=syncs, tap=tap)
        assert noted(root)
        assert len(at) == 1
        assert any(before and f"{root}/done" in paths for paths, before in syncs.seen[: at[0]])


def test_a_pass_makes_up_for_its_dead_workers(wanted: dict[str, bytes]) -> None:
    """Workers that die at their first change leave every batch to the pass, which settles them all."""
    with fresh() as root:
        usual = together(root, workers("dying", 1, log_of(root), with_the_pass=False))
        assert len(noted(root)) > 1
        with fresh() as other:
            assert states(usual) == states(alone(other))
        run(root, provider="openai")
        assert normal(root) == wanted


def test_the_lock_is_held_until_the_last_worker_is_gone() -> None:
    """A pass that is killed leaves its workers the lock: nobody else begins before they have ended."""
    with fresh() as root:
        gate = root.parent / "gate"
        with gate.open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert pass_in_a_child(root, workers("outliving", str(gate))) == -signal.SIGKILL
            with pytest.raises(WorkspaceLocked):
                alone(root)
        wait_for_the_lock(root)
        alone(root)
        assert (root / "done" / "1").is_dir()
        sound(root, "after both")


def test_a_worker_that_somebody_ends_is_not_the_end_of_the_pass(wanted: dict[str, bytes]) -> None:
    """SIGTERM to a worker alone leaves its batches to the others and to the pass."""
    with fresh() as root:
        report = together(root, workers("ending", log_of(root)))
        assert noted(root)
        assert State.INTERRUPTED not in states(report).values()
        run(root, provider="openai")
        assert normal(root) == wanted


def test_an_end_of_the_pass_is_an_end_of_its_workers(wanted: dict[str, bytes]) -> None:
    """Ctrl-C reaches the workers through the pass: they stop between two steps, all is resumable."""
    with fresh() as root:
        heard = Heard()
        report = together(
            root,
            workers("counting", log_of(root)),
            watcher=heard,
            stopping=lambda: bool(heard.told),
        )
        assert report.exit_code == 130
        sound(root, "interrupted")
        for _ in range(3):
            run(root, provider="openai")
        assert normal(root) == wanted
