"""A command line that knows nothing of the person who runs the tests: no settings, no colours of theirs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _nobody(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without settings, colours or a home."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith("RECONCILER_") or name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with nothing but `workdir/`."""
    (tmp_path / "ws" / "workdir").mkdir(parents=True)
    return tmp_path / "ws"
