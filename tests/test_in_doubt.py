"""
A create of which nobody knows whether it took effect: it is looked for, never repeated by itself.

What a person types about it may be stopped at any effect as well. Whatever is created, one batch is used; and
where the provider refuses a create whose file is gone, a late one pays for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import decide_online, engine
from reconciler.errors import NeedsPerson, ReconcilerError
from reconciler.model.report import State
from reconciler.testing import FakeProvider
from reconciler.testing.exchange import Exchange, replay
from reconciler.testing.faults import LateEffect
from reconciler.testing.world import OTHER_KEY, World
from tests.online import put_input
from tests.stopping import (
    DAYS,
    PROVIDERS,
    REQUESTS,
    Shared,
    begun,
    client_of,
    crash,
    ending,
    fate_of,
    in_doubt,
    lines_of,
    mended,
    settled,
    sound,
    whole,
)
from tests.workspace.faults import Trip
from tests.workspaces import ledger, live, put, record, results

WITH_FILE: Final = tuple(each for each in PROVIDERS if each != "anthropic")
LATE: Final = LateEffect(seconds=30 * 86_400.0)
"""A create that lands long after everything else."""

Act = Callable[[Shared], object]


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


def effects_of(online: Shared, act: Act) -> list[str]:
    """The effects of *act*, which is carried out."""
    trip = Trip()
    act(attrs.evolve(online, tap=trip))
    return [f"{change} {path}" for change, path in trip.seen]


def resubmit(online: Shared) -> Any:
    """`reconcile resubmit`."""
    return online.decide(decide_online.resubmit)


def cancel(online: Shared) -> Any:
    """`reconcile cancel`."""
    return online.decide(decide_online.cancel)


def adopt_first(online: Shared) -> Any:
    """`reconcile adopt`, with the oldest batch there."""
    return decide_online.adopt(
        str(online.root), online.settings(), "1", online.fake.batches[0].id, online.options
    )


def held(online: Shared) -> None:
    """The create has left, nothing came of it, and the grace is over."""
    whole(online)
    in_doubt(online, online.wait(DAYS).batch("1"), "held")


def record_of(online: Shared) -> dict[str, Any]:
    """The metadata of the batch; empty when there is none."""
    there = (live(online.root) / "batch_metadata_1.jsonl").exists()
    return record(online.root, "1") if there else {}


def every(effects: list[str], step: int) -> range:
    """Every *step*-th effect, counted from 1."""
    return range(1, len(effects) + 1, step)


# --- resubmit ---


def resubmit_everywhere(provider: str, fake: FakeProvider, step: int) -> None:
    """Stop a resubmit before its effects, type it again if it did not take, then let the first one land."""
    with begun(provider, fake) as online:
        fake.fault("create", LATE)
        held(online)
        effects = effects_of(online, resubmit)
        mended(online)
        wanted = ending(online)
    for point in every(effects, step):
        with begun(provider, fake) as online:
            fake.fault("create", LATE)
            held(online)
            when = f"{provider}, resubmit stopped before effect {point}: {effects[point - 1]}"
            assert crash(online, point, resubmit), when
            sound(online, when)
            online.wait(DAYS)
            if record_of(online).get("state") == "creating":
                # Nothing of it took, or its own create is in doubt: the person decides once more.
                fake.clock.advance(601.0)
                resubmit(online)
            online.wait(DAYS)
            assert online.creates() == 1, when
            settled(online, when)
            assert fake.calls.count("create") == 2, when
            sound(online, f"{when}, and mended")
            assert ending(online)["coverage"] == wanted["coverage"], when
            fake.clock.advance(31 * 86_400.0)
            online.run()
            # Now the first create has landed, and named a file that is gone.
            put_input(online.root, lines_of(provider, 100), "2")
            online.wait(DAYS)
            assert online.creates() == 2 + (provider == "anthropic"), when


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_resubmit_is_stopped(provider: str, fake_provider: FakeProvider) -> None:
    """A resubmit that was stopped anywhere creates one batch, and a late create of a deleted file none."""
    resubmit_everywhere(provider, fake_provider, 13)


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_resubmit_is_stopped_everywhere(provider: str, fake_provider: FakeProvider) -> None:
    """The same before every effect."""
    resubmit_everywhere(provider, fake_provider, 1)


# --- adopt and cancel ---


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_adoption_is_stopped(provider: str, fake_provider: FakeProvider) -> None:
    """A batch that no list shows is held; its adoption by a person, stopped anywhere, ends in `done/`."""

    def hidden(online: Shared) -> None:
        whole(online)
        assert online.wait(DAYS).batch("1").state is State.HELD
        assert online.creates() == 1

    with begun(provider, fake_provider, "is-lost", lag=10_000) as online:
        hidden(online)
        effects = effects_of(online, adopt_first)
        mended(online)
        settled(online, "adopted")
    for point in every(effects, 3):
        with begun(provider, fake_provider, "is-lost", lag=10_000) as online:
            hidden(online)
            when = f"{provider}, adopt stopped before effect {point}: {effects[point - 1]}"
            assert crash(online, point, adopt_first), when
            sound(online, when)
            if record_of(online).get("state") == "creating":
                adopt_first(online)
            mended(online)
            settled(online, when)
            sound(online, f"{when}, and mended")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cancel_is_stopped(provider: str, fake_provider: FakeProvider) -> None:
    """A cancel, stopped anywhere and typed again where it did not take, never leads to another create."""
    with begun(provider, fake_provider, polls=50) as online:
        online.run()
        effects = effects_of(online, cancel)
    for point in every(effects, 3):
        with begun(provider, fake_provider, polls=50) as online:
            online.run()
            when = f"{provider}, cancel stopped before effect {point}: {effects[point - 1]}"
            assert crash(online, point, cancel), when
            sound(online, when)
            if not fake_provider.batches[0].cancel_asked:
                cancel(online)
            mended(online)
            assert fake_provider.batches[0].stage == "cancelled", when
            assert online.creates() == fake_provider.calls.count("create") == 1, when
            sound(online, f"{when}, and mended")


# --- more than one ---


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
        # At Anthropic only the answers of both have shown whose they are: that is too late to stop one.
        assert second.cancel_asked is (provider != "anthropic")
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
    """A batch of another size or another hour cannot be it; one whose answers are a 404 stops no search."""
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
        if how != "gone":
            assert fake_provider.batches[0].id not in online.run().batch("1").because
        mended(online)
        known = {line["batch_id"] for line in ledger(online.root) if "batch_id" in line}
        assert known == {fake_provider.batches[1].id}


# --- what must not be sent again ---


@pytest.mark.parametrize("moment", ["in-doubt", "in-flight", "settled"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_copy_is_not_sent(provider: str, moment: str, fake_provider: FakeProvider) -> None:
    """The same input under another name is refused, wherever the first one stands."""
    with begun(provider, fake_provider, polls=50 if moment == "in-flight" else 1) as online:
        if moment == "in-doubt":
            fake_provider.fault("create", LATE)
        online.run() if moment == "in-flight" else whole(online)
        put_input(online.root, lines_of(provider), "copy")
        batch = online.run().batch("copy")
        assert batch.state is State.ATTENTION
        assert "the same input was sent before, as batch 1" in batch.because
        assert fake_provider.calls.count("create") == 1
        sound(online, moment)


@pytest.mark.parametrize("moment", ["in-doubt", "in-flight"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_metadata_that_was_removed(provider: str, moment: str, fake_provider: FakeProvider) -> None:
    """An input that was sent and has lost its metadata is not sent again."""
    with begun(provider, fake_provider, polls=50) as online:
        if moment == "in-doubt":
            fake_provider.fault("create", LATE)
        online.run()
        (live(online.root) / "batch_metadata_1.jsonl").unlink()
        batch = online.run().batch("1")
        assert batch.state is State.ATTENTION
        assert "this input was sent before" in batch.because
        assert fake_provider.calls.count("create") == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_interrupted_between(provider: str, fake_provider: FakeProvider) -> None:
    """Someone who asks for an end at any moment never leaves a create in doubt."""
    for looks in range(1, 40, 2):
        with begun(provider, fake_provider) as online:
            left = [looks]

            def stopping(left: list[int] = left) -> bool:
                left[0] -= 1
                return left[0] < 0

            options = attrs.evolve(online.options, stopping=stopping)
            report = engine.reconcile(str(online.root), online.settings(), options)
            assert "in-doubt" not in str(report), looks
            assert record_of(online).get("state") != "creating", looks
            mended(online)
            settled(online, f"{provider}, an end was asked for at look {looks}")
            assert fake_provider.calls.count("create") == 1


def test_another_key_does_not_search(fake_provider: FakeProvider) -> None:
    """With the key of another account nothing is found, so nothing is looked for, and nothing sent."""
    with begun("openai", fake_provider, "is-lost", lag=2) as online:
        online.run()
        other = attrs.evolve(online, client=client_of("openai", fake_provider, OTHER_KEY))
        batch = other.run().batch("1")
        assert "another key" in batch.because
        fake_provider.clock.advance(601.0)
        with pytest.raises(ReconcilerError, match="another key"):
            resubmit(other)
        assert fake_provider.calls.count("create") == 1
        mended(online)
        settled(online, "its own key again")


def test_the_policy_resubmits_by_itself(fake_provider: FakeProvider) -> None:
    """With `in_doubt = "resubmit"` a second create follows, after the grace, the search and the fence."""
    with begun("openai", fake_provider) as online:
        fake_provider.fault("create", LATE)
        began = online.now()
        online.wait(DAYS, in_doubt="resubmit")
        assert (online.root / "done/1").is_dir()
        assert fake_provider.batches[0].created_at >= began + 600
        assert fake_provider.calls.count("create") == 2
        assert fake_provider.calls.count("delete_file") == 1
        fake_provider.clock.advance(31 * 86_400.0)
        put(online.root, "2", input=lines_of("openai", 100))
        online.run()
        assert online.creates() == 2
        sound(online, "resubmitted")
