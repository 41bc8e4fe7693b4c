"""
A process may die at any effect of a batch on its way through a provider: it is paid for once all the same.

Each scenario is run once without a fault: from the input to `done/`, or to where a person is asked. Then it
is stopped before its N-th effect, on the disk or at the provider, and passes follow until nothing waits. They
end where the run without a fault has ended; or hold the batch in doubt, if its create may have left and
nothing came of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from queue import Queue
from typing import ClassVar, Final

import attrs
import pytest

from reconciler.testing import FakeProvider
from reconciler.testing.exchange import Exchange
from reconciler.testing.world import World
from tests.stopping import (
    CREATES,
    NUMBERED,
    PROVIDERS,
    Shared,
    begun,
    crash,
    ending,
    in_doubt,
    in_process,
    kill,
    mended,
    settled,
    sound,
    whole,
)
from tests.workspace.faults import Trip
from tests.workspaces import ledger, record

Stop = Callable[[Shared, int], bool]
Choose = Callable[[list[str]], list[int]]

INSIDE: Final = 2
"""Points that a normal run tries of each scenario between intent and id; a slow one tries all."""

BEHIND: Final = 5
"""The same for points behind the id, where it is all one what the create has met."""


@attrs.frozen
class Killing:
    """
    The client dies while its create is on the way.

    Attributes:
        made: The batch is created all the same.
        born: Where the client's process is told.
    """

    born: ClassVar[Queue[int]] = Queue()
    made: bool

    async def play(self, exchange: Exchange, world: World) -> None:  # noqa: ARG002 - the protocol's
        """Kill whoever has asked."""
        if self.made:
            await exchange.answer()
        os.kill(await asyncio.to_thread(self.born.get), signal.SIGKILL)
        await exchange.gone()


def end_of(provider: str, create: str, fake: FakeProvider) -> tuple[dict[str, object], list[str]]:
    """What a run without a fault leaves, and its effects."""
    with begun(provider, fake, create) as online:
        trip = Trip()
        whole(attrs.evolve(online, tap=trip))
        mended(online)
        sound(online, "without a fault")
        return ending(online), [f"{change} {path}" for change, path in trip.seen]


def stop_at(provider: str, create: str, fake: FakeProvider, stop: Stop, choose: Choose) -> int:
    """
    Stop a scenario before some of its effects, mend it, and hold it to the laws.

    Returns:
        How often.
    """
    wanted, effects = end_of(provider, create, fake)
    points = choose(effects)
    for point in points:
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
    return len(points)


def create_in(effects: list[str]) -> int:
    """Which effect the create is."""
    return next(at for at, effect in enumerate(effects, 1) if effect.startswith("POST create"))


def some_inside(effects: list[str]) -> list[int]:
    """Some effects between intent and id, the same in every run."""
    inside = range(10, min(create_in(effects) + 6, len(effects) + 1))
    return random.Random(" ".join(effects)).sample(inside, INSIDE)


def some_behind(effects: list[str]) -> list[int]:
    """Some effects behind the id, the same in every run."""
    behind = range(create_in(effects) + 6, len(effects) + 1)
    return random.Random(" ".join(effects)).sample(behind, BEHIND)


def around_the_create(effects: list[str]) -> list[int]:
    """Just before it, and just after its reply."""
    return [create_in(effects), create_in(effects) + 1]


def all_of(effects: list[str]) -> list[int]:
    """Each."""
    return [*range(1, len(effects) + 1)]


@pytest.mark.parametrize("create", CREATES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_stopped_before_an_effect(provider: str, create: str, fake_provider: FakeProvider) -> None:
    """Stopped anywhere, no batch is made twice, no request is lost, and the end is that of a run without."""
    stop_at(provider, create, fake_provider, crash, some_inside)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_stopped_behind_the_id(provider: str, fake_provider: FakeProvider) -> None:
    """The same while it is asked for, fetched and settled, be it two answer files or one stream."""
    stop_at(provider, "succeeds", fake_provider, crash, some_behind)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_killed_around_the_create(provider: str, fake_provider: FakeProvider) -> None:
    """The same when the process is killed for good, just before the create and just after its reply."""
    stop_at(provider, "succeeds", fake_provider, kill, around_the_create)


@pytest.mark.parametrize("made", [True, False], ids=["made", "not-made"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_killed_during_the_create(provider: str, fake_provider: FakeProvider, *, made: bool) -> None:
    """Killed with the create on its way: the batch is found if it was made, and held if it was not."""
    with begun(provider, fake_provider) as online:
        fake_provider.fault("create", Killing(made=made))
        assert in_process(online, Killing.born.put) == -signal.SIGKILL
        assert record(online.root, "1")["state"] == "creating"
        sound(online, "killed during the create")
        batch = mended(online)
        assert fake_provider.calls.count("create") == 1
        if made:
            settled(online, provider)
        else:
            assert batch is not None
            in_doubt(online, batch, provider)


@pytest.mark.slow
@pytest.mark.parametrize("create", CREATES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_killed_before_every_effect(provider: str, create: str, fake_provider: FakeProvider) -> None:
    """The same at every effect, by a kill."""
    stop_at(provider, create, fake_provider, kill, all_of)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_stands_on_disk(provider: str, fake_provider: FakeProvider) -> None:
    """Before each call and each line of history, metadata says how far it came, and history what may cost."""
    seen: list[tuple[str, str | None, list[str]]] = []
    with begun(provider, fake_provider) as online:

        def tap(change: str, _path: str) -> None:
            if change.startswith(("POST", "append")):
                there = (online.root / "workdir/batch_metadata_1.jsonl").exists()
                state = record(online.root, "1")["state"] if there else None
                seen.append((change, state, [each["event"] for each in ledger(online.root)]))

        online.tap = tap
        whole(online)
    uploaded = "prepared" if provider in NUMBERED else "uploaded"
    uploads = {"anthropic": 0, "openrouter": 0, "gemini": 2}.get(provider, 1)
    reserved, creating, submitted = "spend.reserved", "batch.creating", "batch.submitted"
    assert seen == [
        ("append", "prepared", []),
        *[("POST upload", "prepared", [reserved])] * uploads,
        ("append", uploaded, [reserved]),
        ("POST create", "creating", [reserved, creating]),
        ("append", "creating", [reserved, creating]),
        ("append", "submitted", [reserved, creating, submitted]),
        ("append", "submitted", [reserved, creating, submitted, "spend.settled"]),
    ]
