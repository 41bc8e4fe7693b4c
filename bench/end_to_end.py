"""
What a whole pass costs, from input and answers to done/ and results.

Wall time of `reconcile WORKSPACE` in a process of its own, against a script of two passes with the standard
library's json in another (baselines/two_pass.py). Full size: 1,000 batches, 1,000,000 requests, 2.4 GB. The
files are in the page cache and on disk beforehand.

What the turns leave is removed when all of them are over: ext4 without a journal looks over every inode that
was freed in the last minutes before it gives out another, so that each turn would slow the next one down.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench import data
from bench.baselines import reading
from bench.measure import MIB, Figure, Options, main, same, timed
from bench.processes import Ended, ran
from bench.product import command, environment
from bench.results import same_records
from reconciler.model.identity import Role, file_name

FULL: Final = 1_000
ROOT: Final = Path(__file__).resolve().parents[1]


def run(options: Options) -> Iterator[Figure | str]:
    """Measure the two commands in turn, each over a workspace of its own."""
    count = options.sized(FULL, 2)
    workspace = options.shelf.take(f"batches-{count}", partial(data.batches, count=count))
    files = sorted((workspace / "workdir").iterdir())
    size = reading.read_all(files)
    with ExitStack() as left:
        taken = [_turn(options, left, workspace, files, check=number == 0) for number in range(options.pairs)]
    peaks = [product.peaks for product, _, _ in taken]
    yield f"{count:,} batches, {count * data.REQUESTS:,} requests, {size / 1e9:.2f} GB"
    yield Figure(
        "json in two passes / reconcile", [b.seconds.wall / p.seconds.wall for p, b, _ in taken], at_least=4
    )
    yield Figure("the same in CPU time", [b.seconds.cpu / p.seconds.cpu for p, b, _ in taken])
    yield Figure("reconcile / reading the bytes", [p.seconds.wall / read for p, _, read in taken])
    yield Figure("reconcile", [size / 1e6 / p.seconds.wall for p, _, _ in taken], "MB/s")
    yield Figure("json in two passes", [size / 1e6 / b.seconds.wall for _, b, _ in taken], "MB/s")
    if all(peaks):  # read from /proc, which not every system has
        yield Figure("memory: largest process", [max(each) / MIB for each in peaks], "MiB", at_most=64)
        yield Figure("memory: all processes together", [sum(each) / MIB for each in peaks], "MiB")
        yield Figure("processes", [float(len(each)) for each in peaks], "")


def _turn(
    options: Options, left: ExitStack, workspace: Path, files: Sequence[Path], *, check: bool
) -> tuple[Ended, Ended, float]:
    """The product, the baseline, and nothing but reading, each once; their workspaces stay until the end."""
    ours, theirs = (left.enter_context(options.shelf.copy(workspace)) for _ in range(2))
    product = reconciled(ours)
    script = [sys.executable, "-m", "bench.baselines.two_pass", str(theirs)]
    baseline = ran(script, environment(theirs), ROOT)
    read = timed(lambda: reading.read_all(files)).wall
    if check:
        _check(ours, theirs)
    return product, baseline, read


def reconciled(workspace: Path, *words: str) -> Ended:
    """One pass of the product in a process of its own, by a user who has set nothing."""
    with TemporaryDirectory() as home:
        return ran(command(workspace, *words), environment(Path(home)), ROOT)


def _check(ours: Path, theirs: Path) -> None:
    """Hold results and settled files against each other."""
    names = sorted(path.name for path in (theirs / "done").iterdir())
    same(sorted(path.name for path in (ours / "done").iterdir()), names, "the settled batches")
    for name in names:
        leaf = file_name(Role.INPUT, name)
        same((ours / "done" / name / leaf).stat().st_ino, (theirs / "done" / name / leaf).stat().st_ino, leaf)
        result = f"target/{name}.results.jsonl"
        same_records(ours / result, theirs / result)


if __name__ == "__main__":
    main("end_to_end", run, scale=0.05, pairs=3)
