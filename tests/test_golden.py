"""
Whole workspaces, before and after one pass, with the plan that was announced and the exit code.

Each folder of `golden/` is a case: `before/` (with its own reconciler.toml where the case needs one),
`plan.txt`, `after/`, `exit_code.txt`. After a change that is meant, look at the difference that

    GOLDEN_UPDATE=1 python -m pytest tests/test_golden.py && git diff tests/golden

makes, and commit it with the change.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from reconciler import config, engine
from reconciler.check import check
from reconciler.config import Settings
from reconciler.preview import preview
from tests import workspaces
from tests.workspaces import answered, failed, files, leftovers, put, request, tree

GOLDEN: Final = Path(__file__).parent / "golden"
CASES: Final = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
UPDATE: Final = bool(os.environ.get("GOLDEN_UPDATE"))


def settings_of(root: Path) -> Settings:
    """The settings that the workspace itself names; neither the user's own nor the environment's."""
    path = root / "reconciler.toml"
    return config.settle([(str(path), path.read_text())] if path.exists() else [])


def announced(root: Path) -> str:
    """The plan for every batch, and what is not ours, as text."""
    seen = preview(str(root), settings_of(root), deep=True)
    parts = [plan.explain() for _, plan in seen.batches]
    parts += [f"ignored: {each.path}: {each.why}" for each in seen.listing.ignored]
    return "\n".join(parts) + "\n"


def write(folder: Path, wanted: dict[str, bytes]) -> None:
    """Make *folder* hold exactly the *wanted* files."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


@pytest.mark.parametrize("case", CASES)
def test_a_whole_workspace(case: str, tmp_path: Path) -> None:
    """A pass does what the plan announced: these files, these bytes, this exit code, and nothing else."""
    root = tmp_path / case
    shutil.copytree(GOLDEN / case / "before", root)
    plan = announced(root)
    assert files(root) == files(GOLDEN / case / "before"), "looking changed something"
    report = engine.reconcile(str(root), settings_of(root))
    if UPDATE:
        write(GOLDEN / case / "after", tree(root))
        (GOLDEN / case / "plan.txt").write_text(plan)
        (GOLDEN / case / "exit_code.txt").write_text(f"{report.exit_code}\n")
    assert plan == (GOLDEN / case / "plan.txt").read_text()
    assert tree(root) == files(GOLDEN / case / "after")
    assert report.exit_code == int((GOLDEN / case / "exit_code.txt").read_text())
    assert leftovers(root) == []


@pytest.mark.parametrize("case", CASES)
def test_a_second_pass_changes_nothing(case: str, tmp_path: Path) -> None:
    """What a pass leaves is what the next pass leaves, with the same exit code: nothing is done twice."""
    root = tmp_path / case
    shutil.copytree(GOLDEN / case / "before", root)
    first = engine.reconcile(str(root), settings_of(root))
    there = workspaces.stats(root)
    second = engine.reconcile(str(root), settings_of(root))
    assert workspaces.stats(root) == there
    assert second.exit_code == first.exit_code


def test_names_alike_but_for_case(tmp_path: Path) -> None:
    """`A` and `a` are one name on some file systems: both stay, exit 3, each names the other."""
    root = tmp_path / "w"
    put(root, "A", input=[request(0)], output=[answered(0)])
    if (root / "workdir" / "batch_input_a.jsonl").exists():
        pytest.skip("this file system does not tell them apart; no golden folder could hold both either")
    put(root, "a", input=[request(1)], error=[failed(1)])
    before = tree(root)
    plan = announced(root)
    report = engine.reconcile(str(root), settings_of(root))
    assert tree(root) == before
    assert report.exit_code == 3
    assert "A and a are one name where case does not count" in plan
    assert "a and A are one name where case does not count" in plan
    assert check(str(root), settings_of(root)).findings != []
