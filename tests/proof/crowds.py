"""What a simulated world is held to whose user allows but so many batches at a provider at once."""

from __future__ import annotations

from pathlib import Path

from tests.proof.fortunes import asked, asked_in
from tests.proof.users import batch_of
from tests.proof.world import World


def hold_crowds(world: World) -> None:
    """
    Hold the world to its limit: a pass that has sent something leaves no more there than it allows.

    A batch counts while its metadata is here and can be read; whoever takes that file away takes its place
    away too. Copies of one input are one: only one of them is sent.

    Raises:
        AssertionError: More batches are under way than may be.
    """
    most = world.online.flags.get("max_in_flight")
    if most is None or not world.sent:
        return
    running = [asked(batch) for batch in world.fortunes.running if not batch.fate.vanishes]
    there = {frozenset(ids): name for name, ids in _live(world).items() if ids in running}
    assert len(there) <= most, f"{[*there.values()]} are there at once, and {most} may be"


def waits_for_room(world: World) -> list[str]:
    """The batches that the last pass has held back because others are there."""
    told = [] if world.report is None else world.report.batches
    return [str(each.name) for each in told if "max_in_flight allows no more" in each.because]


def _live(world: World) -> dict[str, set[str]]:
    """The requests of every live input that has its metadata."""
    inputs = world.root.glob("workdir/batch_input_*.jsonl")
    return {
        batch_of(path): asked_in(path.read_bytes())
        for path in inputs
        if _is_known(world, path.with_name(f"batch_metadata_{batch_of(path)}.jsonl"))
    }


def _is_known(world: World, record: Path) -> bool:
    """Whether there was metadata for the last pass, and this version could read it."""
    return record.exists() and record not in world.unread
