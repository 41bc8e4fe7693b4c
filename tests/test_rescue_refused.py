"""
A rescue that cannot be is refused in words, and nothing is stopped and nothing asked live.

The real client and the real network against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from pathlib import Path

from reconciler.decide_online import rescue
from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from tests import five
from tests.online import put_input
from tests.rescuing import begun, called, of_one_lineage, refusal, sound
from tests.stopping import LATE
from tests.workspaces import record, tree


def test_without_a_chosen_worker(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A stand-in must not answer for a provider: nothing is stopped, and the hint says how to choose."""
    asked = begun(tmp_path, fake_provider, chosen=False)
    assert "--rescue 1 --worker http" in refusal(asked)


def test_a_provider_that_cannot_stop(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """OpenRouter goes on whatever happens, and is paid: a batch under way there is refused."""
    assert "openrouter has no call that stops a batch" in refusal(
        begun(tmp_path, fake_provider, "openrouter")
    )


def test_without_a_key(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Who cannot ask the provider to stop cannot be sure that it has."""
    asked = begun(tmp_path, fake_provider)
    asked.keyless = {"openai": "set OPENAI_API_KEY"}
    assert "set OPENAI_API_KEY" in refusal(asked)


def test_a_create_in_doubt(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A create that may have left may be answering: nobody else is asked."""
    fake_provider.fault("create", LATE)
    asked = begun(tmp_path, fake_provider)
    assert record(asked.root, "1")["state"] == "creating"
    assert "its create may have reached openai" in refusal(asked)


def test_an_input_that_was_never_sent(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """There is nothing to rescue; the hint says how to have it answered live."""
    asked = begun(tmp_path, fake_provider)
    put_input(asked.root, five.lines_of("openai"), "2")
    assert "at no provider" in refusal(asked, "2")


def test_when_no_attempt_is_left(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Stopping it would leave requests that nobody may ask: it is refused before it is stopped."""
    asked = begun(tmp_path, fake_provider, flags={"max_attempts": 1})
    assert "raise [policy] max_attempts" in refusal(asked)


def test_a_settled_batch(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """It waits for nobody: that is said, and nothing is done."""
    asked = begun(tmp_path, fake_provider, fate=Fate())
    asked.wait()
    before = tree(asked.root)
    decision = asked.decide(rescue)
    assert (decision.exit_code, decision.told) == (
        0,
        ("1: it has settled, and no provider has left anything of it",),
    )
    assert tree(asked.root) == before
    assert called(tmp_path) == {}


def test_leftovers_are_held_when_the_worker_is_not_named_again(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """A later pass that would have the stand-in answer them holds them instead."""
    asked = begun(tmp_path, fake_provider, "anthropic")
    asked.decide(rescue)
    asked.chosen = False
    for provider in ("anthropic", "local", "none"):
        report = asked.wait(provider=provider)
        assert {str(batch.name): batch.state for batch in report.batches}["1.r1"] is State.HELD
    assert called(tmp_path) == {}
    asked.chosen = True
    assert asked.wait(provider="none", submit="manual").exit_code == 0
    assert sorted(of_one_lineage(asked.root, "1", "1.r1")) == [1, 2, 3, 4, 5]
    sound(asked.root)
