"""
A process may die at any effect of a batch whose leftovers are asked again: all the same they are, and once.

Each scenario is run once without a fault. Then it is stopped before its N-th effect, on the disk or at the
provider, and passes without faults follow until nothing waits. They end where the first run has ended.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import attrs
import pytest

from reconciler import decide_online
from reconciler.check import check
from reconciler.model.failure import InDoubt
from reconciler.providers.http import Http
from reconciler.results import Results
from reconciler.testing import FakeProvider, Fate, Outcome
from reconciler.testing.fates import EXPIRED, MISSING, http_error
from tests.five import client_of, lines_of, number_of
from tests.online import put_input
from tests.stopping import DAYS, Shared, crash, effects_of, whole
from tests.test_results_online import leftover
from tests.workspaces import leftovers, record, scratch, settings

POINTS: Final = 10
"""Effects that a normal run tries; a slow one tries all."""

FEW: Final = {3: http_error(429), 25: http_error(503), 7: EXPIRED, 31: EXPIRED, 11: MISSING, 44: MISSING}


@attrs.frozen
class Scenario:
    """
    A batch of which some requests get no answer the first time.

    Attributes:
        requests: How many there are.
        choose: What becomes of each.
        counts: What the provider says of it: what never came is not counted as answered either.
    """

    requests: int
    choose: Callable[[str], Outcome | None]
    counts: dict[str, int]

    @property
    def again(self) -> list[int]:
        """The requests that have to be asked again, by number."""
        return [n for n in range(1, self.requests + 1) if self.choose(f"q-{n}") is not None]

    @contextmanager
    def begun(self, fake: FakeProvider) -> Iterator[Shared]:
        """The input that nobody has sent, and a provider that answers the rest the second time."""
        fake.reset()
        fake.clock.advance(60.0)
        fake.script(Fate(choose=self.choose, counts=self.counts))
        with scratch() as folder, Http(lambda seconds, _stop: fake.clock.advance(seconds)) as room:
            put_input(folder / "w", lines_of("openai", self.requests))
            yield Shared(folder / "w", fake, client_of("openai", fake), room=room)

    def ended(self, online: Shared, when: str) -> None:
        """Two batches were ever created, the second of what was left over; all is answered, in order."""
        root, again = online.root, self.again
        assert [batch.total for batch in online.fake.batches] == [self.requests, len(again)], when
        asked = (root / "done/1/batch_input_1.jsonl").read_bytes().splitlines(keepends=True)
        sent = (root / "done/1.r1/batch_input_1.r1.jsonl").read_bytes()
        assert sent == b"".join(asked[number - 1] for number in again), when
        rows = [(row.custom_id, row.outcome.value, row.attempt) for row in Results(str(root), settings())]
        assert rows == [(f"q-{n}", "answered", 1 + (n in again)) for n in range(1, self.requests + 1)], when
        verdict = check(str(root), settings())
        assert (verdict.findings, verdict.notes) == ([], []), when
        assert verdict.account == {"answered": self.requests, "retried": len(again)}, when
        assert not (root / "failed-items").exists(), when
        assert leftovers(root) == [], when


SMALL: Final = Scenario(50, lambda found: FEW.get(number_of(found)), {"completed": 44, "failed": 4})
LARGE: Final = Scenario(1000, leftover, {"completed": 940, "failed": 45})


def stop_at(scenario: Scenario, fake: FakeProvider, choose: Callable[[list[str]], list[int]]) -> None:
    """Stop a scenario before some of its effects, let passes follow, and hold what they make to its end."""
    with scenario.begun(fake) as online:
        effects = effects_of(online, whole)
        scenario.ended(online, "without a fault")
    for point in choose(effects):
        with scenario.begun(fake) as online:
            when = f"stopped before effect {point}: {effects[point - 1]}"
            assert crash(online, point), when
            assert check(str(online.root), settings()).findings == [], when
            creating, sent = under_creation(online), len(fake.batches)
            report = online.wait(DAYS)
            for batch in report.batches:
                if isinstance(batch.failure, InDoubt):
                    # Nobody can be sure that this create has not left: a person has to say so, no pass.
                    assert (batch.name, len(fake.batches)) == (creating, sent), when
                    online.decide(decide_online.resubmit, batch.name)
                    online.wait(DAYS)
            assert fake.calls.count("create") == 2, when
            scenario.ended(online, when)


def under_creation(online: Shared) -> str | None:
    """The batch whose create may have left, and of which no id came back."""
    for name in ("1", "1.r1"):
        there = (online.root / f"workdir/batch_metadata_{name}.jsonl").exists()
        if there and record(online.root, name).get("state") == "creating":
            return name
    return None


def creates_in(effects: list[str]) -> list[int]:
    """Which effects the creates are."""
    return [at for at, effect in enumerate(effects, 1) if effect.startswith("POST create")]


def some_of(effects: list[str]) -> list[int]:
    """Some effects, the same in every run, and each create with what comes next."""
    points = random.Random(" ".join(effects)).sample(range(1, len(effects) + 1), POINTS)
    return sorted({*points, *creates_in(effects), *(at + 1 for at in creates_in(effects))})


def all_of(effects: list[str]) -> list[int]:
    """Each."""
    return [*range(1, len(effects) + 1)]


def test_stopped_before_an_effect(fake_provider: FakeProvider) -> None:
    """50 requests, 6 left over: stopped anywhere, these 6 are sent again, once, and all 50 are answered."""
    stop_at(SMALL, fake_provider, some_of)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [SMALL, LARGE], ids=["50", "1000"])
def test_stopped_before_every_effect(scenario: Scenario, fake_provider: FakeProvider) -> None:
    """The same at every effect, also of 1,000 requests with 60 left over (errors, expiry, missing)."""
    assert len(LARGE.again) == 60
    stop_at(scenario, fake_provider, all_of)
