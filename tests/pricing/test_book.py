"""Prices: what the list knows, what users say instead, and exact sums."""

from decimal import Decimal

import pytest

from reconciler.pricing.book import Book, Told, _list, cost_of, price_of
from reconciler.pricing.money import nano, shown
from reconciler.pricing.tokens import Tokens, tokens_of

OPENAI = {"prompt_tokens": 1000, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 400}}
ANTHROPIC = {
    "input_tokens": 1000,
    "output_tokens": 200,
    "cache_read_input_tokens": 500,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
}
GEMINI = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 50,
    "thoughtsTokenCount": 150,
    "cachedContentTokenCount": 400,
}
RESPONSES = {"input_tokens": 1000, "output_tokens": 200, "input_tokens_details": {"cached_tokens": 400}}


def test_every_row_of_the_list_has_a_price_that_can_be_paid() -> None:
    """No row is negative, dearer in a batch than live, or cheaper above its tier than below."""
    rows = _list()
    assert len(rows) > 90
    for price in rows.values():
        assert price.rates.input > 0
        assert 0 <= price.rates.cached <= price.rates.input
        assert price.rates.output >= 0
        assert 0 < price.batch <= 1
        assert (price.most == 0) == (price.rates.output == 0)
        if price.above is not None:
            assert price.from_tokens > 0
            assert price.above.input > price.rates.input
            assert price.above.output > price.rates.output


@pytest.mark.parametrize(
    ("provider", "model", "row"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("openai", "gpt-5-chat-latest", "gpt-5-chat"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("gemini", "models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini", "gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gemini", "gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
        ("mistral", "mistral-large-2411", "mistral-large-2411"),
    ],
)
def test_a_snapshot_costs_what_its_family_does(provider: str, model: str, row: str) -> None:
    """A dated name comes to the row of its family, unless it has one of its own."""
    price = price_of(provider, model)

    assert price is not None
    assert price.model == row


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-audio-preview"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:me::abc"),
        ("openai", "gpt-4o-mini-9"),
        ("openai", "claude-sonnet-4-5"),
        ("azure", "gpt-4o"),
        ("gemini", "gemini-flash-latest"),
        ("gemini", "gemini-2.5-flash-image"),
        ("mistral", "mistral-large-2699"),
        ("openrouter", "openai/gpt-4o"),
        ("openai", ""),
        ("openai", None),
    ],
)
def test_what_no_row_knows_has_no_price(provider: str, model: str | None) -> None:
    """A name that is only like a known one is not taken for it."""
    assert price_of(provider, model) is None
    assert cost_of(OPENAI, provider, model) is None


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (OPENAI, Tokens(600, 200, 400)),
        (RESPONSES, Tokens(600, 200, 400)),
        (ANTHROPIC, Tokens(1000, 200, 500, 200, 100)),
        (GEMINI, Tokens(600, 200, 400)),
        ({"prompt_tokens": 7, "total_tokens": 7}, Tokens(7)),
        ({"prompt_tokens": "many", "completion_tokens": True}, Tokens()),
        ({}, None),
        (None, None),
        ({"characters": 5}, None),
    ],
)
def test_usage_is_read_in_every_shape(usage: dict[str, object] | None, tokens: Tokens | None) -> None:
    """Cached tokens are taken out of the input where a provider counts them in it, and only there."""
    assert tokens_of(usage) == tokens


@pytest.mark.parametrize(
    ("usage", "provider", "model", "live", "cost"),
    [
        # at full price, what was read from a cache is cheaper
        (OPENAI, "openai", "gpt-4o", True, "0.004"),
        # cached tokens are no cheaper in batches of OpenAI
        (OPENAI, "openai", "gpt-4o", False, "0.00225"),
        # so they are at Anthropic, where writing to the cache costs more
        (ANTHROPIC, "anthropic", "claude-sonnet-4-5", True, "0.0075"),
        (ANTHROPIC, "anthropic", "claude-sonnet-4-5", False, "0.00375"),
        (GEMINI, "gemini", "gemini-2.5-flash", False, "0.0004"),
        ({"prompt_tokens": 3}, "openai", "gpt-5-nano", False, "0.000000075"),
        ({"promptTokenCount": 200_001}, "gemini", "gemini-2.5-pro", True, "0.5000025"),
        ({"promptTokenCount": 200_000}, "gemini", "gemini-2.5-pro", True, "0.25"),
    ],
)
def test_an_answer_costs_what_its_provider_says(
    usage: dict[str, object], provider: str, model: str, *, live: bool, cost: str
) -> None:
    """The sum is exact to the last digit, at full price live and at the batch price otherwise."""
    assert cost_of(usage, provider, model, live=live) == Decimal(cost)


def test_a_user_says_what_the_list_does_not_know() -> None:
    """A price of a user counts before that of the list, for its model or for all of a provider."""
    book = Book(
        (
            Told("azure", "my-deployment", "config.toml", Decimal(2), Decimal(4)),
            Told("ollama", "*", "config.toml", Decimal(0), Decimal(0)),
            Told("openai", "gpt-4o", "config.toml", output=Decimal(7)),
        )
    )

    mine, any_model, part = (
        book.price_of("azure", "my-deployment"),
        book.price_of("ollama", "llama3"),
        book.price_of("openai", "gpt-4o-2024-08-06"),
    )

    assert mine is not None
    assert (mine.rates.input, mine.rates.cached, mine.batch) == (Decimal(2), Decimal(2), Decimal("0.5"))
    assert any_model is not None
    assert any_model.of(Tokens(10**9, 10**9)) == 0
    assert part is not None
    assert (part.rates.input, part.rates.output) == (Decimal("2.5"), Decimal(7))
    assert part.origin == "config.toml"


def test_a_workspace_makes_nothing_cheaper() -> None:
    """A price of a workspace counts where it is higher than the list and the user, and where nobody knows."""
    told = (
        Told("openai", "gpt-4o", "config.toml", Decimal(3), Decimal(9)),
        Told("openai", "gpt-4o", "here", Decimal(1), Decimal(20), raises_only=True),
        Told("openai", "gpt-4o-mini", "here", Decimal(0), Decimal(0), raises_only=True),
        Told("openai", "mine", "here", Decimal(1), Decimal(1), raises_only=True),
    )
    book = Book(told)

    gpt, mini, mine = (book.price_of("openai", model) for model in ("gpt-4o", "gpt-4o-mini", "mine"))

    assert gpt is not None
    assert (gpt.rates.input, gpt.rates.output) == (Decimal(3), Decimal(20))
    assert mini == price_of("openai", "gpt-4o-mini")
    assert mine is not None
    assert mine.rates.input == 1


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "$0.00"),
        (1, "$0.00000000100"),
        (1_234_567, "$0.00124"),
        (12_340_000, "$0.0124"),
        (2_500_000_000, "$2.50"),
        (2_500_000_001, "$2.51"),
    ],
)
def test_money_is_shown_and_never_rounded_down(amount: int, words: str) -> None:
    """What people see is never less than what it is."""
    assert shown(amount) == words


def test_a_part_of_a_nano_dollar_counts_as_one() -> None:
    """What is written down is never less than what it is."""
    assert nano(Decimal("0.0000000012")) == 2
    assert nano(Decimal("0.000000001")) == 1


@pytest.mark.parametrize(
    ("provider", "model", "known"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai", "gpt-4o-mini-latest", "gpt-4o-mini"),
        ("azure", "mine", "other"),
    ],
)
def test_a_workspace_makes_no_other_name_of_a_known_price_cheaper(
    provider: str, model: str, known: str
) -> None:
    """Neither a dated snapshot of a family, nor a model that a user's row for all others has a price for."""
    user = (Told("azure", "*", "user", Decimal(1), Decimal(2)),)
    free = Told(provider, model, "here", Decimal(0), Decimal(0), Decimal(0), Decimal(0), 0, raises_only=True)
    price, without = (Book((*user, *more)).price_of(provider, model) for more in ((free,), ()))
    assert price is not None
    assert without is not None
    assert (price.rates, price.batch, price.most) == (without.rates, without.batch, without.most)
    other = Book(user).price_of(provider, known)
    assert other is not None
    assert price.rates == other.rates


def test_a_workspace_raises_the_price_of_a_snapshot_by_its_family() -> None:
    """What it says of a family counts for each snapshot, and what it says of all others for those alone."""
    told = (
        Told("openai", "gpt-4o", "here", Decimal(50), Decimal(60), raises_only=True),
        Told("openai", "*", "here", Decimal(70), Decimal(80), raises_only=True),
    )
    book = Book(told)
    inputs = {
        model: price.rates.input
        for model in ("gpt-4o-2024-08-06", "gpt-4o-mini", "mine")
        if (price := book.price_of("openai", model)) is not None
    }
    assert inputs == {"gpt-4o-2024-08-06": 50, "gpt-4o-mini": Decimal("0.15"), "mine": 70}
