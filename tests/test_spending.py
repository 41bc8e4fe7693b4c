"""
A limit of cost holds: what may cost more than is left waits, and answers correct the sum.

Everything is real but time; the provider is the fake one, whose answers say what they have used.
"""

from __future__ import annotations

import os

import attrs
import pytest

from reconciler import decide_online
from reconciler.costs import costs
from reconciler.executor.charging import Quoting
from reconciler.model.exchange import Dialect, Request
from reconciler.model.failure import Capped
from reconciler.model.report import State
from reconciler.pricing.book import Book
from reconciler.providers.echo import echo
from reconciler.providers.local import Local
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import Refuse
from reconciler.workspace import cost_limit
from tests.capping import DOLLAR, limit, reserved, sound, states
from tests.five import OTHER_KEY
from tests.online import CHAT
from tests.spending import MODEL, line, nano_for, priced, spending, truly
from tests.stopping import DAYS, client_of
from tests.workspaces import Line, put


def test_what_was_used_takes_the_place_of_what_was_reserved(fake_provider: FakeProvider) -> None:
    """While a batch is away its estimate counts; when it settles, what its answers have used."""
    with priced(fake_provider, {"a": 5}) as online:
        online.run()
        away = spending(online.root)

        assert away.spent == 0
        assert away.reserved >= nano_for(5)
        online.wait(DAYS)
        done = spending(online.root)
        assert (done.spent, done.reserved) == (truly(online.root), 0)
        assert 0 < done.spent < away.reserved
        sound(online.root)


def test_a_reservation_stands_in_history_before_anything_leaves(fake_provider: FakeProvider) -> None:
    """No call is made before the estimate is written down."""
    with priced(fake_provider, {"a": 1}) as online:
        seen: list[tuple[int, int]] = []

        def tap(_change: str, _path: str) -> None:
            seen.append((len(fake_provider.calls), len(reserved(online.root))))

        attrs.evolve(online, tap=tap).run()

    assert seen[-1][0] > 0
    assert all(found for calls, found in seen if calls)


def test_what_may_cost_more_than_is_left_waits_and_the_rest_goes(fake_provider: FakeProvider) -> None:
    """The large one of three batches is held, with its reason; a small one behind it is sent."""
    cap = nano_for(8) / DOLLAR
    with priced(fake_provider, {"a": 3, "b": 20, "c": 3}, max_cost_usd=cap) as online:
        report = online.run()

        assert states(report) == {"a": "waiting", "b": "held", "c": "waiting"}
        held = report.batch("b")
        assert isinstance(held.failure, Capped)
        assert report.exit_code == 3
        assert "it may cost $0.00" in held.because
        assert "is left (the limit is set by the command line)" in held.because
        assert "--max-cost-usd" in held.hint
        assert online.creates() == 2
        assert fake_provider.calls.count("upload") == 2
        sound(online.root)


def test_a_price_does_not_tell_what_is_named_only_there(fake_provider: FakeProvider) -> None:
    """Earlier turns that a request names are paid for too, and nobody here knows them."""
    with priced(fake_provider, {}, max_cost_usd=100.0) as online:
        put(online.root, "a", input=[line("a", 0, previous_response_id="resp_1")])
        held = online.run().batch("a")

        assert isinstance(held.failure, Capped)
        assert "what this costs is not known" in held.because
        assert held.hint == "take the limit out to send it all the same"
        assert online.creates() == 0


def test_a_limit_that_is_raised_lets_go(fake_provider: FakeProvider) -> None:
    """What was held goes once the limit has room, and what was in flight ends meanwhile."""
    with priced(fake_provider, {"a": 3, "b": 20}, max_cost_usd=nano_for(4) / DOLLAR) as online:
        online.wait(DAYS)
        assert (online.root / "done" / "a").is_dir()
        assert online.creates() == 1

        raised = attrs.evolve(online, flags={**online.flags, "max_cost_usd": 1.0})
        assert states(raised.wait(DAYS)) == {"b": "settled"}
        sound(online.root)


def test_what_was_corrected_makes_room(fake_provider: FakeProvider) -> None:
    """A batch that waited for room goes when another has settled for less than it might have cost."""
    with priced(fake_provider, {"a": 3, "b": 3}, max_cost_usd=nano_for(4) / DOLLAR) as online:
        assert states(online.run())["b"] == "held"
        fake_provider.clock.advance(7200)
        online.run()

        assert states(online.run())["b"] == "waiting"
        assert online.creates() == 2


def test_a_held_batch_writes_nothing_more(fake_provider: FakeProvider) -> None:
    """A second pass over what is held changes no byte."""
    with priced(fake_provider, {"a": 3}, max_cost_usd=0.000001) as online:
        online.run()
        before = (online.root / ".reconciler" / "ledger.jsonl").read_bytes()
        names = sorted(path.name for path in online.root.rglob("*"))
        online.run()

        assert (online.root / ".reconciler" / "ledger.jsonl").read_bytes() == before
        assert sorted(path.name for path in online.root.rglob("*")) == names
        assert fake_provider.calls.count() == 0


def test_a_price_that_nobody_knows_is_not_guessed(fake_provider: FakeProvider) -> None:
    """Under a limit it is refused, with the way out; without one it is sent, and told as unknown."""
    with priced(fake_provider, {}, max_cost_usd=100.0) as online:
        put(online.root, "a", input=[line("a", 0, "nobody-knows-1")])
        held = online.run().batch("a")

        assert held.state is State.HELD
        assert "no price is known for openai" in held.because
        assert "[prices.openai." in held.hint
        assert online.creates() == 0
        free = attrs.evolve(online, flags={"settle_seconds": 0})
        free.wait(DAYS)
        assert [each.nano for each in spending(online.root).not_known] == [None]
        sound(online.root)


def test_the_limit_that_is_kept_here_holds_for_everybody(fake_provider: FakeProvider) -> None:
    """A pass without any setting of its own obeys it; one that cannot be read lets nothing go."""
    with priced(fake_provider, {"a": 3}) as online:
        limit(online.root, 1)
        assert states(online.run()) == {"a": "held"}
        (online.root / ".reconciler" / "cost-limit.json").write_text("{}", "utf-8")
        held = online.run().batch("a")
        assert "cost-limit.json, which cannot be read" in held.because
        limit(online.root, nano_for(100))
        assert states(online.run()) == {"a": "waiting"}
        limit(online.root, None)


def test_a_limit_that_is_lowered_takes_back_what_was_not_created(fake_provider: FakeProvider) -> None:
    """What was reserved and not sent gives its place to others, and is held itself."""
    with priced(fake_provider, {"a": 3, "b": 1}, max_cost_usd=nano_for(9) / DOLLAR) as online:
        fake_provider.fault("create", Refuse(429, "slow down"))
        online.run()
        assert online.creates() == 0
        fake_provider.clock.advance(7200)
        lower = attrs.evolve(online, flags={**online.flags, "max_cost_usd": nano_for(2) / DOLLAR})

        assert states(lower.run()) == {"a": "held", "b": "waiting"}
        sound(online.root)


def test_another_key_is_not_held_back_by_what_was_reserved_for_the_first(fake_provider: FakeProvider) -> None:
    """What was uploaded with one key and is sent with another costs once, not twice."""
    with priced(fake_provider, {"a": 5}, max_cost_usd=nano_for(8) / DOLLAR) as online:
        fake_provider.fault("create", Refuse(429, "slow down"))
        online.run()
        assert online.creates() == 0
        fake_provider.clock.advance(7200)
        other = attrs.evolve(online, client=client_of("openai", fake_provider, OTHER_KEY))

        assert states(other.run()) == {"a": "waiting"}
        assert other.creates() == 1
        sound(online.root)


def test_a_child_counts_like_any_batch(fake_provider: FakeProvider) -> None:
    """What is asked again is reserved again, and waits where there is no room for it."""
    from reconciler.testing import Outcome  # noqa: PLC0415 - the extra

    with priced(fake_provider, {"a": 4}) as online:
        fake_provider.script(Fate(outcomes={"a-1": Outcome("http", status=429, code="rate_limit_exceeded")}))
        online.wait(DAYS)

        assert [each["batch"] for each in reserved(online.root)] == ["a", "a.r1"]
        assert spending(online.root).spent == truly(online.root)
        assert MODEL in next(iter(spending(online.root).charges.values())).models.popitem()[0]  # type: ignore[attr-defined]
        sound(online.root)


def test_what_is_over_is_no_more_called_held(fake_provider: FakeProvider) -> None:
    """A batch that a limit kept back and a person has ended is not told as kept back for ever."""
    with priced(fake_provider, {"a": 20, "b": 20}, max_cost_usd=0.0001) as online:
        online.run()
        online.decide(decide_online.cancel, "a")

        assert [each.batch for each in costs(str(online.root), online.settings()).held] == ["b"]


def test_what_is_held_again_for_the_same_reason_is_told_again(fake_provider: FakeProvider) -> None:
    """Held, let go, not created, and held by the old limit: history says held, not nothing."""
    with priced(fake_provider, {"a": 3}, max_cost_usd=0.0001) as online:
        online.run()
        fake_provider.fault("create", Refuse(429, "slow down"))
        attrs.evolve(online, flags={**online.flags, "max_cost_usd": 1.0}).run()
        fake_provider.clock.advance(DAYS)
        assert states(online.run()) == {"a": "held"}

        assert [each.batch for each in costs(str(online.root), online.settings()).held] == ["a"]
        assert costs(str(online.root), online.settings(max_cost_usd=1.0)).held == ()


def test_the_hint_raises_the_limit_that_holds(fake_provider: FakeProvider) -> None:
    """Where a call sets the limit, raising the kept one would change nothing; so with each who may set it."""
    with priced(fake_provider, {"a": 3}, max_cost_usd=0.0001) as online:
        assert "--max-cost-usd" in online.run().batch("a").hint
        assert "reconcile limit" not in online.run().batch("a").hint
        limit(online.root, 10)
        assert "reconcile limit" in online.run().batch("a").hint
        (online.root / cost_limit.PATH).write_text("{", "utf-8")
        assert "writes it anew" in online.run().batch("a").hint


def test_a_request_for_an_absurd_answer_is_held(fake_provider: FakeProvider) -> None:
    """Whatever number a request names, it is priced and held, and the others go."""
    with priced(fake_provider, {"a": 1}, max_cost_usd=1.0) as online:
        put(online.root, "b", input=[line("b", 0, max_tokens=10**60)])
        body = {"model": MODEL, "messages": [], "max_tokens": 10**15, "n": 10**30}
        many: Line = {"custom_id": "c", "method": "POST", "url": CHAT, "body": body}
        put(online.root, "c", input=[many])
        report = online.run()

        assert states(report) == {"a": "waiting", "b": "held", "c": "held"}
        assert "it may cost $" in report.batch("c").because
        sound(online.root)


@pytest.mark.parametrize("what", ["folder", "link", "pipe", "text", "huge"])
def test_a_limit_that_is_no_file_of_ours_is_a_limit_of_nothing(
    fake_provider: FakeProvider, what: str
) -> None:
    """What is in flight is fetched, what would cost is held, and `reconcile limit` says so."""
    with priced(fake_provider, {"a": 1}) as online:
        online.run()
        put(online.root, "b", input=[line("b", 0)])
        path = online.root / cost_limit.PATH
        match what:
            case "folder":
                path.mkdir()
            case "link":
                path.symlink_to("/dev/zero")
            case "pipe":
                os.mkfifo(path)
            case "text":
                path.write_text("5", "utf-8")
            case _:
                path.write_text('{"nano_usd":' + "9" * 5000 + "}", "utf-8")
        report = online.wait(DAYS)

        assert states(report) == {"a": "settled", "b": "held"}
        assert "which cannot be read" in report.batch("b").because
        assert costs(str(online.root), online.settings()).cap.nano == 0


def test_what_a_function_of_a_user_costs_is_its_own_affair() -> None:
    """It has no price, and no request of it counts, whatever model its lines name."""
    quoting = Quoting(Book(), Local(echo), 3)
    quoting.take(Request("q-1", Dialect.OPENAI, CHAT, {"model": "gpt-4o", "messages": []}, "gpt-4o"))
    assert (quoting.is_priced, quoting.quote.nano) == (False, 0)
