"""The state machine: no run breaks a promise, it can fail, and a failure says how to come to it again."""

import os
from collections.abc import Iterator

import pytest

from reconciler.testing import FakeProvider
from tests.proof.fortunes import SENDS, WISHES
from tests.proof.holding import converge, hold, judge
from tests.proof.machine import go
from tests.proof.rules import Machine
from tests.proof.world import begin
from tests.stopping import PROVIDERS

RUNS = 12
"""Runs of a normal test run, always the same; `make proof` makes many more."""


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    """A provider for all worlds."""
    with FakeProvider() as found:
        yield found


def test_runs() -> None:
    """Whatever happens, in any order: every promise holds after each step, and the end is right."""
    # In CI a failure is told as it came: to make it small takes minutes.
    go(1, RUNS, 25, shrink=not os.environ.get("CI"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_end_without_faults(provider: str, fake: FakeProvider) -> None:
    """Without faults every request has the end, and was sent as often, as runs with faults are held to."""
    with begin(provider, 1, fake) as world:
        world.fortunes.wishes |= {f"b1-{n}": wish for n, wish in enumerate(WISHES)}
        world.users.add("b1", len(WISHES))
        world.users.answers("a2", 2)
        converge(world)
        judge(world)
        assert world.report is not None
        assert [each for each in world.report.batches if not each.done] == []
        assert {key: world.fortunes.sends()[key] for key in world.fortunes.wishes} == {
            f"b1-{n}": SENDS[wish] for n, wish in enumerate(WISHES)
        }


def test_a_failure_says_how_it_came_about() -> None:
    """What fails is told as steps that can be pasted, with the command that comes to it again."""

    class Broken(Machine):
        """A machine whose promise is one that does not hold."""

        def teardown(self) -> None:
            """Claim that nothing is ever sent."""
            with self.open:
                assert not self.fake.batches

    with pytest.raises(AssertionError) as caught:
        go(3, 20, 5, kind=Broken)
    told = "\n".join(caught.value.__notes__)
    assert "state = Broken()" in told
    assert "state.begin(" in told
    assert "python -m tests.proof.machine 3 --runs 20 --steps 5" in told


def test_what_was_told_comes_about_again(fake: FakeProvider) -> None:
    """The same steps lead to the same world, to the byte."""

    def lived() -> str:
        Machine.fake = fake
        state = Machine()
        state.begin(provider="openai", seed=7, wishes=["ok", "busy"])
        state.power_cut(at=20, left=3)
        state.later(seconds=3600.0)
        state.second(at=9)
        hold(state.world)
        state.teardown()
        return state.world.digest

    assert lived() == lived()


@pytest.mark.slow
def test_many_runs() -> None:
    """The same for five hundred runs of fifty steps."""
    go(2, 500)
