"""Whole days of a watched workspace: nothing is lost, nothing paid twice, and nothing piles up."""

import gc
import tracemalloc

import pytest

from reconciler.testing import FakeProvider
from tests.watching.half_a_day import half_a_day
from tests.watching.living import Living
from tests.workspaces import answered, request, scratch


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 41))])
def test_half_a_day_loses_and_doubles_nothing(seed: int, fake_provider: FakeProvider) -> None:
    """Twelve hours of faults, kills, full disks and lost events: every request answered, none paid twice."""
    with scratch() as folder:
        found = half_a_day(folder / "w", fake_provider, seed)

    assert (found.lost, found.doubled) == (0, 0), (seed, found)
    assert found.descriptors <= 0, (seed, found)
    assert found.dropped > 10
    assert found.passes > 100


def test_memory_stays_where_it_is() -> None:
    """A hundred passes and dozens of batches later, no more is held than after the first few."""
    with scratch() as folder:
        (folder / "w" / "workdir").mkdir(parents=True)
        living = Living(folder / "w")

        def some(first: int, last: int) -> None:
            for n in range(first, last):
                living.write(f"batch_input_{n}.jsonl", [request(n) | {"custom_id": f"{n}"}])
                living.write(f"batch_output_{n}.jsonl", [answered(n) | {"custom_id": f"{n}"}])
                living.live_for(310.0)
                living.told.events.clear()

        some(0, 8)
        gc.collect()
        tracemalloc.start()
        try:
            some(8, 12)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            some(12, 60)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        living.watch.close()

    assert living.watch.passes > 100
    assert grown < 50_000, grown
