"""Symbols: what a broker says of an instrument, and the grids of its prices and volumes."""

from __future__ import annotations

import enum
import re
from decimal import ROUND_HALF_EVEN, Decimal

import attrs

from quantmind.domain.orders import Filling

VALID_NAME = re.compile(r"[A-Za-z0-9._#&-]{1,31}\Z")
_METALS = {"XAU": Decimal(100), "XAG": Decimal(5000)}
_CURRENCIES = frozenset(
    "AUD CAD CHF CNH CZK DKK EUR GBP HKD HUF ILS JPY MXN NOK NZD PLN RON SEK SGD THB TRY USD ZAR".split()  # noqa: SIM905  # a list would be 23 lines
)
"""What retail brokers quote as Forex. Three letters that are none of these are a CFD of one unit (BTCUSD)."""


class TradeMode(enum.Enum):
    """What a broker lets be traded of a symbol (MetaTrader 5: SYMBOL_TRADE_MODE_*)."""

    FULL = "full"
    LONG_ONLY = "long_only"
    SHORT_ONLY = "short_only"
    CLOSE_ONLY = "close_only"
    DISABLED = "disabled"


class Execution(enum.Enum):
    """Whose price a market order fills at (MetaTrader 5: SYMBOL_TRADE_EXECUTION_*).

    `MARKET`: the server's, whatever it is then. `INSTANT`: the one that was asked for, or a requote. `REQUEST` asks the
    dealer for a price first, `EXCHANGE` sends the order to a book.
    """

    REQUEST = "request"
    INSTANT = "instant"
    MARKET = "market"
    EXCHANGE = "exchange"


@attrs.frozen
class SymbolSpec:
    """One tradable instrument.

    Prices are in `currency_profit` per unit of `currency_base`; volumes in lots of `contract_size` units;
    `stops_level` and `freeze_level` in points (MetaTrader 5: SYMBOL_TRADE_STOPS_LEVEL, SYMBOL_TRADE_FREEZE_LEVEL);
    `swap_long` and `swap_short` in points for a lot and a night, a charge is negative. `fillings` are those that market
    orders may have where the execution is `MARKET` (MetaTrader 5: SYMBOL_FILLING_MODE).
    """

    name: str
    digits: int
    tick_size: Decimal
    contract_size: Decimal
    volume_min: Decimal
    volume_max: Decimal
    volume_step: Decimal
    stops_level: int
    currency_base: str
    currency_profit: str
    currency_margin: str
    freeze_level: int = 0
    description: str = ""
    trade_mode: TradeMode = TradeMode.FULL
    execution: Execution = Execution.MARKET
    fillings: frozenset[Filling] = frozenset({Filling.FOK, Filling.IOC})
    swap_long: Decimal = Decimal(0)
    swap_short: Decimal = Decimal(0)

    @property
    def point(self) -> Decimal:
        """The smallest step that the digits can show."""
        return Decimal(1).scaleb(-self.digits)

    @property
    def pip(self) -> Decimal:
        """10 points on 3- and 5-digit symbols, else 1 point."""
        return self.point * 10 if self.digits in (3, 5) else self.point

    def round_price(self, price: Decimal) -> Decimal:
        """The price nearest on the tick grid, with the symbol's digits."""
        ticks = (price / self.tick_size).quantize(Decimal(1), ROUND_HALF_EVEN)
        return (ticks * self.tick_size).quantize(self.point)

    def on_price_grid(self, price: Decimal) -> bool:
        """Whether the price is a whole number of ticks."""
        return price % self.tick_size == 0

    def floor_volume(self, volume: Decimal) -> Decimal:
        """The largest tradable volume that is not above `volume`; 0 when that is below the minimum."""
        if volume < self.volume_min:
            return Decimal(0)
        capped = min(volume, self.volume_max)
        # Whole steps by a division that does not round: a rounded quotient can be a step too many.
        floored = capped // self.volume_step * self.volume_step
        return floored if floored >= self.volume_min else Decimal(0)

    def on_volume_grid(self, volume: Decimal) -> bool:
        """Whether the volume is tradable as it stands."""
        return self.volume_min <= volume <= self.volume_max and volume % self.volume_step == 0


def usual_spec(name: str) -> SymbolSpec:
    """The usual retail specification for a symbol's name: Forex pairs, gold and silver, else a CFD of one unit.

    A suffix that brokers add (`EURUSD.r`, `EURUSDm`) does not count.
    """
    letters = name[:6].upper()
    base, profit = letters[:3], letters[3:]
    if base in _METALS and len(profit) == 3:
        digits = 2 if base == "XAU" else 3
        contract = _METALS[base]
        kind = "Metal"
    elif base in _CURRENCIES and profit in _CURRENCIES:
        digits = 3 if profit == "JPY" else 5
        contract = Decimal(100_000)
        kind = "Forex"
    else:
        base = profit = profit if profit in _CURRENCIES else "USD"
        digits, contract, kind = 2, Decimal(1), "CFD"
    return SymbolSpec(
        name=name,
        digits=digits,
        tick_size=Decimal(1).scaleb(-digits),
        contract_size=contract,
        volume_min=Decimal("0.01"),
        volume_max=Decimal(100),
        volume_step=Decimal("0.01"),
        stops_level=0,
        currency_base=base,
        currency_profit=profit,
        currency_margin=base,
        description=f"{kind} {name}",
    )
