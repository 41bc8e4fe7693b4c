"""A room in which nothing of the workspace can change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.workspace.aside import ASIDE, AsideEffects, aside
from tests.workspace.faults import tree

OLD = b"old\n"


def staged(fx: AsideEffects, path: str) -> None:
    """Write a file in two steps."""
    fx.stage(path, [b"new\n"])
    fx.place(path)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        pytest.param(lambda fx, path: fx.publish(path, [b"new\n"]), b"new\n", id="publish"),
        pytest.param(staged, b"new\n", id="stage-and-place"),
        pytest.param(lambda fx, path: fx.append(path, b"new"), b"new\n", id="append"),
        pytest.param(lambda fx, path: fx.discard(path), None, id="discard"),
        pytest.param(lambda fx, path: fx.remove(path), None, id="remove"),
    ],
)
def test_every_change_lands_aside(
    change: Callable[[AsideEffects, str], object], left: bytes | None, tmp_path: Path
) -> None:
    """A file of the workspace keeps its bytes and its name, whatever is done to it; its twin changes."""
    path = "target/7.results.jsonl"
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_bytes(OLD)
    fx = AsideEffects(str(tmp_path))
    change(fx, path)
    fx.close()
    found = tree(tmp_path)
    assert found.pop(path) == OLD
    assert found.pop(aside(path), None) == left
    assert aside(path) == f"{ASIDE}/{path}"
    assert [each for each, data in found.items() if data is not None] == []
