"""A room whose changes land aside: whatever is asked of it, the workspace stays as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from reconciler.workspace.aside import ASIDE, AsideEffects
from tests.workspaces import files, put, request

LIVE: Final = "workdir/batch_input_1.jsonl"
CHANGES: Final[dict[str, Callable[[AsideEffects], object]]] = {
    "publish": lambda fx: fx.publish(LIVE, (b"other",), replace=True),
    "stage": lambda fx: fx.stage(LIVE, (b"other",)),
    "append": lambda fx: fx.append(LIVE, b"a line"),
    "remove": lambda fx: fx.remove(LIVE),
    "discard": lambda fx: fx.discard(LIVE),
    "make-folder": lambda fx: fx.make_folder("target"),
    "sync-folder": lambda fx: fx.sync_folder("workdir"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_outside_of_its_folder_changes(
    tmp_path: Path, change: Callable[[AsideEffects], object]
) -> None:
    """Each change is made below its own folder, or not at all."""
    put(tmp_path / "w", "1", input=[request(0)])
    fx = AsideEffects(str(tmp_path / "w"))
    fx.make_folder("")
    fx.make_folder(".reconciler")
    fx.make_folder("workdir")
    before = {path: data for path, data in files(tmp_path / "w").items() if not path.startswith(ASIDE)}
    change(fx)
    after = {path: data for path, data in files(tmp_path / "w").items() if not path.startswith(ASIDE)}
    assert after == before
    assert not (tmp_path / "w/target").exists()


def test_a_line_that_is_added_is_there_aside(tmp_path: Path) -> None:
    """What was appended can be read where it landed."""
    put(tmp_path / "w", "1", input=[request(0)])
    fx = AsideEffects(str(tmp_path / "w"))
    fx.make_folder(".reconciler")
    fx.make_folder("workdir")
    fx.append("workdir/notes", b"one")
    assert (tmp_path / "w" / ASIDE / "workdir/notes").read_bytes() == b"one\n"
