"""
A process may die at any effect of a batch on its way through a provider: it is paid for once all the same.

Each scenario is run once without a fault: from the input to `done/`, or to where a person is asked. Then it
is stopped before its N-th effect, on the disk or at the provider, and passes follow until nothing waits. They
end where the run without a fault has ended; or hold the batch in doubt, if its create may have left and
nothing came of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

import attrs
import pytest

from reconciler.testing import FakeProvider
from tests.stopping import (
    CREATES,
    PROVIDERS,
    Shared,
    begun,
    crash,
    ending,
    in_doubt,
    kill,
    mended,
    settled,
    sound,
    whole,
)
from tests.workspace.faults import Trip
from tests.workspaces import record

Stop = Callable[[Shared, int], bool]

INSIDE: Final = 3
"""Points that a normal run tries of each scenario between intent and id; a slow one tries all."""

BEHIND: Final = 1
"""The same for points behind the id."""


def end_of(provider: str, create: str, fake: FakeProvider) -> tuple[dict[str, object], list[str]]:
    """What a run without a fault leaves, and its effects."""
    with begun(provider, fake, create) as online:
        trip = Trip()
        whole(attrs.evolve(online, tap=trip))
        mended(online)
        sound(online, "without a fault")
        return ending(online), [f"{change} {path}" for change, path in trip.seen]


def stop_at(provider: str, create: str, fake: FakeProvider, points: Sequence[int], stop: Stop) -> None:
    """Stop a scenario before each of these effects, mend it, and hold it to the laws."""
    wanted, effects = end_of(provider, create, fake)
    for point in points or range(1, len(effects) + 1):
        with begun(provider, fake, create) as online:
            when = f"{provider}, create {create}, stopped before effect {point}: {effects[point - 1]}"
            assert stop(online, point), when
            sound(online, when)
            left = (
                record(online.root, "1") if (online.root / "workdir/batch_metadata_1.jsonl").exists() else {}
            )
            batch = mended(online)
            sound(online, f"{when}, and mended")
            # All but a full quota answers the one create that is ever sent.
            assert fake.calls.count("create") <= 1 + (create == "is-too-much"), when
            if ending(online) != wanted:
                assert left["state"] == "creating", when
                assert batch is not None, when
                in_doubt(online, batch, when)
            elif create != "is-refused":
                settled(online, when)


def sample(provider: str, create: str, fake: FakeProvider) -> list[int]:
    """Some points of a scenario, the same in every run."""
    _, effects = end_of(provider, create, fake)
    chance = random.Random(f"{provider} {create}")
    sent = next(at for at, effect in enumerate(effects, 1) if effect.startswith("POST create"))
    until = min(sent + 8, len(effects))
    behind = range(until + 1, len(effects) + 1)
    return [
        *chance.sample(range(10, until + 1), INSIDE),
        *chance.sample(behind, min(BEHIND, len(behind))),
    ]


@pytest.mark.parametrize("create", CREATES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_stopped_before_an_effect(provider: str, create: str, fake_provider: FakeProvider) -> None:
    """Stopped anywhere, no batch is made twice, no request is lost, and the end is that of a run without."""
    stop_at(provider, create, fake_provider, sample(provider, create, fake_provider), crash)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_killed_around_the_create(provider: str, fake_provider: FakeProvider) -> None:
    """The same when the process is killed for good, just before the create and just after its reply."""
    _, effects = end_of(provider, "succeeds", fake_provider)
    sent = next(at for at, effect in enumerate(effects, 1) if effect.startswith("POST create"))
    stop_at(provider, "succeeds", fake_provider, [sent, sent + 1], kill)


@pytest.mark.slow
@pytest.mark.parametrize("create", CREATES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_killed_before_every_effect(provider: str, create: str, fake_provider: FakeProvider) -> None:
    """The same at every effect, by a kill."""
    stop_at(provider, create, fake_provider, (), kill)
