"""
Worker processes for tests: the real ones, with a tap in each.

What a tap does is named in the program that starts the worker, for nothing else crosses to another process.
"""

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from reconciler import hand
from reconciler.session import Workers
from reconciler.workspace.effects import Tap

ROOT: Final = Path(__file__).resolve().parents[1]


def workers(tap: str, *words: Any, **named: Any) -> Workers:
    """Workers from the first byte on; in each, the function *tap* of this module makes the tap."""
    told = ", ".join([*map(repr, words), *(f"{key}={value!r}" for key, value in named.items())])
    found = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests import hands"
    boot = f"{found}; hands.begin(hands.{tap}({told}))"
    return Workers(worth=0, boot=boot)


def begin(tap: Tap) -> None:
    """Begin to work, as every worker does."""
    hand.main(int(sys.argv[1]), tap)


def counting(log: str) -> Tap:
    """Write down every change, behind the process that makes it."""

    def tap(change: str, path: str) -> None:
        _note(log, f"{os.getpid()} {change} {path}\n")

    return tap


def dying(point: int, log: str, *, with_the_pass: bool) -> Tap:
    """Kill this process just before its change number *point*, and the pass too if that is asked for."""
    count = _counter()

    def tap(_change: str, _path: str) -> None:
        if count() == point:
            _note(log, "died\n")
            if with_the_pass:
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    return tap


def dying_after(renamed: str, log: str) -> Tap:
    """Kill this process just before the change that follows the renaming to *renamed*."""
    last: list[tuple[str, str]] = []

    def tap(change: str, path: str) -> None:
        if ("rename", renamed) in last:
            _note(log, "died\n")
            os.kill(os.getpid(), signal.SIGKILL)
        last.append((change, path))

    return tap


def outliving(gate: str) -> Tap:
    """Kill the pass at the first change, then stand still there while somebody else holds the file *gate*."""
    count = _counter()

    def tap(_change: str, _path: str) -> None:
        if count() == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            with Path(gate).open("rb") as held:
                fcntl.flock(held, fcntl.LOCK_SH)

    return tap


def ending(log: str) -> Tap:
    """Ask this worker alone for an end at its second change."""
    count = _counter()

    def tap(_change: str, _path: str) -> None:
        if count() == 2:
            _note(log, "asked\n")
            os.kill(os.getpid(), signal.SIGTERM)

    return tap


def _counter() -> Callable[[], int]:
    """Counts its calls, from 1."""
    seen: list[None] = []

    def count() -> int:
        seen.append(None)
        return len(seen)

    return count


def _note(log: str, line: str) -> None:
    """Append a line in one write: several processes do."""
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(opened, line.encode())
    finally:
        os.close(opened)
