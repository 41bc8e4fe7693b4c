"""A pass that looks at batches in flight only briefly says of each what a full look says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.report import State
from tests.workspaces import answered, put, request, run, scratch, tree

SENT: dict[str, Any] = {
    "schema": 1,
    "generation": 2,
    "name": "7",
    "attempt": 1,
    "provider": "openai",
    "state": "submitted",
    "batch_id": "batch_1",
    "status": "in_progress",
}


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "ws"


def nothing(_root: Path) -> None:
    """Leave it as it is."""


def in_done(root: Path) -> None:
    """A folder of the same name has settled."""
    (root / "done/7").mkdir(parents=True)


def in_history(root: Path) -> None:
    """Another tool has left a file of the same name."""
    (root / "done").mkdir()
    (root / "done/batch_output_7.jsonl").write_bytes(b"{}\n")


def in_quarantine(root: Path) -> None:
    """The input stands in quarantine too, as a hard link."""
    (root / "quarantine/7.1").mkdir(parents=True)
    (root / "quarantine/7.1/batch_input_7.jsonl").hardlink_to(root / "workdir/batch_input_7.jsonl")


def changed(root: Path) -> None:
    """The input has grown."""
    path = root / "workdir/batch_input_7.jsonl"
    path.write_bytes(path.read_bytes() + b"{}\n")


def torn(root: Path) -> None:
    """The metadata is torn."""
    path = root / "workdir/batch_metadata_7.jsonl"
    path.write_bytes(path.read_bytes()[:20])


def gone(root: Path) -> None:
    """The input is gone."""
    (root / "workdir/batch_input_7.jsonl").unlink()


HELD, ATTENTION = State.HELD, State.ATTENTION


@pytest.mark.parametrize(
    ("damage", "status", "state", "because"),
    [
        pytest.param(nothing, "in_progress", HELD, "no client for provider 'openai'", id="in-flight"),
        pytest.param(nothing, "failed", ATTENTION, "openai refused batch_1", id="refused"),
        pytest.param(in_done, "in_progress", ATTENTION, "done/7/ is there already", id="in-done"),
        pytest.param(in_history, "in_progress", ATTENTION, "done/ holds batch_output_7", id="in-history"),
        pytest.param(in_quarantine, "in_progress", ATTENTION, "quarantine/7.1/ holds", id="in-quarantine"),
        pytest.param(changed, "in_progress", ATTENTION, "it was changed", id="changed"),
        pytest.param(torn, "in_progress", ATTENTION, "is not JSON", id="torn-metadata"),
        pytest.param(gone, "in_progress", ATTENTION, "its input is gone", id="no-input"),
    ],
)
def test_a_pass_says_what_a_full_look_says(
    root: Path, damage: Callable[[Path], None], status: str, state: State, because: str
) -> None:
    """Whatever speaks against a batch in flight is told in the same pass, and nothing is changed."""
    asked = [request(1)]
    size = len(put(root, "7", input=asked)["input"])
    known = {"sha256": "ab" * 32, "bytes": size, "requests": 1}
    put(root, "7", input=asked, metadata={**SENT, "status": status, "input": known})
    damage(root)
    before = tree(root)
    told = run(root).batches[0]
    assert told.state is state
    assert because in told.because
    assert tree(root) == before


@pytest.mark.parametrize("answers", [{}, {"output": [answered(1)]}], ids=["in-flight", "answered"])
def test_a_damaged_account_stops_the_batch(root: Path, answers: dict[str, Any]) -> None:
    """A glance passes over the account where answers are here; still nothing is done beside a damaged one."""
    put(root, "7", input=[request(1)], **answers, metadata={**SENT, "coverage": {"input": 7}})
    before = tree(root)
    told = run(root).batches[0]
    assert told.state is State.ATTENTION
    assert "batch_metadata_7.jsonl" in told.because
    assert tree(root) == before


def test_answers_of_a_batch_in_flight(root: Path) -> None:
    """Once its answers are here, a batch that was held settles."""
    put(root, "7", input=[request(1)], metadata=SENT)
    assert [each.state for each in run(root).batches] == [State.HELD]
    put(root, "7", output=[answered(1)])
    assert [each.state for each in run(root).batches] == [State.SETTLED]
