"""The table of planted faults is true: each can be planted, and its tests notice it."""

import shutil
from pathlib import Path

import pytest

from tests.proof.mutants import EVERY, ROOT, caught, plant
from tests.proof.planted import Planted


def of(planted: Planted) -> str:
    """A fault's name."""
    return planted.name


def test_there_are_enough() -> None:
    """At least 25 faults, each with a name of its own."""
    assert len({each.name for each in EVERY}) == len(EVERY) >= 25


@pytest.mark.parametrize("planted", EVERY, ids=of)
def test_it_can_be_planted(planted: Planted, tmp_path: Path) -> None:
    """What a fault replaces stands in its module once, what comes of it is Python, and its tests exist."""
    for file, _, _ in planted.edits:
        path = tmp_path / "reconciler" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "reconciler" / file, path)
    plant(tmp_path, planted)
    for file, _, _ in planted.edits:
        compile((tmp_path / "reconciler" / file).read_text("utf-8"), file, "exec")
    named = [each for each in planted.tests if each.startswith("tests/")]
    assert named
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_one_is_caught() -> None:
    """A fault that is quick to try is noticed by its tests."""
    assert caught(next(each for each in EVERY if each.file == "workspace/locking.py"))


@pytest.mark.slow
@pytest.mark.parametrize("planted", EVERY, ids=of)
def test_it_is_caught(planted: Planted) -> None:
    """Every fault is noticed."""
    assert caught(planted)
