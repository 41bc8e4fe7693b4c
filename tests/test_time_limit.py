"""
What becomes of a batch whose time is over: stopped, harvested, reported, and never asked again by itself.

The real client and the real network against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.authoring.deadlines import give_another
from reconciler.check import check
from reconciler.decide import retry
from reconciler.decide_online import cancel, resubmit, submit
from reconciler.errors import NeedsPerson
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import Limit
from reconciler.model.report import State
from reconciler.session import session
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import MISSING, http_error, token_limit_exceeded
from reconciler.testing.faults import Refuse
from tests import five
from tests.online import Online
from tests.stopping import client_of, lines_of
from tests.workspaces import answered, files, ledger, manifest, put, record, results, settings

CANCELS: Final = [name for name in five.SIX if name != "openrouter"]
STUCK: Final = Fate(polls=10**6)
"""A batch that never ends by itself."""

HOUR: Final = 3600.0
TWO: Final = {"completed": 2, "failed": 0}


def limited(
    root: Path, fake: FakeProvider, provider: str = "openai", seconds: float = HOUR, **flags: Any
) -> Online:
    """A workspace with one batch that has so much time from now on."""
    fake.clock.advance(60)
    limit = {"seconds": seconds, "until": fake.clock.now + seconds}
    said = {"schema": 1, "generation": 1, "name": "1", "attempt": 1, "provider": provider, "limit": limit}
    put(root, "1", metadata=said, input=lines_of(provider))
    return Online(root, fake, client_of(provider, fake), flags)


def ends(root: Path, name: str = "1") -> dict[str, str]:
    """What became of each request: `answered`, or the class of its failure."""
    return {
        row["custom_id"]: (row.get("error") or {}).get("class", "answered") for row in results(root, name)
    }


def sound(root: Path) -> None:
    """No promise is broken."""
    assert check(str(root), settings()).findings == []


@pytest.mark.parametrize("provider", CANCELS)
def test_what_is_under_way_is_stopped_and_harvested(
    provider: str, tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """At the deadline, not a poll later: one cancel, answers kept, the rest failed, nothing asked again."""
    fake_provider.gemini.switches.cancelled_output = True
    fake_provider.default(STUCK)
    online = limited(tmp_path / "w", fake_provider, provider)
    began = fake_provider.clock.now
    report = online.wait()
    assert report.batch("1").state is State.SETTLED, report.batch("1")
    assert online.creates() == 1
    # Gemini goes on to say `running`, so it is asked again.
    assert fake_provider.calls.count("cancel") == (2 if provider == "gemini" else 1)
    (cut,) = [each for each in ledger(online.root) if each["event"] == "batch.cancelled"]
    assert cut["why"] == "time-limit"
    assert HOUR <= cut["at"] - began < HOUR + 60
    found = ends(online.root)
    assert "answered" in found.values()
    assert set(found.values()) - {"answered"} == {"time-limit"}
    assert not list((online.root / "workdir").glob("*.r1.jsonl"))
    sound(online.root)


def test_what_a_batch_left_out_that_ended_by_itself_has_failed(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """Nobody had to stop it, and nothing of it is asked again: what has no line had no time."""
    fake_provider.script(Fate(end="expired", seconds=HOUR / 2, done=3, outcomes={"q-3": MISSING}))
    online = limited(tmp_path / "w", fake_provider)
    online.run()
    fake_provider.clock.advance(2 * HOUR)
    assert online.wait().exit_code == 0
    assert fake_provider.calls.count("cancel") == 0
    assert ends(online.root) == dict.fromkeys(["q-0", "q-1", "q-2"], "answered") | {"q-3": "time-limit"}
    sound(online.root)


def test_a_provider_that_stops_nothing_is_waited_for(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """It is said that the batch goes on and is paid for; what comes of it is kept."""
    fake_provider.default(Fate(seconds=5 * HOUR))
    online = limited(tmp_path / "w", fake_provider, "openrouter")
    online.run()
    fake_provider.clock.advance(2 * HOUR)
    report = online.run()
    assert report.exit_code == 75
    assert "its time limit of 1h is over; openrouter cannot be stopped" in report.batch("1").because
    assert online.wait().exit_code == 0
    assert set(ends(online.root).values()) == {"answered"}
    assert fake_provider.calls.count("cancel") == 0


def test_a_refused_cancel_is_not_repeated(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """The provider says no: said once, asked for no more, and the answers come when they come."""
    fake_provider.default(Fate(seconds=5 * HOUR))
    online = limited(tmp_path / "w", fake_provider)
    online.run()
    fake_provider.clock.advance(2 * HOUR)
    fake_provider.fault("cancel", Refuse(400, "not yours to stop", "cannot_cancel"))
    told = [receipt.summary for receipt in online.run().batch("1").receipts]
    assert any("did not stop" in each and "is paid for" in each for each in told), told
    assert online.wait().exit_code == 0
    assert fake_provider.calls.count("cancel") == 1
    assert set(ends(online.root).values()) == {"answered"}


def test_what_was_never_sent_is_not_sent_any_more(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Not one call is made; each request has failed, with the reason."""
    online = limited(tmp_path / "w", fake_provider)
    fake_provider.clock.advance(HOUR)
    assert online.run().exit_code == 0
    assert online.heard.exchanges == []
    assert set(ends(online.root).values()) == {"time-limit"}
    assert manifest(online.root, "1")["coverage"]["failed"]["requests"] == len(lines_of("openai"))
    sound(online.root)


def test_a_full_queue_is_waited_for_no_longer_than_the_limit(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """A batch that a quota sends away again and again ends when its time does."""
    fake_provider.default(token_limit_exceeded())
    online = limited(tmp_path / "w", fake_provider, seconds=1000.0)
    began = fake_provider.clock.now
    assert online.wait().exit_code == 0
    assert set(ends(online.root).values()) == {"time-limit"}
    assert manifest(online.root, "1")["settled_at"] - began < 1060


def test_a_create_that_is_put_off_ends_with_the_limit(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Nobody sleeps past the deadline because a provider has named a later time."""
    fake_provider.fault("create", Refuse(429, "slow down"), times=60)
    online = limited(tmp_path / "w", fake_provider, seconds=700.0)
    began = fake_provider.clock.now
    online.wait()
    assert online.creates() == 0
    assert set(ends(online.root).values()) == {"time-limit"}
    assert manifest(online.root, "1")["settled_at"] - began < 760


def test_failures_are_asked_again_only_while_there_is_time(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """A retry child has the time of its parent; when that is over, what it asked has failed."""
    fake_provider.script(Fate(outcomes={"q-1": http_error(500)}))
    fake_provider.default(STUCK)
    online = limited(tmp_path / "w", fake_provider)
    assert online.wait(timeout=1.5 * HOUR).exit_code == 0
    assert online.creates() == 2
    assert ends(online.root, "1.r1") == {"q-1": "time-limit"}
    sound(online.root)


def test_failures_that_come_too_late_stay_what_they_are(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """What might succeed when asked again is not, once the time is over; it keeps its own class."""
    fake_provider.default(Fate(seconds=2 * HOUR, outcomes={"q-1": http_error(500)}))
    online = limited(tmp_path / "w", fake_provider)
    online.run()
    fake_provider.clock.advance(3 * HOUR)
    assert online.wait().exit_code == 0
    found = ends(online.root)
    assert (found.pop("q-1"), set(found.values())) == ("server-error", {"answered"})
    assert "batch.retried" not in [each["event"] for each in ledger(online.root)]
    assert online.creates() == 1


def test_answers_that_came_before_the_cancel_took_effect_are_kept(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """All of it was answered after the deadline and before anybody asked for its end: nothing has failed."""
    fake_provider.default(Fate(seconds=1.5 * HOUR))
    online = limited(tmp_path / "w", fake_provider)
    online.run()
    fake_provider.clock.advance(2 * HOUR)
    assert online.wait().exit_code == 0
    assert set(ends(online.root).values()) == {"answered"}


def test_a_person_may_ask_again_what_had_no_time(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """By naming the class; what a person begins has no limit, and answers come."""
    online = limited(tmp_path / "w", fake_provider)
    fake_provider.clock.advance(HOUR)
    online.run()
    with pytest.raises(NeedsPerson, match="none of the failures"):
        online.decide(retry)
    online.decide(retry, classes=[ErrorClass.TIME_LIMIT])
    assert "limit" not in record(online.root, "1.r1")
    assert online.wait().exit_code == 0
    assert set(ends(online.root, "1.r1").values()) == {"answered"}


def test_a_clock_that_goes_back_begins_nothing_again(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """What the limit has stopped stays stopped, whatever the time is said to be afterwards."""
    fake_provider.default(STUCK)
    online = limited(tmp_path / "w", fake_provider)
    online.run()
    fake_provider.clock.advance(HOUR)
    online.run()
    assert fake_provider.calls.count("cancel") == 1
    fake_provider.clock.advance(-2 * HOUR)
    assert online.wait().exit_code == 0
    assert online.creates() == 1
    assert set(ends(online.root).values()) == {"answered", "time-limit"}


def test_a_person_who_stops_it_comes_first(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """What a person has stopped waits for that person, as without a limit."""
    fake_provider.default(STUCK)
    online = limited(tmp_path / "w", fake_provider)
    online.run()
    online.decide(cancel)
    fake_provider.clock.advance(2 * HOUR)
    online.wait()
    assert fake_provider.calls.count("cancel") == 1
    assert set(ends(online.root).values()) == {"answered", "cancelled"}


def test_verbs_that_would_send_it_are_refused(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Neither `submit` nor `resubmit` sends what would be stopped at once."""
    fake_provider.default(STUCK)
    online = limited(tmp_path / "w", fake_provider)
    online.run()
    fake_provider.clock.advance(HOUR)
    for verb in (submit, resubmit):
        with pytest.raises(NeedsPerson, match="time limit"):
            online.decide(verb)
    assert online.creates() == 1


def test_what_it_counts_and_does_not_serve_is_not_written_off(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """Two answers are counted and paid for, and no file holds them: a person is told, nothing has failed."""
    fake_provider.default(attrs.evolve(STUCK, done=2, outcomes={"q-0": MISSING, "q-1": MISSING}, counts=TWO))
    online = limited(tmp_path / "w", fake_provider)
    report = online.wait()
    assert report.exit_code == 3
    assert "have no answer" in report.batch("1").because
    assert not (online.root / "done").exists()


def test_what_a_person_asks_again_stays_without_a_limit(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """The script that is started once more, limit and all, does not cut it off."""
    fake_provider.default(STUCK)
    online = limited(tmp_path / "w", fake_provider)
    online.wait()
    online.decide(retry, classes=[ErrorClass.TIME_LIMIT.value])
    with session(str(online.root), online.settings(), online.options) as held:
        give_another(held.ctx, {"q-1"}, Limit(HOUR, held.ctx.fx.now() + HOUR))

    assert "limit" not in record(online.root, "1.r1")


@pytest.mark.parametrize("live", ["alone", "beside-a-live-one"])
def test_another_limit_leaves_what_is_in_quarantine(
    tmp_path: Path, fake_provider: FakeProvider, live: str
) -> None:
    """What was set aside gets no metadata in the live folder; a live batch of its name keeps its own."""
    online = limited(tmp_path / "w", fake_provider)
    lines = [answered(0), answered(0)]
    put(online.root, "1", output=lines)
    online.run()
    aside = online.root / "quarantine/1.1"
    assert aside.is_dir()
    if live != "alone":
        for path in aside.glob("batch_[im]*"):
            shutil.copy(path, online.root / "workdir")
        said = record(online.root, "1") | {"generation": 9, "state": "submitted", "batch_id": "batch_9"}
        put(online.root, "1", metadata=said | {"limit": {"seconds": 60.0, "until": 60.0}})
    before = files(online.root)
    with session(str(online.root), online.settings(), online.options) as held:
        give_another(held.ctx, {"q-1"}, Limit(60.0, 60.0))
    assert files(online.root) == before


def test_a_person_may_ask_what_was_never_sent_whatever_the_limit_of_sends(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """With one send for each request, a batch that its time limit has ended unsent can still be asked."""
    online = limited(tmp_path / "w", fake_provider, max_attempts=1)
    fake_provider.clock.advance(2 * HOUR)
    online.run()
    assert set(ends(online.root).values()) == {"time-limit"}
    online.decide(retry, classes=[ErrorClass.TIME_LIMIT.value])
    online.wait()

    assert set(ends(online.root, "1.r1").values()) == {"answered"}
    assert online.creates() == 1
    sound(online.root)


def test_what_was_sent_and_stopped_counts_as_sent(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """With one send for each request, nobody sends what the limit has stopped at its provider once more."""
    fake_provider.default(STUCK)
    online = limited(tmp_path / "w", fake_provider, max_attempts=1)
    online.wait()
    with pytest.raises(NeedsPerson, match="that is the limit"):
        online.decide(retry, classes=[ErrorClass.TIME_LIMIT.value])


def test_answers_that_came_by_hand_are_not_written_off(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A results file was being taken over when the process died: its time limit does not say it never ran."""
    online = limited(tmp_path / "w", fake_provider)
    came = {"output": {"sha256": "0" * 64, "bytes": 9}}
    put(online.root, "1", metadata={**record(online.root, "1"), "roles": came}, input=lines_of("openai"))
    fake_provider.clock.advance(2 * HOUR)
    report = online.run()

    assert report.batch("1").state is State.ATTENTION
    assert "gone now" in report.batch("1").because
    assert not list(online.root.rglob("batch_error_*"))


def test_an_upload_that_outlasts_the_limit_is_not_made_a_batch_of(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """The time was not over when the pass began, and is when all lies there: no create, and no money kept."""
    prices = '[prices.openai."*"]\ninput = 0\noutput = 1000\nmost = 9\n'
    online = limited(tmp_path / "w", fake_provider, seconds=5.0, files=(("user", prices),))
    fake_provider.fault("upload", Refuse(503, headers={"Retry-After": "9"}))
    assert online.wait().exit_code == 0
    assert fake_provider.calls.count("upload") == 2
    assert online.creates() == 0
    assert set(ends(online.root).values()) == {"time-limit"}
    reserved, settled = [each for each in ledger(online.root) if each["event"].startswith("spend.")]
    assert (reserved["event"], reserved["nano_usd"] > 0) == ("spend.reserved", True)
    assert (settled["event"], settled["nano_usd"]) == ("spend.settled", 0)
    sound(online.root)
