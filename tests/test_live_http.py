"""Batches that live endpoints answer, through the built-in worker `http`, against the fake provider."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import engine
from reconciler.check import check
from reconciler.costs import costs
from reconciler.errors import ConfigError
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.failure import NoKey
from reconciler.model.policy import LOCAL
from reconciler.model.report import Report, State
from reconciler.pricing.book import cost_of, price_of
from reconciler.pricing.tokens import tokens_of
from reconciler.providers.http_worker import HttpWorker
from reconciler.providers.local import Local
from reconciler.providers.pacing import Pace
from reconciler.session import Options
from reconciler.testing import FakeProvider
from reconciler.testing.faults import Cut, Fault, Refuse, Reply, ReplyDropped, Reset
from reconciler.workspace.effects import Tap, no_tap
from tests.spending import spending
from tests.workers import AT_ONCE
from tests.workspace.faults import Crash
from tests.workspaces import files, ledger, put, results, scratch, settings

KEYS: Final = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "MISTRAL_API_KEY",
    "OPENROUTER_API_KEY",
)
CANARY: Final = FakeProvider.key


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


@pytest.fixture
def fake(fake_provider: FakeProvider) -> Iterator[FakeProvider]:
    """A fake provider that makes no mistake of its own."""
    yield fake_provider

    assert fake_provider.mistakes == []


def environment(fake: FakeProvider, **more: str) -> dict[str, str]:
    """A key for everyone, and everyone at the fake."""
    found = dict.fromkeys(KEYS, CANARY)
    for name in ("openai", "anthropic", "gemini", "mistral"):
        found[f"{name.upper()}_BASE_URL"] = fake.url(name)
    return found | more


def live(root: Path, worker: HttpWorker, *, pace: Pace = AT_ONCE, tap: Tap = no_tap, **flags: Any) -> Report:
    """One pass in which live endpoints answer."""
    made = Hooks(providers={LOCAL: Local(worker, 4, pace, worker.close)})
    chosen = settings(**{"provider": LOCAL, "settle_seconds": 0, **flags})
    return engine.reconcile(str(root), chosen, Options(plugged=Plugged(lambda _name: made), tap=tap))


def lines(dialect: str, count: int = 3) -> list[dict[str, Any]]:
    """Requests in the shape of a provider."""
    found: list[dict[str, Any]] = []
    for n in range(count):
        messages = [{"role": "user", "content": f"say {n}"}]
        match dialect:
            case "openai":
                body: dict[str, Any] = {"model": "m", "messages": messages}
                found.append(
                    {"custom_id": f"q-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
                )
            case "responses":
                body = {"model": "m", "input": f"say {n}"}
                found.append({"custom_id": f"q-{n}", "method": "POST", "url": "/v1/responses", "body": body})
            case "anthropic":
                found.append(
                    {"custom_id": f"q-{n}", "params": {"model": "m", "max_tokens": 9, "messages": messages}}
                )
            case "gemini":
                parts = [{"text": f"say {n}"}]
                found.append({"key": f"q-{n}", "request": {"contents": [{"role": "user", "parts": parts}]}})
            case _:
                found.append({"custom_id": f"q-{n}", "body": {"model": "m", "messages": messages}})
    return found


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic", "gemini", "mistral"])
def test_each_shape_is_answered_by_its_own_service(dialect: str, root: Path, fake: FakeProvider) -> None:
    """Nothing but the keys is configured: the shape of a line says who answers it, and in which shape."""
    put(root, "1", input=lines(dialect))
    worker = HttpWorker(environment(fake), model="gemini-x" if dialect == "gemini" else "")
    assert live(root, worker).exit_code == 0
    assert [line["text"] for line in results(root, "1")] == ["say 0", "say 1", "say 2"]
    assert all(line["usage"] for line in results(root, "1"))
    assert len(fake.calls.of("live")) == 3
    assert check(str(root), settings()).findings == []


def test_google_s_name_of_the_key_counts_first(root: Path, fake: FakeProvider) -> None:
    """`GOOGLE_API_KEY` is read before `GEMINI_API_KEY` in live requests, as it is for batches."""
    put(root, "1", input=lines("gemini"))
    keys = environment(fake, GOOGLE_API_KEY=CANARY, GEMINI_API_KEY="nobody's")
    assert live(root, HttpWorker(keys, model="gemini-x")).exit_code == 0
    assert len(fake.calls.of("live")) == 3


def test_embeddings_are_answered(root: Path, fake: FakeProvider) -> None:
    """The endpoint is the one that the line names."""
    line = {"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}}
    put(root, "1", input=[line])
    assert live(root, HttpWorker(environment(fake))).exit_code == 0
    assert results(root, "1")[0]["body"]["data"][0]["embedding"]


def test_a_service_of_ones_own_is_asked(root: Path, fake: FakeProvider) -> None:
    """A named service at an address of its own, with the model that the settings name for all requests."""
    put(root, "1", input=lines("openai"))
    worker = HttpWorker(environment(fake), "compatible", fake.url("openai"), "llama3")
    assert live(root, worker).exit_code == 0
    assert {line["model"] for line in results(root, "1")} == {"llama3"}


def test_openrouter_takes_its_model_from_the_environment(root: Path, fake: FakeProvider) -> None:
    """`MODEL`, as users of OpenRouter are used to; lines in Mistral's shape will do."""
    put(root, "1", input=[{"custom_id": "q", "body": {"messages": [{"role": "user", "content": "hi"}]}}])
    worker = HttpWorker(environment(fake, MODEL="x/y:free"), "openrouter", fake.url("openai"))
    assert live(root, worker).exit_code == 0
    assert results(root, "1")[0]["model"] == "x/y:free"


PASSING: Final = [
    pytest.param(Refuse(429, headers={"retry-after": "0.01"}), id="429"),
    pytest.param(Refuse(500), id="500"),
    pytest.param(Refuse(503, headers={"retry-after": "0.01"}), id="503"),
    pytest.param(Refuse(529), id="529"),
    pytest.param(Reset(), id="reset"),
    pytest.param(ReplyDropped(), id="reply-dropped"),
    pytest.param(Cut(20), id="cut"),
    pytest.param(Reply(502, b"<html>bad gateway</html>", "text/html"), id="page"),
    pytest.param(Reply(200, b"<html>sign in</html>", "text/html"), id="page-200"),
    pytest.param(Reply(200, b"{", "application/json"), id="half-json"),
]


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_asked_again(fault: Fault, root: Path, fake: FakeProvider) -> None:
    """Within the same pass; the answer counts, and nothing of the fault is left in the results."""
    put(root, "1", input=lines("openai", 1))
    fake.fault("live", fault, times=2)
    assert live(root, HttpWorker(environment(fake))).exit_code == 0
    assert [line["text"] for line in results(root, "1")] == ["say 0"]
    assert len(fake.calls.of("live")) == 3


LASTING: Final = [
    pytest.param(Refuse(400, "no such parameter"), "invalid-request", id="400"),
    pytest.param(Refuse(404, "no such model", "model_not_found"), "not-found", id="404"),
    pytest.param(Refuse(413, "too large"), "over-length", id="413"),
    pytest.param(Refuse(400, "too long", "context_length_exceeded"), "over-length", id="length"),
    pytest.param(Refuse(400, "filtered", "content_filter"), "content-filter", id="filter"),
]


@pytest.mark.parametrize(("fault", "error_class"), LASTING)
@pytest.mark.parametrize("dialect", ["openai", "mistral"])
def test_a_refusal_of_one_request_is_its_own(
    fault: Fault, error_class: str, dialect: str, root: Path, fake: FakeProvider
) -> None:
    """It is told with its class and words, is not asked again, and the others are answered."""
    put(root, "1", input=lines(dialect))
    fake.fault("live", fault, times=1)
    worker = HttpWorker(environment(fake))
    assert live(root, worker).exit_code == 0
    outcomes = [line["outcome"] for line in results(root, "1")]
    assert sorted(outcomes) == ["answered", "answered", "failed"]
    (failure,) = [line["error"] for line in results(root, "1") if line["error"]]
    assert failure["class"] == error_class
    assert len(fake.calls.of("live")) == 3


@pytest.mark.parametrize(
    ("worker", "words"),
    [
        pytest.param(dict.fromkeys(KEYS, ""), "there is no key for openai", id="none"),
        pytest.param(dict.fromkeys(KEYS, "wrong-key"), "Incorrect API key", id="wrong"),
    ],
)
def test_a_key_that_is_not_accepted_leaves_the_batch_as_it_is(
    worker: dict[str, str], words: str, root: Path, fake: FakeProvider
) -> None:
    """77: no request has failed, and with the right key the next pass answers all of them."""
    put(root, "1", input=lines("openai", 9))
    report = live(root, HttpWorker(environment(fake, **worker)))
    assert report.exit_code == 77
    assert report.batch("1").state is State.HELD
    assert isinstance(report.batch("1").failure, NoKey)
    assert words in report.batch("1").because
    assert len(fake.calls.of("live")) <= 4
    assert live(root, HttpWorker(environment(fake))).exit_code == 0
    assert [line["outcome"] for line in results(root, "1")] == ["answered"] * 9


def test_an_endpoint_that_is_not_there_fails_nothing(root: Path, fake: FakeProvider) -> None:
    """
    A server that nobody has started: the pass ends with 1 and says so, no request has failed, none was sent.

    However often it is tried, no attempt is used up; once the server is there, everything is answered.
    """
    put(root, "1", input=lines("openai"))
    for _ in range(3):
        report = live(root, HttpWorker(environment(fake), "compatible", "http://127.0.0.1:9/v1"))
        assert (report.exit_code, report.batch("1").state) == (1, State.FAILED)
        assert "127.0.0.1" in report.batch("1").because
    assert live(root, HttpWorker(environment(fake)), max_attempts=1).exit_code == 0
    assert [line["outcome"] for line in results(root, "1")] == ["answered"] * 3


def test_no_credit_ends_the_run_and_loses_nothing(root: Path, fake: FakeProvider) -> None:
    """What was answered is kept; the rest is asked once there is credit."""
    put(root, "1", input=lines("openai", 9))
    fake.fault("live", Refuse(429, "no credit", "insufficient_quota"), nth=5, times=None)
    report = live(root, HttpWorker(environment(fake)))
    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert "credit" in f"{report.batch('1').because} {report.batch('1').hint}"
    fake.faults.clear()
    before = len(fake.calls.of("live"))
    assert live(root, HttpWorker(environment(fake))).exit_code == 0
    assert len(fake.calls.of("live")) - before <= 5
    assert [line["outcome"] for line in results(root, "1")] == ["answered"] * 9


def test_a_line_that_the_service_does_not_take_is_told(root: Path, fake: FakeProvider) -> None:
    """Nothing is translated behind anybody's back, and nothing is sent."""
    put(root, "1", input=lines("anthropic", 1))
    assert live(root, HttpWorker(environment(fake), "openai")).exit_code == 0
    assert "does not take lines in the shape of anthropic" in results(root, "1")[0]["error"]["message"]
    assert fake.calls.of("live") == ()


def test_the_key_stands_nowhere(root: Path, fake: FakeProvider) -> None:
    """Not in answers, records, logs or progress, also where a server repeats it in its refusal."""
    put(root, "1", input=lines("openai"))
    fake.fault("live", Refuse(400, f"you sent {CANARY}"), times=1)
    live(root, HttpWorker(environment(fake)))
    assert all(CANARY.encode() not in data for data in files(root).values())


def test_a_redirect_is_not_followed(root: Path, fake: FakeProvider) -> None:
    """The key stays with the origin that it is for."""
    put(root, "1", input=lines("openai", 1))
    where = {"location": f"{fake.url('mistral')}/v1/chat/completions"}
    fake.fault("live", Reply(307, b"", headers=where))
    live(root, HttpWorker(environment(fake)), max_attempts=1)
    assert {call.dialect for call in fake.calls.of("live")} == {"openai"}
    assert results(root, "1")[0]["outcome"] == "failed"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(("", "http://localhost:1/v1", ""), "does not say who", id="address-without-service"),
        pytest.param(("compatible", "", ""), "nothing says where", id="nowhere"),
        pytest.param(("openai", "http://example.com/v1", ""), "https", id="plain-http"),
        pytest.param(("openai", "", "a model"), "local.model", id="model"),
    ],
)
def test_settings_that_cannot_be_obeyed_are_refused(given: tuple[str, str, str], words: str) -> None:
    """Before anything is done."""
    with pytest.raises(ConfigError, match=words):
        HttpWorker({}, *given)


# --- what live requests cost -----------------------------------------------------------------------------


def priced(name: str, count: int) -> list[dict[str, Any]]:
    """Requests to a model that has a price, each with a limit for its output."""
    return [
        {
            **line,
            "custom_id": f"{name}-{n}",
            "body": {**line["body"], "model": "gpt-4o-mini", "max_tokens": 100},
        }
        for n, line in enumerate(lines("openai", count))
    ]


def test_live_requests_are_held_to_the_limit_at_their_full_price(root: Path, fake: FakeProvider) -> None:
    """What is asked live is reserved for each of its sends, refused past the limit, and corrected."""
    worker = HttpWorker(environment(fake))
    price = price_of("openai", "gpt-4o-mini")
    assert price is not None
    most = int(price.rates.output * 100 * 3 * 3 * 1000)
    put(root, "a", input=priced("a", 3))

    held = live(root, worker, max_cost_usd=most / 10**9).batch("a")
    assert held.state is State.HELD
    assert fake.calls.count() == 0
    report = live(root, worker, max_cost_usd=2 * most / 10**9)

    assert report.batch("a").state is State.SETTLED
    (charge,) = spending(root).charges.values()
    assert (charge.live, charge.settled, charge.reserved) == (True, True, charge.reserved)
    assert charge.reserved is not None
    assert charge.reserved > most
    used = [tokens_of(json.loads(line)["response"]["body"]["usage"]) for line in _output(root, "a")]
    assert charge.nano == sum(int(price.of(each, live=True) * 10**9) for each in used if each is not None)
    assert check(str(root), settings()).findings == []


def test_what_is_reserved_is_for_the_model_that_is_asked(root: Path, fake: FakeProvider) -> None:
    """Where the environment names the model, the lines' own is asked by nobody, and no price of it counts."""
    put(root, "a", input=priced("a", 1))
    worker = HttpWorker(environment(fake, MODEL="x/dear"), "openrouter", fake.url("openai"))
    live(root, worker)

    assert results(root, "a")[0]["model"] == "x/dear"
    (charge,) = spending(root).charges.values()
    assert charge.reserved is None
    (told,) = [each for each in ledger(root) if each["event"] == "spend.reserved"]
    assert told["models"] == {"openrouter/x/dear": None}


def test_what_is_asked_live_once_more_costs_once_more(root: Path, fake: FakeProvider) -> None:
    """Where a person has taken a settled batch back, what its first run has cost counts beside the second."""
    put(root, "a", input=priced("a", 3))
    worker = HttpWorker(environment(fake))
    live(root, worker, max_cost_usd=1.0)
    first = spending(root)
    again = (root / "done" / "a" / "batch_input_a.jsonl").read_bytes()
    shutil.rmtree(root / "done" / "a")
    put(root, "a", input=again.splitlines())

    (estimate,) = [each["nano_usd"] for each in ledger(root) if each["event"] == "spend.reserved"]
    both = first.spent + estimate

    assert live(root, worker, max_cost_usd=(both - 1) / 10**9).batch("a").state is State.HELD
    live(root, worker, max_cost_usd=both / 10**9)
    assert (spending(root).spent, spending(root).reserved) == (first.spent * 2, 0)
    assert costs(str(root), settings()).batches == {"a": first.spent * 2}
    assert check(str(root), settings()).findings == []


def test_a_run_whose_progress_was_taken_away_has_cost_what_it_might(root: Path, fake: FakeProvider) -> None:
    """Nobody can tell what it has used, so that what was reserved for it counts beside the run made anew."""
    put(root, "a", input=priced("a", 3))
    worker = HttpWorker(environment(fake))
    fake.fault("live", Refuse(429, "no credit", "insufficient_quota"), nth=2)
    live(root, worker, max_cost_usd=1.0)
    estimate = spending(root).reserved
    assert estimate > 0
    (root / "workdir" / "batch_metadata_a.jsonl").unlink()
    for path in (root / ".reconciler" / "live").iterdir():
        path.unlink()

    held = live(root, worker, max_cost_usd=(2 * estimate - 1) / 10**9).batch("a")
    assert held.state is State.HELD
    assert spending(root).committed == estimate
    live(root, worker, max_cost_usd=2 * estimate / 10**9)
    used = [tokens_of(json.loads(line)["response"]["body"]["usage"]) for line in _output(root, "a")]
    price = price_of("openai", "gpt-4o-mini")
    assert price is not None
    second = sum(int(price.of(each, live=True) * 10**9) for each in used if each is not None)
    assert (spending(root).spent, spending(root).reserved) == (estimate + second, 0)
    assert check(str(root), settings()).findings == []


def test_what_has_been_answered_needs_no_room_below_a_limit(root: Path, fake: FakeProvider) -> None:
    """Killed between the last answer and the files: a limit that is lower by now holds nothing back."""
    put(root, "a", input=priced("a", 2))

    def trip(change: str, path: str) -> None:
        if path == "workdir/batch_output_a.jsonl":
            raise Crash(change)

    with pytest.raises(Crash):
        live(root, HttpWorker(environment(fake)), tap=trip, max_cost_usd=1.0)
    asked = fake.calls.count()

    assert live(root, HttpWorker(environment(fake)), max_cost_usd=1e-6).batch("a").state is State.SETTLED
    assert fake.calls.count() == asked == 2
    assert check(str(root), settings()).findings == []


def test_another_model_halfway_is_paid_besides_the_first(root: Path, fake: FakeProvider) -> None:
    """What a run has asked of a dear model costs its price, though a cheap one answers the rest of it."""
    put(root, "a", input=priced("a", 4))
    fake.fault("live", Refuse(429, "no credit", "insufficient_quota"), nth=3)
    live(root, HttpWorker(environment(fake), model="gpt-4o"), max_cost_usd=1.0)
    dear = spending(root).reserved
    cheap = HttpWorker(environment(fake), model="gpt-4o-mini")

    assert live(root, cheap, max_cost_usd=(dear - 1) / 10**9).batch("a").state is State.HELD
    assert live(root, cheap, max_cost_usd=dear / 10**9).batch("a").state is State.SETTLED
    told = [each["nano_usd"] for each in ledger(root) if each["event"] == "spend.reserved"]
    assert min(told) == dear
    bodies = [json.loads(line)["response"]["body"] for line in _output(root, "a")]
    assert {body["model"] for body in bodies} == {"gpt-4o", "gpt-4o-mini"}
    costs_of_each = [cost_of(body["usage"], "openai", body["model"], live=True) for body in bodies]
    assert spending(root).spent == sum(int(each * 10**9) for each in costs_of_each if each is not None)
    assert check(str(root), settings()).findings == []


def _output(root: Path, name: str) -> list[str]:
    """The answer lines of a settled batch."""
    return (root / "done" / name / f"batch_output_{name}.jsonl").read_text("utf-8").splitlines()
