"""The kernel's queue of events runs over for real: nothing is lost."""

import logging
import threading
from pathlib import Path
from typing import Final, Self

import pytest

from reconciler.watching.seeing import WATCHDOG, Observing
from tests.watching.living import START, Living
from tests.workspaces import answered, put, request, scratch

LIMIT: Final = Path("/proc/sys/fs/inotify/max_queued_events")
READ: Final = 4096
"""More events than one read takes: so many may be gone before the gate stops the thread that reads."""

MOST: Final = 100_000
"""Events that a test may be expected to make."""


class Stopped:
    """A time at which whoever hears events waits while the gate is shut: the queue fills meanwhile."""

    def __init__(self) -> None:
        self.time = START
        self.gate = threading.Event()
        self.gate.set()
        self._ours = threading.current_thread()

    @property
    def now(self) -> float:
        """The time."""
        if threading.current_thread() is not self._ours:
            self.gate.wait()
        return self.time

    def advance(self, seconds: float) -> None:
        """Let it pass."""
        self.time += seconds


class Overflow(logging.Handler):
    """Hears watchdog say in its log that events were lost."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """It says something."""
        if "overflow" in record.getMessage():
            self.told.set()

    def __enter__(self) -> Self:
        logging.getLogger(WATCHDOG).addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger(WATCHDOG).removeHandler(self)


def limit() -> int:
    """Events that the kernel keeps for somebody who does not listen; skips where that cannot be tried."""
    try:
        found = int(LIMIT.read_text())
    except OSError:
        pytest.skip(f"{LIMIT} cannot be read: no inotify here")
    if found > MOST:
        pytest.skip(f"the kernel keeps {found} events, too many to make")
    return found


def test_a_queue_that_runs_over_leads_to_a_look_at_everything() -> None:
    """Triples of which no event came through are settled within seconds; the next scan is due in minutes."""
    events, clock, sight = limit(), Stopped(), Observing("events")
    with scratch() as root:
        (root / "workdir").mkdir()
        living = Living(root, clock=clock, sight=sight)
        try:
            living.live_for(1.0)
            assert living.watch.scans == 1
            clock.gate.clear()
            for _ in range((events + READ) // 2):
                # Two files in turn: what happens to one file again and again counts once.
                for name in ("x", "y"):
                    (root / "workdir" / f"batch_input_{name}.jsonl").open("ab").close()
            for n in range(20):
                put(root, str(n), input=[request(0)], output=[answered(0)])
            with Overflow() as overflow:
                clock.gate.set()
                assert overflow.told.wait(30)
            settled = set[str]()
            for _ in range(5):
                # What the kernel tells late, in time of its own, makes a batch young once more.
                living.live_for(10.0)
                settled = {path.name for path in (root / "done").iterdir()}
                if len(settled) == 20:
                    break
        finally:
            # Whatever went wrong, no thread of it stays behind.
            clock.gate.set()
            living.watch.close()

    assert living.watch.scans > 1
    assert settled == {str(n) for n in range(20)}
