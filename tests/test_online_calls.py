"""
Calls that come to nothing: what a pass does then, whom it still asks, and that nothing is sent again.

Real HTTP against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from reconciler import engine
from reconciler.decide_online import cancel
from reconciler.errors import PermanentError
from reconciler.executor.remotes import FEW, STRIKES, no_wire, remote_of
from reconciler.model.report import State
from reconciler.providers.echo import echo
from reconciler.providers.local import Local
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import token_limit_exceeded
from reconciler.testing.faults import Refuse, Reply
from tests.executor.test_meanwhile import Meddling
from tests.five import SIX, line_of, online, quick
from tests.online import Online, put_input
from tests.workers import AT_ONCE
from tests.workspaces import answered, files, put, record, results

SLOW = Fate(seconds=3600.0)


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files, and that takes an hour for a batch."""
    fake_provider.clock.advance(60)
    fake_provider.default(SLOW)
    return fake_provider


def many(root: Path, fake: FakeProvider, batches: int) -> Online:
    """So many batches that were sent."""
    asked = online(root, fake, "openai")
    for number in range(2, batches + 1):
        put_input(root, [line_of("openai", 10 * number + n) for n in range(2)], str(number))
    asked.run()
    assert asked.creates() == batches
    return asked


@pytest.mark.parametrize("name", SIX)
def test_a_status_that_is_refused_is_for_a_person(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """The provider's words are told, the batch stays where it is, and the next pass asks again."""
    asked = online(tmp_path / "ws", fake, name)
    asked.run()
    before = record(asked.root, "1")
    fake.fault("get", Refuse(403, "this project is archived", "forbidden"), times=1)
    report = asked.run()
    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert "this project is archived" in report.batch("1").because
    assert record(asked.root, "1") == before
    assert asked.wait().exit_code == 0
    assert asked.creates() == 1


def test_a_cancel_that_a_person_asks_for_and_is_refused_is_told(tmp_path: Path, fake: FakeProvider) -> None:
    """Unlike at a deadline it does not go on in silence; what was to be stopped is not begun again."""
    asked = online(tmp_path / "ws", fake, "openai")
    asked.run()
    fake.fault("cancel", Refuse(400, "not yours to stop", "cannot_cancel"))
    with pytest.raises(PermanentError, match="not yours to stop"):
        asked.decide(cancel)
    assert fake.calls.count("cancel") == 1
    assert asked.wait().exit_code == 0
    assert [row["outcome"] for row in results(asked.root, "1")] == ["answered"] * 5
    assert asked.creates() == 1


def test_who_answers_nothing_sensible_is_left_alone(tmp_path: Path, fake: FakeProvider) -> None:
    """After so many batches in a row the others are told the same without a call; a later pass is well."""
    asked = many(tmp_path / "ws", fake, STRIKES + 2)
    fake.calls.clear()
    fake.fault(None, Reply(200, b"<!doctype html><title>Sign in</title>", "text/html"), times=None)
    with quick(fake) as http:
        asked.wire = lambda: http
        report = asked.run()
    assert {each.state for each in report.batches} == {State.FAILED}
    assert report.exit_code == 1
    assert len({each.because for each in report.batches[STRIKES - 1 :]}) == 1
    asked_for = {call.path.rpartition("/")[2] for call in fake.calls}
    assert asked_for.isdisjoint(each.id for each in fake.batches[STRIKES:])
    assert fake.batches[STRIKES - 1].id in asked_for
    fake.faults.clear()
    asked.wire = None
    assert asked.wait().exit_code == 0
    assert asked.creates() == STRIKES + 2


def test_a_batch_that_the_list_does_not_show_is_asked_for_by_itself(
    tmp_path: Path, fake: FakeProvider
) -> None:
    """Of many, one is unknown there: it waits for another look and is not sent again; the others go on."""
    asked = many(tmp_path / "ws", fake, FEW + 2)
    gone = fake.batches[-1]
    gone.deleted = True
    report = asked.run()
    last = report.batches[-1]
    assert last.state is State.WAITING
    assert f"does not know {gone.id}" in last.because
    assert {each.state for each in report.batches} == {State.WAITING}
    gone.deleted = False
    assert asked.wait().exit_code == 0
    assert asked.creates() == FEW + 2


def test_many_that_still_run_are_asked_for_by_one_list(tmp_path: Path, fake: FakeProvider) -> None:
    """A few are asked for by themselves; the list answers for the others, and what it says counts."""
    fake.default(Fate(polls=1000))
    asked = many(tmp_path / "ws", fake, FEW + 6)
    report = asked.run()
    assert {each.state for each in report.batches} == {State.WAITING}
    before = fake.calls.count("get"), fake.calls.count("list")
    asked.fake.clock.advance(900.0)
    asked.run()
    after = fake.calls.count("get"), fake.calls.count("list")
    assert (after[0] - before[0], after[1] - before[1]) == (FEW, 1)


def test_without_a_way_to_make_calls_nothing_is_sent(tmp_path: Path, fake: FakeProvider) -> None:
    """A process that may make no calls says so of the batch; another one sends it."""
    asked = online(tmp_path / "ws", fake, "openai", wire=no_wire)
    report = asked.run()
    assert report.exit_code == 3
    assert report.batch("1").because == "this process makes no calls to providers"
    assert len(fake.calls) == 0
    asked.wire = None
    assert asked.wait().exit_code == 0
    assert asked.creates() == 1


def test_who_takes_no_whole_batches_is_no_client() -> None:
    """Neither a name that nobody has nor a worker of this process is asked for a batch."""
    here = Local(echo, 1, AT_ONCE)
    for name in ("acme", here.name):
        with pytest.raises(PermanentError, match=f"there is no client for the provider '{name}'"):
            remote_of({here.name: here}, name)


@pytest.mark.parametrize("verb", ["check-online", "cancel", "download"])
def test_metadata_that_names_no_batch_any_more(tmp_path: Path, fake: FakeProvider, verb: str) -> None:
    """Somebody takes the id out after the plan: no call is made, nothing changes, and what to do is told."""
    asked = online(tmp_path / "ws", fake, "openai")
    fake.default(attrs.evolve(SLOW, seconds=1.0) if verb == "download" else SLOW)
    if verb == "cancel":
        limit = {"seconds": 60.0, "until": fake.clock.now + 60.0}
        said = {"schema": 1, "generation": 1, "name": "1", "attempt": 1, "provider": "openai", "limit": limit}
        put(asked.root, "1", metadata=said)
    asked.run()
    fake.clock.advance(120)
    before, seen = record(asked.root, "1"), list[dict[str, bytes]]()

    def act() -> None:
        kept = record(asked.root, "1")
        del kept["batch_id"]
        put(asked.root, "1", metadata=kept)
        seen.append(files(asked.root))

    watcher = Meddling(verb, act)
    report = engine.reconcile(str(asked.root), asked.settings(), attrs.evolve(asked.options, watcher=watcher))
    assert report.batch("1").state is State.ATTENTION
    assert report.batch("1").because == "the metadata of 1 names no remote batch"
    assert "reconcile adopt WORKSPACE 1 BATCH_ID" in report.batch("1").hint
    assert seen == [files(asked.root)]
    assert fake.calls.count("cancel") == fake.calls.count("download") == 0
    put(asked.root, "1", metadata=before)
    assert asked.wait().exit_code == 0
    assert asked.creates() == 1


def test_a_full_queue_that_is_told_twice_is_waited_for_once(tmp_path: Path, fake: FakeProvider) -> None:
    """Of a batch that was sent away some answers come by hand: asking again what is known writes nothing."""
    asked = online(tmp_path / "ws", fake, "openai")
    fake.default(token_limit_exceeded())
    while "quota was full" not in asked.run().batch("1").because:
        fake.clock.advance(60)
    said = record(asked.root, "1")["online"]
    put(asked.root, "1", output=[answered(1)])
    report = asked.run()
    assert report.batch("1").state is State.ATTENTION
    assert "4 of 5 ids have no answer" in report.batch("1").because
    before, asks = record(asked.root, "1"), fake.calls.count("get")
    assert before["online"] == said
    assert asked.run().exit_code == 3
    assert fake.calls.count("get") > asks
    assert record(asked.root, "1") == before
    assert asked.creates() == 1
