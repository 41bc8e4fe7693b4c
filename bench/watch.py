"""
What a watcher costs: from the last byte of a batch to its plan, while nothing happens, and in a burst.

The folder holds 100,000 other files at full size. The baseline is a bare read of the kernel's event, in a
thread as the watcher's is. Quiet is what `[watch] quiet_seconds` says by default, and none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Final

from bench import data
from bench.baselines.inotify import Bare
from bench.measure import Figure, Options, main, same
from bench.product import Watched, watched

FILES: Final = 100_000
BURST: Final = 10_000
IDLE: Final = 5.0
"""Seconds of doing nothing."""


def run(options: Options) -> Iterator[Figure | str]:
    """Measure one after the other; seconds count here, so nothing else should run beside it."""
    others = options.sized(FILES)
    for quiet in (0.0, 0.2):
        root = options.shelf.root / f"watched-{quiet:g}"
        _make(root, others)
        with watched(root, quiet) as watcher:
            ours, bare = _latencies(root, watcher, options.pairs)
            if not quiet:
                yield f"{others:,} other files in the folder, {options.pairs} batches dropped"
                yield Figure("bare inotify event, p95", [_p95(bare) * 1e3], "ms")
                yield Figure("last byte to plan / bare event, p95", [_p95(ours) / _p95(bare)], at_most=10)
                yield Figure("last byte to plan, p95", [_p95(ours) * 1e3], "ms")
            else:
                yield Figure(f"last byte to plan, p95, quiet for {quiet:g} s", [_p95(ours) * 1e3], "ms")
                used, begun = time.process_time(), time.perf_counter()
                time.sleep(IDLE)
                share = 100 * (time.process_time() - used) / (time.perf_counter() - begun)
                yield Figure("CPU while nothing happens", [share], "%", at_most=0.1)
    batches = options.sized(BURST)
    root = options.shelf.root / "burst"
    _make(root, 0)
    with watched(root, 0.2) as watcher:
        passes, begun = watcher.passes, time.perf_counter()
        for number in range(batches):
            data.dropped(root, f"b{number}")
        dropped = time.perf_counter() - begun
        watcher.until(lambda: len(watcher.settled) >= batches)
        took = time.perf_counter() - begun
        yield f"{2 * batches:,} files dropped in {dropped:.1f} s, settled in {took:.1f} s"
        yield Figure("passes for the burst", [float(watcher.passes - passes)], "")
    same(len([*(root / "done").iterdir()]), batches, "the numbers of settled batches")


def _make(root: Path, others: int) -> None:
    (root / "workdir").mkdir(parents=True)
    for number in range(others):
        (root / "workdir" / f"note-{number}.txt").touch()


def _latencies(root: Path, watcher: Watched, batches: int) -> tuple[list[float], list[float]]:
    """Seconds from the last byte of each batch to its plan, and to the kernel's bare event."""
    ours, bare = [], []
    for number in range(batches):
        with _listening(root / "workdir", f"batch_output_d{number}.jsonl") as heard:
            ended = data.dropped(root, f"d{number}")
        bare.append(heard[0] - ended)
        ours.append(watcher.until_planned(f"d{number}") - ended)
        watcher.until_settled(f"d{number}")
        # What the settling itself has woken is over before the next one comes.
        time.sleep(0.5)
    return ours, bare


@contextmanager
def _listening(folder: Path, leaf: str) -> Iterator[list[float]]:
    """Hear bare events; the time of the one that *leaf* is closed is what is left."""
    bare, heard = Bare(folder), list[float]()

    def listen() -> None:
        heard.append(bare.heard(leaf))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
        thread.join(10)
    finally:
        bare.close()


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main("watch", run, scale=0.1, pairs=20)
