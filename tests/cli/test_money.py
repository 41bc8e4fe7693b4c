"""`cost`, `limit`, and what `plan`, `status` and `add` say of money."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from reconciler import Batch, CostLimitExceeded
from reconciler.errors import UsageError
from reconciler.testing import FakeProvider
from tests.cli.calling import call
from tests.cli.remote import There, reach
from tests.spending import line, nano_for
from tests.workspaces import put

QUICK: Final = {"policy.settle_seconds": 0}


@pytest.fixture
def there(
    fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> There:
    """A provider that the command reaches."""
    return reach(fake_provider, "openai", monkeypatch, capsys)


@pytest.fixture
def root(tmp_path: Path, there: There) -> Path:
    """A workspace with a large input and a small one, with settings of its own."""
    root = tmp_path / "w"
    for name, count in (("a", 20), ("b", 3)):
        put(root, name, input=[line(name, n) for n in range(count)])
    there.fake.clock.advance(10)
    return root


def usd(requests: int) -> str:
    """Room for so many requests, in dollars."""
    return f"{nano_for(requests) / 10**9:.9f}"


def test_a_limit_that_is_kept_holds_for_the_next_command(there: There, root: Path) -> None:
    """`limit` is obeyed by a pass that says nothing of it, which ends with 3; raised, it goes on."""
    assert there.call("limit", root, "--cost-usd", usd(5)).code == 0
    held = there.call(root)
    assert held.code == 3
    assert "it may cost $0.00" in held.out
    assert there.creates() == 1

    told = there.call("status", root)
    assert "held" in told.out
    assert "is left (the limit is set by .reconciler/cost-limit.json)" in told.out
    assert "reserved" in told.out
    rows = {each["name"]: each for each in there.call("status", root, "--json").document["batches"]}
    assert rows["a"]["state"] == "held"
    assert float(rows["b"]["cost_usd"]) > 0

    assert there.call("limit", root, "--cost-usd", "1").code == 0
    there.call(root, "--wait")
    assert there.creates() == 2
    assert (root / "done" / "a").is_dir()


def test_cost_tells_what_was_spent(there: There, root: Path) -> None:
    """In flight it tells what is reserved, at the end what was spent, however divided."""
    assert there.call("cost", root, "--json").document["spent_usd"] == "0"
    there.call(root)
    away = there.call("cost", root, "--json").document
    assert (away["spent_usd"], away["limit_usd"]) == ("0", None)
    there.call(root, "--wait")

    done = there.call("cost", root, "--json", "--max-cost-usd", "5").document

    assert 0 < float(done["spent_usd"]) < float(away["reserved_usd"])
    assert float(done["reserved_usd"]) == 0
    assert float(done["left_usd"]) == pytest.approx(5 - float(done["spent_usd"]))
    (model,) = done["by_model"].items()
    assert model == (
        "openai/gpt-4o-mini",
        {"spent_usd": done["spent_usd"], "reserved_usd": "0", "unknown": 0},
    )
    assert list(done["by_provider"]) == ["openai"]
    assert len(done["by_day"]) == 1
    assert there.call("cost", root, "--by", "provider", "--csv").out.splitlines() == [
        "provider,spent_usd,reserved_usd,unknown",
        f"openai,{done['spent_usd']},0,0",
    ]
    assert "openai/gpt-4o-mini" in there.call("cost", root).out


def test_plan_prices_what_would_be_sent(there: There, root: Path) -> None:
    """Each batch, all of them, and whether it fits; what is not known is said so, and nothing is touched."""
    put(root, "c", input=[line("c", 0, "nobody-knows-1")])
    there.fake.clock.advance(10)

    told = there.call("plan", root, "--max-cost-usd", "1").out
    found = there.call("plan", root, "--json").document

    assert "an estimate of $0.0" in told
    assert "without 1 batch of unknown cost; it does not fit: $1.00 of $1.00 left" in told
    assert "no price is known for openai's nobody-knows-1" in told
    costs = {each["name"]: each["cost"] for each in found["batches"]}
    assert float(costs["a"]["estimate_usd"]) > float(costs["b"]["estimate_usd"]) > 0
    assert costs["c"]["estimate_usd"] is None
    assert not (root / ".reconciler").exists()


def test_described_requests_are_priced_like_inputs(there: There, tmp_path: Path) -> None:
    """What `plan` says of a script is what it says of the inputs that the script makes."""
    batch = Batch(tmp_path / "new", "gpt-4o-mini", params={"max_tokens": 50})
    for n in range(5):
        batch.add(f"What of {n}?")
    planned = batch.limit(cost_usd=1).plan()
    assert planned.cost_usd is not None
    batch.write()
    there.fake.clock.advance(10)

    (found,) = there.call("plan", tmp_path / "new", "--json").document["batches"]

    assert float(found["cost"]["estimate_usd"]) == float(planned.cost_usd)
    assert found["cost"]["requests_without_limit"] == 0
    assert planned.left == 10**9


def test_a_script_keeps_its_limit_and_may_be_told(there: There, tmp_path: Path) -> None:
    """`limit` is there for every later pass; with `strict`, what it holds back is raised."""
    batch = Batch(tmp_path / "new", "gpt-4o-mini", params={"max_tokens": 50}).add("What?")
    batch.limit(cost_usd=0.000001)

    with pytest.raises(CostLimitExceeded, match="is left"):
        batch.submit(strict=True, settings=QUICK)
    assert there.call(tmp_path / "new").code == 3
    assert not there.fake.batches
    batch.limit(cost_usd=1).submit(strict=True, settings=QUICK)
    assert len(there.fake.batches) == 1


@pytest.mark.parametrize("amount", [-1, float("inf"), float("nan")])
def test_a_limit_is_an_amount_of_money(amount: float, tmp_path: Path) -> None:
    """What is no amount is refused at once."""
    with pytest.raises(UsageError):
        Batch(tmp_path, "gpt-4o-mini").limit(cost_usd=amount)


def test_add_tells_the_cost_and_keeps_a_limit(
    there: There, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`add --dry-run` prices what it would make; `--max-cost-usd` stays in the workspace."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("one\ntwo\n", "utf-8")
    words = ("add", tmp_path / "w", prompts, "--model", "gpt-4o-mini", "--max-cost-usd", "0.5")

    dry = call(capsys, *words, "--dry-run")
    assert "at the most" in dry.out
    assert "2 requests without a limit of output, the most of the model counts" in dry.out
    assert "$0.50 left of the limit of cost" in dry.out
    call(capsys, *words)

    assert there.call("limit", tmp_path / "w", "--json").document["limit_usd"] == "0.5"
    assert there.call("limit", tmp_path / "w", "--none").code == 0
    assert there.call("limit", tmp_path / "w", "--json").document["limit_usd"] is None


def test_a_cost_that_nobody_knows_is_told_once(
    there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of a model without a price count as nothing, and are not said to count as an estimate too."""
    monkeypatch.setenv("RECONCILER_PROVIDER_POLL_SECONDS", "1")
    Batch(tmp_path / "u", "gpt-9").add("a").run(settings=QUICK)
    told = there.call("cost", tmp_path / "u").out
    assert "1 attempt of unknown cost" in told
    assert "the estimate counts" not in told
