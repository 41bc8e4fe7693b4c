"""
A process may die at any change on the way from a deadline to the settled batch.

Whatever was cut off, the batch was created once at the most, every answer that its provider had is kept, each
other request has failed as `time-limit`, and nothing is asked again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.check import check
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.policy import LOCAL
from reconciler.providers.http import Http
from reconciler.providers.local import Local
from reconciler.session import Options
from reconciler.testing import FakeProvider
from reconciler.workspace.effects import Tap, no_tap
from tests.online import Online
from tests.stopping import client_of
from tests.test_time_limit import CANCELS, HOUR, STUCK, ends, limited
from tests.workers import AT_ONCE, chat
from tests.workspace.faults import Crash, Trip
from tests.workspaces import ledger, leftovers, put, request, scratch, settings

POINTS: Final = 4
"""Changes that a normal run tries of each scenario, the same in every run; a slow one tries all."""

SENT: Final = {"q-0": "answered", "q-1": "answered", "q-2": "time-limit", "q-3": "time-limit"}


@attrs.define
class Slow:
    """
    A worker that takes an hour for its second request.

    Attributes:
        fake: Whose clock says what the time is.
        calls: What it was asked.
    """

    fake: FakeProvider
    calls: list[str] = attrs.field(factory=list)

    async def __call__(self, asked: Any) -> Any:
        """Let time pass, then answer."""
        self.calls.append(asked.custom_id)
        self.fake.clock.advance(HOUR if asked.custom_id == "q-1" else 0)
        return chat("so be it")


@attrs.define
class Here(Online):
    """
    A workspace whose batches are answered in the pass.

    Attributes:
        worker: Who answers.
    """

    worker: Any = None

    @property
    def options(self) -> Options:
        """What a pass takes."""
        hooks = Hooks(providers={LOCAL: Local(self.worker, 1, AT_ONCE)}, worker_chosen=True)
        options: Options = Online.options.fget(self)  # type: ignore[attr-defined]  # the property of the base
        return attrs.evolve(options, plugged=Plugged(lambda _name: hooks))


def here(root: Path, fake: FakeProvider, worker: Slow) -> Here:
    """Four requests for a worker, and an hour for all of them."""
    fake.clock.advance(60)
    limit = {"seconds": HOUR, "until": fake.clock.now + HOUR}
    said = {"schema": 1, "generation": 1, "name": "1", "attempt": 1, "provider": LOCAL, "limit": limit}
    put(root, "1", metadata=said, input=[request(n) for n in range(4)])
    return Here(root, fake, client_of("openai", fake), {"provider": LOCAL}, worker=worker)


def test_a_live_run_ends_with_its_time(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """What was under way is kept though it came late; nothing new is called, and the rest has failed."""
    worker = Slow(fake_provider)
    online = here(tmp_path / "w", fake_provider, worker)
    assert online.wait().exit_code == 0
    assert worker.calls == ["q-0", "q-1"]
    assert ends(online.root) == SENT
    assert check(str(online.root), settings()).findings == []


def test_a_live_run_that_never_began_calls_nobody(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Its time was over before a pass came by."""
    worker = Slow(fake_provider)
    online = here(tmp_path / "w", fake_provider, worker)
    fake_provider.clock.advance(HOUR)
    assert online.wait().exit_code == 0
    assert (worker.calls, set(ends(online.root).values())) == ([], {"time-limit"})


def scenes(fake: FakeProvider, how: str, tap: Tap) -> Iterator[tuple[Online, Slow]]:
    """A batch whose time is over, and what came of it until *tap* ended that."""
    fake.reset()
    fake.gemini.switches.cancelled_output = True
    fake.default(STUCK)
    with scratch() as folder, Http(lambda seconds, _stop: fake.clock.advance(seconds)) as room:
        worker, root = Slow(fake), folder / "w"
        online = (
            here(root, fake, worker) if how == LOCAL else limited(root, fake, how.removesuffix("-unsent"))
        )
        online.wire = lambda: room
        if how in CANCELS:
            online.run()
        if how != LOCAL:
            fake.clock.advance(HOUR)
        online.tap = room.tap = tap
        with suppress(Crash):
            online.wait()
        online.tap = room.tap = no_tap
        yield online, worker


def stopped_before(fake: FakeProvider, how: str, points: int) -> None:
    """Stop before some of the changes, or before each, go on, and hold what came of it to the laws."""
    trip = Trip()
    for online, _ in scenes(fake, how, trip):
        wanted, created = ends(online.root), online.creates()
    assert "time-limit" in wanted.values()
    every = range(1, len(trip.seen) + 1)
    for point in random.Random(how).sample(every, min(points, len(every))) if points else every:
        when = f"{how}, stopped before {point}: {trip.seen[point - 1]}"
        for online, worker in scenes(fake, how, Trip(point)):
            online.wait()
            # A call whose end was not on disk yet is made again, while there is time; later it has failed.
            found = ends(online.root)
            if how == LOCAL:
                assert found.keys() == wanted.keys(), when
                assert all(found[key] == "time-limit" for key in ("q-2", "q-3")), when
                assert set(worker.calls) <= {"q-0", "q-1"}, when
            else:
                assert found == wanted, when
            assert online.creates() == created, when
            events = [each["event"] for each in ledger(online.root)]
            assert events.count("batch.cancelled") <= 1, when
            assert "batch.retried" not in events, when
            assert not leftovers(online.root), when
            assert check(str(online.root), settings()).findings == [], when


@pytest.mark.parametrize("how", ["anthropic", "openai-unsent", LOCAL])
def test_stopped_before_an_effect(fake_provider: FakeProvider, how: str) -> None:
    """Stopped anywhere, the deadline comes to the same end."""
    stopped_before(fake_provider, how, POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("how", [*CANCELS, *(f"{name}-unsent" for name in CANCELS), LOCAL])
def test_stopped_before_every_effect(fake_provider: FakeProvider, how: str) -> None:
    """The same at every effect, at every provider that can stop a batch."""
    stopped_before(fake_provider, how, 0)
