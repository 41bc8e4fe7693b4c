"""How a sample stands: what is settled counts, what is live is told, what is nowhere is gone."""

from pathlib import Path

import pytest

from reconciler.model.canary import Sample
from reconciler.model.identity import BatchName
from reconciler.model.record import After
from reconciler.workspace.canaries import sample_of
from reconciler.workspace.layout import find
from reconciler.workspace.reading import Reading
from tests.workspaces import answered, live, put, request, run


def seen(root: Path, *names: str) -> Sample:
    """How these batches stand."""
    layout = find(str(root))
    return sample_of(Reading(layout.root), layout, After(tuple(map(BatchName, names)), 0.5))


def test_what_was_settled_counts(tmp_path: Path) -> None:
    """Answers and requests of settled batches are summed."""
    put(tmp_path / "w", "1", input=[request(0), request(1)], output=[answered(0), answered(1)])
    run(tmp_path / "w")
    assert seen(tmp_path / "w", "1", "2") == Sample(2, 2, {}, (BatchName("2"),))


def test_an_input_alone_is_under_way(tmp_path: Path) -> None:
    """One that was never sent has no metadata, and is not gone."""
    put(tmp_path / "w", "1", input=[request(0)])
    assert seen(tmp_path / "w", "1") == Sample(0, 0, {BatchName("1"): None}, ())


@pytest.mark.parametrize("data", [b"", b"{", b'{"schema": 1, "name": "2"}\n'])
def test_metadata_that_cannot_be_trusted_says_nothing(tmp_path: Path, data: bytes) -> None:
    """The batch is under way, and nobody knows how it is doing; whoever waits for it goes on waiting."""
    put(tmp_path / "w", "1", input=[request(0)])
    (live(tmp_path / "w") / "batch_metadata_1.jsonl").write_bytes(data)
    assert seen(tmp_path / "w", "1") == Sample(0, 0, {BatchName("1"): None}, ())
