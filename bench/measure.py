"""
What all benches share: options, works timed in turn, peak memory, figures beside their targets.

Machines and their moods differ, so nothing is judged by seconds: a figure is the median of ratios, and each
ratio is taken from two works that ran one after the other in one run. No figure fails a bench; only unequal
results do.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, Final, ParamSpec, TypeVar

import attrs

from bench.shelf import Shelf

_P = ParamSpec("_P")
_T = TypeVar("_T")

MIB: Final = 1 << 20


@attrs.frozen
class Options:
    """
    What the caller of a bench chose.

    Attributes:
        scale: Fraction of the full size.
        pairs: How often the works take turns.
        shelf: Where data sets stand.
    """

    scale: float
    pairs: int
    shelf: Shelf

    def sized(self, full: int, least: int = 1) -> int:
        """*full*, scaled."""
        return max(least, round(full * self.scale))


@attrs.frozen
class Figure:
    """
    One number with what it is held against.

    Attributes:
        name: What was measured.
        values: The number, once for each turn; their median counts.
        unit: `x` for a ratio.
        at_most: The target, where less is better.
        at_least: The target, where more is better.
    """

    name: str
    values: Sequence[float]
    unit: str = "x"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def value(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the target is met, None where there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    def __str__(self) -> str:
        shown = f"{self.value:8.2f} {self.unit:<4}"
        spread = f"({min(self.values):.2f} to {max(self.values):.2f})" if len(self.values) > 1 else ""
        target = ""
        if self.met is not None:
            sign, limit = (">=", self.at_least) if self.at_most is None else ("<=", self.at_most)
            target = f"target {sign} {limit:g}: {'met' if self.met else 'missed'}"
        return f"  {self.name:<58} {shown} {spread:<18} {target}".rstrip()

    def fields(self) -> dict[str, Any]:
        """The figure for machines."""
        kept = {**attrs.asdict(self), "value": self.value, "met": self.met}
        return {key: value for key, value in kept.items() if value is not None}


class Differs(Exception):
    """The product and a baseline did not do the same work."""


def same(ours: object, theirs: object, what: str) -> None:
    """
    Hold the product's result against the baseline's.

    Raises:
        Differs: They are not equal.
    """
    if ours != theirs:
        raise Differs(f"{what} differ: {str(ours)[:300]} and {str(theirs)[:300]}")


Bench = Callable[[Options], Iterator[Figure | str]]
"""Yields figures as they come, and lines that explain them."""


def main(name: str, run: Bench, *, scale: float, pairs: int) -> None:
    """
    Run one bench from the command line and print its figures.

    Args:
        name: The bench.
        run: Its work.
        scale: The fraction of the full size that is measured unless the caller says otherwise.
        pairs: How often the works take turns unless the caller says otherwise.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.{name}", description=sys.modules["__main__"].__doc__
    )
    parser.add_argument("--scale", type=float, default=scale, help=f"fraction of the full size ({scale:g})")
    parser.add_argument("--pairs", type=int, default=pairs, help=f"how often the works take turns ({pairs})")
    parser.add_argument("--folder", type=Path, help="where data sets stand, or are made; a temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the data sets that this run makes")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    chosen = parser.parse_args()
    told: list[Figure | str] = []
    with Shelf(chosen.folder, keep=chosen.keep) as shelf:
        if not chosen.json:
            print(f"{name}, scale {chosen.scale:g}, {chosen.pairs} pairs", flush=True)
        for each in run(Options(chosen.scale, chosen.pairs, shelf)):
            told.append(each)
            if not chosen.json:
                print(each if isinstance(each, Figure) else f"  {each}", flush=True)
    if chosen.json:
        figures = [each.fields() for each in told if isinstance(each, Figure)]
        notes = [each for each in told if isinstance(each, str)]
        print(json.dumps({"bench": name, "scale": chosen.scale, "figures": figures, "notes": notes}))


@attrs.frozen
class Seconds:
    """
    What a work took.

    Attributes:
        cpu: CPU time of this process, user and system, all threads.
        wall: From its start to its end.
    """

    cpu: float
    wall: float


def timed(work: Callable[[], object]) -> Seconds:
    """What *work* takes."""
    gc.collect()
    begun, used = time.perf_counter(), time.process_time()
    kept = work()
    taken = Seconds(time.process_time() - used, time.perf_counter() - begun)
    del kept  # what was built is taken apart outside of the measurement
    return taken


def in_turn(pairs: int, *works: Callable[[], object]) -> list[tuple[Seconds, ...]]:
    """What each of *works* takes, all of them in turn, *pairs* times."""
    return [tuple(timed(work) for work in works) for _ in range(pairs)]


def cpu_of(taken: Sequence[tuple[Seconds, ...]]) -> list[tuple[float, ...]]:
    """Of each turn, the CPU time of each work."""
    return [tuple(each.cpu for each in turn) for turn in taken]


def in_child(work: Callable[_P, _T], *args: _P.args, **words: _P.kwargs) -> _T:
    """Call a module's function in a new process, which has nothing of this one's memory."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(work, *args, **words).result()


def growth(work: Callable[[], object]) -> int:
    """By how many bytes the peak of this process's memory during *work* lies above what it had before."""
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before = memory("self", "VmRSS")
    work()
    return memory("self", "VmHWM") - before


def has_memory() -> bool:
    """Whether this system tells how much memory a process has."""
    return Path("/proc/self/status").is_file()


def memory(process: int | str, word: str) -> int:
    """
    A line of /proc/PROCESS/status, in bytes.

    Raises:
        OSError: There is no such process, or no /proc.
        LookupError: It has no such line (it has ended).
    """
    for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{word}:"):
            return int(line.split()[1]) << 10
    raise LookupError(word)
