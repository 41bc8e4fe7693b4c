"""A workspace that somebody else owns is refused before anything in it is read or changed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import Workspace, prompt_map_sync, reconcile
from reconciler.cli.main import cli
from reconciler.errors import ConfigError
from tests.cli.calling import call
from tests.workspaces import answered, put, request, stats

STRANGER: Final = 54321
"""A user that no machine has."""

ROOT_ONLY: Final = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may give a folder to another user; run these tests as root, too"
)
VERBS: Final = (
    "run WORKSPACE",
    "plan WORKSPACE",
    "status WORKSPACE",
    "check WORKSPACE",
    "check WORKSPACE --repair",
    "results WORKSPACE",
    "explain WORKSPACE q-0",
    "retry WORKSPACE",
    "retry WORKSPACE --print",
    "dismiss WORKSPACE 1",
    "process WORKSPACE 1",
    "submit WORKSPACE 1",
    "cancel WORKSPACE 1",
    "adopt WORKSPACE 1 batch_1",
    "resubmit WORKSPACE 1",
    "resume WORKSPACE",
    "cost WORKSPACE",
    "limit WORKSPACE --cost-usd 1",
    "audit WORKSPACE",
    "replay WORKSPACE",
    "retain WORKSPACE",
    "trust WORKSPACE",
    "registry export WORKSPACE rows.csv",
    "registry import WORKSPACE rows.csv",
    "split rows.jsonl --into WORKSPACE",
    f"add WORKSPACE {__file__} --model gpt-4o-mini",
    "watch WORKSPACE",
)
ELSEWHERE: Final = {"init", "demo", "prompt", "fake-provider"}
"""Verbs that make a workspace, or take none."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of these tests' own, who trusts nobody."""
    monkeypatch.setenv("RECONCILER_USER_CONFIG", "")
    monkeypatch.delenv("RECONCILER_USER_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a batch to settle, and settings that cannot be read as such."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0)], output=[answered(0)])
    (root / "reconciler.toml").write_text("this is no TOML", "utf-8")
    return root


def give(path: Path) -> None:
    """Let a folder belong to somebody else."""
    os.chown(path, STRANGER, -1)


def private(root: Path) -> Path:
    """The folder `.reconciler` of a workspace."""
    (root / ".reconciler").mkdir(mode=0o700, exist_ok=True)
    return root / ".reconciler"


def everybody(path: Path) -> None:
    """Let everybody write to a folder; the sticky bit does not mend that."""
    path.chmod(0o1777)


STRANGE: Final = [
    pytest.param(give, "belongs to uid 54321", marks=ROOT_ONLY, id="uid"),
    pytest.param(lambda root: give(private(root)), "w/.reconciler belongs to", marks=ROOT_ONLY, id="private"),
    pytest.param(everybody, "everybody may write to", id="open"),
    pytest.param(lambda root: everybody(private(root)), "everybody may write to", id="open-private"),
]


@pytest.mark.parametrize(("strange", "told"), STRANGE)
def test_it_is_refused(
    strange: Callable[[Path], Any], told: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pass ends with 78 and a message about the owner, not about the settings, and changes nothing."""
    strange(root)
    before = stats(root)
    said = call(capsys, "run", root)
    assert (said.code, said.out) == (78, "")
    assert told in said.err
    assert "TOML" not in said.err
    assert f"reconcile trust {root} --owner" in said.err
    assert stats(root) == before


@pytest.mark.parametrize("words", VERBS)
def test_every_verb_refuses(words: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No verb, reading or changing, looks at the workspace of somebody else."""
    everybody(root)
    before = stats(root)
    said = call(capsys, *(root if word == "WORKSPACE" else word for word in words.split()))
    assert said.code == 78
    assert "everybody may write to" in said.err
    assert stats(root) == before


def test_no_verb_is_forgotten() -> None:
    """Every verb of the command line is tried above, or takes no workspace that is there already."""
    assert {words.split()[0] for words in VERBS} | ELSEWHERE == set(cli.commands)


def test_the_library_refuses(root: Path) -> None:
    """So do the calls of the library, those included that make a workspace where there is none."""
    everybody(root)
    before = stats(root)
    calls: list[Callable[[], object]] = [
        lambda: reconcile(root),
        lambda: reconcile(root, environment=False),
        lambda: Workspace.open(root).status(),
        lambda: Workspace.open(root).check(),
        lambda: prompt_map_sync(["x"], worker="echo", workspace=root),
    ]
    for each in calls:
        with pytest.raises(ConfigError, match="everybody may write to"):
            each()
    assert stats(root) == before


def test_what_to_type_helps(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After the command that the message names, the workspace is the user's again."""
    everybody(root)
    assert f"chmod o-w {root}" in call(capsys, "run", root).err
    root.chmod(root.stat().st_mode & ~0o002)
    (root / "reconciler.toml").unlink()
    assert call(capsys, "run", root).code == 0


@pytest.mark.parametrize("strange", [pytest.param(give, marks=ROOT_ONLY, id="uid"), everybody])
def test_an_owner_is_accepted_on_purpose(
    strange: Callable[[Path], Any], root: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`trust --owner` accepts it as it is, for this workspace alone, and trusts none of its code."""
    strange(root)
    (root / "reconciler.toml").write_text('[output]\nprocessor = "code.py:run"\n', "utf-8")
    said = call(capsys, "trust", root, "--owner")
    assert said.code == 0
    assert said.out.startswith("accepted  ")
    assert "is not trusted" in call(capsys, "run", root).err
    (root / "reconciler.toml").unlink()
    assert call(capsys, "run", root).code == 0
    known = json.loads((home / "reconciler" / "trust.json").read_bytes())
    assert (list(known["owners"]), known["workspaces"]) == ([str(root)], {})
    root.rename(root.with_name("moved"))
    assert call(capsys, "run", root.with_name("moved")).code == 78


@ROOT_ONLY
def test_another_owner_is_asked_for_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who was accepted is one user; when the folder goes to another, or opens to everybody, it is refused."""
    (root / "reconciler.toml").unlink()
    give(root)
    call(capsys, "trust", root, "--owner")
    assert call(capsys, "status", root).code == 0
    os.chown(root, STRANGER + 1, -1)
    assert call(capsys, "status", root).code == 78
    os.chown(root, STRANGER, -1)
    everybody(root)
    assert call(capsys, "status", root).code == 78


def test_trust_in_code_stays(root: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Accepting an owner forgets no code that was trusted, and the other way round."""
    (root / "code.py").write_text("def run(result):\n    return None\n", "utf-8")
    (root / "reconciler.toml").write_text('[output]\nprocessor = "code.py:run"\n', "utf-8")
    assert call(capsys, "trust", root).code == 0
    everybody(root)
    assert call(capsys, "trust", root).code == 78
    assert call(capsys, "trust", root, "--owner", "--json").document["owners"][0]["open"] is True
    assert call(capsys, "run", root).code == 0
    assert call(capsys, "trust", root).code == 0
    known = json.loads((home / "reconciler" / "trust.json").read_bytes())
    assert (len(known["owners"]), len(known["workspaces"])) == (1, 1)


def test_ones_own_needs_nothing(root: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that only its user may write to is accepted by nobody: nothing is written."""
    (root / "reconciler.toml").unlink()
    assert "nothing to accept" in call(capsys, "trust", root, "--owner").err
    assert not (home / "reconciler").exists()
