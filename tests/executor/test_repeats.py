"""Which ids more than one lineage asks, read from inputs that somebody may be working on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from reconciler.errors import TransientError
from reconciler.executor.context import Silent, viewing
from reconciler.executor.repeats import asked_twice
from reconciler.model.coverage import digest_id
from tests.workspaces import answered, live, put, request, run, scratch, settings


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


@attrs.define
class Working(Silent):
    """A pass that works on a file just when it is read."""

    act: Callable[[], object]

    def start(self, what: str, size: int) -> None:  # noqa: ARG002 - whatever is read
        """Do it."""
        self.act()


def twice(root: Path) -> frozenset[bytes]:
    """The digests of ids that are asked twice."""
    with viewing(str(root), settings()) as view:
        return asked_twice(view)


def test_what_two_lineages_ask_is_asked_twice(root: Path) -> None:
    """The id that two inputs have counts, wherever they stand; one batch alone asks nothing twice."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0), answered(1)])
    assert twice(root) == frozenset()
    run(root)
    put(root, "2", input=[request(1), request(2)])
    assert twice(root) == {digest_id(b"q-1")}


def test_a_batch_whose_input_was_removed_asks_nothing_any_more(root: Path) -> None:
    """What `[retain]` has taken cannot be counted, and is in the way of no other batch."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    run(root, jsonl="remove")
    put(root, "2", input=[request(0), request(1)])
    put(root, "3", input=[request(1)])
    assert twice(root) == {digest_id(b"q-1")}


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "written-to"])
def test_an_input_that_a_pass_works_on_asks_for_patience(root: Path, *, moved: bool) -> None:
    """A file that moves or changes while it is read is no reason for a person, only for another look."""
    put(root, "1", input=[request(0)])
    put(root, "2", input=[request(1)])
    path = live(root) / "batch_input_1.jsonl"
    data = path.read_bytes()
    work = path.unlink if moved else lambda: path.write_bytes(data + b"\n")
    with (
        viewing(str(root), settings(), Working(work)) as view,
        pytest.raises(TransientError, match="1: a pass is working on it") as caught,
    ):
        asked_twice(view)
    assert caught.value.hint == "the same again, when the pass has ended"
