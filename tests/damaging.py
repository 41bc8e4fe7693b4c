"""
A workspace for tests of `check --repair`, and what may be damaged in it.

Each damage is made by hand, as a kill, a power cut or a careless person leaves it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reconciler.repairing import Repaired, repair
from reconciler.workspace.effects import TEMPORARY, Tap
from tests import workspaces
from tests.workspaces import answered, failed, put, request, run, settings

LEDGER: Final = ".reconciler/ledger.jsonl"
RESULTS: Final = "target/1.results.jsonl"
TORN: Final = b'{"at":1,"event":"batch.se'

Damage = Callable[[Path], object]


def make(root: Path) -> Path:
    """1, 2, 3 and 6 settled, of 2 and 6 a failure is asked again in 2.r1 and 6.r1; 4 set aside; 5 waits."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(n) for n in range(3)])
    put(root, "2", input=asked, output=[answered(0)], error=[failed(1, 429), failed(2)])
    put(root, "4", input=asked, output=[answered(0), answered(0)])
    put(root, "5", input=[request(9)])
    put(root, "3", input=[request(5)], output=[answered(5)])
    more = [request(n) for n in range(10, 13)]
    put(root, "6", input=more, output=[answered(10)], error=[failed(11, 429), failed(12)])
    run(root, provider="openai")
    return root


def mend(root: Path, tap: Tap | None = None) -> Repaired:
    """`check --repair`."""
    return repair(str(root), settings(), workspaces.options(tap))


def write(root: Path, path: str, data: bytes = b"half") -> None:
    """A file, and the folders above it."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


def link_staging(root: Path, staging: str, *sources: str) -> None:
    """A folder in which a move of these files was put together."""
    (root / staging).mkdir()
    for source in sources:
        os.link(root / source, root / staging / Path(source).name)
    write(root, f"{staging}/{TEMPORARY}manifest.json")


def tear(root: Path) -> None:
    """Tear the last line of history."""
    with (root / LEDGER).open("ab") as stream:
        stream.write(TORN)


def open_up(root: Path) -> None:
    """Let others read what is private."""
    (root / ".reconciler").chmod(0o755)
    (root / LEDGER).chmod(0o644)


def spoil(root: Path, path: str) -> None:
    """Add a line to a file."""
    with (root / path).open("ab") as stream:
        stream.write(b"{}\n")


def forget_manifest(root: Path, path: str = "") -> None:
    """A manifest that is gone, and something else of its batch."""
    (root / "done/1/manifest.json").unlink()
    if path:
        (root / path).unlink()


DAMAGES: Final[dict[str, Damage]] = {
    "temporary": lambda root: write(root, f"done/1/{TEMPORARY}manifest.json"),
    "temporary-result": lambda root: write(root, f"target/{TEMPORARY}1.results.jsonl"),
    "temporary-history": lambda root: write(root, f".reconciler/{TEMPORARY}ledger.jsonl"),
    "staging": lambda root: link_staging(root, "done/.staging-1", "done/1/batch_output_1.jsonl"),
    "staging-aside": lambda root: link_staging(
        root, "quarantine/.staging-4.2", "quarantine/4.1/batch_input_4.jsonl"
    ),
    "replay": lambda root: write(root, ".reconciler/replay/target/1.results.jsonl"),
    "mode": open_up,
    "torn": tear,
    "results": lambda root: (root / RESULTS).unlink(),
    "manifest": lambda root: (root / "done/3/manifest.json").unlink(),
    "manifest-retried": lambda root: (root / "done/6/manifest.json").unlink(),
    "results-retried": lambda root: (root / "target/2.results.jsonl").unlink(),
}


def damage(root: Path) -> None:
    """All of them at once."""
    for each in DAMAGES.values():
        each(root)
