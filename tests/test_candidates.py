"""
More than one batch that may be the one: one create that made two, and others' batches at Anthropic.

Where nothing but the ids says whose a batch is, its answers tell, once it has ended; and nothing less does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.errors import NeedsPerson
from reconciler.executor.finding import HEAD
from reconciler.model.remote import RemoteBatch
from reconciler.model.report import State
from reconciler.providers.calls import Wire
from reconciler.providers.openai import OpenAI
from reconciler.testing import FakeProvider
from reconciler.testing.exchange import Exchange, replay
from reconciler.testing.faults import Cut, LateEffect, Reply
from reconciler.testing.world import World
from tests.online import put_input
from tests.stopping import (
    DAYS,
    LATE,
    NUMBERED,
    PROVIDERS,
    REQUESTS,
    Shared,
    begun,
    client_of,
    crash,
    effects_of,
    fate_of,
    lines_of,
    mended,
    record_of,
    resubmit,
    settled,
    sound,
    whole,
)
from tests.workspaces import ledger, put, results


@attrs.frozen
class Twice:
    """The create takes effect twice, as when a proxy repeats it, and no reply comes."""

    async def play(self, exchange: Exchange, world: World) -> None:
        """Do it two times, then hang up."""
        body = await exchange.body()
        for _ in range(2):
            await exchange.handle(replay(exchange.scope, body))
            world.clock.advance(1.0)
        await exchange.reset()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_one_create_that_made_two(provider: str, fake_provider: FakeProvider) -> None:
    """Of two batches of one intent the older is used; the other is cancelled, and history says so."""
    with begun(provider, fake_provider, polls=3) as online:
        fake_provider.fault("create", Twice())
        report = whole(online)
        first, second = fake_provider.batches
        told = [each.summary for each in report.batch("1").receipts if each.verb == "find-orphan"]
        assert "1 batch of the same intent cancelled" in told[-1]
        extra = [each for each in ledger(online.root) if each["event"] == "batch.cancelled"]
        assert [(each["batch_id"], each["why"]) for each in extra] == [(second.id, "extra")]
        # Without a tag only the answers of both have shown whose they are: that is too late to stop one.
        assert second.cancel_asked is (provider not in NUMBERED)
        assert not first.cancel_asked
        assert {row["custom_id"] for row in results(online.root, "1")} == {f"q-{n}" for n in range(REQUESTS)}
        sound(online, "made two")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_one_too_many_is_cancelled_once(provider: str, fake_provider: FakeProvider) -> None:
    """Stopped anywhere around that, the older one is used all the same and history tells of it once."""
    with begun(provider, fake_provider, polls=3) as online:
        fake_provider.fault("create", Twice())
        effects = effects_of(online, whole)
    sent = next(at for at, effect in enumerate(effects, 1) if effect.startswith("POST create"))
    for point in range(sent + 1, sent + 24, 2):
        with begun(provider, fake_provider, polls=3) as online:
            fake_provider.fault("create", Twice())
            when = f"{provider}, made two, stopped before effect {point}: {effects[point - 1]}"
            assert crash(online, point), when
            mended(online)
            first, second = fake_provider.batches
            events = [(each["event"], each.get("batch_id")) for each in ledger(online.root)]
            assert events.count(("batch.cancelled", second.id)) == 1, when
            assert events.count(("batch.adopted", first.id)) == 1, when
            assert (online.root / "done/1").is_dir(), when
            sound(online, when)


def other_workspace(online: Shared, folder: Path, first: int = 50) -> Shared:
    """Another workspace of the same account, which has sent a batch of the same size."""
    other = attrs.evolve(online, root=folder / "other")
    put_input(other.root, lines_of("anthropic", first))
    other.run()
    return other


def test_anothers_batch_of_the_same_size(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """At Anthropic two batches of one size and time may be it; the ids in the answers tell, and decide."""
    with begun("anthropic", fake_provider, polls=6) as online:
        other = other_workspace(online, tmp_path)
        fake_provider.fault("create", LateEffect(calls=1))
        online.run()
        batch = online.run().batch("1")
        theirs, ours = fake_provider.batches
        assert batch.state is State.WAITING
        assert theirs.id in batch.because
        assert ours.id in batch.because
        whole(online)
        whole(other)
        for each, own in ((online, ours), (other, theirs)):
            known = [line["batch_id"] for line in ledger(each.root) if "batch_id" in line]
            assert set(known) == {own.id}
        assert {row["custom_id"] for row in results(online.root, "1")} == {f"q-{n}" for n in range(REQUESTS)}
        assert fake_provider.calls.count("create") == 2
        assert not fake_provider.calls.count("cancel")


def test_only_anothers_batch_is_there(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """Another's batch is waited for, found to be another's, and ours is held; it is never adopted."""
    with begun("anthropic", fake_provider, polls=6) as online:
        other_workspace(online, tmp_path)
        fake_provider.fault("create", LATE)
        online.run()
        assert online.run().batch("1").state is State.WAITING
        with pytest.raises(NeedsPerson, match="may be at anthropic already"):
            resubmit(online)
        whole(online)
        batch = online.wait(DAYS).batch("1")
        assert batch.state is State.HELD
        assert record_of(online)["state"] == "creating"
        assert not [line for line in ledger(online.root) if line["event"] == "batch.adopted"]


def test_a_candidate_that_will_never_tell(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """A batch whose answers are gone may be it for ever: after a day a person is asked, and may resubmit."""
    with begun("anthropic", fake_provider, archived=True) as online:
        other_workspace(online, tmp_path)
        fake_provider.fault("create", LATE)
        fake_provider.default(fate_of("anthropic"))
        whole(online)
        batch = online.wait(DAYS).batch("1")
        assert batch.state is State.HELD
        assert f"reconcile adopt WORKSPACE 1 {fake_provider.batches[0].id}" in batch.hint
        assert "reconcile resubmit" in batch.hint
        resubmit(online)
        mended(online)
        assert {row["custom_id"] for row in results(online.root, "1")} == {f"q-{n}" for n in range(REQUESTS)}
        assert online.creates() == 2


@pytest.mark.parametrize("how", ["size", "time", "gone"])
def test_no_candidate(how: str, fake_provider: FakeProvider, tmp_path: Path) -> None:
    """Another size or hour: it cannot be it. One whose answers are a 404 is named, and stops no search."""
    vanishing: dict[str, Any] = {"vanishes": "results"} if how == "gone" else {}
    with begun("anthropic", fake_provider, **vanishing) as online:
        other = attrs.evolve(online, root=tmp_path / "other")
        lines = lines_of("anthropic", 50)
        put_input(other.root, lines[1:] if how == "size" else lines)
        other.run()
        fake_provider.default(fate_of("anthropic"))
        fake_provider.clock.advance(2000.0 if how == "time" else 1.0)
        fake_provider.fault("create", LateEffect(calls=4))
        online.run()
        assert (fake_provider.batches[0].id in online.run().batch("1").because) is (how == "gone")
        mended(online)
        known = {line["batch_id"] for line in ledger(online.root) if "batch_id" in line}
        assert known == {fake_provider.batches[1].id}


class Overlapping(OpenAI):
    """A client whose list names each batch twice, as pages do between which a batch came."""

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """Every batch, and every batch once more."""
        for each in super().batches(wire, since):
            yield from (each, each)


class Tagless(OpenAI):
    """A client whose list says nothing of tags."""

    def batches(self, wire: Wire, since: float | None = None) -> Iterator[RemoteBatch]:
        """Every batch of the account, none with an intent."""
        for each in super().batches(wire, since):
            yield attrs.evolve(each, intent=None)


def test_a_list_without_tags_proves_by_the_file(fake_provider: FakeProvider) -> None:
    """A file is made one batch of: where a list names no tag, the file that was sent tells which it is."""
    with begun("openai", fake_provider, "is-lost") as online:
        plain = client_of("openai", fake_provider)
        assert isinstance(plain, OpenAI)
        online.client = Tagless(plain.origin, plain.account, plain.switches)
        mended(online)
        settled(online, "found by its file")


def test_pages_that_overlap_cancel_nothing(fake_provider: FakeProvider) -> None:
    """A batch that a list names twice is one: it is adopted, and not cancelled as one too many."""
    with begun("openai", fake_provider, "is-lost", polls=3) as online:
        plain = client_of("openai", fake_provider)
        assert isinstance(plain, OpenAI)
        online.client = Overlapping(plain.origin, plain.account, plain.switches)
        whole(online)
        settled(online, "named twice")
        assert fake_provider.calls.count("cancel") == 0


@pytest.mark.parametrize(
    "first",
    [b"", b"\n", b"no line of results\n", b'{"custom_id": "q-1", ' + b" " * HEAD],
    ids=["nothing", "blank", "odd", "endless"],
)
def test_a_candidate_whose_answers_say_nothing(
    fake_provider: FakeProvider, tmp_path: Path, first: bytes
) -> None:
    """What does not begin with a line that bears our mark is another's: never adopted, never cancelled."""
    with begun("anthropic", fake_provider) as online:
        other_workspace(online, tmp_path)
        fake_provider.fault("create", LATE)
        online.run()
        fake_provider.clock.advance(600)
        fake_provider.fault("download", Reply(200, first, "application/x-jsonl"), times=None)
        batch = online.wait(DAYS).batch("1")
        assert batch.state is State.HELD
        assert record_of(online)["state"] == "creating"
        assert not fake_provider.calls.count("cancel")


def test_a_candidate_whose_first_line_comes_in_pieces(fake_provider: FakeProvider) -> None:
    """A connection that breaks within the first line hides nothing: it is read again, and tells."""
    with begun("anthropic", fake_provider) as online:
        fake_provider.fault("create", LateEffect(calls=1))
        online.run()
        for after in (10, 60):
            fake_provider.fault("download", Cut(after, "reset"), times=1)
        whole(online)
        assert {row["custom_id"] for row in results(online.root, "1")} == {f"q-{n}" for n in range(REQUESTS)}
        assert fake_provider.calls.count("create") == 1


def test_a_create_whose_time_nobody_knows(fake_provider: FakeProvider, tmp_path: Path) -> None:
    """Without the time of the create no batch is a candidate for its size; the create stays in doubt."""
    with begun("anthropic", fake_provider) as online:
        other_workspace(online, tmp_path)
        fake_provider.fault("create", LATE)
        online.run()
        known = {key: value for key, value in record_of(online).items() if key not in {"sent_at", "crc"}}
        put(online.root, "1", metadata=known)
        batch = online.run().batch("1")
        assert batch.state is State.HELD
        assert record_of(online).get("candidates") is None
        assert fake_provider.calls.count("create") == 2
