"""What a batch may cost before it is sent: an estimate by model, with all that is not known said so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from reconciler.model.exchange import Request
from reconciler.pricing.book import MOST, Book
from reconciler.pricing.estimate import estimate
from reconciler.pricing.money import nano
from reconciler.pricing.price import Price
from reconciler.pricing.tokens import Tokens

NONE: Final = Tokens()


@attrs.define
class Share:
    """
    What is asked of one model.

    Attributes:
        provider: Who is asked.
        model: The model; empty where nobody names one.
        price: What it costs; None where nobody knows.
        live: Whether it is asked live, at full price.
        requests: How many requests there are.
        assumed: How many of them set no limit for their output, so that the most of the model is assumed.
        low: Their tokens.
        high: Tokens of requests so long that they cost more.
        unknown: What there is no estimate for, by what it is.
    """

    provider: str
    model: str
    price: Price | None
    live: bool
    requests: int = 0
    assumed: int = 0
    low: Tokens = NONE
    high: Tokens = NONE
    unknown: dict[str, int] = attrs.field(factory=dict)

    @property
    def tokens(self) -> Tokens:
        """All tokens."""
        return self.low + self.high

    def cost(self, sends: int = 1) -> int | None:
        """Nano-dollars for so many sends; None where that is not known."""
        if self.price is None or self.unknown:
            return None
        low = self.price.of(self.low, live=self.live, above=False)
        return nano((low + self.price.of(self.high, live=self.live, above=True)) * sends)


@attrs.define
class Quote:
    """
    An estimate that grows with each request.

    Attributes:
        book: The prices.
        sends: How often each request may be sent under it.
        shares: What is asked, by provider and model.
    """

    book: Book
    sends: int = 1
    shares: dict[tuple[str, str], Share] = attrs.field(factory=dict)

    def add(self, provider: str, model: str | None, request: Request, *, live: bool = False) -> None:
        """Take one request in."""
        named = model or ""
        share = self.shares.get((provider, named))
        if share is None:
            share = Share(provider, named, self.book.price_of(provider, named), live)
            self.shares[provider, named] = share
        price = share.price
        guess = estimate(request, MOST if price is None else price.most, named)
        share.requests += 1
        share.assumed += not guess.limited
        if guess.unknown:
            share.unknown[guess.unknown] = share.unknown.get(guess.unknown, 0) + 1
        if price is not None and price.is_above(guess.tokens):
            share.high += guess.tokens
        else:
            share.low += guess.tokens

    @property
    def nano(self) -> int | None:
        """All of it in nano-dollars; None where a part is not known."""
        found = self.by_model.values()
        return None if None in found else sum(each for each in found if each is not None)

    @property
    def known(self) -> int:
        """What is known of it, in nano-dollars."""
        return sum(each for each in self.by_model.values() if each is not None)

    @property
    def by_model(self) -> Mapping[str, int | None]:
        """The cost by `provider/model`."""
        return {f"{each.provider}/{each.model}": each.cost(self.sends) for each in self.shares.values()}

    @property
    def requests(self) -> int:
        """How many requests it is for."""
        return sum(each.requests for each in self.shares.values())

    @property
    def assumed(self) -> int:
        """How many of them set no limit for their output."""
        return sum(each.assumed for each in self.shares.values())

    def not_known(self) -> Iterator[str]:
        """What is not known, in words."""
        for each in self.shares.values():
            if each.price is None:
                named = (
                    f"{each.provider}'s {each.model}" if each.model else f"{each.provider}, no model named"
                )
                yield f"no price is known for {named}"
            for what, count in each.unknown.items():
                yield f"{what} in {count} of {each.requests} requests"
