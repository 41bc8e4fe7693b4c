"""
A create of which nobody knows whether it took effect: it is looked for, never repeated by itself.

What a person types about it may be stopped at any effect as well. Whatever is created, one batch is used; and
where the provider refuses a create whose file is gone, a late one pays for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest

from reconciler import decide_online, engine
from reconciler.errors import NeedsPerson, ReconcilerError
from reconciler.inventory import audit
from reconciler.model.failure import InDoubt
from reconciler.model.report import State
from reconciler.testing import FakeProvider
from reconciler.testing.world import OTHER_KEY
from reconciler.workspace.effects import no_tap
from tests.online import put_input
from tests.stopping import (
    DAYS,
    LATE,
    NUMBERED,
    PROVIDERS,
    Shared,
    begun,
    client_of,
    crash,
    effects_of,
    ending,
    in_doubt,
    lines_of,
    mended,
    record_of,
    resubmit,
    settled,
    sound,
    whole,
)
from tests.workspace.faults import Crash
from tests.workspaces import ledger, live, put


def cancel(online: Shared) -> Any:
    """`reconcile cancel`."""
    return online.decide(decide_online.cancel)


def submit(online: Shared) -> Any:
    """`reconcile submit`."""
    return online.decide(decide_online.submit)


def adopt_first(online: Shared) -> Any:
    """`reconcile adopt`, with the oldest batch there."""
    return decide_online.adopt(
        str(online.root), online.settings(), "1", online.fake.batches[0].id, online.options
    )


def held(online: Shared) -> None:
    """The create has left, nothing came of it, and the grace is over."""
    whole(online)
    in_doubt(online, online.wait(DAYS).batch("1"), "held")


def every(effects: list[str], step: int) -> range:
    """Every *step*-th effect, counted from 1."""
    return range(1, len(effects) + 1, step)


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
            assert online.creates() == 2 + (provider in NUMBERED), when


def adopt_everywhere(provider: str, fake: FakeProvider, step: int) -> None:
    """Stop the adoption of a batch that no list shows, and type it again if it did not take."""

    def hidden(online: Shared) -> None:
        whole(online)
        assert online.wait(DAYS).batch("1").state is State.HELD
        assert online.creates() == 1

    with begun(provider, fake, "is-lost", lag=10_000) as online:
        hidden(online)
        effects = effects_of(online, adopt_first)
        mended(online)
        settled(online, "adopted")
    for point in every(effects, step):
        with begun(provider, fake, "is-lost", lag=10_000) as online:
            hidden(online)
            when = f"{provider}, adopt stopped before effect {point}: {effects[point - 1]}"
            assert crash(online, point, adopt_first), when
            sound(online, when)
            if record_of(online).get("state") == "creating":
                adopt_first(online)
            mended(online)
            settled(online, when)
            sound(online, f"{when}, and mended")


def cancel_everywhere(provider: str, fake: FakeProvider, step: int) -> None:
    """Stop a cancel, and type it again if it did not take."""
    with begun(provider, fake, polls=50) as online:
        online.run()
        effects = effects_of(online, cancel)
    for point in every(effects, step):
        with begun(provider, fake, polls=50) as online:
            online.run()
            when = f"{provider}, cancel stopped before effect {point}: {effects[point - 1]}"
            assert crash(online, point, cancel), when
            sound(online, when)
            if not fake.batches[0].cancel_asked:
                cancel(online)
            mended(online)
            assert fake.batches[0].stage == "cancelled", when
            assert online.creates() == fake.calls.count("create") == 1, when
            sound(online, f"{when}, and mended")


def submit_everywhere(provider: str, fake: FakeProvider, step: int) -> None:
    """Stop a submit that the policy leaves to a person, and type it again where its create has not left."""

    def waiting(online: Shared) -> None:
        online.flags = {"submit": "manual"}
        assert online.run().batch("1").state is State.HELD

    with begun(provider, fake) as online:
        waiting(online)
        effects = effects_of(online, submit)
        mended(online)
        settled(online, "submitted")
    for point in every(effects, step):
        with begun(provider, fake) as online:
            waiting(online)
            when = f"{provider}, submit stopped before effect {point}: {effects[point - 1]}"
            assert crash(online, point, submit), when
            sound(online, when)
            batch = mended(online)
            if batch is not None and not isinstance(batch.failure, InDoubt):
                assert fake.calls.count("create") == 0, when
                submit(online)
                batch = mended(online)
                assert batch is None, when
            if batch is not None:
                in_doubt(online, batch, when)
            else:
                settled(online, when)
            assert fake.calls.count("create") <= 1, when
            sound(online, f"{when}, and mended")


def cancel_nowhere(provider: str, fake: FakeProvider, step: int) -> None:  # noqa: ARG001 - as the others
    """A cancel where nothing can be stopped is refused before anything is written down."""
    with begun(provider, fake, polls=20) as online:
        online.run()
        before = record_of(online)
        with pytest.raises(ReconcilerError, match="no call that stops a batch"):
            cancel(online)
        assert record_of(online) == before
        whole(online)
        settled(online, "not cancelled")


VERBS: Final = {
    "resubmit": resubmit_everywhere,
    "adopt": adopt_everywhere,
    "cancel": cancel_everywhere,
    "submit": submit_everywhere,
}


def stopping(verb: str, provider: str) -> Callable[[str, FakeProvider, int], None]:
    """What is done to a verb at a provider."""
    return cancel_nowhere if (verb, provider) == ("cancel", "openrouter") else VERBS[verb]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_verb_is_stopped(provider: str, verb: str, fake_provider: FakeProvider) -> None:
    """
    Stopped anywhere, submit and resubmit create one batch, adopt ends in `done/`, cancel creates none.

    A late create that names the file which a resubmit has deleted is refused.
    """
    stopping(verb, provider)(provider, fake_provider, 11)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_verb_is_stopped_everywhere(provider: str, verb: str, fake_provider: FakeProvider) -> None:
    """The same before every effect."""
    stopping(verb, provider)(provider, fake_provider, 1)


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


@pytest.mark.parametrize("provider", [each for each in PROVIDERS if each not in NUMBERED])
def test_a_copy_that_was_sent_first(provider: str, fake_provider: FakeProvider) -> None:
    """An input whose submission was cut off before its create is not sent once a copy of it has been."""

    def stopped(change: str, _path: str) -> None:
        if change == "POST upload":
            raise Crash

    with begun(provider, fake_provider, polls=50) as online:
        online.tap = stopped
        with pytest.raises(Crash):
            online.run()
        online.tap = no_tap
        put_input(online.root, lines_of(provider), "0")
        report = online.run()
        assert report.batch("0").state is State.WAITING
        assert report.batch("1").state is State.ATTENTION
        assert "the same input was sent before, as batch 0" in report.batch("1").because
        assert fake_provider.calls.count("create") == 1


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
    for looks in range(1, 40, 6):
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


def found_by_audit(online: Shared) -> set[str]:
    """What `reconcile audit` lists."""
    inventory = audit(str(online.root), online.settings(), online.options)
    return {finding.remote_id for finding in inventory.findings}


def test_a_late_create_behind_a_resubmit(fake_provider: FakeProvider) -> None:
    """At Anthropic nothing refuses a create that lands behind a resubmit; the audit lists the batch."""
    with begun("anthropic", fake_provider) as online:
        fake_provider.fault("create", LATE)
        held(online)
        resubmit(online)
        mended(online)
        fake_provider.clock.advance(31 * 86_400.0)
        found_by_audit(online)
        first, late = fake_provider.batches
        assert late.id in found_by_audit(online)
        assert {line["batch_id"] for line in ledger(online.root) if "batch_id" in line} == {first.id}


def test_an_upload_that_nobody_knows_of(fake_provider: FakeProvider) -> None:
    """A file whose id was lost is uploaded again; the audit lists the one that is left over."""
    with begun("openai", fake_provider) as online:
        effects = effects_of(online, whole)
    upload = next(at for at, effect in enumerate(effects, 1) if effect.startswith("POST upload"))
    with begun("openai", fake_provider) as online:
        assert crash(online, upload + 1)
        (spare,) = fake_provider.files
        mended(online)
        settled(online, "uploaded twice")
        assert spare.id in found_by_audit(online)
        assert {file.name for file in fake_provider.files if not file.generated} == {spare.name}


def test_a_person_waits_for_what_may_arrive(fake_provider: FakeProvider) -> None:
    """A resubmit right after the create is refused, with the time; after the grace it is carried out."""
    with begun("anthropic", fake_provider) as online:
        fake_provider.fault("create", LATE)
        online.run()
        with pytest.raises(NeedsPerson, match="may still arrive") as told:
            resubmit(online)
        assert "in 598 s" in str(told.value.hint)
        assert fake_provider.calls.count("create") == 1
        fake_provider.clock.advance(601.0)
        resubmit(online)
        assert fake_provider.calls.count("create") == 2
