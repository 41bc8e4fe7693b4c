"""
The mutation score: how many small changes of the code that decides, acts and verifies some test notices.

    python -m tests.proof.mutation                  300 changes, drawn from one seed
    python -m tests.proof.mutation 50 --seed 7      fewer, others
    python -m tests.proof.mutation --reach FILE     keeps in FILE which test reaches which line, or reads it

Each change is made in a copy of the project, and those plain tests run that reach its line, quick ones first,
until one fails. A test counts if it passes without the change. Where none fails, the change has survived: a
test is missing, or the change makes no difference.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import attrs
import coverage

from tests.proof.branches import PACKAGES, PLAIN, ROOT
from tests.proof.mutation_operators import Change, changes

DRAWN: Final = 300
SEED: Final = 2
"""Of a sample that no test was written for; where tests are written for what survives, take another one."""
BAR: Final = 90
"""Of a hundred changes, how many are noticed at the least."""
PATIENCE: Final = 120
"""Seconds that a round of tests may take; code that does not come to its end is noticed, too."""

ROUNDS: Final = ((20, 10.0), (400, 60.0), (1500, 120.0))
"""Of each round of tests for one change: how many at the most, and how many seconds they take together."""

OWN: Final = 1
"""The round of those that are about the module, by their name or because they reach little else."""

Tests = Mapping[str, Mapping[int, Sequence[str]]]
"""Of each module, and each of its lines, the tests that reach it, quickest first."""


@attrs.frozen(slots=False)
class Reach:
    """
    Which tests reach what.

    Attributes:
        tests: By module and line.
        seconds: How long each test takes.
    """

    tests: Tests
    seconds: Mapping[str, float]

    def of(self, change: Change) -> list[str]:
        """The tests that may notice a change; of one in the body of a module any that runs code of it."""
        lines = self.tests.get(change.file, {})
        found = lines.get(change.line) or {each for tests in lines.values() for each in tests}
        return sorted(found, key=lambda each: (self.seconds.get(each, 1.0), each))

    @cached_property
    def breadth(self) -> Mapping[str, int]:
        """How many modules each test reaches."""
        return Counter(
            each for lines in self.tests.values() for each in {test for of in lines.values() for test in of}
        )


def drawn(count: int, seed: int, root: Path = ROOT) -> list[Change]:
    """So many changes of the packages, the same for the same seed and code, in the order of modules."""
    every = [
        change
        for package in PACKAGES
        for path in sorted((root / "reconciler" / package).glob("*.py"))
        for change in changes(path.relative_to(root).as_posix(), path.read_bytes())
    ]
    chosen = random.Random(seed).sample(range(len(every)), min(count, len(every)))
    return [every[at] for at in sorted(chosen)]


def reach(root: Path = ROOT) -> Reach:
    """
    Run the plain tests, and note which lines each of them reaches.

    Raises:
        AssertionError: A test fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        data, times = Path(folder) / "coverage", Path(folder) / "times.xml"
        words = [sys.executable, "-m", "pytest", *PLAIN, "--cov", "--cov-context=test", "--cov-report="]
        env = {**os.environ, "COVERAGE_FILE": str(data), "RECONCILER_NATIVE": "0"}
        ended = subprocess.run([*words, f"--junitxml={times}"], cwd=root, env=env, check=False)
        if ended.returncode:
            raise AssertionError(f"the tests ended with {ended.returncode}: nothing is proved")
        return Reach(_tests(data, root), _seconds(times))


def _tests(data: Path, root: Path) -> Tests:
    """By module and line, as coverage noted it."""
    found = coverage.CoverageData(str(data))
    found.read()
    wanted = tuple(str(root / "reconciler" / package) + "/" for package in PACKAGES)
    return {
        Path(file).relative_to(root).as_posix(): {
            line: sorted({each.partition("|")[0] for each in contexts if each})
            for line, contexts in found.contexts_by_lineno(file).items()
        }
        for file in found.measured_files()
        if file.startswith(wanted)
    }


def _seconds(times: Path) -> dict[str, float]:
    """How long each test took, by the name that pytest takes for it."""
    cases = ET.parse(times).getroot().iter("testcase")  # noqa: S314 - pytest has just written it
    return {
        f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}": float(case.get("time", 1))
        for case in cases
    }


class Workshop:
    """Copies of the project, one for each thread, in which changes are tried."""

    def __init__(self, folder: Path, known: Reach, root: Path = ROOT) -> None:
        self._folder, self._reach, self._root = folder, known, root
        self._mine = threading.local()
        self._sound: dict[str, bool] = {}

    def noticed(self, change: Change) -> bool:
        """Whether a test fails that passes without the change."""
        copy = self._copy()
        path = copy / change.file
        before = path.read_bytes()
        tests = self._reach.of(change)
        try:
            for chosen in rounds(change.file, tests, self._reach):
                while chosen:
                    path.write_bytes(change.applied(before))
                    failed = self._failed(copy, chosen)
                    path.write_bytes(before)
                    if failed == "":
                        break
                    if failed is None:
                        if self._failed(copy, chosen) is not None:
                            return True
                        break  # slow without the change, too: it says nothing
                    if self._passes(copy, failed):
                        return True
                    chosen.remove(failed)
        finally:
            path.write_bytes(before)
        return False

    def _copy(self) -> Path:
        """The copy of this thread."""
        if not hasattr(self._mine, "copy"):
            copy = Path(tempfile.mkdtemp(dir=self._folder)) / "project"
            ignore = shutil.ignore_patterns("__pycache__", ".*_cache", ".git", ".venv*", ".hypothesis")
            shutil.copytree(self._root, copy, ignore=ignore)
            self._mine.copy = copy
        copied: Path = self._mine.copy
        return copied

    def _failed(self, copy: Path, tests: Sequence[str]) -> str | None:
        """The first of these tests that fails, empty if none does; None where they do not come to an end."""
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-rfE", "--tb=no"]
        named = copy.parent / "tests"
        named.write_text("\n".join(tests), "utf-8")
        # Changes are made in Python: C must not do its work.
        own = {"CI": "1", "PYTHONDONTWRITEBYTECODE": "1", "RECONCILER_NATIVE": "0"}
        env = {**os.environ, "PYTHONPATH": str(copy), **own}
        try:
            ended = subprocess.run(
                [*words, f"@{named}"], cwd=copy, env=env, capture_output=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        if ended.returncode == 0:
            return ""
        said = ended.stdout.decode(errors="replace").splitlines()
        failed = [line.partition(" ")[2] for line in said if line.startswith(("FAILED ", "ERROR "))]
        # What cannot even be collected is named by its file; after a name comes what went wrong.
        found = [
            each
            for each in tests
            for name in failed
            if name.startswith((each, each.partition("::")[0] + " "))
        ]
        return found[0] if found else tests[0]

    def _passes(self, copy: Path, test: str) -> bool:
        """Whether a test passes without any change."""
        if test not in self._sound:
            self._sound[test] = self._failed(copy, [test]) == ""
        return self._sound[test]


def rounds(file: str, tests: Sequence[str], known: Reach) -> Iterator[list[str]]:
    """
    The tests of each round.

    First a few of each function, quick ones; then those that are named like the module, or about little else;
    then the others. A line that thousands of tests reach would not be tried by its own tests otherwise, where
    one function has many.
    """
    words = _words(file)

    def own(test: str) -> tuple[int, int]:
        return -len(words & _words(test.partition("::")[0])), known.breadth.get(test, 0)

    seen: Counter[str] = Counter()
    ranked = []
    for each in tests:
        function = each.partition("[")[0]
        ranked.append((seen[function] // 3, each))
        seen[function] += 1
    left = [each for _, each in sorted(ranked, key=lambda pair: pair[0])]
    for number, (most, lasting) in enumerate(ROUNDS):
        queue = sorted(left, key=own) if number == OWN else left
        chosen: list[str] = []
        spent = 0.0
        for each in queue:
            if len(chosen) == most or (chosen and spent >= lasting):
                break
            chosen.append(each)
            spent += known.seconds.get(each, 1.0)
        tried = set(chosen)
        left = [each for each in left if each not in tried]
        if chosen:
            yield chosen


def _words(file: str) -> set[str]:
    """What the path of a module, or of tests, is about."""
    return {*re.split(r"[/_.]", file)} - {"reconciler", "tests", "test", "py"}


def score(count: int, seed: int, known: Reach, root: Path = ROOT) -> tuple[int, list[Change]]:
    """Of so many changes: how many there were, and which nobody noticed."""
    chosen = drawn(count, seed, root)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        shop = Workshop(Path(folder), known, root)
        survived = []
        for change, noticed in zip(chosen, pool.map(shop.noticed, chosen), strict=True):
            if not noticed:
                survived.append(change)
                print(f"SURVIVED  {change.file}:{change.line}  {change.what}", flush=True)  # noqa: T201 - a table is what it is for
    return len(chosen), survived


def is_below(tried: int, survived: int) -> bool:
    """Whether fewer are noticed than the bar says; in whole numbers, since 90 % is not below it."""
    return 100 * (tried - survived) < BAR * tried


def proof(count: int = DRAWN) -> str:
    """
    The figure.

    Raises:
        AssertionError: It is below the bar.
    """
    tried, survived = score(count, SEED, reach())
    told = f"{tried - len(survived)} of {tried} small changes noticed ({1 - len(survived) / tried:.1%})"
    if is_below(tried, len(survived)):
        raise AssertionError(f"{told}; survived are those above")
    return f"{told}, drawn from seed {SEED}"


def main(words: Sequence[str]) -> int:
    """Print what survived, and the score; ends with 1 below the bar."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.mutation", description="The mutation score.")
    parser.add_argument("count", type=int, nargs="?", default=DRAWN)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--reach", type=Path)
    asked = parser.parse_args(words)
    if asked.reach is not None and asked.reach.exists():
        kept = json.loads(asked.reach.read_bytes())
        lines = {file: {int(at): tests for at, tests in of.items()} for file, of in kept["tests"].items()}
        known = Reach(lines, kept["seconds"])
    else:
        known = reach()
        if asked.reach is not None:
            asked.reach.write_text(json.dumps(attrs.asdict(known)), "utf-8")
    tried, survived = score(asked.count, asked.seed, known)
    print(f"{tried - len(survived)} of {tried} noticed: {1 - len(survived) / tried:.1%}")  # noqa: T201 - likewise
    return 1 if is_below(tried, len(survived)) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
