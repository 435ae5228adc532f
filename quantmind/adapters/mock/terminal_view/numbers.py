"""Between a terminal's doubles and a paper account's exact decimals."""

from __future__ import annotations

import math
from decimal import Decimal

from quantmind.domain.symbols import SymbolSpec

_VOLUME_DIGITS = 8
_NOISE = 1e-4
"""A double this near to a price (in points) means it: 1.2440000000000002 is 1.244."""


def shown_price(price: Decimal | None) -> float:
    """A price as a terminal's structures have it: whole part and fraction are added as doubles, none is 0.0.

    So 1.69213 is 1.6921300000000001 there, which recorded structures show; the nearest double would print as 1.69213.
    """
    if price is None:
        return 0.0
    whole = int(price)
    return float(whole) + float(price - whole)


def price_of(value: float, spec: SymbolSpec) -> Decimal:
    """The price that a double of a request means; one between two prices stays itself, for the account to refuse."""
    if not math.isfinite(value) or abs(value) > 1e15:
        return Decimal(repr(value))
    near = Decimal(f"{value:.{spec.digits}f}")
    off = abs(value - float(near)) / float(spec.point)
    return near if off < _NOISE else Decimal(repr(value))


def volume_of(value: float) -> Decimal:
    """The volume in lots that a double means: 0.30000000000000004 is 0.3."""
    return Decimal(repr(round(value, _VOLUME_DIGITS))) if math.isfinite(value) else Decimal(repr(value))
