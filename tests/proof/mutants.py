"""
Plant each fault of `planted*.py` in a copy of the package: its tests have to notice.

    python -m tests.proof.mutants            all of them, as a table
    python -m tests.proof.mutants fsync      those whose name holds a word
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.proof.planted import PLANTED, Planted
from tests.proof.planted_defences import DEFENCES
from tests.proof.planted_limits import LIMITS
from tests.proof.planted_online import ONLINE
from tests.proof.planted_plugged import PLUGGED
from tests.proof.planted_runner import RUNS

ROOT: Final = Path(__file__).resolve().parents[2]
EVERY: Final = (*PLANTED, *ONLINE, *PLUGGED, *LIMITS, *RUNS, *DEFENCES)
FAILED: Final = 1
"""What pytest ends with when a test has failed; anything else is no catch."""

PATIENCE: Final = 300
"""Seconds that the tests of one fault may take."""


def plant(copy: Path, planted: Planted) -> None:
    """
    Put a fault into a copy of the package.

    Raises:
        ValueError: What it replaces does not stand there, or more than once.
    """
    for file, old, new in planted.edits:
        path = copy / "reconciler" / file
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{file} holds {old!r} {text.count(old)} times, expected once")
        path.write_text(text.replace(old, new), "utf-8")


def caught(planted: Planted) -> bool:
    """Whether the tests of a fault notice it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("reconciler", "tests", "workspace_template"):
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", copy)
        plant(copy, planted)
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        there = [each for each in planted.tests if not each.startswith("tests/") or (copy / each).exists()]
        try:
            ended = subprocess.run(
                [*words, *there],
                cwd=copy,
                # Faults are planted in Python: C must not do its work.
                env={**os.environ, "PYTHONPATH": str(copy), "CI": "1", "RECONCILER_NATIVE": "0"},
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{planted.name}: its tests do not end") from error
        if ended.returncode not in (0, FAILED):
            raise RuntimeError(f"{planted.name}: {ended.stdout[-2000:].decode()}")
        return ended.returncode == FAILED


def main(words: list[str]) -> int:
    """Print the table; ends with 1 when a fault was not caught."""
    chosen = [each for each in EVERY if not words or any(word in each.name for word in words)]
    missed = 0
    for each in chosen:
        began = time.monotonic()
        found = caught(each)
        missed += not found
        seconds = time.monotonic() - began
        print(f"{'caught' if found else 'MISSED':7} {seconds:5.1f} s  {each.file:24} {each.name}", flush=True)  # noqa: T201 - a table is what it is for
    print(f"{len(chosen) - missed} of {len(chosen)} caught")  # noqa: T201 - likewise
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
