"""
What was known of a batch in one phase of its life decides nothing in another one.

Real HTTP against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from reconciler.decide import dismiss, retry
from reconciler.decide_online import adopt, cancel, resubmit
from reconciler.errors import NeedsPerson, ReconcilerError
from reconciler.failed_requests import failed_requests
from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import expired, http_error, token_limit_exceeded
from reconciler.testing.faults import Refuse, ReplyDropped
from tests.five import FIVE, NUMBERED, by_number, online, outcomes
from tests.online import Online
from tests.workspaces import live, record

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files."""
    fake_provider.clock.advance(60)
    return fake_provider


def turned_away(asked: Online) -> None:
    """Look until its provider has refused the batch because its queue is full."""
    for _ in range(5):
        asked.run()
        if record(asked.root, "1")["status"] == "failed":
            return
        asked.fake.clock.advance(60)
    raise AssertionError("it was not refused")


def forget(fake: FakeProvider) -> None:
    """The provider keeps no batch any more."""
    for batch in fake.world.batches.values():
        batch.deleted = True


# A person's end, and a full queue


@pytest.mark.parametrize("refuses", [True, False])
def test_what_a_person_has_stopped_is_not_sent_again_by_a_full_queue(
    tmp_path: Path, fake: FakeProvider, *, refuses: bool
) -> None:
    """A batch that was cancelled and is then turned away has ended, whatever became of the cancel."""
    asked = online(tmp_path / "ws", fake, "openai")
    fake.script(attrs.evolve(token_limit_exceeded(), polls=3))
    asked.run()
    if refuses:
        fake.fault("cancel", Refuse(409, "it is being validated"))
        with pytest.raises(ReconcilerError):
            asked.decide(cancel)
    else:
        asked.decide(cancel)

    assert asked.wait().exit_code == 0
    assert set(outcomes(asked.root).values()) == {"failed"}
    assert asked.creates() == 1


def test_what_waits_for_a_full_queue_can_be_cancelled(tmp_path: Path, fake: FakeProvider) -> None:
    """It has ended there, and would be sent again here: a person's cancel ends it for good."""
    asked = online(tmp_path / "ws", fake, "openai")
    fake.script(token_limit_exceeded())
    turned_away(asked)
    asked.decide(cancel)

    assert asked.wait().exit_code == 0
    assert set(outcomes(asked.root).values()) == {"failed"}
    assert asked.creates() == 1


def test_a_slip_of_memory_hides_no_full_queue(tmp_path: Path, fake: FakeProvider) -> None:
    """A batch that was not known for a moment, and is then turned away, goes once there is room."""
    asked = online(tmp_path / "ws", fake, "openai")
    fake.script(attrs.evolve(token_limit_exceeded(), polls=0))
    asked.run()
    fake.fault("get", Refuse(404, "No such batch"))
    assert asked.wait().exit_code == 0
    assert asked.creates() == 2


# Sent again


def test_a_resubmit_forgets_the_files_of_the_batch_that_was_lost(tmp_path: Path, fake: FakeProvider) -> None:
    """The batch that takes its place is asked for its own files, and for no other."""
    asked = online(tmp_path / "ws", fake, "openai")
    fake.script(Fate(vanishes="results", choose=by_number({4: http_error(400)})))
    assert asked.wait().batch("1").state is State.ATTENTION
    forget(fake)
    fake.script(Fate())
    asked.decide(resubmit)

    assert asked.wait().exit_code == 0
    assert set(outcomes(asked.root).values()) == {"answered"}


def test_a_resubmit_forgets_what_came_of_the_batch_that_was_lost(tmp_path: Path, fake: FakeProvider) -> None:
    """Where the first answers were thrown away, the second ones are fetched, failures too."""
    asked = online(tmp_path / "ws", fake, "openai", flags={"failed": "attention"})
    fake.script(Fate(default=http_error(400)))
    assert asked.wait().batch("1").state is State.ATTENTION
    (live(asked.root) / "batch_error_1.jsonl").unlink()
    forget(fake)
    fake.script(Fate(choose=by_number({4: http_error(400)})))
    asked.decide(resubmit)

    assert asked.wait(failed="settle").exit_code == 0
    assert outcomes(asked.root) == {1: "answered", 2: "answered", 3: "answered", 4: "failed", 5: "answered"}


@pytest.mark.parametrize("name", ["openai", *NUMBERED])
def test_the_first_batch_is_adopted_after_a_resubmit(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Answers under the token of an earlier create of the same input are known for what they are."""
    asked = online(tmp_path / "ws", fake, name)
    fake.script(Fate(lag=10**6, seconds=4 * HOUR))
    fake.fault("create", ReplyDropped())
    asked.run()
    fake.clock.advance(2 * HOUR)
    assert asked.run().batch("1").state is State.HELD
    fake.fault("create", Refuse(429, "slow down"))
    with pytest.raises(ReconcilerError):
        asked.decide(resubmit)
    adopt(str(asked.root), asked.settings(), "1", fake.batches[0].id, asked.options)

    assert asked.wait().exit_code == 0
    assert set(outcomes(asked.root).values()) == {"answered"}
    assert asked.creates() == 1


@pytest.mark.parametrize("name", NUMBERED)
def test_a_batch_is_adopted_after_its_metadata_was_lost(
    tmp_path: Path, fake: FakeProvider, name: str
) -> None:
    """History knows the token under which this very input was sent, and so whose the answers are."""
    asked = online(tmp_path / "ws", fake, name)
    fake.script(Fate(seconds=HOUR))
    asked.run()
    (live(asked.root) / "batch_metadata_1.jsonl").unlink()
    adopt(str(asked.root), asked.settings(), "1", fake.batches[0].id, asked.options)

    assert asked.wait().exit_code == 0
    assert set(outcomes(asked.root).values()) == {"answered"}
    assert asked.creates() == 1


@pytest.mark.parametrize("fate", [Fate(polls=5), Fate(late=2), token_limit_exceeded()])
def test_what_may_be_answered_yet_is_not_asked_again(tmp_path: Path, fake: FakeProvider, fate: Fate) -> None:
    """
    A person's retry of a batch that is under way, or goes once more by itself, would pay twice.

    So would a new batch of the lines that `retry --print` shows; and what may come cannot be given up yet.
    """
    asked = online(tmp_path / "ws", fake, "openai")
    fake.script(fate)
    for _ in range(4):
        asked.run()
        for verb in (retry, dismiss):
            with pytest.raises(NeedsPerson, match="may answer it yet"):
                asked.decide(verb)
        with pytest.raises(NeedsPerson, match="may answer it yet"):
            list(failed_requests(str(asked.root), asked.settings(), ["1"]))
        assert list(failed_requests(str(asked.root), asked.settings())) == []
        if record(asked.root, "1")["status"] in ("completed", "failed"):
            break

    assert asked.wait().exit_code == 0
    assert set(outcomes(asked.root).values()) == {"answered"}
    assert asked.creates() == (2 if fate == token_limit_exceeded() else 1)


# Counts


def test_answers_that_were_counted_once_are_not_asked_again(tmp_path: Path, fake: FakeProvider) -> None:
    """A provider that counts no more once a batch has expired, and shows no file, has been paid as well."""
    asked = online(tmp_path / "ws", fake, "openai")
    fake.script(expired(2, polls=3, late=10**6))
    for _ in range(3):
        asked.run()
        fake.clock.advance(60)
    assert record(asked.root, "1")["counts"]["completed"] == 2
    for batch in fake.world.batches.values():
        batch.fate = attrs.evolve(batch.fate, counts=dict.fromkeys(("total", "completed", "failed")))

    assert asked.wait().batch("1").state is State.ATTENTION
    assert asked.creates() == 1


# Clocks


@pytest.mark.parametrize("how", ["create", "batch"])
def test_a_wait_is_not_as_long_as_a_clock_was_wrong(tmp_path: Path, fake: FakeProvider, how: str) -> None:
    """What was sent away while the clock was a year ahead goes once the clock is right again."""
    asked = online(tmp_path / "ws", fake, "openai")
    fake.clock.advance(365 * DAY)
    if how == "create":
        fake.fault("create", Refuse(429, "slow down"))
        asked.run()
    else:
        fake.script(token_limit_exceeded())
        turned_away(asked)
    fake.clock.advance(2 * HOUR - 365 * DAY)
    asked.run()

    assert asked.creates() == (1 if how == "create" else 2)


@attrs.define
class Ahead(Online):
    """
    A workspace whose clock is ahead of its provider's.

    Attributes:
        ahead: Seconds.
    """

    ahead: float = 2 * HOUR

    def now(self) -> float:
        """The time here."""
        return self.fake.clock.now + self.ahead


@pytest.mark.parametrize("name", [name for name in FIVE if name not in NUMBERED])
def test_a_create_is_found_whatever_its_clock_has_said(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A batch that is tagged is found by a machine that was two hours ahead when it was sent."""
    made = online(tmp_path / "ws", fake, name)
    asked = Ahead(made.root, fake, made.client)
    fake.fault("create", ReplyDropped())
    assert asked.wait().exit_code == 0
    assert asked.creates() == 1
