"""What `[prices]` says: a table for each provider and model, held to being prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from reconciler.config.table import HUGE, nearest, shown
from reconciler.errors import ConfigError
from reconciler.pricing.book import Told

SECTION: Final = "prices"
_MONEY: Final = ("input", "output", "cached", "batch")
KEYS: Final = (*_MONEY, "most")


def read_prices(origin: str, table: Any) -> tuple[Told, ...]:
    """
    The prices of one settings file.

    Args:
        origin: The file.
        table: Its `[prices]`.

    Raises:
        ConfigError: Something in it is no price.
    """
    if not isinstance(table, dict) or not all(isinstance(each, dict) for each in table.values()):
        hint = 'write [prices.PROVIDER."MODEL"], and below it input = 0.15 and output = 0.6'
        raise ConfigError(f"{origin}: [prices] holds something else than tables", hint=hint)
    return tuple(
        _told(origin, provider, model, row)
        for provider, models in table.items()
        for model, row in models.items()
    )


def _told(origin: str, provider: str, model: str, row: Any) -> Told:
    where = f'[prices.{provider:.60}."{model:.60}"]'
    if not isinstance(row, Mapping):
        hint = f'write {where}, and below it input = 0.15 and output = 0.6; "*" is every model'
        raise ConfigError(f"{origin}: {where} is no table", hint=hint)
    for key in row:
        if key not in KEYS:
            raise ConfigError(f"{origin}: {where}: unknown key {key:.60}", hint=nearest(key, KEYS))
    money = dict(_amounts(origin, where, row))
    if (money.get("batch") or Decimal(0)) > 1:
        raise ConfigError(
            f"{origin}: {where}: batch is a part of the full price", hint="batch = 0.5 is half of it"
        )
    most = row.get("most")
    if most is not None and (type(most) is not int or not 0 <= most < HUGE):
        raise ConfigError(f"{origin}: {where}: most is {shown(most)}, expected a number of tokens")
    return Told(
        provider,
        model.removeprefix("models/"),
        origin,
        money.get("input"),
        money.get("output"),
        money.get("cached"),
        money.get("batch"),
        most,
    )


def _amounts(origin: str, where: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Decimal]]:
    """The numbers of a row, as exact as they were written."""
    for key in _MONEY:
        value = row.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < HUGE:
            told = f"{origin}: {where}: {key} is {shown(value)}, expected dollars for a million tokens"
            raise ConfigError(told)
        yield key, Decimal(repr(value))
