"""Amounts of money: exact in sums, whole nano-dollars on disk, dollars for people."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final

NANO: Final = 1_000_000_000
"""Nano-dollars in a dollar."""

_CENT: Final = Decimal("0.01")


def nano(amount: Decimal) -> int:
    """Whole nano-dollars; a part of one counts as one."""
    return int((amount * NANO).to_integral_value(ROUND_CEILING))


def dollars(amount: int) -> Decimal:
    """Nano-dollars as dollars."""
    return Decimal(amount) / NANO


def shown(amount: int) -> str:
    """Nano-dollars for people: `$12.34`, and as many digits as small amounts need."""
    exact = dollars(amount)
    if exact == 0 or exact >= 1 or exact == exact.quantize(_CENT):
        return f"${exact.quantize(_CENT, ROUND_CEILING)}"
    digits = 2 - exact.adjusted()
    return f"${exact.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING):f}"
