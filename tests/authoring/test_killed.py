"""A script that is killed at any moment and run again: nothing twice, nothing missing, no cent too much."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import attrs
import pytest

from reconciler import Batch, Run
from reconciler.authoring.counting import Count
from reconciler.check import check
from reconciler.costs import costs
from reconciler.testing import FakeProvider
from reconciler.testing.fates import Fate, Outcome
from tests.workspaces import settings

SCRIPT: Final = """
import sys
from tests.authoring.test_killed import script
while not script(sys.argv[1]).is_complete:
    if sys.argv[2] == "once":
        sys.exit(75)
"""
ULM: Final = '{"name": "Ulm", "people": 128928}'
SEED: Final = 11
LIMIT: Final = 0.0007
"""Dollars: the largest of the batches fits, and all of them at once would not."""

WAIT: Final = 60.0
MOST: Final = 200
"""Runs of the script after which it would never come to an end."""


@attrs.frozen
class City:
    """A form of answers."""

    name: str
    people: int


def batch_of(root: str) -> Batch:
    """What the script asks: two models, two forms, equal requests too."""
    batch = Batch(root, "gpt-4o-mini", items_per_batch=3, params={"max_tokens": 50}).limit(cost_usd=LIMIT)
    for at in range(8):
        batch.add(
            f"Ulm, {at % 6}?", response_model=City if at % 2 else None, model="" if at % 3 else "gpt-4o"
        )
    return batch


def script(root: str) -> Run:
    """One run of it."""
    quick = {"provider.per_batch_delay": 0.0, "policy.settle_seconds": 0.0, "provider.poll_seconds": 1.0}
    return batch_of(root).submit(settings=quick)


def run_until_done(root: Path, fake: FakeProvider, kills: int, seed: int) -> int:
    """Run the script, kill it so often, and run it until it is done; how often it really was killed."""
    chance = random.Random(seed)
    environment = {**os.environ, "OPENAI_API_KEY": fake.key, "OPENAI_BASE_URL": fake.url("openai")}
    killed = 0
    for _ in range(MOST):
        argv = [sys.executable, "-c", SCRIPT, str(root), "once" if killed < kills else "again"]
        with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                # What comes before the first effect takes most of its time.
                code = process.wait(chance.uniform(0.3, 1.2) if killed < kills else WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
                continue
        if code == 0:
            return killed
        assert code == 75, f"seed {seed}: the script ended with {code}"
    raise AssertionError(f"seed {seed}: {MOST} runs were not enough")


def hold_to_its_promises(root: Path, fake: FakeProvider, seed: int) -> None:
    """No request was sent twice, each has its answer in its form, and every id is accounted for."""
    lines = [line for batch in fake.batches for _, line in batch.source.lines()]
    sent = Counter(json.loads(line)["custom_id"] for line in lines)
    assert max(sent.values()) == 1, f"seed {seed}: {sent}"
    run = Run(str(root), batch_of(str(root)).write(), Run.open(root).report)
    assert run.added.requests == 0
    assert len(sent) == 8
    assert run.status().requests == Count(total=8, completed=8), f"seed {seed}"
    assert [answer.value for answer in run.results()] == [
        City("Ulm", 128928) if at % 2 else ULM for at in range(8)
    ]
    # `check` holds each reservation against what was spent and reserved when it was made.
    assert not check(str(root), settings()).findings, f"seed {seed}"
    spending = costs(str(root), settings())
    assert 0 < spending.spent <= LIMIT * 1e9, f"seed {seed}"
    assert spending.reserved == 0, f"seed {seed}"


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A provider whose batches end at once."""
    fake_provider.default(Fate(polls=0, default=Outcome(text=ULM)))
    return fake_provider


def test_a_script_that_is_killed_once_pays_once(tmp_path: Path, fake: FakeProvider) -> None:
    """A sample of the slow test below, under a limit that not all of it fits into at once."""
    quotes = [each.nano or 0 for each in batch_of(str(tmp_path / "ws")).plan().quotes.values()]
    assert max(quotes) < LIMIT * 1e9 < sum(quotes)
    run_until_done(tmp_path / "ws", fake, 1, SEED)
    hold_to_its_promises(tmp_path / "ws", fake, SEED)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_script_that_is_killed_again_and_again_pays_once(
    tmp_path: Path, fake: FakeProvider, seed: int
) -> None:
    """Whatever it was doing: adding, sending, asking, fetching, settling."""
    assert run_until_done(tmp_path / "ws", fake, 12, seed) > 0
    hold_to_its_promises(tmp_path / "ws", fake, seed)
