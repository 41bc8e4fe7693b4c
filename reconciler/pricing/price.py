"""What the tokens of one model cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs

from reconciler.pricing.tokens import Tokens

MILLION: Final = 1_000_000


@attrs.frozen
class Rates:
    """
    Dollars for a million tokens.

    Attributes:
        input: Of a prompt.
        output: Of an answer, thoughts included.
        cached: Of a prompt, read from a cache.
    """

    input: Decimal
    output: Decimal
    cached: Decimal


@attrs.frozen
class Price:
    """
    What a model costs.

    Attributes:
        provider: Whose price it is.
        model: The row that says so: the model, or the family of a snapshot.
        rates: For a live request.
        most: The most that one answer may have of tokens.
        batch: What part of that a batch costs.
        origin: Who says so, for people.
        above: For requests with more than `from_tokens` of input; None where there is no difference.
        from_tokens: Where these begin.
        stacks: Whether what was read from a cache is cheaper in batches too.
        written: What writing to a cache costs, in parts of the input price, for a short and a long time.
    """

    provider: str
    model: str
    rates: Rates
    most: int
    batch: Decimal
    origin: str
    above: Rates | None = None
    from_tokens: int = 0
    stacks: bool = False
    written: tuple[Decimal, Decimal] = (Decimal(1), Decimal(1))

    def is_above(self, tokens: Tokens) -> bool:
        """Whether one request with so many tokens costs the higher rates."""
        return self.above is not None and tokens.read > self.from_tokens

    def of(self, tokens: Tokens, *, live: bool = False, above: bool | None = None) -> Decimal:
        """
        What tokens cost, in dollars.

        Args:
            tokens: Those of one request; of several where *above* is told.
            live: At the price of a live request; otherwise at that of a batch.
            above: Whether they cost the higher rates; None to tell by the tokens.
        """
        is_above = self.is_above(tokens) if above is None else above
        rates = self.above if is_above and self.above is not None else self.rates
        cached = rates.cached if live or self.stacks else rates.input
        short, long = self.written
        full = (
            rates.input * (tokens.input + tokens.written * short + tokens.written_long * long)
            + cached * tokens.cached
            + rates.output * tokens.output
        )
        return full * (1 if live else self.batch) / MILLION
