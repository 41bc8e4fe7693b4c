"""Files outside of the workspace, which a person has named, are read as those within it are."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import BadLine, PermanentError
from reconciler.executor.context import Context, Silent, viewing
from reconciler.executor.reading import Lines
from reconciler.workspace.effects import Effects
from reconciler.workspace.layout import find
from reconciler.workspace.reading import Reading
from tests.workspace.faults import held
from tests.workspaces import put, request, settings


def context(root: Path) -> Context:
    """A workspace at hand, without a lock."""
    put(root, "1", input=[])
    layout = find(str(root))
    return Context(look=Effects(layout.root), layout=layout, line_limit=10)


def test_a_look_is_over_with_all_that_it_held(tmp_path: Path) -> None:
    """Who looks at many workspaces, one after the other, holds none of them open."""
    put(tmp_path, "1", input=[request(0)])
    if not Path("/proc/self/fd").exists():
        pytest.skip("open descriptors are counted in /proc")
    with viewing(str(tmp_path), settings()) as view:
        view.look.listing("workdir")
        assert held(tmp_path)
    assert held(tmp_path) == []


class Heard(Silent):
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, what: str, size: int) -> None:
        """A reading begins."""
        self.told.append(f"{what} {size}")

    def finish(self) -> None:
        """It has ended."""
        self.told.append("end")


def test_who_watches_hears_of_the_end_of_a_reading(tmp_path: Path) -> None:
    """Also of one that was given up: nothing else may be drawn below its bar."""
    put(tmp_path, "1", input=[request(0), b"x" * 5000])
    heard = Heard()
    with viewing(str(tmp_path), settings(line_bytes=4096), heard) as view:
        fact = view.look.fact(view.layout.live_path("batch_input_1.jsonl"))
        assert fact is not None
        with pytest.raises(BadLine):
            list(Lines(view, fact))
    assert heard.told == [f"{fact.path} {fact.size}", "end"]


def test_a_file_elsewhere_is_held_to_the_same_bounds(tmp_path: Path) -> None:
    """Its lines come as they stand, under its own name, and none is longer than the settings allow."""
    (tmp_path / "a.jsonl").write_bytes(b"{}\n" + b"x" * 11 + b"\n")
    look = Reading(str(tmp_path))
    view, fact = context(tmp_path / "w").elsewhere(look, "a.jsonl")
    lines = iter(Lines(view, fact))
    assert next(lines).data == b"{}"
    with pytest.raises(PermanentError, match=r"a\.jsonl:2: "):
        next(lines)


@pytest.mark.parametrize(
    "made",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.parent / "gone"), lambda _path: None],
    ids=["folder", "fifo", "link", "nothing"],
)
def test_what_is_no_file_elsewhere(tmp_path: Path, made: Callable[[Path], object]) -> None:
    """What has come to lie under a name since it was found to be a file is not waited for or followed."""
    made(tmp_path / "a.jsonl")
    with pytest.raises(PermanentError, match=r"/a\.jsonl is no file that can be read"):
        context(tmp_path / "w").elsewhere(Reading(str(tmp_path)), "a.jsonl")
