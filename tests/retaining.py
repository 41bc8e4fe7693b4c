"""Settled batches whose JSONL is to be removed, and what became of it."""

from pathlib import Path
from typing import Any, Final

from reconciler import retention
from reconciler.check import check
from reconciler.retention import Jsonl
from tests.workspaces import request, settings

REMOVE: Final[dict[str, Any]] = {"jsonl": "remove"}
ASKED: Final = [request(n) for n in range(3)]


def jsonl_of(root: Path, name: str) -> list[str]:
    """The files of a settled batch."""
    return sorted(path.name for path in (root / "done" / name).iterdir())


def removed(name: str) -> list[str]:
    """What a removal leaves of a batch."""
    return [f"batch_metadata_{name}.jsonl", "manifest.json", "tombstone.json"]


def apply(root: Path, *names: str, **more: Any) -> dict[str, tuple[Jsonl, str]]:
    """What `reconcile retain` says of each batch."""
    found = retention.retain(str(root), settings(**REMOVE), names, **more)
    return {each.name: (each.jsonl, each.because) for each in found.batches}


def sound(root: Path) -> None:
    """No promise is broken, and nothing is worth a note."""
    verdict = check(str(root), settings())
    assert verdict.findings == []
    assert verdict.notes == []
