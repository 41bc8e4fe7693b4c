"""
What a provider leaves unanswered is asked live: nothing twice, nothing by a stand-in.

The real client and the real network against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.decide_online import cancel, rescue, rescue_until_settled
from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import expired, token_limit_exceeded
from reconciler.testing.faults import Refuse
from reconciler.workspace.effects import Tap, no_tap
from tests import five
from tests.online import put_input
from tests.rescuing import STUCK, Rescuing, begun, called, of_one_lineage, outcomes, sound
from tests.workers import Noted
from tests.workspace.faults import Crash, Trip
from tests.workspaces import ledger, manifest, scratch

CANCELS = [name for name in five.SIX if name != "openrouter"]
POINTS = 15
"""Effects that a normal run tries of each scenario, the same in every run; a slow one tries all."""


@pytest.mark.parametrize("name", CANCELS)
def test_a_stuck_batch_is_stopped_and_then_answered_live(
    tmp_path: Path, fake_provider: FakeProvider, name: str
) -> None:
    """Its provider is asked to stop it; what it answered is kept, the rest asked live once."""
    fake_provider.gemini.switches.cancelled_output = True
    asked = begun(tmp_path, fake_provider, name)
    decision = asked.decide(rescue)

    assert fake_provider.calls.count("cancel") == 1
    if decision.exit_code:
        assert (decision.exit_code, called(tmp_path)) == (75, {}), "its end was not awaited"
    assert asked.wait().exit_code == 0
    owners = of_one_lineage(asked.root, "1", "1.r1")
    assert sorted(owners) == [1, 2, 3, 4, 5]
    assert called(tmp_path) == {number: 1 for number, batch in owners.items() if batch == "1.r1"}
    assert 0 < len(called(tmp_path)) < len(owners)
    assert (asked.creates(), manifest(asked.root, "1.r1")["provider"]) == (1, "local")
    sound(asked.root)


def test_nothing_is_asked_live_before_its_provider_has_ended(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """While the provider is still stopping it, passes wait with 75, and no request of it is asked."""
    asked = begun(tmp_path, fake_provider, "anthropic", attrs.evolve(STUCK, cancelling=3))
    for _ in range(2):
        assert asked.decide(rescue).exit_code == 75
        assert called(tmp_path) == {}
        assert not list((asked.root / "workdir").glob("*1.r1*"))
    assert asked.wait().exit_code == 0
    assert sorted(of_one_lineage(asked.root, "1", "1.r1")) == [1, 2, 3, 4, 5]
    sound(asked.root)


@pytest.mark.parametrize("name", five.SIX)
def test_what_expired_is_answered_live(tmp_path: Path, fake_provider: FakeProvider, name: str) -> None:
    """Of a batch that expired, answers are fetched and kept; the rest is asked live, also at OpenRouter."""
    fake_provider.gemini.switches.expired_output = True
    asked = begun(tmp_path, fake_provider, name, expired(2))
    asked.flags = {"provider": "local"}
    asked.wait(timeout=600.0)
    assert called(tmp_path) == {}
    report = asked.decide(rescue).report

    assert report.exit_code == 0
    assert fake_provider.calls.count("cancel") == 0
    assert called(tmp_path) == {3: 1, 4: 1, 5: 1}
    assert of_one_lineage(asked.root, "1", "1.r1") == {1: "1", 2: "1", 3: "1.r1", 4: "1.r1", 5: "1.r1"}
    sound(asked.root)


@pytest.mark.parametrize("max_attempts", [2, 3])
def test_what_the_worker_cannot_answer_fails(
    tmp_path: Path, fake_provider: FakeProvider, max_attempts: int
) -> None:
    """Live sends count on from those of the provider, and their failures are failures of the lineage."""
    asked = begun(tmp_path, fake_provider, flags={"max_attempts": max_attempts})

    def fails(_request: object) -> object:
        raise TimeoutError

    asked.worker = Noted(tmp_path / "calls", fails)
    asked.decide(rescue)
    asked.wait()
    assert set(called(tmp_path).values()) == {max_attempts - 1}
    assert set(outcomes(asked.root, "1.r1").values()) == {"failed"}
    sound(asked.root)


def test_the_user_may_have_cancelled_it_before(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A batch that a person has stopped settles with what it has; a rescue answers what never ran."""
    asked = begun(tmp_path, fake_provider)
    asked.decide(cancel)
    asked.wait(timeout=600.0)
    assert called(tmp_path) == {}
    assert asked.decide(rescue).exit_code == 0
    assert fake_provider.calls.count("cancel") == 1
    assert sorted(of_one_lineage(asked.root, "1", "1.r1")) == [1, 2, 3, 4, 5]
    sound(asked.root)


def test_a_batch_for_which_there_is_no_room(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """One that a full quota keeps away was never run: all of it is asked live, and it is sent no more."""
    asked = begun(tmp_path, fake_provider, fate=token_limit_exceeded())
    asked.wait(timeout=60)
    creates = asked.creates()
    assert asked.decide(rescue).exit_code == 0
    assert of_one_lineage(asked.root, "1", "1.r1") == dict.fromkeys(range(1, 6), "1.r1")
    assert asked.creates() == creates
    sound(asked.root)


def test_the_same_call_again_goes_on(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Repeated at any stage it does no more than is left to do; of a settled batch it follows the child."""
    asked = begun(tmp_path, fake_provider, "anthropic", attrs.evolve(STUCK, cancelling=2))
    codes = [asked.decide(rescue).exit_code for _ in range(4)]
    assert codes[:1] == [75]
    assert codes[-1] == 0 or called(tmp_path)
    events = [each["event"] for each in ledger(asked.root)]
    assert events.count("batch.rescued") == events.count("batch.cancelled") == 1


@pytest.mark.parametrize("name", ["gemini", "mistral"])
def test_one_that_expires_before_it_is_stopped(
    tmp_path: Path, fake_provider: FakeProvider, name: str
) -> None:
    """What has ended is asked after, and not stopped again and again; no file of it ever comes."""
    asked = begun(tmp_path, fake_provider, name, expired(0, polls=1, late=10**6))
    fake_provider.fault("cancel", Refuse(409, "it has ended"), times=10**6)
    asked.decide(rescue)
    assert asked.wait(timeout=86_400.0).exit_code == 0
    assert fake_provider.calls.count("cancel") < 3
    assert called(tmp_path) == dict.fromkeys(range(1, 6), 1)
    sound(asked.root)


def test_one_that_cannot_be_stopped_any_more(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A batch that is about to end refuses to be stopped: it is waited for, and no person is asked."""
    asked = begun(tmp_path, fake_provider, fate=Fate(polls=6))
    fake_provider.fault("cancel", Refuse(409, "it is being finalized"), times=2)
    decision = asked.decide(rescue)
    assert decision.exit_code == 75
    assert asked.wait().exit_code == 0
    sound(asked.root)


def test_until_all_of_it_has_settled(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """With --wait one call does all of it, and touches no other batch."""
    asked = begun(tmp_path, fake_provider, "anthropic", attrs.evolve(STUCK, cancelling=2))
    put_input(asked.root, [five.line_of("anthropic", 9)], "2")
    decision = rescue_until_settled(str(asked.root), asked.settings(), ["1"], asked.options, 86_400)
    assert decision.exit_code == 0
    assert sorted(path.name for path in (asked.root / "done").iterdir()) == ["1", "1.r1"]
    assert asked.creates() == 1


# The policy


@pytest.mark.parametrize("name", CANCELS)
def test_rescued_after_a_deadline(tmp_path: Path, fake_provider: FakeProvider, name: str) -> None:
    """With `rescue_after_seconds` a pass does it by itself once so much time has passed, and not before."""
    fake_provider.gemini.switches.cancelled_output = True
    asked = begun(
        tmp_path, fake_provider, name, flags={"rescue_after_seconds": 7200.0, "poll_seconds": 600.0}
    )
    sent_at = fake_provider.clock.now
    report = asked.wait()
    assert report.exit_code == 0
    assert fake_provider.calls.count("cancel") >= 1
    rescued = next(each for each in ledger(asked.root) if each["event"] == "batch.rescued")
    assert rescued["why"] == "overdue"
    assert sent_at + 7190 <= rescued["at"] < sent_at + 7200 + 1200
    assert sorted(of_one_lineage(asked.root, "1", "1.r1")) == [1, 2, 3, 4, 5]
    sound(asked.root)


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("openrouter", {}, "has no call that stops a batch"),
        ("openai", {"chosen": False}, "no worker is chosen"),
    ],
)
def test_a_deadline_that_cannot_be_kept(
    tmp_path: Path, fake_provider: FakeProvider, name: str, more: dict[str, Any], told: str
) -> None:
    """What must not be rescued goes on waiting, and says why."""
    flags = {"rescue_after_seconds": 3600.0, "poll_seconds": 600.0}
    asked = begun(tmp_path, fake_provider, name, flags=flags, **more)
    report = asked.wait(timeout=7200.0)
    (batch,) = report.batches
    assert batch.state is State.WAITING
    assert told in batch.because
    assert fake_provider.calls.count("cancel") == 0
    assert called(tmp_path) == {}


@pytest.mark.parametrize("name", five.SIX)
def test_one_that_expired_after_the_deadline(tmp_path: Path, fake_provider: FakeProvider, name: str) -> None:
    """
    A batch that ended without its answers while nobody looked is not sent to its provider again.

    Whatever the provider calls that: for some of them such a batch has ended like any other.
    """
    fake_provider.gemini.switches.expired_output = True
    fate = attrs.evolve(expired(2), polls=0)
    asked = begun(tmp_path, fake_provider, name, fate=fate, flags={"rescue_after_seconds": 3600.0})
    fake_provider.clock.advance(90_000)
    assert asked.wait().exit_code == 0
    assert (asked.creates(), called(tmp_path)) == (1, {3: 1, 4: 1, 5: 1})
    sound(asked.root)


# Killed


def stages(fake: FakeProvider, name: str, how: str, tap: Tap | None = None) -> Iterator[Rescuing]:
    """A batch that was sent, and a rescue of it by a person or by the policy, on a fresh disk each time."""
    fake.reset()
    fake.gemini.switches.cancelled_output = fake.gemini.switches.expired_output = True
    fate = expired(2) if how == "expired" else attrs.evolve(STUCK, cancelling=1)
    flags = {"rescue_after_seconds": 3600.0, "poll_seconds": 600.0} if how != "asked" else {}
    with scratch() as folder:
        asked = begun(folder, fake, name, fate, flags=flags)
        fake.clock.advance(4000.0 if how != "asked" else 60.0)
        if tap is not None:
            asked.tap = tap
        with suppress(Crash):
            rescued(asked, how)
        asked.tap = no_tap
        yield asked


def rescued(asked: Rescuing, how: str) -> None:
    """To the end."""
    if how == "asked":
        asked.decide(rescue)
    asked.wait()


@pytest.mark.parametrize("how", ["asked", "overdue", "expired"])
def test_stopped_before_an_effect(fake_provider: FakeProvider, how: str) -> None:
    """Stopped anywhere, no answered id is asked live, and every id is answered once."""
    stopped_before(fake_provider, "anthropic", how, POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["asked", "overdue", "expired"])
@pytest.mark.parametrize("name", CANCELS)
def test_stopped_before_every_effect(fake_provider: FakeProvider, name: str, how: str) -> None:
    """The same at every effect, at every provider that can stop a batch."""
    stopped_before(fake_provider, name, how, 0)


def stopped_before(fake_provider: FakeProvider, name: str, how: str, points: int) -> None:
    """Stop a rescue before some of its effects, or before each, go on, and hold it to the laws."""
    trip = Trip()
    for asked in stages(fake_provider, name, how, trip):
        kept = of_one_lineage(asked.root, "1", "1.r1")
    assert sorted(kept) == [1, 2, 3, 4, 5]
    every = range(1, len(trip.seen) + 1)
    for point in random.Random(how).sample(every, points) if points else every:
        change, path = trip.seen[point - 1]
        if "/live" in path:
            # A run that is killed while it writes is held to more in test_crash.py.
            continue
        when = f"{name}, {how}, stopped before {point}: {change} {path}"
        for asked in stages(fake_provider, name, how, Trip(point)):
            rescued(asked, how)
            assert of_one_lineage(asked.root, "1", "1.r1") == kept, when
            live = called(asked.root.parent)
            assert set(live) == {number for number, batch in kept.items() if batch == "1.r1"}, when
            # A call whose end was not on disk yet is made again: two are under way at the most.
            assert sum(live.values()) <= len(live) + 2, when
            assert asked.creates() == 1, when
            events = [each["event"] for each in ledger(asked.root)]
            assert events.count("batch.rescued") == 1, when
            sound(asked.root)
