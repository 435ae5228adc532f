"""From the package's doubles to exact values: a price is 65380.340000000004 there and 65380.34 here."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

_WIDE: Final = Context(prec=40, rounding=ROUND_HALF_EVEN)
_MOST: Final = 1e15
_VOLUME_DIGITS: Final = 8


def number(value: Any, field: str) -> float:
    """A finite double. Raises ValueError that names the field."""
    if isinstance(value, bool) or (not isinstance(value, int | float) and not hasattr(value, "__float__")):
        raise ValueError(f"{field} must be a number, was {value!r:.60}")
    found = float(value)
    if not math.isfinite(found) or abs(found) > _MOST:
        raise ValueError(f"{field} is out of bounds: {found!r}")
    return found


def whole(value: Any, field: str, *, most: int = 2**64 - 1) -> int:
    """A whole number from 0 up. Raises ValueError that names the field."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{field} must be a whole number, was {value!r:.60}") from None
    if not 0 <= found <= most:
        raise ValueError(f"{field} is out of bounds: {found}")
    return found


def text(value: Any, field: str, *, most: int = 256) -> str:
    """A text without control characters. Raises ValueError that names the field."""
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"{field} must be a text of at most {most} characters, was {value!r:.60}")
    return "".join(each if each.isprintable() else " " for each in value)


def rounded(value: Any, field: str, digits: int) -> Decimal:
    """A number to so many digits behind the point."""
    return Decimal(repr(number(value, field))).quantize(Decimal(1).scaleb(-digits), context=_WIDE)


def price(value: Any, field: str, digits: int) -> Decimal:
    """A price with its symbol's digits."""
    found = rounded(value, field, digits)
    if found < 0:
        raise ValueError(f"{field} is a negative price: {found}")
    return found


def level(value: Any, field: str, digits: int) -> Decimal | None:
    """A stop, or a price that may be none: the package's 0.0."""
    return price(value, field, digits) or None


def lots(value: Any, field: str) -> Decimal:
    """A volume: 0.30000000000000004 is 0.3."""
    found = rounded(value, field, _VOLUME_DIGITS).normalize(_WIDE)
    if found < 0:
        raise ValueError(f"{field} is a negative volume: {found}")
    return found if found.as_tuple().exponent <= 0 else found.quantize(Decimal(1))  # type: ignore[operator]


def exact(value: Any, field: str) -> Decimal:
    """A step or a size as its shortest decimal: 0.01, 100000."""
    return lots(value, field)


def money(value: Any, field: str, digits: int = 2) -> Decimal:
    """An amount of the account's currency."""
    return rounded(value, field, digits)


def nearest_double(value: Any, field: str, digits: int) -> float:
    """The double nearest to the price that is meant: ticks are doubles, and the same price must be the same one."""
    return float(round(number(value, field), digits))
