"""The measure of branches: what is left out is named, and the figure is that of the packages alone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.proof.branches import PACKAGES, ROOT, Reached, reached

CODE: Final = """\
import sys

def least(given):
    if given > 3:
        given = 3
    return given

def sign(given):
    if given < 0:
        return -1
    return 1

for word in sys.argv[1:]:
    least(int(word)), sign(int(word))
"""


def run(root: Path, *words: str) -> Reached:
    """What is reached of a module of a package, and one outside, when it runs with these words."""
    for folder in ("planner", "cli"):
        (root / "reconciler" / folder).mkdir(parents=True)
        (root / "reconciler" / folder / "made.py").write_text(CODE)
    coverage = [sys.executable, "-m", "coverage"]
    for command in (
        [*coverage, "run", "--rcfile=", "--branch", "--source=.", "reconciler/planner/made.py", *words],
        [*coverage, "json", "--rcfile=", "-q", "-o", "report.json"],
    ):
        subprocess.run(command, cwd=root, check=True, timeout=60)
    return reached(json.loads((root / "report.json").read_bytes()))


@pytest.mark.parametrize(
    ("words", "left", "branches"),
    [
        (["1", "4", "-1"], [], (6, 6)),
        (["1", "4"], [":10"], (5, 6)),
        (["1", "-1"], [":5"], (5, 6)),
        (["4"], [":4 -> 6", ":10"], (4, 6)),
    ],
)
def test_what_is_left_out_is_named(
    words: list[str], left: list[str], branches: tuple[int, int], tmp_path: Path
) -> None:
    """A line that nothing reaches is told, and a branch between lines that are; other packages are not."""
    found = run(tmp_path, *words)
    assert sorted(found.left) == sorted(f"reconciler/planner/made.py{each}" for each in left)
    assert found.branches == branches


def test_the_packages_are_there() -> None:
    """Every package that is measured exists, so none drops out of the figure by being renamed."""
    assert [name for name in PACKAGES if not (ROOT / "reconciler" / name / "__init__.py").is_file()] == []
