"""What batches of a simulated world are held to that wait for a sample: it has to settle well first."""

from __future__ import annotations

from tests.proof.fortunes import replied
from tests.proof.users import SHARE, ids_in
from tests.proof.world import World
from tests.workspaces import ledger


def hold_samples(world: World) -> None:
    """
    Hold the world to what its authors have said of samples.

    Raises:
        AssertionError: A batch was sent before its sample had settled, or although it went badly.
    """
    users = world.users
    if not users.after:
        return
    answered = {key for batch in world.fake.batches for key in replied(batch)}
    sent = {str(each["batch"]) for each in ledger(world.root) if each["event"] == "batch.creating"}
    for name, sample in users.after.items():
        if name not in sent or name in world.released or name in users.loose:
            continue
        assert (world.root / "done" / sample / "manifest.json").exists(), f"{name} went before {sample}"
        live = sorted(path.name for path in world.root.glob(f"workdir/batch_input_{sample}.r*.jsonl"))
        unsettled = [each for each in live if not _is_done(world, each)]
        assert unsettled == [], f"{name} went before {unsettled}"
        asked = ids_in(users.inputs[sample])
        # Answers that came with the sample are nobody's at the provider.
        there = {*asked} - users.refused if sample in users.answered else answered
        good = len(there.intersection(asked))
        assert good >= SHARE * len(asked), f"{name} went, and {sample} has {good} of {len(asked)} answers"


def _is_done(world: World, file: str) -> bool:
    """Whether the batch of a live input has its folder; a kill may leave the input beside it."""
    name = file.removeprefix("batch_input_").removesuffix(".jsonl")
    return (world.root / "done" / name).exists()
