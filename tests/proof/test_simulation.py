"""Whole lives of workspaces, drawn from seeds: no promise is broken in any, and each can be lived again."""

from collections.abc import Iterator

import pytest

from reconciler.testing import FakeProvider
from reconciler.testing.faults import ReplyDropped
from tests.proof.holding import converge
from tests.proof.simulation import live, live_all
from tests.proof.world import begin

SEEDS = 12
"""Seeds that a normal run lives; a slow one lives a thousand."""


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    """A provider for all lives."""
    with FakeProvider() as found:
        yield found


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_a_life(seed: int, fake: FakeProvider) -> None:
    """Whatever users, provider and machine do: nothing is lost, nothing paid twice, and it comes to rest."""
    live(seed, fake)


def test_a_seed_is_one_life(fake: FakeProvider) -> None:
    """A seed lived twice is the same to the byte: effects, files, times and tokens; another is not."""
    first, second = live(2, fake), live(7, fake)
    assert (live(2, fake), live(7, fake)) == (first, second)
    assert first != second


def test_each_finds_its_own(fake: FakeProvider) -> None:
    """A create whose reply is lost is taken for none of the batches that lie there already."""
    with begin("openai", 1, fake) as world:
        world.users.add("b1", 2)
        world.wait(60.0)
        world.run()
        world.users.add("b2", 2)
        world.wait(60.0)
        fake.fault("create", ReplyDropped())
        world.run()
        converge(world)
        assert {path.name for path in (world.root / "done").iterdir()} == {"b1", "b2"}


@pytest.mark.slow
def test_many_lives(fake: FakeProvider) -> None:
    """The same for a thousand seeds, ten of them twice."""
    live_all(range(1, 1001), fake)
