"""Estimates against what the provider says was used, for ten models of four providers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from reconciler.model.exchange import Dialect, Request
from reconciler.pricing.book import LISTED, price_of
from reconciler.pricing.estimate import estimate
from reconciler.pricing.quote import Quote
from reconciler.pricing.tokens import Tokens, tokens_of
from reconciler.providers.base import Remote
from reconciler.providers.http import Http
from reconciler.providers.keys import ProviderOptions
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider
from tests.online import Online
from tests.spending import spending
from tests.stopping import DAYS, KEYS, Shared
from tests.workspaces import Line, ledger, put, scratch

OUTPUT: Final = 400
TEXT: Final = (
    "Summarise in one paragraph what the attached minutes decide about the bridge over the river, who is to "
    "pay for it, by when, and which of the three objections of 14 May 2026 were taken up."
)
MODELS: Final = (
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1"),
    ("openai", "gpt-5-mini-2025-08-07"),
    ("anthropic", "claude-haiku-4-5-20251001"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-1-20250805"),
    ("gemini", "gemini-2.5-flash"),
    ("gemini", "gemini-2.5-pro"),
    ("mistral", "mistral-small-latest"),
    ("mistral", "mistral-large-2411"),
)


def line(provider: str, model: str, n: int) -> Line:
    """A request in the provider's own shape, with a limit for its output."""
    asked = [{"role": "user", "content": f"{TEXT} ({n})"}]
    match provider:
        case "anthropic":
            return {
                "custom_id": f"q-{n}",
                "params": {"model": model, "max_tokens": OUTPUT, "messages": asked},
            }
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": f"{TEXT} ({n})"}]}]
            config = {"maxOutputTokens": OUTPUT}
            return {"key": f"q-{n}", "request": {"contents": contents, "generationConfig": config}}
        case "mistral":
            return {"custom_id": f"q-{n}", "body": {"max_tokens": OUTPUT, "messages": asked}}
        case _:
            body = {"model": model, "max_completion_tokens": OUTPUT, "messages": asked}
            return {"custom_id": f"q-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def online(provider: str, model: str, fake: FakeProvider, root: Any, room: Http) -> Online:
    """A workspace, and the real client of a provider for one model."""
    options = ProviderOptions(
        base_url=fake.url(provider), model=model if provider in ("gemini", "mistral") else ""
    )
    client = make(provider, options, dict.fromkeys(KEYS, fake.key))
    assert isinstance(client, Remote)
    return Shared(root, fake, client, {"settle_seconds": 0}, room=room)


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_an_estimate_is_above_what_was_used_and_not_far(
    provider: str, model: str, fake_provider: FakeProvider
) -> None:
    """The input is estimated at one to three times its tokens, the output at its limit."""
    fake_provider.reset()
    fake_provider.clock.advance(60)
    price = price_of(provider, model)
    assert price is not None
    with scratch() as folder, Http(lambda seconds, _stop: fake_provider.clock.advance(seconds)) as room:
        put(folder / "w", "1", input=[line(provider, model, n) for n in range(20)])
        there = online(provider, model, fake_provider, folder / "w", room)
        there.run()
        (away,) = spending(folder / "w").charges.values()
        there.wait(DAYS)
        (done,) = spending(folder / "w").charges.values()
        settled = next(each for each in ledger(folder / "w") if each["event"] == "spend.settled")

    ((read, made, *_),) = settled["tokens"].values()
    assert away.nano is not None
    assert done.nano is not None
    exact = (price.rates.input * read + price.rates.output * made) * price.batch * 1000
    assert done.nano == exact
    output = price.rates.output * OUTPUT * 20 * price.batch * 1000
    estimated = away.nano - output
    assert 1 <= estimated / (price.rates.input * read * price.batch * 1000) <= 3
    assert done.nano < away.nano


# --- the pure parts -----------------------------------------------------------------------------------------


def request(body: dict[str, Any], dialect: Dialect = Dialect.OPENAI) -> Request:
    """A request with this body."""
    model = body.get("model")
    return Request("q", dialect, "/v1/chat/completions", body, model)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 16), ("a" * 300, 116), ("12345", 21), ("...", 19), ("日本語", 21)],
)
def test_text_is_counted_by_its_bytes(text: str, tokens: int) -> None:
    """Letters by three, digits and signs one by one, everything else by two bytes, and some around it."""
    assert estimate(request({"": text}), 0).tokens.input == tokens


@pytest.mark.parametrize(
    ("body", "output", "limited"),
    [
        ({"max_tokens": 5}, 5, True),
        ({"max_completion_tokens": 7, "n": 3}, 21, True),
        ({}, 1000, False),
        ({"max_tokens": 0}, 1000, False),
        ({"max_tokens": "many"}, 1000, False),
        ({"max_tokens": True}, 1000, False),
        # who does not know one of them obeys the other
        ({"max_completion_tokens": 7, "max_tokens": 50}, 50, True),
        # all of them are made, and the best is shown
        ({"max_tokens": 5, "n": 2, "best_of": 4}, 20, True),
        # an answer to each prompt; a list of numbers is one prompt
        ({"max_tokens": 5, "prompt": ["a", "b", "c"], "n": 2}, 30, True),
        ({"max_tokens": 5, "prompt": [[1, 2], [3]]}, 10, True),
        ({"max_tokens": 5, "prompt": [1, 2, 3]}, 5, True),
    ],
)
def test_output_is_the_limit_or_the_most(body: dict[str, Any], output: int, limited: bool) -> None:  # noqa: FBT001 - expected
    """Without a limit, the most of the model counts, and that is told."""
    found = estimate(request(body), 1000)

    assert (found.tokens.output, found.limited) == (output, limited)


@pytest.mark.parametrize("name", ["candidateCount", "candidate_count"])
def test_every_candidate_is_an_answer(name: str) -> None:
    """Gemini takes its settings in either way of writing, and so does an estimate."""
    body = {"contents": [], "generation_config": {"max_output_tokens": 5, name: 3}}

    assert estimate(request(body, Dialect.GEMINI), 1000).tokens.output == 15


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"cachedContent": "cachedContents/1", "contents": []}, "a cached prompt"),
        ({"previous_response_id": "resp_1", "input": "And then?"}, "an earlier answer"),
        ({"conversation": {"id": "conv_1"}, "input": "And then?"}, "a conversation"),
        ({"previous_response_id": None, "input": "And then?"}, ""),
    ],
)
def test_what_lies_at_the_provider_has_no_estimate(body: dict[str, Any], told: str) -> None:
    """What a body names and does not hold is read and paid for, however much it is."""
    found = estimate(request(body), 1000).unknown

    assert found == (f"{told} that the body only names" if told else "")


@pytest.mark.parametrize(("kept", "factor"), [({}, "1.25"), ({"ttl": "5m"}, "1.25"), ({"ttl": "1h"}, "2")])
def test_what_may_be_written_to_a_cache_costs_more(kept: dict[str, str], factor: str) -> None:
    """Where a body asks for a cache, all of it is estimated at what writing there costs."""
    price = price_of("anthropic", "claude-sonnet-4-5")
    assert price is not None
    text = {"type": "text", "text": TEXT, "cache_control": {"type": "ephemeral", **kept}}
    body = {"max_tokens": 1, "messages": [{"role": "user", "content": [text]}]}
    tokens = estimate(request(body, Dialect.ANTHROPIC), 1000).tokens

    assert price.of(tokens) == price.of(Tokens(tokens.read)) * Decimal(factor) + price.of(Tokens(output=1))


def image(wide: int, high: int) -> str:
    """The head of a PNG of this size, as a data URL."""
    import base64  # noqa: PLC0415 - only here

    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + wide.to_bytes(4) + high.to_bytes(4) + bytes(500_000)
    return "data:image/png;base64," + base64.b64encode(head).decode()


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-4o", (512, 512), 85 + 170),
        ("gpt-4o", (1024, 1024), 85 + 4 * 170),
        ("gpt-4o-mini", (512, 512), 2833 + 5667),
        ("gpt-4.1-mini", (1024, 1024), 1659),
    ],
)
def test_an_image_counts_by_the_rule_of_its_model(model: str, size: tuple[int, int], tokens: int) -> None:
    """The bytes of an image do not count as text; its size does."""
    part = {"type": "image_url", "image_url": {"url": image(*size)}}
    body = {"model": model, "messages": [{"role": "user", "content": [part]}]}

    found = estimate(request(body), 10)

    assert tokens <= found.tokens.input <= tokens + 100


def test_a_file_that_is_only_named_has_no_estimate() -> None:
    """What no rule knows is told, and its batch has no price."""
    part = {"type": "file", "file": {"file_id": "file-1"}}
    quote = Quote(LISTED)
    quote.add("openai", "gpt-4o", request({"messages": [{"role": "user", "content": [part]}]}))

    assert quote.nano is None
    assert list(quote.not_known()) == ["a file that the body only names in 1 of 1 requests"]


def test_a_tool_that_speaks_of_files_is_no_file() -> None:
    """The schema of a tool may name a parameter like a part of a body."""
    schema = {
        "type": "object",
        "properties": {"file_id": {"type": "string"}, "image_url": {"type": "string"}},
    }
    tool = {"type": "function", "function": {"name": "open", "parameters": schema}}

    found = estimate(request({"tools": [tool], "messages": []}), 10)

    assert not found.unknown
    assert found.tokens.input > 800


def test_long_requests_cost_their_higher_rates() -> None:
    """A request above the tier of its model is summed apart from those below it."""
    quote = Quote(LISTED)
    body = {"contents": [{"parts": [{"text": "a " * 600_000}]}], "generationConfig": {"maxOutputTokens": 10}}
    for each in (body, {**body, "contents": []}):
        quote.add("gemini", "gemini-2.5-pro", request(each, Dialect.GEMINI))
    (share,) = quote.shares.values()

    assert share.high.input > 200_000
    assert 0 < share.low.input < 1000
    assert share.price is not None
    low, high = share.price.of(share.low, above=False), share.price.of(share.high, above=True)
    assert quote.nano == -(-(low + high) * 10**9 // 1)


def test_usage_that_nobody_reports_is_none() -> None:
    """An answer without usage is not one that costs nothing."""
    assert tokens_of({}) is None
