"""
Prices by provider and model: the kept list, and what users say instead.

A name that has no row of its own counts as its family, where only the date of a snapshot makes the
difference. What no row knows has no price.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final

import attrs

from reconciler.pricing.price import Price, Rates
from reconciler.pricing.tokens import tokens_of

ANY: Final = "*"
"""The row of every model of a provider that has none of its own."""

HALF: Final = Decimal("0.5")

MOST: Final = 131_072
"""Tokens that an answer may have where nobody says how many."""


# What makes a snapshot of a family: a date, or a word that stands for the latest one.
_DATED: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|20\d{6})$")
_SNAPSHOT: Final = {
    "openai": re.compile(r"-latest$"),
    "anthropic": re.compile(r"-latest$"),
    "gemini": re.compile(r"-(?:latest|\d{3}|preview(?:-\d{2}-(?:\d{4}|\d{2}))?)$"),
}


@attrs.frozen
class Told:
    """
    What a user says of one model's price; None where they say nothing.

    Attributes:
        provider: Whose model it is.
        model: The model, or `*`.
        origin: Where they say it.
        input: Dollars for a million tokens of input.
        output: The same for output.
        cached: The same for input that was read from a cache.
        batch: What part of that a batch costs.
        most: The most tokens that one answer may have.
        raises_only: It may not make anything cheaper than what is said elsewhere.
    """

    provider: str
    model: str
    origin: str
    input: Decimal | None = None
    output: Decimal | None = None
    cached: Decimal | None = None
    batch: Decimal | None = None
    most: int | None = None
    raises_only: bool = False


@attrs.frozen
class Book:
    """
    Prices, looked up by provider and model.

    Attributes:
        told: What users say, the lowest level first.
    """

    told: tuple[Told, ...] = ()

    def price_of(self, provider: str, model: str | None) -> Price | None:
        """What a model costs; None where nobody knows."""
        model = (model or "").removeprefix("models/")
        # Who may only raise a price is heard last: a family, or a row for all others, is known before them.
        found = self._known(provider, model)
        row = self._row(provider, model, found)
        for each in self.told:
            if each.raises_only and each.provider == provider and each.model == row:
                found = _with(found, attrs.evolve(each, model=model or ANY))
        return found

    def _known(self, provider: str, model: str) -> Price | None:
        """The same without those who may only raise a price."""
        found = _listed(provider, model)
        for each in self.told:
            if not each.raises_only and each.provider == provider and each.model == model:
                found = _with(found, each)
        if found is None and model:
            family = _family(provider, model)
            if family != model:
                return self._known(provider, family)
        if found is None:
            for each in self.told:
                if not each.raises_only and each.provider == provider and each.model == ANY:
                    found = _with(found, attrs.evolve(each, model=model or ANY))
        return found

    def _row(self, provider: str, model: str, known: Price | None) -> str:
        """The row that may raise it: its own, its family's, or that of all others where nobody knows it."""
        named = {each.model for each in self.told if each.raises_only and each.provider == provider}
        rows = [model]
        while (family := _family(provider, rows[-1])) not in rows:
            rows.append(family)
        return next((each for each in rows if each in named), model if known else ANY)

    def cost_of(
        self, usage: Mapping[str, Any] | None, provider: str, model: str | None, *, live: bool = False
    ) -> Decimal | None:
        """
        What one answer has cost, in dollars; None where its price, or what it used, is not known.

        Args:
            usage: As its provider reports it.
            provider: Whom it was asked.
            model: The model that was asked, or that answered.
            live: It was a live request, at full price; otherwise one of a batch.
        """
        tokens, price = tokens_of(usage), self.price_of(provider, model)
        return None if tokens is None or price is None else price.of(tokens, live=live)


LISTED: Final = Book()
"""The kept list alone."""


def price_of(provider: str, model: str | None) -> Price | None:
    """What a model costs by the kept list; None where that does not know it."""
    return LISTED.price_of(provider, model)


def cost_of(
    usage: Mapping[str, Any] | None, provider: str, model: str | None, *, live: bool = False
) -> Decimal | None:
    """What one answer has cost by the kept list, in dollars; None where that is not known."""
    return LISTED.cost_of(usage, provider, model, live=live)


def _listed(provider: str, model: str) -> Price | None:
    """A row of the kept list."""
    return _list().get((provider, model))


@cache
def _list() -> Mapping[tuple[str, str], Price]:
    """The kept list."""
    import tomllib  # noqa: PLC0415 - where something is priced
    from importlib import resources  # noqa: PLC0415 - likewise

    text = (resources.files("reconciler.pricing") / "prices.toml").read_text("utf-8")
    tables = tomllib.loads(text, parse_float=Decimal)
    return {(each.provider, each.model): each for each in _rows(tables)}


def _rows(tables: Mapping[str, Any]) -> Iterable[Price]:
    for provider, table in tables.items():
        short, long = table.get("written", (1, 1))
        for model, row in table["models"].items():
            above = None
            if "above" in row:
                cached = row.get("above_cached", row["above_input"])
                above = _rates(row["above_input"], row["above_output"], cached)
            yield Price(
                provider,
                model,
                _rates(row["input"], row["output"], row.get("cached", row["input"])),
                row["most"],
                Decimal(table["batch"]),
                f"the list of {table['taken']}",
                above,
                row.get("above", 0),
                table.get("stacks", False),
                (Decimal(short), Decimal(long)),
            )


def _rates(*values: Any) -> Rates:
    return Rates(*(Decimal(each) for each in values))


def _family(provider: str, model: str) -> str:
    """The name without what only tells which snapshot of its family it is."""
    bare = _DATED.sub("", model)
    marks = _SNAPSHOT.get(provider)
    return bare if bare != model or marks is None else marks.sub("", model)


def _with(known: Price | None, told: Told) -> Price | None:
    """A price as a user says it; what they leave out is as it was known."""
    if known is None:
        if told.input is None or told.output is None:
            return None
        rates = Rates(told.input, told.output, told.input if told.cached is None else told.cached)
        batch = HALF if told.batch is None else told.batch
        most = MOST if told.most is None else told.most
        return Price(told.provider, told.model, rates, most, batch, told.origin)
    before = known.rates
    cached = before.cached if told.cached is None else told.cached
    if told.cached is None and told.input is not None:
        cached = told.input
    rates = Rates(
        before.input if told.input is None else told.input,
        before.output if told.output is None else told.output,
        cached,
    )
    batch = known.batch if told.batch is None else told.batch
    most = known.most if told.most is None else told.most
    above = known.above if told.input is None and told.output is None else None
    new = attrs.evolve(known, rates=rates, batch=batch, most=most, above=above, origin=told.origin)
    return _raised(known, new) if told.raises_only else new


def _raised(known: Price, new: Price) -> Price:
    """The dearer of two prices, in each of their parts."""
    rates = Rates(*map(max, attrs.astuple(known.rates), attrs.astuple(new.rates)))
    above = known.above
    if above is not None:
        above = Rates(*map(max, attrs.astuple(above), attrs.astuple(rates)))
    batch = max(known.batch, new.batch)
    changed = rates != known.rates or batch != known.batch
    origin = new.origin if changed else known.origin
    return attrs.evolve(
        known, rates=rates, batch=batch, most=max(known.most, new.most), above=above, origin=origin
    )
