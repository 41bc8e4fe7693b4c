"""
What a second process brings, over whole batches.

Wall time of `reconcile WORKSPACE --jobs 1` against the same with `--jobs 2`, each run as a command. Full
size: 400 batches, 400,000 requests, 1 GB. What the machine itself has to give is measured beside it: a loop
that only counts, twice in one process and once in each of two.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench import data
from bench.end_to_end import reconciled
from bench.measure import Figure, Options, main, same
from bench.product import command

FULL: Final = 400
JOBS: Final = 2
SPIN: Final = 10_000_000


def run(options: Options) -> Iterator[Figure | str]:
    """Measure one job and two in turn, each over a workspace of its own."""
    spins = [_spin() for _ in range(options.pairs)]
    yield Figure("a loop that counts: one process / two", spins)
    said = subprocess.run(command("run", "--help"), capture_output=True, text=True, check=True).stdout
    if "--jobs" not in said:
        yield "this version has no --jobs: a pass is one process"
        return
    count = options.sized(FULL, 4)
    workspace = options.shelf.take(f"batches-{count}", partial(data.batches, count=count))
    yield f"{count:,} batches, {count * data.REQUESTS:,} requests"
    taken = [(_pass(options, workspace, 1), _pass(options, workspace, JOBS)) for _ in range(options.pairs)]
    yield Figure("reconcile: --jobs 1 / --jobs 2", [one / two for one, two in taken], at_least=1.6)
    yield Figure("reconcile --jobs 1", [one for one, _ in taken], "s")


def _pass(options: Options, workspace: Path, jobs: int) -> float:
    """The seconds of one pass; every batch of it has to settle."""
    with options.shelf.copy(workspace) as copy:
        seconds = reconciled(copy, "--jobs", str(jobs)).seconds.wall
        same(list((copy / "workdir").iterdir()), [], "the files left and no files")
    return seconds


def _spin() -> float:
    """How much faster two processes count than one that counts for both."""
    fresh = multiprocessing.get_context("spawn")
    with fresh.Pool(JOBS) as pool:
        pool.map(_count, [1] * JOBS)
        begun = time.perf_counter()
        _count(JOBS * SPIN)
        between = time.perf_counter()
        pool.map(_count, [SPIN] * JOBS, chunksize=1)
        return (between - begun) / (time.perf_counter() - between)


def _count(to: int) -> int:
    for _ in range(to):
        pass
    return to


if __name__ == "__main__":
    main("cores", run, scale=0.1, pairs=3)
