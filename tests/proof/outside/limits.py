"""Signals and limits that a process gets from outside: SIGSTOP while it holds the lock, `ulimit -f`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Final

from tests.proof.outside.process import ENDS, TIMEOUT, Real
from tests.proof.outside.stops import FAILED, Stops, log_of
from tests.proof.outside.tracing import stopped_in, stopping_at
from tests.workspaces import stats

LOCKED: Final = 4
DEADLY: Final = (
    "import runpy, signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); "
    "runpy.run_module('reconciler', run_name='__main__', alter_sys=True)"
)
"""Python ignores SIGXFSZ; a program that it is embedded in need not."""


def limited(stops: Stops, blocks: int, *, deadly: bool) -> int:
    """
    The command where no file may be larger than *blocks* of 512 bytes (`ulimit -f`); then without that limit.

    Args:
        stops: What it does.
        blocks: The limit.
        deadly: A write beyond it kills the process (SIGXFSZ), and does not only fail.

    Returns:
        What the command ended with.
    """
    when = f"{stops.name}, ulimit -f {blocks}{', SIGXFSZ kills' if deadly else ''}"
    with stops.case.make(stops.fake) as real, stops.around(real):
        program = [sys.executable, "-c", DEADLY] if deadly else real.command[:3]
        line = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *program, *real.command[3:]]
        code, said = real.run(instead=line)
        assert "Traceback" not in said, f"{when}: {said}"
        assert code in {*FAILED, *([-signal.SIGXFSZ] if deadly else [])}, f"{when}: {code}: {said}"
        stops.hold(real, when)
        return code


def stood_still(stops: Stops) -> None:
    """Stopped (SIGSTOP) with the lock, the command keeps others out, who change nothing; then it goes on."""
    when = f"{stops.name}, stopped and gone on"
    point = next(point for point in stops.points if point.name == "renameat")
    with stops.case.make(stops.fake) as real, stops.around(real):
        holder = real.start(stopping_at(point, log_of(real), "STOP"))
        stopped = _stopped(log_of(real))
        try:
            before = stats(real.root)
            code, said = real.run()
            assert code == LOCKED, f"{when}: {code}: {said}"
            assert stats(real.root) == before, f"{when}: the second one changed something"
        finally:
            os.kill(stopped, signal.SIGCONT)
        code, said = real.end(holder)
        assert code in ENDS, f"{when}: {code}: {said}"
        stops.hold(real, when)


def _stopped(log: Path) -> int:
    """The process that strace watches, once it stands still."""
    for _ in range(int(TIMEOUT * 100)):
        found = stopped_in(log) if log.exists() else None
        if found is not None:
            return found
        Event().wait(0.01)
    raise AssertionError("it never stood still")


def linked_away(real: Real) -> tuple[int, str]:
    """`done/` is a link to another folder: what the command says to that."""
    away = real.root.parent / "away"
    away.mkdir()
    (real.root / "done").symlink_to(away)
    before = stats(real.root.parent)
    ended = real.run()
    assert stats(real.root.parent) == before, "it changed something"
    return ended
