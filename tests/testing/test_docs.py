"""The page about testing shows what works."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from reconciler.testing import fates, faults, replies
from tests.cli.calling import ROOT, WAIT, environment

PAGE: Final = ROOT / "docs" / "testing.md"


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    """The test file of docs/testing.md passes, in an empty folder, under pytest alone."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "test_example.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_every_module_of_the_page_is_there() -> None:
    """The modules that the page names for fates, faults and replies have documentation of their own."""
    page = PAGE.read_text("utf-8")

    assert "reconciler.testing.fates" in page
    assert "reconciler.testing.faults" in page
    assert all(module.__doc__ for module in (fates, faults, replies))
