"""Commands as processes of their own: how long they took, and how much memory they and their children had."""

from __future__ import annotations

import resource
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from bench.measure import Seconds, memory

_EVERY: Final = 0.02
"""Seconds between two looks at the memory; the kernel keeps the peaks, so only the end can be missed."""


class Failed(Exception):
    """A command ended with an exit code that it should not have ended with."""


@attrs.frozen
class Ended:
    """
    A command that has ended.

    Attributes:
        seconds: What it took; the CPU time is that of all its processes.
        peaks: The largest resident memory that each of its processes had, in bytes; none without /proc.
    """

    seconds: Seconds
    peaks: Sequence[int]


def ran(words: Sequence[str], environment: Mapping[str, str], where: Path) -> Ended:
    """
    Run a command to its end, watching its memory.

    Raises:
        Failed: It ended with an exit code other than 0.
    """
    used = _cpu_of_children()
    begun = time.perf_counter()
    with subprocess.Popen(
        words, env=environment, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        said = process.communicate()[1]
        seconds = time.perf_counter() - begun
        watch.stop()
    if process.returncode:
        raise Failed(
            f"{' '.join(words)} ended with {process.returncode}: {said.decode(errors='replace')[-500:]}"
        )
    return Ended(Seconds(_cpu_of_children() - used, seconds), tuple(watch.peaks.values()))


def _cpu_of_children() -> float:
    """The CPU seconds of every process that this one has started and that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watch(threading.Thread):
    """Looks at the memory of a process and its descendants until it is told to stop."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._over = threading.Event()
        self.peaks: dict[int, int] = {}

    def run(self) -> None:
        """Look, wait, look again."""
        while not self._over.wait(_EVERY):
            for each in _family(self._root):
                try:
                    self.peaks[each] = max(self.peaks.get(each, 0), memory(each, "VmHWM"))
                except (OSError, LookupError):
                    continue

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def _family(process: int) -> Iterator[int]:
    """A process and its descendants."""
    yield process
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _family(int(child))
    except OSError:
        return
