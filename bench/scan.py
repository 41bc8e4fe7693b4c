"""
What it costs to see which batches there are, and what each of them needs.

CPU time of the product against CPU time of going through the same folder with os.scandir. Full size: 100,000
batches of four files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench import data
from bench.baselines import scandir
from bench.measure import Figure, Options, cpu_of, in_turn, main, same
from bench.product import first_look, looking, shapes
from reconciler.executor.context import View
from reconciler.model.triple import Shape

FULL: Final = 100_000
FEW: Final = 1_000


def run(options: Options) -> Iterator[Figure | str]:
    """Measure over many batches, and over few as often as makes as many."""
    times = options.sized(FULL // FEW)
    batches = times * FEW
    many = options.shelf.take(f"tiny-{batches}", partial(data.tiny, batches=batches))
    few = options.shelf.take(f"tiny-{FEW}", partial(data.tiny, batches=FEW))
    with looking(many) as view, looking(few) as view_of_few:
        live = many / "workdir"
        _check(live, view, batches)
        taken = cpu_of(
            in_turn(
                options.pairs,
                lambda: shapes(view),
                lambda: scandir.count(str(live)),
                _repeated(times, lambda: shapes(view_of_few)),
                lambda: first_look(view),
                _repeated(times, lambda: first_look(view_of_few)),
            )
        )
    yield f"{batches:,} batches, {4 * batches:,} files"
    yield Figure("scan to shapes / os.scandir", [t[0] / t[1] for t in taken], at_most=3)
    yield Figure("scan, metadata and plan of each / os.scandir", [t[3] / t[1] for t in taken], at_most=8)
    yield Figure(f"scan, a batch: among {batches:,} / {FEW:,}", [t[0] / t[2] for t in taken], at_most=1.3)
    yield Figure(f"plan, a batch: among {batches:,} / {FEW:,}", [t[3] / t[4] for t in taken], at_most=1.3)
    yield Figure("os.scandir, a batch", [t[1] / batches * 1e6 for t in taken], "us")
    yield Figure("scan, metadata and plan, a batch", [t[3] / batches * 1e6 for t in taken], "us")


def _check(live: Path, view: View, batches: int) -> None:
    """Hold what the product sees against what was made; this is also what warms the caches up."""
    same(scandir.count(str(live)), 4 * batches, "the numbers of files")
    same(Counter(shapes(view).values()), Counter({Shape.MIXED: batches}), "the shapes")
    verbs = Counter(step.verb for plan in first_look(view) if plan for step in plan.steps[:1])
    same(verbs, Counter({"match-request-ids": batches}), "the first steps")


def _repeated(times: int, work: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            work()

    return run


if __name__ == "__main__":
    main("scan", run, scale=0.02, pairs=5)
