"""
An installed package that registers the provider `acme`, and the service that it knows how to ask.

The package is a folder with a dist-info on `sys.path`, as pip leaves it. Its code leaves a mark when it is
imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from reconciler.testing import FakeProvider
from tests.cli.calling import ROOT
from tests.cli.remote import There, reach
from tests.workspaces import live, put, request

MODULE: Final = "acme_batches"
CLI: Final = ("--provider", "acme")


@contextmanager
def installed(folder: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a folder on the search path, where a package is installed that registers `acme`."""
    folder.mkdir()
    code = (ROOT / "tests/plugged_provider.py").read_text("utf-8")
    leaves = f"\nfrom pathlib import Path\n\nPath({str(mark)!r}).write_text('imported', 'utf-8')\n"
    (folder / f"{MODULE}.py").write_text(code + leaves, "utf-8")
    register(folder, f"acme = {MODULE}:make")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop(MODULE, None)


def register(folder: Path, *lines: str, name: str = "acme") -> None:
    """What an installed package says of itself."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    text = "\n".join(("[reconciler.providers]", *lines, ""))
    (info / "entry_points.txt").write_text(text, "utf-8")


def reach_acme(
    fake: FakeProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> There:
    """Set the environment for the service, and for no other provider."""
    found = reach(fake, "openai", monkeypatch, capsys)
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "RECONCILER_PROVIDER_NAME"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("ACME_API_KEY", fake.key)
    monkeypatch.setenv("ACME_BASE_URL", fake.url("openai"))
    return found


def put_input(root: Path, there: There, name: str = "1", first: int = 0) -> None:
    """An input that is old enough to be sent."""
    put(root, name, input=[request(n) for n in range(first, first + 3)])
    os.utime(live(root) / f"batch_input_{name}.jsonl", (1, 1))
    there.fake.clock.advance(10)


def write_settings(root: Path, text: str) -> None:
    """The settings file of a workspace."""
    (root / "reconciler.toml").write_text(text, "utf-8")
