"""
A process may die at any change while batches meet a wall, or while a person lifts one.

The wall is seen all the same; and what `resume` has begun is completed when that is said again.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.check import check
from reconciler.model.report import State
from reconciler.providers.http import Http
from reconciler.resuming import resume
from reconciler.testing import FakeProvider
from reconciler.workspace.reading import Reading
from reconciler.workspace.walls import walls
from tests.stopping import Shared, client_of
from tests.test_walls import lines, refusing, until_still
from tests.workspace.faults import Crash, Trip
from tests.workspaces import ledger, options, put, scratch, settings, tree

POINTS: Final = 8
"""Changes that a normal run tries; a slow one tries all."""

Choose = Callable[[int], list[int]]


def some_of(changes: int) -> list[int]:
    """Some changes, the same in every run."""
    return sorted(random.Random(changes).sample(range(1, changes + 1), POINTS))


def all_of(changes: int) -> list[int]:
    """Each."""
    return [*range(1, changes + 1)]


@contextmanager
def walled(fake: FakeProvider, count: int, each: int, **flags: Any) -> Iterator[Shared]:
    """A workspace with so many batches that nobody has sent, and one room for the calls of all passes."""
    fake.clock.advance(60)
    with scratch() as folder, Http(lambda seconds, _stop: fake.clock.advance(seconds)) as room:
        root = folder / "w"
        for name in range(1, count + 1):
            put(
                root,
                str(name),
                input=[{**line, "custom_id": f"{name}-{n}"} for n, line in enumerate(lines(each))],
            )
        yield Shared(root, fake, client_of("openai", fake), {"settle_seconds": 0, **flags}, room=room)


def sound(root: Path, when: str) -> None:
    """No promise is broken."""
    assert check(str(root), settings()).findings == [], when


# While a batch meets a wall


@contextmanager
def before_the_wall(fake: FakeProvider) -> Iterator[Shared]:
    """Two batches, of which the first was sent and is refused as a whole by now."""
    fake.reset()
    fake.default(refusing("insufficient_quota"))
    with walled(fake, 2, 12, probe_batches=1) as online:
        online.run()
        fake.clock.advance(7200)
        yield online


def two_passes(online: Shared) -> None:
    """The first batch is fetched and settles; the second is held."""
    online.run()
    online.run()


def stop_before_the_wall(fake: FakeProvider, choose: Choose) -> None:
    """Stop two passes before some of their changes, and hold what follows to the one wall."""
    with before_the_wall(fake) as online:
        trip = Trip()
        two_passes(attrs.evolve(online, tap=trip))
    for point in choose(len(trip.seen)):
        with before_the_wall(fake) as online:
            when = f"stopped before change {point}: {trip.seen[point - 1]}"
            with pytest.raises(Crash):
                two_passes(attrs.evolve(online, tap=Trip(at=point)))
            sound(online.root, when)
            report = until_still(online)
            assert fake.calls.count("create") == 1, when
            assert report.batch("2").state is State.HELD, when
            assert (online.root / "done" / "1").is_dir(), when
            sound(online.root, when)


def test_stopped_while_a_wall_is_met(fake_provider: FakeProvider) -> None:
    """Whatever was cut off, one batch was sent, and the other is held in the end."""
    stop_before_the_wall(fake_provider, some_of)


@pytest.mark.slow
def test_stopped_at_any_change_while_a_wall_is_met(fake_provider: FakeProvider) -> None:
    """The same at every change."""
    stop_before_the_wall(fake_provider, all_of)


@attrs.define
class AtWalls:
    """
    A tap that ends the process before one of the changes that are made below `walls/`.

    Attributes:
        at: Which of them.
        seen: How many there were.
    """

    at: int
    seen: int = 0

    def __call__(self, _change: str, path: str) -> None:
        """Count."""
        self.seen += "/walls/" in path
        if self.seen == self.at:
            raise Crash


def test_what_was_half_written_is_no_wall(fake_provider: FakeProvider) -> None:
    """Three requests are too few for a wall of their class, also while the note of them is being written."""
    for point in itertools.count(1):
        fake_provider.reset()
        fake_provider.default(refusing("model_not_found", 404))
        with walled(fake_provider, 1, 3) as online:
            online.run()
            fake_provider.clock.advance(7200)
            tap = AtWalls(point)
            with suppress(Crash):
                two_passes(attrs.evolve(online, tap=tap))
            assert list(walls(Reading(str(online.root)))) == [], point
            if tap.seen < point:
                break
    assert point > 4


# While a person lifts it


@contextmanager
def behind_walls(fake: FakeProvider) -> Iterator[Shared]:
    """Want of credit, met by one batch, and a model that is refused, met by four; no more is sent."""
    fake.reset()
    fake.script(refusing("insufficient_quota"), *[refusing("model_not_found", 404)] * 4)
    with walled(fake, 5, 4) as online:
        until_still(online)
        yield online


@contextmanager
def copied(online: Shared) -> Iterator[Shared]:
    """The same workspace once more, where nobody has done anything with it yet."""
    with scratch() as folder:
        shutil.copytree(online.root, folder / "w")
        yield attrs.evolve(online, root=folder / "w")


def lifted(root: Path) -> list[tuple[str, str]]:
    """What history tells of walls that were lifted."""
    return [(each["batch"], each["why"]) for each in ledger(root) if each["event"] == "wall.lifted"]


def left(root: Path) -> dict[str, bytes]:
    """All that a resume leaves, but for history."""
    return {path: data for path, data in tree(root).items() if not path.endswith("ledger.jsonl")}


def goes_through(online: Shared, when: str) -> None:
    """A batch that is new is sent and answered."""
    before = online.creates()
    put(online.root, "late", input=[{**line, "custom_id": f"late-{n}"} for n, line in enumerate(lines(3))])
    assert until_still(online).batch("late").state is State.SETTLED, when
    assert online.creates() == before + 1, when


def stop_resume(fake: FakeProvider, choose: Choose) -> None:
    """Stop a resume before every change, say it again, and at some of them send a batch."""
    with behind_walls(fake) as online:
        with copied(online) as whole:
            trip = Trip()
            assert len(resume(str(whole.root), settings(), options(trip))) == 2
            wanted = left(whole.root)
            assert sorted(lifted(whole.root)) == [("1", "billing"), ("2", "not-found")]
            goes_through(whole, "without a fault")
        chosen = choose(len(trip.seen))
        for point in all_of(len(trip.seen)):
            with copied(online) as cut:
                when = f"stopped before change {point}: {trip.seen[point - 1]}"
                with suppress(Crash):
                    resume(str(cut.root), settings(), options(Trip(at=point)))
                    raise AssertionError(when)
                sound(cut.root, when)
                resume(str(cut.root), settings())
                assert left(cut.root) == wanted, when
                assert sorted(lifted(cut.root)) == [("1", "billing"), ("2", "not-found")], when
                assert resume(str(cut.root), settings()) == (), when
                assert list(walls(Reading(str(cut.root)))) == [], when
                sound(cut.root, when)
                if point in chosen:
                    goes_through(cut, when)


def test_stopped_while_walls_are_lifted(fake_provider: FakeProvider) -> None:
    """Said again, `resume` lifts what is left, history tells of each wall once, and batches go through."""
    stop_resume(fake_provider, some_of)


@pytest.mark.slow
def test_stopped_at_any_change_while_walls_are_lifted(fake_provider: FakeProvider) -> None:
    """The same, a batch sent after each."""
    stop_resume(fake_provider, all_of)
