"""
What counts against a limit of cost when a create is in doubt, or a batch is refused, adopted or given up.

Everything is real but time; `check` counts the same, from files alone.
"""

from __future__ import annotations

import json

import attrs
import pytest

from reconciler import decide, decide_online
from reconciler.check import check
from reconciler.errors import CostLimitExceeded
from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import LateEffect, Refuse, ReplyDropped
from tests.capping import DOLLAR, reserved, sound, states
from tests.spending import MODEL, line, nano_for, priced, spending, truly
from tests.stopping import DAYS
from tests.workspaces import answered, put, settings


def test_a_create_in_doubt_keeps_what_was_reserved(fake_provider: FakeProvider) -> None:
    """Nobody knows whether it runs, so what it may cost is not free for others, nor after a second send."""
    with priced(fake_provider, {"a": 3}, max_cost_usd=nano_for(5) / DOLLAR) as online:
        fake_provider.fault("create", Refuse(503, "down"))
        online.run()
        fake_provider.clock.advance(3600)
        put(online.root, "b", input=[line("b", n) for n in range(3)])
        report = online.run()

        assert report.batch("a").failure is not None
        assert report.batch("b").state is State.HELD
        with pytest.raises(CostLimitExceeded):
            online.decide(decide_online.resubmit, "a")
        assert online.creates() == 0
        raised = attrs.evolve(online, flags={**online.flags, "max_cost_usd": nano_for(9) / DOLLAR})
        raised.decide(decide_online.resubmit, "a")
        assert len([each for each in spending(online.root).charges.values() if not each.settled]) == 2
        sound(online.root)


def test_a_create_that_was_found_counts_once(fake_provider: FakeProvider) -> None:
    """A lost reply costs no second reservation: the batch is adopted under the one that it has."""
    with priced(fake_provider, {"a": 3}, max_cost_usd=nano_for(5) / DOLLAR) as online:
        fake_provider.fault("create", ReplyDropped())
        online.wait(DAYS)

        assert len(reserved(online.root)) == 1
        assert spending(online.root).committed == truly(online.root)
        sound(online.root)


def test_what_its_provider_refused_costs_nothing(fake_provider: FakeProvider) -> None:
    """A create that was refused gives back what was reserved for it."""
    with priced(fake_provider, {"a": 3}) as online:
        fake_provider.fault("create", Refuse(400, "no such model", "model_not_found"))
        online.run()

        assert len(reserved(online.root)) == 1
        assert spending(online.root).committed == 0
        sound(online.root)


def test_a_batch_that_is_adopted_counts_while_it_is_away(fake_provider: FakeProvider) -> None:
    """Whoever made it, it is paid for: what it may cost is no room for others, whatever the limit says."""
    fake_provider.default(Fate(seconds=7200))
    with priced(fake_provider, {"a": 5}) as online:
        online.run()
        batch_id = fake_provider.batches[0].id
        with priced(fake_provider, {"a": 5, "b": 5}, max_cost_usd=nano_for(8) / DOLLAR) as other:
            decide_online.adopt(str(other.root), other.settings(), "a", batch_id, other.options)
            assert spending(other.root).reserved == spending(online.root).reserved
            assert states(other.run()) == {"a": "waiting", "b": "held"}
            other.wait(DAYS)
            assert spending(other.root).spent == truly(other.root) > 0
            sound(other.root)


@pytest.mark.parametrize("seconds", [0, 3600], ids=["at-once", "later"])
def test_a_batch_that_is_adopted_and_refused_costs_nothing(seconds: int, fake_provider: FakeProvider) -> None:
    """Whether its provider has refused it before or after somebody took it over, it takes no room."""
    fake_provider.script(Fate(end="failed", seconds=seconds))
    with priced(fake_provider, {"a": 3}) as online, priced(fake_provider, {"a": 3}) as other:
        other.run()
        batch_id = fake_provider.batches[0].id
        decide_online.adopt(str(online.root), online.settings(), "a", batch_id, online.options)
        assert (spending(online.root).committed > 0) == (seconds > 0)
        online.wait(DAYS)
        assert spending(online.root).committed == 0
        decide_online.resubmit(str(online.root), online.settings(), "a", online.options)
        online.wait(DAYS)
        assert spending(online.root).committed == truly(online.root) > 0
        sound(online.root)


def test_what_was_refused_and_ran_all_the_same_counts(fake_provider: FakeProvider) -> None:
    """A batch that a refused create has made, and that a person adopts, costs what its answers have used."""
    with priced(fake_provider, {"a": 3}) as online:
        fake_provider.fault("create", LateEffect(seconds=5, reply=400))
        online.run()
        assert spending(online.root).committed == 0
        fake_provider.clock.advance(60)
        put(online.root, "b", input=[line("b", 0)])
        online.run()
        batch_id = fake_provider.batches[0].id
        decide_online.adopt(str(online.root), online.settings(), "a", batch_id, online.options)
        online.wait(DAYS)

        assert spending(online.root).spent == truly(online.root) > 0
        sound(online.root)


def test_what_came_by_hand_after_a_refusal_counts(fake_provider: FakeProvider) -> None:
    """Somebody fetched the answers of a batch that was said to be refused: they have been paid for."""
    with priced(fake_provider, {"a": 1}) as online:
        fake_provider.fault("create", Refuse(400, "no such model", "model_not_found"))
        online.run()
        assert spending(online.root).committed == 0
        body = {**answered(0)["response"]["body"], "model": MODEL}
        body["usage"] = {"prompt_tokens": 1000, "completion_tokens": 50}
        put(online.root, "a", output=[{"custom_id": "a-0", "response": {"status_code": 200, "body": body}}])
        online.run()

        assert spending(online.root).spent == truly(online.root) > 0
        sound(online.root)


@pytest.mark.parametrize("how", ["whole", "cut", "long", "gone"])
def test_a_batch_that_is_given_up_costs_what_its_answers_have_used(
    how: str, fake_provider: FakeProvider
) -> None:
    """A dismissal corrects what was reserved; answers that cannot be read, or are gone, leave it as it is."""
    with priced(fake_provider, {"a": 3}) as online:
        fake_provider.script(Fate(foreign=("nobody-s",)))
        online.wait(DAYS)
        before = spending(online.root)
        assert before.reserved > before.spent == 0
        output = online.root / "quarantine" / "a.1" / "batch_output_a.jsonl"
        if how == "cut":
            output.write_bytes(output.read_bytes()[:-100])
        elif how == "long":
            output.write_bytes(b"x" * 5000)
        elif how == "gone":
            output.unlink()
        attrs.evolve(online, flags={**online.flags, "line_bytes": 4096}).decide(decide.dismiss, "a")
        after = spending(online.root)

        assert (after.reserved == 0) == (how != "gone")
        assert (after.committed == before.reserved) == (how != "whole")
        assert after.committed > 0
        sound(online.root)


def test_check_sees_what_nobody_reserved(fake_provider: FakeProvider) -> None:
    """A create without its reservation, or one past the limit of its time, is a finding of promise 9."""
    with priced(fake_provider, {"a": 3}, max_cost_usd=1.0) as online:
        online.run()
        path = online.root / ".reconciler" / "ledger.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)

        path.write_bytes(b"".join(each for each in lines if b"spend.reserved" not in each))
        assert [each.code for each in check(str(online.root), settings()).findings] == ["spend-unreserved"]
        path.write_bytes(b"".join(_capped(each) for each in lines))
        found = check(str(online.root), settings()).findings
        assert [(each.promise, each.code) for each in found] == [(9, "spend-past-limit")]


def _capped(each: bytes) -> bytes:
    """A line of history, as if the limit had been one nano-dollar."""
    if b"spend.reserved" not in each:
        return each
    import zlib  # noqa: PLC0415 - only here

    fields = json.loads(each)
    fields["cap"] = 1
    fields.pop("crc")
    body = json.dumps(fields, separators=(",", ":")).encode()
    return body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body)


def test_check_counts_what_answers_have_used(fake_provider: FakeProvider) -> None:
    """A settled sum that its answers do not bear is a finding."""
    with priced(fake_provider, {"a": 2}) as online:
        online.wait(DAYS)
        output = online.root / "done" / "a" / "batch_output_a.jsonl"
        text = output.read_text("utf-8")
        assert '"completion_tokens"' in text
        rows = [json.loads(each) for each in text.splitlines()]
        rows[0]["response"]["body"]["usage"]["completion_tokens"] += 1
        output.write_text("".join(json.dumps(each) + "\n" for each in rows), "utf-8")

        assert "spend-differs" in {each.code for each in check(str(online.root), settings()).findings}
