"""A plan is carried out on the world that it was made for, or not at all."""

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from reconciler.errors import StaleSnapshot
from reconciler.executor.executor import execute
from reconciler.model.identity import BatchName
from reconciler.model.policy import Policy
from reconciler.planner import plan
from reconciler.session import Options, session
from reconciler.workspace import metadata
from reconciler.workspace.observe import observe
from reconciler.workspace.scan import scan
from tests.workspaces import answered, files, live, put, request, scratch, settings


@pytest.fixture
def root() -> Iterator[Path]:
    """A workspace with one batch, whose answers are here, and which has metadata."""
    with scratch() as folder:
        known = {"batch_id": "batch_1", "provider": "openai", "status": "completed"}
        put(folder / "w", "1", input=[request(0)], output=[answered(0)], metadata=known)
        yield folder / "w"


@pytest.mark.parametrize("what", ["another-generation", "gone", "damaged", "an-answer-more"])
def test_a_world_that_has_changed_stops_the_first_step(root: Path, what: str) -> None:
    """Metadata of another generation, or none, or a file that grew: nothing is done any more."""
    with session(str(root), settings(), Options()) as held:
        listing = scan(held.ctx.fx, held.layout)
        snap = observe(held.ctx.fx, held.layout, listing, BatchName("1"))
        decided = plan(snap, Policy())
        assert decided.steps
        path = live(root) / "batch_metadata_1.jsonl"
        match what:
            case "another-generation":
                known = held.ctx.record(BatchName("1"))
                assert known is not None
                path.write_bytes(metadata.encode(attrs.evolve(known, generation=known.generation + 1)))
            case "gone":
                path.unlink()
            case "damaged":
                path.write_bytes(b"{")
            case _:
                with (live(root) / "batch_output_1.jsonl").open("ab") as stream:
                    stream.write(b"\n")
        before = files(root)
        found = execute(decided, held.ctx)
    assert isinstance(found.failure, StaleSnapshot)
    assert found.failed_at == decided.steps[0].verb
    assert (found.receipts, files(root)) == ((), before)
