"""
A process may die at any effect while money is reserved, spent and corrected.

Whatever was cut off, the next pass counts what may have been paid for: no create leaves that the limit has no
room for, and what is reserved in the end is what was truly created.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
import pytest

from reconciler.check import check
from reconciler.testing import FakeProvider
from reconciler.testing.faults import Fault, Refuse, ReplyDropped
from tests.spending import nano_for, priced, spending, truly
from tests.stopping import DAYS, Shared
from tests.workspace.faults import Crash, Trip
from tests.workspaces import ledger, settings

POINTS: Final = 5
CAP: Final = nano_for(7)
"""Room for one of two batches of four requests, with its input."""

SIZES: Final = {"a": 4, "b": 4}
FAULTS: Final[dict[str, Callable[[], Fault] | None]] = {
    "succeeds": None,
    "is-lost": ReplyDropped,
    "is-refused": lambda: Refuse(400, "no such model", "model_not_found"),
}


def sound(root: Path, when: str) -> None:
    """No promise is broken, as the files alone tell; a torn line is what a crash leaves."""
    found = check(str(root), settings()).findings
    assert [each for each in found if "torn" not in each.what] == [], when


def within(online: Shared, when: str) -> None:
    """What counts as spent and reserved is within the limit, and covers every batch at the provider."""
    counted = spending(online.root)
    assert counted.committed <= CAP, when
    running = [each for each in counted.charges.values() if not each.settled]
    assert online.creates() <= len(counted.charges), when
    assert len(running) <= 1, when
    sound(online.root, when)


def begin(fake: FakeProvider, create: str) -> None:
    """A provider that does with its first create what *create* says."""
    fake.reset()
    fault = FAULTS[create]
    if fault is not None:
        fake.fault("create", fault())


def stop_everywhere(fake: FakeProvider, create: str, points: int | None) -> None:
    """Stop one pass before effects of it, and hold what follows to the limit."""
    flags = {"max_cost_usd": CAP / 10**9}
    begin(fake, create)
    with priced(fake, SIZES, **flags) as online:
        trip = Trip()
        attrs.evolve(online, tap=trip).run()
        effects = trip.seen
    chosen = [*range(1, len(effects) + 1)]
    if points is not None:
        about = [n for n, (_, path) in enumerate(effects, 1) if "ledger" in path or "create" in path]
        chosen = sorted(random.Random(create).sample(about, min(points, len(about))))
    for point in chosen:
        begin(fake, create)
        with priced(fake, SIZES, **flags) as online:
            when = f"{create}, stopped before effect {point}: {effects[point - 1]}"
            with suppress(Crash):
                attrs.evolve(online, tap=Trip(at=point)).run()
            within(online, when)
            online.run()
            within(online, when)
            online.wait(DAYS)
            within(online, when)
            assert spending(online.root).spent == truly(online.root), when


@pytest.mark.parametrize("create", FAULTS)
def test_stopped_while_money_is_reserved(create: str, fake_provider: FakeProvider) -> None:
    """Stopped about a reservation or a create, no pass sends past the limit, and all is corrected."""
    stop_everywhere(fake_provider, create, POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("create", FAULTS)
def test_stopped_at_any_effect_while_money_is_reserved(create: str, fake_provider: FakeProvider) -> None:
    """The same at every effect."""
    stop_everywhere(fake_provider, create, None)


def test_stopped_while_a_sum_is_corrected(fake_provider: FakeProvider) -> None:
    """Stopped anywhere about the settling, history has one correction, and the right one."""
    fake_provider.reset()
    with priced(fake_provider, {"a": 4}) as online:
        online.run()
        trip = Trip()
        attrs.evolve(online, tap=trip).wait(DAYS)
        effects = trip.seen
    settling = next(n for n, (_, path) in enumerate(effects, 1) if "ledger" in path)
    for point in (settling, settling + 1, settling + 2):
        fake_provider.reset()
        with priced(fake_provider, {"a": 4}) as online:
            online.run()
            with suppress(Crash):
                attrs.evolve(online, tap=Trip(at=point)).wait(DAYS)
            online.wait(DAYS)
            lines = [each for each in ledger(online.root) if each["event"] == "spend.settled"]
            assert [each["nano_usd"] for each in lines] == [truly(online.root)], point
            sound(online.root, str(point))
