"""A watched workspace at a provider: who is asked when, and what is told while a provider cannot be asked."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.executor.hooks import Hooks, Plugged
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Refuse, Reset
from reconciler.watching.arrivals import Seen
from tests.five import OTHER_KEY, client_of
from tests.watching.living import Living
from tests.workspaces import request, results


@attrs.define
class Client:
    """The client that passes find, whoever it is at the moment."""

    now: Any

    def hooks(self, _name: str) -> Hooks:
        """What a batch's pass takes."""
        return Hooks(providers={"openai": self.now})


@pytest.fixture
def client(fake_provider: FakeProvider) -> Client:
    """The client of the fake provider."""
    fake_provider.clock.advance(60.0)
    return Client(client_of("openai", fake_provider))


@pytest.fixture
def living(tmp_path: Path, fake_provider: FakeProvider, client: Client) -> Iterator[Living]:
    """A watched workspace at the fake provider, in its time."""
    (tmp_path / "w" / "workdir").mkdir(parents=True)
    flags = {"provider.name": "openai", "provider.poll_seconds": 60.0, "provider.per_batch_delay": 0.0}
    found = Living(tmp_path / "w", clock=fake_provider.clock, flags=flags, plugged=Plugged(client.hooks))
    with Http(found.pause, HttpSettings(spacing=0.0), tap=found.tapped) as room:
        found.wire = lambda: room
        found.live_for(1.0)
        yield found
    found.watch.close()


def drop(living: Living, name: str) -> None:
    """Somebody drops an input."""
    lines = [request(n) | {"custom_id": f"q-{name}-{n}"} for n in range(2)]
    living.write(f"batch_input_{name}.jsonl", lines)


def test_an_input_is_sent_asked_for_when_due_and_settled(living: Living, fake_provider: FakeProvider) -> None:
    """Sent once, when it has stood still; asked for once a minute, and no oftener; its results are there."""
    fake_provider.script(Fate(seconds=1800))
    drop(living, "1")
    living.live_for(10.0)
    assert fake_provider.calls.count("create") == 1
    asked = fake_provider.calls.count("get")
    coming = float((living.root / ".reconciler" / "next-look").read_text())
    assert living.now() < coming <= living.now() + 60.0

    living.live_for(1500.0)
    assert 23 <= fake_provider.calls.count("get") - asked <= 26
    living.live_for(600.0)
    assert len(results(living.root, "1")) == 2
    assert fake_provider.calls.count("create") == 1
    assert living.told.names("batch.") == ["batch.waiting", "batch.settled"]


def test_a_file_that_comes_asks_nobody_for_other_batches(living: Living, fake_provider: FakeProvider) -> None:
    """Batches at the provider are asked for when they are due, however many files come meanwhile."""
    fake_provider.script(Fate(seconds=36_000))
    drop(living, "1")
    living.live_for(70.0)
    before = fake_provider.calls.count("get")
    passes = 0
    for n in range(100):
        living.hand.see(Seen.WHOLE, f"batch_output_x{n}.jsonl")
        passes += living.live_for(6.0)

    assert passes >= 100
    assert 9 <= fake_provider.calls.count("get") - before <= 11


def test_many_batches_are_asked_for_in_few_passes(living: Living, fake_provider: FakeProvider) -> None:
    """Batches that are due within a few seconds of each other go along in one pass."""
    fake_provider.default(Fate(seconds=36_000))
    for n in range(10):
        drop(living, str(n))
        living.live_for(0.5)
    living.live_for(10.0)

    passes = living.live_for(300.0)
    assert fake_provider.calls.count("create") == 10
    assert 4 <= passes <= 13


def test_a_provider_that_is_down_is_told_of_once_and_waited_for(
    living: Living, fake_provider: FakeProvider
) -> None:
    """Through an hour of resets it is told once that the batch failed; then it settles, created once."""
    fake_provider.fault(None, Reset(), times=None)
    drop(living, "1")
    passes = living.live_for(3600.0)
    assert living.told.names("batch.") == ["batch.failed"]
    assert passes < 40

    fake_provider.faults.clear()
    living.live_for(1200.0)
    assert len(results(living.root, "1")) == 2
    assert len(fake_provider.batches) == 1


def test_a_provider_that_goes_down_while_it_works_is_told_of_once(
    living: Living, fake_provider: FakeProvider
) -> None:
    """A batch in flight that cannot be asked for has failed, once, whatever files come meanwhile."""
    fake_provider.script(Fate(seconds=1000))
    drop(living, "1")
    living.live_for(100.0)
    fake_provider.fault(None, Refuse(503), times=None)
    for n in range(8):
        living.hand.see(Seen.WHOLE, f"batch_output_x{n}.jsonl")
        living.live_for(90.0)
    assert living.told.names("batch.") == ["batch.waiting", "batch.failed"]

    fake_provider.faults.clear()
    living.live_for(900.0)
    assert living.told.names("batch.")[-1] == "batch.settled"
    assert len(fake_provider.batches) == 1


def test_a_revoked_key_is_told_of_once_and_gets_over(
    living: Living, fake_provider: FakeProvider, client: Client
) -> None:
    """While the key is refused the batch is held, told once; with a key that counts it goes on by itself."""
    fake_provider.script(Fate(seconds=600))
    drop(living, "1")
    living.live_for(100.0)
    good = client.now
    client.now = client_of("openai", fake_provider, "refused-key-000")
    for n in range(20):
        living.hand.see(Seen.WHOLE, f"batch_output_x{n}.jsonl")
        living.live_for(60.0)
    assert living.told.names("batch.") == ["batch.waiting", "batch.held"]

    client.now = good
    living.live_for(700.0)
    assert living.told.names("batch.")[-1] == "batch.settled"
    assert OTHER_KEY not in str(living.told.events)


def test_another_process_goes_on_with_what_it_finds(living: Living, fake_provider: FakeProvider) -> None:
    """A watcher that was killed at any of its effects is followed by one that loses and doubles nothing."""
    chance = random.Random(7)
    fake_provider.default(Fate(seconds=300))

    class Killed(BaseException):
        pass

    for n in range(5):
        drop(living, str(n))
        left = [chance.randint(1, 40)]

        def tap(_change: str, _path: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        living.tap = tap
        try:
            living.live_for(400.0)
        except Killed:
            living.tap = lambda _change, _path: None
            living.begin()
    living.tap = lambda _change, _path: None
    living.live_for(3 * 3600.0)

    assert sorted(path.name for path in (living.root / "done").iterdir()) == [str(n) for n in range(5)]
    assert len(fake_provider.batches) == 5
