"""Nothing is sent to a provider without a key, or past a limit of cost: the real command says why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from reconciler.testing import FakeProvider
from tests.cli.remote import KEYS, There, in_doubt, put_input, reach
from tests.workspaces import files


@pytest.fixture(params=["openai"])
def there(
    request: pytest.FixtureRequest,
    fake_provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> There:
    """A provider that the command reaches; `openai`, or the one that a test asks for."""
    return reach(fake_provider, request.param, monkeypatch, capsys)


every_provider: Final = pytest.mark.parametrize("there", list(KEYS), indirect=True)


# --- keys ---------------------------------------------------------------------------------------------------


@every_provider
def test_without_a_key_the_batch_is_held_with_77(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key: 77, the variable to set is named, nothing changes and nobody is asked."""
    put_input(workspace, there)
    monkeypatch.delenv(KEYS[there.name][0])
    before = set(files(workspace))

    said = there.call(workspace)

    assert (said.code, len(there.fake.calls)) == (77, 0), said
    assert KEYS[there.name][0] in said.out
    assert {path for path in set(files(workspace)) - before if path.startswith("workdir/")} == set()


@every_provider
def test_a_refused_key_is_told_with_77(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that the provider does not take: 77; with the right one the batch goes on."""
    put_input(workspace, there)
    monkeypatch.setenv(KEYS[there.name][0], "wrong-key-of-nobody")
    refused = there.call(workspace)
    monkeypatch.setenv(KEYS[there.name][0], there.fake.key)

    assert refused.code == 77, refused
    assert "wrong-key-of-nobody" not in refused.out + refused.err
    assert (there.call(workspace, "--wait").code, there.creates()) == (0, 1)


def test_other_batches_go_on_without_the_key(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of another provider settles in the pass that lacks a key for the first."""
    monkeypatch.delenv("RECONCILER_PROVIDER_NAME")
    (workspace / "reconciler.toml").write_text(
        '[provider]\nname = "openai"\n[[batch]]\nmatch = "2"\nprovider = "local"\n', "utf-8"
    )
    monkeypatch.delenv(KEYS["openai"][0])
    put_input(workspace, there, name="1")
    put_input(workspace, there, name="2", start=50)

    said = there.call(workspace, "--json")

    states = {row["name"]: row["state"] for row in said.document["batches"]}
    assert (said.code, states) == (77, {"1": "held", "2": "settled"})


@pytest.mark.parametrize("verb", ["submit", "cancel", "resubmit"])
def test_a_decision_without_a_key_ends_with_77(
    verb: str, there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person asks for needs the key too."""
    put_input(workspace, there)
    if verb != "submit":
        there.call(workspace)
    monkeypatch.delenv(KEYS["openai"][0])
    calls = len(there.fake.calls)

    said = there.call(verb, workspace, "1")

    assert (said.code, len(there.fake.calls)) == (77, calls), said
    assert "OPENAI_API_KEY" in said.err


def test_audit_without_a_key_ends_with_77(
    there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can be asked: 77, with the variable to set."""
    monkeypatch.delenv(KEYS["openai"][0])

    said = there.call("audit", workspace)

    assert (said.code, "OPENAI_API_KEY" in said.err) == (77, True), said


# --- a limit of cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["file", "environment", "flag"])
def test_nothing_is_sent_that_may_cost_more_than_the_limit(
    layer: str, there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`max_cost_usd` in any layer: 3, the reason in words, and not one call."""
    put_input(workspace, there)
    words: Sequence[str | Path] = (workspace,)
    if layer == "file":
        (workspace / "reconciler.toml").write_text("[budget]\nmax_cost_usd = 0.0\n", "utf-8")
    elif layer == "environment":
        monkeypatch.setenv("RECONCILER_BUDGET_MAX_COST_USD", "0")
    else:
        words = (workspace, "--max-cost-usd", "0.0")

    said = there.call(*words)

    assert (said.code, len(there.fake.calls)) == (3, 0), said
    assert "limits the cost, and what this costs is not known: no price is known for" in said.out


@pytest.mark.parametrize("verb", ["submit", "resubmit"])
def test_a_person_cannot_send_past_the_limit_either(verb: str, there: There, workspace: Path) -> None:
    """`submit` and `resubmit` are refused with 3 too, and nothing new is created."""
    if verb == "resubmit":
        in_doubt(there, workspace)
    else:
        put_input(workspace, there)
    creates = there.fake.calls.count("create")

    said = there.call(verb, workspace, "1", "--max-cost-usd", "0")

    assert (said.code, there.fake.calls.count("create")) == (3, creates), said
    assert "limits the cost" in said.err


def test_what_was_sent_before_a_limit_is_fetched(there: There, workspace: Path) -> None:
    """Answers that are paid for come home, limit or not."""
    put_input(workspace, there)
    there.call(workspace)

    assert there.call(workspace, "--wait", "--max-cost-usd", "1").code == 0
