"""Cents, and prices as exact decimals: where the floats of ticks stop."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
_WIDE = Context(prec=80)
"""Whatever sizes a configuration asks for, rounding to cents must not fail."""
HIGHEST_PRICE = 10**12
"""Above it a price is a slip of the keyboard or a torn file, and can't be counted exactly any more."""


def cents(amount: Decimal) -> Decimal:
    """The amount in whole cents, halves away from zero, as a trade server books it.

    Halves go the same way for a gain and a loss, so that two mirrored deals always cancel out.
    """
    rounded = amount.quantize(CENT, ROUND_HALF_UP, _WIDE)
    return ZERO if rounded == 0 else rounded


def exact_price(price: float, digits: int) -> Decimal:
    """The price as the symbol shows it: a double such as 65380.340000000004 is 65380.34."""
    return Decimal(f"{price:.{digits}f}")
