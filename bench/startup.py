"""
What it costs to start.

Wall time of commands that do next to nothing, against the same Python that does nothing at all.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bench.measure import Figure, Options, in_turn, main
from bench.product import command, environment

NOTHING: Final = (sys.executable, "-c", "pass")


def run(options: Options) -> Iterator[Figure | str]:
    """Measure all of them in turn."""
    home, workspace = (options.shelf.root / name for name in ("home", "empty"))
    (workspace / "workdir").mkdir(parents=True, exist_ok=True)
    home.mkdir(exist_ok=True)
    words = [command("--version"), command("--help"), command(workspace), NOTHING]
    works = [_started(each, environment(home)) for each in words]
    in_turn(2, *works)  # the first pass marks the workspace, the first import compiles
    taken = [tuple(each.wall for each in turn) for turn in in_turn(options.pairs, *works)]
    yield Figure("reconcile --version / python -c pass", [t[0] / t[3] for t in taken], at_most=6)
    yield Figure("reconcile --help / python -c pass", [t[1] / t[3] for t in taken], at_most=6)
    yield Figure("reconcile EMPTY / python -c pass", [t[2] / t[3] for t in taken], at_most=12)
    yield Figure("python -c pass", [t[3] * 1e3 for t in taken], "ms")


def _started(words: Sequence[str], environment: Mapping[str, str]) -> Callable[[], object]:
    return lambda: subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main("startup", run, scale=1, pairs=15)
