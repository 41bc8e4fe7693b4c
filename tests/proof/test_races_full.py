"""What `make proof` does in full of races and kills, a little of it."""

import pytest

from reconciler.testing import FakeProvider
from tests.proof import races
from tests.proof.outside import mounts

mounted = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "it can be mounted")


def test_one_workspace_under_many_names(fake_provider: FakeProvider) -> None:
    """Processes that reach one workspace by links and detours keep each other out, killed or not."""
    assert races.race(fake_provider, 1, 2) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 8])
def test_many_races(fake_provider: FakeProvider, processes: int) -> None:
    """The same many times."""
    for seed in range(100):
        races.race(fake_provider, seed, processes)


def test_killed_at_any_moment(fake_provider: FakeProvider) -> None:
    """Killed at random moments, again and again, it breaks nothing, and comes to its end all the same."""
    assert races.killed(fake_provider, 1, 3)[0] == 3


@pytest.mark.slow
def test_killed_at_many_moments(fake_provider: FakeProvider) -> None:
    """The same, and the same with the command itself."""
    assert races.killed(fake_provider, 2, 200)[0] == 200
    assert races.killed_command(fake_provider, 2, 40)[0] == 40


@mounted
@pytest.mark.slow
@pytest.mark.parametrize("what", ["bound", "shared-live"])
def test_bind_mounts(what: str) -> None:
    """A workspace, or its live folder alone, that is mounted twice is worked on by one at a time."""
    assert mounts.apart(what, "20") == 20
