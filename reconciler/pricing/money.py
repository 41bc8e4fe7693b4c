"""Amounts of money: exact in sums, whole nano-dollars on disk, dollars for people."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Final

import attrs

NANO: Final = 1_000_000_000
"""Nano-dollars in a dollar."""

_CENT: Final = Decimal("0.01")
_DIGITS: Final = 400
"""Digits of an amount at the most; what a limit, a price or a request says may be absurd."""


def nano(amount: Decimal) -> int:
    """Whole nano-dollars; a part of one counts as one."""
    return int((amount * NANO).to_integral_value(ROUND_CEILING))


def dollars(amount: int) -> Decimal:
    """Nano-dollars as dollars."""
    return Decimal(amount) / NANO


def shown(amount: int) -> str:
    """Nano-dollars for people: `$12.34`, and as many digits as small amounts need."""
    with localcontext(prec=_DIGITS):
        exact = dollars(amount)
        if exact == 0 or exact >= 1 or exact == exact.quantize(_CENT):
            return f"${exact.quantize(_CENT, ROUND_CEILING):f}"
        digits = 2 - exact.adjusted()
        return f"${exact.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING):f}"


@attrs.frozen
class Cap:
    """
    The lowest limit of cost.

    Attributes:
        nano: In nano-dollars; None where there is none.
        origin: Who sets it, for people.
    """

    nano: int | None = None
    origin: str = ""

    def lower(self, other: Cap) -> Cap:
        """The lower of two limits; the first where they are equal."""
        if self.nano is None:
            return other
        return other if other.nano is not None and other.nano < self.nano else self


NO_CAP: Final = Cap()


def floor(amount: float | Decimal) -> int:
    """A limit in dollars as whole nano-dollars, never more than it says."""
    exact = amount if isinstance(amount, Decimal) else Decimal(repr(amount))
    return int((exact * NANO).to_integral_value(ROUND_FLOOR))
