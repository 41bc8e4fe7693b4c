"""Batches that settle or are set aside, and what a person does about those."""

from pathlib import Path

from reconciler import decide, deciding
from reconciler.check import check
from tests.workspaces import answered, failed, leftovers, put, request, settings


def sound(root: Path) -> None:
    """No promise is broken and nothing temporary is left."""
    assert check(str(root), settings()).findings == []
    assert leftovers(root) == []


def put_sound(root: Path, name: str) -> dict[str, bytes]:
    """A batch that settles."""
    return put(root, name, input=[request(0), request(1)], output=[answered(1)], error=[failed(0)])


def put_wrong(root: Path, name: str) -> dict[str, bytes]:
    """A batch that goes to quarantine."""
    return put(root, name, input=[request(0), request(1)], output=[answered(0), answered(0)])


def held_in(folder: Path) -> dict[str, bytes]:
    """The batch files of a folder, by role."""
    return {path.name.split("_")[1]: path.read_bytes() for path in folder.glob("batch_*")}


def dismiss(root: Path, *names: str, **flags: str) -> deciding.Decision:
    """`reconcile dismiss`."""
    return decide.dismiss(str(root), settings(**flags), names)
