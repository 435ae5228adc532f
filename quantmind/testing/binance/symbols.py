"""What is traded, with its filters, and how numbers are written."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Final

import attrs

_EIGHT: Final = Decimal("1E-8")


@attrs.frozen
class SymbolSettings:
    """A symbol and its filters, for spot and futures alike. Prices are in the quote asset, quantities in the base.

    Attributes:
        tick: every price is a multiple of it. 0: no such rule.
        step: every quantity is a multiple of it. 0: no such rule.
        market_max_qty: of a market order; 0: as for others.
        min_notional: price times quantity at least; of a market order, at the best price.
        max_notional: 0: no such rule.
        percent: a limit price may be so far from the last one, as a part of it; 0: no such rule.
        max_orders: open at once.
        max_stops: conditional orders open at once.
        max_lists: order lists open at once (spot).
        status: TRADING, HALT, BREAK, ...
        price_digits, quantity_digits: decimals that futures accept at all (-1111).
    """

    name: str
    base: str
    quote: str
    tick: Decimal = Decimal("0.01")
    step: Decimal = Decimal("0.00001")
    min_price: Decimal = Decimal("0.01")
    max_price: Decimal = Decimal(1000000)
    min_qty: Decimal = Decimal("0.00001")
    max_qty: Decimal = Decimal(9000)
    market_max_qty: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9000000)
    percent: Decimal = Decimal("0.5")
    max_orders: int = 200
    max_stops: int = 5
    max_lists: int = 20
    status: str = "TRADING"
    price_digits: int = 2
    quantity_digits: int = 3

    @property
    def most_at_market(self) -> Decimal:
        """The largest quantity of a market order."""
        return self.market_max_qty or self.max_qty


SPOT_SYMBOLS: Final[Sequence[SymbolSettings]] = (
    SymbolSettings("BTCUSDT", "BTC", "USDT"),
    SymbolSettings("ETHUSDT", "ETH", "USDT", step=Decimal("0.0001"), min_qty=Decimal("0.0001")),
)

FUTURES_SYMBOLS: Final[Sequence[SymbolSettings]] = (
    SymbolSettings(
        "BTCUSDT",
        "BTC",
        "USDT",
        tick=Decimal("0.10"),
        step=Decimal("0.001"),
        min_price=Decimal("556.80"),
        max_price=Decimal(4529764),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(1000),
        market_max_qty=Decimal(120),
        min_notional=Decimal(100),
        max_notional=Decimal(0),
        percent=Decimal("0.05"),
        max_stops=200,
    ),
    SymbolSettings(
        "ETHUSDT",
        "ETH",
        "USDT",
        tick=Decimal("0.01"),
        step=Decimal("0.001"),
        min_price=Decimal("39.86"),
        max_price=Decimal(306177),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(10000),
        market_max_qty=Decimal(2000),
        min_notional=Decimal(20),
        max_notional=Decimal(0),
        percent=Decimal("0.05"),
        max_stops=200,
    ),
)


def is_multiple(value: Decimal, unit: Decimal) -> bool:
    """Whether it is a multiple of the unit; a unit of 0 asks for nothing."""
    return not unit or value % unit == 0


def decimals(value: Decimal) -> int:
    """How many decimals it really has: 2 of 1.230."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def eight(value: Decimal) -> str:
    """As spot says numbers: always eight decimals; what is below is cut off."""
    return f"{value.quantize(_EIGHT, ROUND_DOWN):f}"


def plain(value: Decimal) -> str:
    """As futures say numbers: no exponent, and no noughts at the end ("0", "0.001", "5")."""
    if not value:
        return "0"
    return f"{value.normalize():f}"
