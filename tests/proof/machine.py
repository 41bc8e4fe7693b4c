"""
A state machine over a simulated world: Hypothesis chooses what happens, and shrinks what goes wrong.

    python -m tests.proof.machine 4711               the runs of that seed
    python -m tests.proof.machine 4711 --runs 1000   so many of them

Users, the provider, the machine, a second reconciler and other versions are rules; what holds at all times is
held after each, and at the end faults stop and every request is held to what becomes of it without them. A
failure prints its steps as Python (see `rules.py`), and the command that comes to it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from tests.proof.rules import Machine

STEPS: Final = 50
RUNS: Final = 100
"""Runs from one seed, unless the command says otherwise: Hypothesis remembers each until the last."""


def go(
    seed: int, runs: int, steps: int = STEPS, *, shrink: bool = True, kind: type[Machine] = Machine
) -> None:
    """
    So many runs of the machine, drawn from a seed.

    Raises:
        AssertionError: A promise was broken; its notes say by which steps.
    """
    settings = hypothesis.settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    try:
        with kind.served():
            run_state_machine_as_test(hypothesis.seed(seed)(kind), settings=settings)
    except BaseException as error:
        error.add_note(f"again: python -m tests.proof.machine {seed} --runs {runs} --steps {steps}")
        raise


def main(words: list[str]) -> int:
    """Run the machine and count."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.machine")
    parser.add_argument("seed", type=int)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--raw", action="store_true", help="show the first failure as it came")
    chosen = parser.parse_args(words)
    began = time.monotonic()
    go(chosen.seed, chosen.runs, chosen.steps, shrink=not chosen.raw)
    print(f"{chosen.runs} runs of {chosen.steps} steps, no promise broken, {time.monotonic() - began:.0f} s")  # noqa: T201 - its result
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
