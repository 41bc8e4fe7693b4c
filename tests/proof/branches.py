"""
Which lines and branches of the code that decides, acts and verifies no test reaches.

    python -m tests.proof.branches                 the plain tests under coverage, then what they left out
    python -m tests.proof.branches -k planner      a part of it; the rest of the line goes to pytest

Ends with 1 as soon as one line or branch of these packages is left out. It counts what runs in the processes
of the tests alone: commands that a test starts do not count, so each line has a test that sees what it does.
Nor do the proofs and the damaged documents, which reach what they reach by chance.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("check", "codec", "executor", "model", "planner", "workspace")
"""What reads, decides and changes: state, effects and their audit."""

PLAIN: Final = ("-n", "auto", "--dist", "worksteal", "--ignore=tests/proof", "--ignore=tests/fuzz")
"""Plain tests: what is drawn at random may reach a line today, and another tomorrow."""


@attrs.frozen
class Reached:
    """
    How much of the packages was reached.

    Attributes:
        lines: Lines that were reached, and all there are.
        branches: Likewise.
        left: What was not reached, as file:line, or file:line -> line for a branch.
    """

    lines: tuple[int, int] = (0, 0)
    branches: tuple[int, int] = (0, 0)
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The figure, for people."""
        (line, lines), (branch, branches) = self.lines, self.branches
        return f"{branch} of {branches} branches, {line} of {lines} lines of {', '.join(PACKAGES)}"


def reached(measured: Mapping[str, Any]) -> Reached:
    """What coverage's JSON report says of the packages."""
    wanted = tuple(f"reconciler/{package}/" for package in PACKAGES)
    files = {path: file for path, file in measured["files"].items() if path.startswith(wanted)}

    def total(what: str) -> int:
        return sum(file["summary"][what] for file in files.values())

    return Reached(
        (total("covered_lines"), total("num_statements")),
        (total("covered_branches"), total("num_branches")),
        tuple(each for path, file in sorted(files.items()) for each in _left(path, file)),
    )


def _left(path: str, file: Mapping[str, Any]) -> Iterator[str]:
    """What was not reached of a file."""
    yield from (f"{path}:{line}" for line in file["missing_lines"])
    for before, after in file["missing_branches"]:
        if {before, after}.isdisjoint(file["missing_lines"]):
            yield f"{path}:{before} -> {'the end' if after < 0 else after}"


def measure(words: Sequence[str] = ()) -> Reached:
    """
    Run the suite under coverage.

    Raises:
        AssertionError: A test fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "pytest", *PLAIN, "--cov", f"--cov-report=json:{report}"]
        ended = subprocess.run([*command, *words], cwd=ROOT, check=False)
        found = reached(json.loads(report.read_bytes())) if report.exists() else Reached()
        if ended.returncode:
            left = "\n".join(("left out in that:", *found.left)) if found.left else ""
            raise AssertionError(f"the tests ended with {ended.returncode}: nothing is proved\n{left}")
        return found


def proof() -> str:
    """
    The figure of the whole suite.

    Raises:
        AssertionError: A line or branch is not reached.
    """
    found = measure()
    if found.left:
        raise AssertionError("\n".join((str(found), *found.left)))
    return str(found)


def main(words: list[str]) -> int:
    """Print what is left out; ends with 1 when anything is."""
    found = measure(words)
    for each in (*found.left, str(found)):
        print(each)  # noqa: T201 - a command
    return 1 if found.left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
