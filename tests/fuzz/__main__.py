"""
Look for inputs that a reader cannot stand.

    python -m tests.fuzz                            every target, 100,000 inputs in all
    python -m tests.fuzz lines --runs 1000000       one target
    python -m tests.fuzz --replay                   what is kept of earlier runs, no more
    python -m tests.fuzz --keep                     and keep what reached something new
    python -m tests.fuzz --blind                    without atheris
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping

from tests.fuzz.running import Ran, has_atheris, replay, run, smaller, spread
from tests.fuzz.targets import CORPUS, TARGETS, packed


def main(words: list[str]) -> int:
    """Run targets and tell what was found; ends with 1 when that is something."""
    asked = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Look for what no reader can stand."
    )
    asked.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    asked.add_argument("--runs", type=int, default=100_000, help="inputs in all")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--blind", action="store_true", help="without atheris")
    asked.add_argument("--keep", action="store_true", help="keep inputs that reached something new")
    asked.add_argument("--replay", action="store_true", help="only what is kept of earlier runs")
    given = asked.parse_args(words)
    names = given.names or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        asked.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if not (given.blind or given.replay or has_atheris()):
        asked.error("atheris is not here: pip install -e '.[fuzz]', or --blind")
    began = time.monotonic()
    ran: Mapping[str, Ran]
    if given.replay:
        ran = {
            name: replay(TARGETS[name], [*TARGETS[name].seeds(), *TARGETS[name].corpus()]) for name in names
        }
    else:
        ran = run(names, given.runs, given.seed, without_atheris=given.blind)
    violations = sum(_told(name, each) for name, each in ran.items())
    if given.keep:
        for name, each in ran.items():
            _keep(name, each)
    inputs = sum(each.inputs for each in ran.values())
    print(f"{inputs} inputs, {violations} violations, {time.monotonic() - began:.0f} s")  # noqa: T201 - a command
    return 1 if violations else 0


def _told(name: str, ran: Ran) -> int:
    """Print what came of one target; gives how many violations there were."""
    print(f"{name:10} {ran.inputs:8} inputs, {len(ran.found)} violations", flush=True)  # noqa: T201 - likewise
    for found in ran.found:
        small = smaller(TARGETS[name], found)
        print(f"\n{small.kind}\n{small.data[:1000]!r}\n{small.told[-3000:]}", flush=True)  # noqa: T201 - likewise
    return len(ran.found)


def _keep(name: str, ran: Ran) -> None:
    """Add to the corpus what reaches steps that nothing in it does, and every violation."""
    target = TARGETS[name]
    old = target.corpus()
    violations = [smaller(target, each).data for each in ran.found]
    more = spread(target.check, [*target.seeds(), *old, *ran.corpus])
    kept = {*old, *violations, *more} - {*target.seeds()}
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{name}.txt").write_text(packed(kept), "ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
