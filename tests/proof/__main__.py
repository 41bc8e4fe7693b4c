"""
Run the proofs in full and write what came out into `docs/guarantees.md`.

    python -m tests.proof                 everything
    python -m tests.proof power seeds     only these; the figures of the others stay
    python -m tests.proof kills=500       only so many; likewise twice, seeds, machine, runner, fuzz,
                                          races, watchers and mutation
    python -m tests.proof soak=6          six virtual hours, with so many fewer requests and kills
    python -m tests.proof outside=2       two calls of each case

A proof that finds a broken promise ends this with its traceback, and nothing is written for it.
"""

from __future__ import annotations

import errno
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reconciler import __version__
from reconciler.testing import FakeProvider
from tests.crashing import half, kill_everywhere, whole
from tests.five import SIX
from tests.fuzz.running import proof as fuzz
from tests.proof import branches, machine, mutants, mutation
from tests.proof.outside import full
from tests.proof.power import CASES, online_cuts, sweep, sweep_after_kills
from tests.proof.runner import live as lived
from tests.proof.simulation import AGAIN, live_all
from tests.proof.test_disk_faults import ERRNOS, SMALLEST, fail, fail_twice
from tests.scenarios import SCENARIOS
from tests.stopping import CREATES, PROVIDERS, kill
from tests.test_crash_online import all_of, stop_at
from tests.test_faults_online import cells_of, run_all
from tests.watching import soak
from tests.watching.half_a_day import half_a_day
from tests.workspaces import scratch

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "guarantees.md"
BEGIN: Final = "<!-- figures -->"
END: Final = "<!-- end of figures -->"
_counts: Final[dict[str, int]] = {
    "unsynced": 25,
    "twice": 10_000,
    "seeds": 10_000,
    "machine": 10_000,
    "runner": 500,
    "fuzz": 1_000_000,
    "races": 2000,
    "kills": 10_000,
    "watchers": 40,
    "soak": soak.HOURS,
    "mutation": mutation.DRAWN,
}
"""How many, by proof, unless the command says otherwise; of the soak hours."""


def crashes() -> str:
    """Kills before every change of every scenario, and in the midst of every write."""
    points = sum(kill_everywhere(case, 1, tear=tear) for case in SCENARIOS for tear in (whole, half))
    with FakeProvider() as fake:
        online = sum(
            stop_at(provider, create, fake, kill, all_of) for provider in PROVIDERS for create in CREATES
        )
    return (
        f"{len(SCENARIOS)} scenarios here, whole and torn: {points} points; "
        f"{len(PROVIDERS)} providers x {len(CREATES)} ends of a create: {online} points"
    )


def cells() -> str:
    """Every fault of the network at every endpoint, once, again and for good, at every provider."""
    with FakeProvider() as fake:
        run = run_all(fake, cells_of(SIX))
    return f"{run} cells at {len(SIX)} providers, each as its table says"


def power() -> str:
    """Every state of every moment of the scenarios."""
    tried = [sweep(case) for case in CASES]
    moments, states = (sum(each[at] for each in tried) for at in (0, 1))
    return f"{len(CASES)} scenarios, {moments} moments, {states} states"


def unsynced() -> str:
    """Kills of each scenario, and states of the pass that comes after each."""
    states = sum(sweep_after_kills(case, _counts["unsynced"]) for case in CASES)
    return f"{_counts['unsynced']} kills in each of {len(CASES)} scenarios, {states} states of the next pass"


def power_online() -> str:
    """Every moment of a batch at each provider, with one of the states that it may leave."""
    with FakeProvider() as fake:
        moments = sum(online_cuts(provider, fake, 10_000) for provider in PROVIDERS)
    return f"{len(PROVIDERS)} providers, {moments} moments, a state each"


def errnos() -> str:
    """Every change of every scenario, once and for good, with each errno."""
    tried = sum(
        fail(case, number, sticky=sticky) for case in CASES for number in ERRNOS for sticky in (False, True)
    )
    return (
        f"{len(CASES)} scenarios x {len(ERRNOS)} errnos ({errno.errorcode[ERRNOS[0]]}, ...) x 2: {tried} runs"
    )


def twice() -> str:
    """Two faults in one run."""
    smallest, sampled = fail_twice([SMALLEST], None), fail_twice(CASES, _counts["twice"])
    return f"all {smallest} pairs of the smallest scenario, {sampled} of all {len(CASES)}"


def seeds() -> str:
    """Whole lives."""
    with FakeProvider() as fake:
        live_all(range(1, _counts["seeds"] + 1), fake)
    return f"{_counts['seeds']} seeds, one of {AGAIN} twice"


def state_machine() -> str:
    """Whatever may happen, in orders that Hypothesis chooses."""
    runs, slices = _counts["machine"], range(0, _counts["machine"], machine.RUNS)
    for seed, first in enumerate(slices, 1):
        machine.go(seed, min(machine.RUNS, runs - first))
    return f"{runs} runs of {machine.STEPS} steps, from {len(slices)} seeds"


def runner() -> str:
    """Whole lives of live runs."""
    runs = _counts["runner"]
    passes = sum((lived(seed) for seed in range(1, runs + 1)), Counter[str]())
    return f"{runs} seeds, {passes.total()} passes, {passes['-9']} of them killed"


def outside() -> str:
    """The real command, stopped, cramped and refused from outside."""
    return full.outside(_counts.get("outside"))


def raced() -> str:
    """Many processes at once, over many names of one workspace, and over one live folder of two."""
    return full.raced(_counts["races"])


def killed() -> str:
    """Kills at random moments."""
    return full.killed(_counts["kills"])


def watchers() -> str:
    """Half days of a watched workspace."""
    kills = batches = 0
    with FakeProvider() as fake:
        for seed in range(1, _counts["watchers"] + 1):
            with scratch() as folder:
                found = half_a_day(folder / "w", fake, seed)
            if found.lost or found.doubled or found.descriptors > 0:
                raise AssertionError(f"seed {seed}: {found}")
            kills, batches = kills + found.kills, batches + found.dropped
    return f"{_counts['watchers']} half days, {batches} batches, {kills} kills: lost 0, doubled 0"


def planted() -> str:
    """Every planted fault."""
    found = sum(mutants.caught(each) for each in mutants.EVERY)
    if found != len(mutants.EVERY):
        raise AssertionError(
            f"{len(mutants.EVERY) - found} planted faults were not caught: python -m tests.proof.mutants"
        )
    return f"{found} of {len(mutants.EVERY)} caught"


PROOFS: Final[Mapping[str, tuple[str, str, Callable[[], str]]]] = {
    "crashes": ("kills before each change, whole and torn", "all, 12 scenarios", crashes),
    "power": ("power cuts, on this machine alone", "all prefixes x 3 models", power),
    "unsynced": ("a kill, and power cuts in the pass that comes next", "beyond the brief", unsynced),
    "online": ("power cuts, with a provider", "all prefixes x 3 models", power_online),
    "errnos": ("errno at each change, once and sticky", "all, 9 errnos, 12 scenarios", errnos),
    "twice": ("double faults", "all pairs of the smallest, 10,000 sampled", twice),
    "cells": ("faults of the network", "432 of 432", cells),
    "seeds": ("seeds of the simulation", "10,000 per commit", seeds),
    "machine": ("state machine", "10,000 runs of 50 steps", state_machine),
    "runner": ("seeds of live runs: kills, full disks, hangs, jumps of clocks", "500 seeds", runner),
    "fuzz": ("bad inputs, guided by coverage", "1,000,000", lambda: fuzz(_counts["fuzz"])),
    "outside": ("the real command, at its system calls", "all calls, SIGKILL and SIGTERM", outside),
    "races": ("processes at once on one workspace", "2,000 x 2, 500 x 8", raced),
    "kills": ("SIGKILL at random moments", "10,000", killed),
    "watchers": ("simulated half days of a watcher", "12 hours, nothing lost or doubled", watchers),
    "soak": (
        "three days of a watcher, over virtual time",
        "72 h, 1,000,000 ids, 8,600 kills, open files flat, memory < 5 %",
        lambda: soak.proof(_counts["soak"]),
    ),
    "mutants": ("planted faults of the protocol", "25 or more, all caught", planted),
    "coverage": ("branches of state, effects and verification that the tests reach", "100 %", branches.proof),
    "mutation": (
        "mutation score of the same code: small changes at random that some test notices",
        "90 %",
        lambda: mutation.proof(_counts["mutation"]),
    ),
}
"""By name: what is measured, the bar of this project, and what measures it."""


def _version() -> str:
    """Which code is proved: the commit; the version where there is no repository."""
    words = ["git", "describe", "--always", "--exclude=*"]
    said = subprocess.run(words, cwd=PAGE.parent, capture_output=True, text=True, check=False)
    return said.stdout.strip() or __version__


def _split(word: str) -> tuple[str, str, str]:
    return word.partition("=")


def main(words: list[str]) -> int:
    """Run proofs, print their figures, and write them down."""
    _counts.update({name: int(count) for name, equals, count in map(_split, words) if equals})
    words = [name for name, _, _ in map(_split, words)]
    unknown = set(words) - PROOFS.keys()
    if unknown:
        print(f"no such proof: {', '.join(sorted(unknown))}; there are {', '.join(PROOFS)}", file=sys.stderr)  # noqa: T201 - a command
        return 2
    for name, (what, bar, prove) in PROOFS.items():
        if words and name not in words:
            continue
        began = time.monotonic()
        found = prove()
        seconds = time.monotonic() - began
        used = f"{_version()}, Python {platform.python_version()}"
        row = f"| `{name}` | {what} | {bar} | {found} | 0 | {seconds:.0f} s | {used} |"
        print(row, flush=True)  # noqa: T201 - likewise
        write_down(name, row)
    return 0


def write_down(name: str, row: str) -> None:
    """Put a row into the page, as the page is by now: a proof takes long."""
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    old, _, tail = rest.partition(END)
    rows = {line.split("`")[1]: line for line in old.splitlines() if line.startswith("| `")} | {name: row}
    table = [
        "| proof | what | bar | here | violations | time | with |",
        "|---|---|---|---|---|---|---|",
        *(rows[each] for each in PROOFS if each in rows),
    ]
    PAGE.write_text(f"{head}{BEGIN}\n" + "\n".join(table) + f"\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
