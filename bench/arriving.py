"""
How long triples take to `done/`: moved, copied slowly, many at once, through a link, polled.

For show: no baseline. Each line says how long it took from the last byte and how many passes were made. Times
hold what is waited for on purpose: `quiet_seconds`, and `settle_seconds` where closing is not told of.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench import data
from bench.measure import Figure, Options, main, same
from bench.product import Watched, watched

MANY: Final = 1000
SLOW: Final = 5
"""Pieces in which a slow copy comes, half a second between two."""


def run(options: Options) -> Iterator[Figure | str]:
    """Let triples come, each way in a workspace of its own."""
    many = options.sized(MANY)
    ways: tuple[tuple[str, str, int, Callable[[Path, Path], None]], ...] = (
        ("mv", "events", 1, _moved),
        ("slow cp", "events", 1, _copied),
        (f"{many:,} files at once", "events", many // 2, _burst(many // 2)),
        ("over a symlinked folder", "events", 1, _moved),
        ("on a polling file system", "polling", 1, _moved),
        ("slow cp, polling", "polling", 1, _copied),
    )
    for number, (what, observer, batches, drop) in enumerate(ways):
        root, aside = (options.shelf.root / f"{each}-{number}" for each in ("arriving", "aside"))
        (root / "workdir").mkdir(parents=True)
        (aside / "workdir").mkdir(parents=True)
        named = root
        if "symlinked" in what:
            named = options.shelf.root / f"link-{number}"
            named.symlink_to(root)
        with watched(named, 0.2, observer) as watcher:
            took, passes = _timed(watcher, batches, partial(drop, root, aside))
        same(len([*(root / "done").iterdir()]), batches, "the numbers of settled batches")
        yield f"{what}: {batches} in done/ after {took:.2f} s, {passes} passes"


def _timed(watcher: Watched, batches: int, drop: Callable[[], None]) -> tuple[float, int]:
    """Seconds from the last byte to the last batch, and passes from the first byte on."""
    before = watcher.passes
    drop()
    ended = time.perf_counter()
    watcher.until(lambda: len(watcher.settled) >= batches)
    took = time.perf_counter() - ended
    # Passes that find nothing any more count too.
    time.sleep(3)
    return took, watcher.passes - before


def _moved(root: Path, aside: Path) -> None:
    data.dropped(aside, "m")
    for path in sorted((aside / "workdir").iterdir()):
        path.rename(root / "workdir" / path.name)


def _copied(root: Path, aside: Path) -> None:
    data.dropped(aside, "c")
    for path in sorted((aside / "workdir").iterdir()):
        content = path.read_bytes()
        size = -(-len(content) // SLOW)
        with (root / "workdir" / path.name).open("wb", buffering=0) as stream:
            for at in range(0, len(content), size):
                stream.write(content[at : at + size])
                time.sleep(0.5)


def _burst(batches: int) -> Callable[[Path, Path], None]:
    def drop(root: Path, aside: Path) -> None:
        for number in range(batches):
            data.dropped(aside, f"b{number}")
        for path in (aside / "workdir").iterdir():
            shutil.copyfile(path, root / "workdir" / path.name)

    return drop


if __name__ == "__main__":
    main("arriving", run, scale=1.0, pairs=1)
