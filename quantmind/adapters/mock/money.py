"""Cents, and prices as exact decimals: where the floats of ticks stop."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
WIDE = Context(prec=80)
"""Whatever sizes a configuration asks for, rounding to cents must not fail."""
HIGHEST_PRICE = 10**12
"""Above it a price is a slip of the keyboard or a torn file, and can't be counted exactly any more."""


def cents(amount: Decimal) -> Decimal:
    """The amount in whole cents, halves away from zero, as a trade server books it.

    Halves go the same way for a gain and a loss, so that two mirrored deals always cancel out.
    """
    rounded = amount.quantize(CENT, ROUND_HALF_UP, WIDE)
    return ZERO if rounded == 0 else rounded


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """The part's share of an amount, in whole cents. The rest gets what is left, so that shares add up."""
    return cents(WIDE.divide(WIDE.multiply(amount, part), whole))


def exact_price(price: float, digits: int) -> Decimal:
    """The price as the symbol shows it: a double such as 65380.340000000004 is 65380.34."""
    return Decimal(f"{price:.{digits}f}")
