"""The rules of a symbol, in words that spot and futures share, and what the gateway makes of them.

What a filter says is 0 where it asks for nothing, as the exchange has it. A filter that is not known here is named in
`Rules.unknown_filters`, and refuses nothing.
"""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import Final

import attrs

from quantmind.adapters.binance.records import NOUGHT
from quantmind.domain.orders import Filling
from quantmind.domain.symbols import Execution, SymbolSpec, TradeMode

TRADING: Final = "TRADING"
CLOSE_ONLY: Final = frozenset({"CANCEL_ONLY", "PRE_DELIVERING", "PRE_SETTLE"})
"""Spot takes cancellations only; futures refuse what opens a position (-4140)."""
CLOSED: Final = frozenset(
    [
        "AUCTION_MATCH",
        "BREAK",
        "CLOSE",
        "DELIVERED",
        "DELIVERING",
        "END_OF_DAY",
        "HALT",
        "PENDING_TRADING",
        "POST_TRADING",
        "PRE_TRADING",
        "SETTLING",
    ]
)
EXACT: Final = Context(prec=100)
"""Of the exchange's numbers, up to 24 digits before and after the point, products and remainders have every digit."""
_NO_LIMIT: Final = Decimal(10) ** 12
"""Of a quantity that has no largest one."""


@attrs.frozen
class Lot:
    """LOT_SIZE, MARKET_LOT_SIZE: quantities from `least` to `most`, multiples of `step`."""

    least: Decimal = NOUGHT
    most: Decimal = NOUGHT
    step: Decimal = NOUGHT


@attrs.frozen
class Notional:
    """MIN_NOTIONAL, NOTIONAL: what price times quantity may be. `average_mins` 0: of market orders, by the last price.

    `by_mark`: of market orders by the mark price, and not for orders that reduce (futures).
    """

    name: str
    least: Decimal
    most: Decimal = NOUGHT
    least_at_market: bool = True
    most_at_market: bool = False
    average_mins: int = 0
    by_mark: bool = False


@attrs.frozen
class Percent:
    """PERCENT_PRICE, PERCENT_PRICE_BY_SIDE: how far a price may be from the market, as multiples of a price there.

    0: that side has no bound. `average_mins` 0: by the last price. `by_mark`: by the mark price (futures).
    """

    name: str
    buy_down: Decimal
    buy_up: Decimal
    sell_down: Decimal
    sell_up: Decimal
    average_mins: int = 0
    by_mark: bool = False


@attrs.frozen
class Rules:
    """One symbol. `contract_type` and `margin` are empty on spot; `max_orders` and the like 0: there is no limit.

    `permissions`: an account needs one of each set. `max_stops`: of orders that wait for a trigger. `trigger_protect`
    and `market_take_bound` (futures) are parts of the price.
    """

    symbol: str
    status: str
    base: str
    quote: str
    margin: str = ""
    contract_type: str = ""
    order_types: frozenset[str] = frozenset()
    permissions: tuple[frozenset[str], ...] = ()
    oco_allowed: bool = False
    oto_allowed: bool = False
    price_digits: int = 8
    quantity_digits: int = 8
    min_price: Decimal = NOUGHT
    max_price: Decimal = NOUGHT
    tick: Decimal = NOUGHT
    lot: Lot = Lot()
    market_lot: Lot = Lot()
    notionals: tuple[Notional, ...] = ()
    percents: tuple[Percent, ...] = ()
    max_orders: int = 0
    max_stops: int = 0
    max_lists: int = 0
    max_position: Decimal = NOUGHT
    trigger_protect: Decimal = NOUGHT
    market_take_bound: Decimal = NOUGHT
    unknown_filters: tuple[str, ...] = ()

    @property
    def is_futures(self) -> bool:
        """Whether it is a contract."""
        return bool(self.margin)


def spec_of(rules: Rules) -> SymbolSpec:
    """What the gateway needs to know of it. Quantities are lots of 1 of the base asset."""
    with localcontext(EXACT):
        tick = rules.tick or Decimal(1).scaleb(-rules.price_digits)
        step = rules.lot.step or Decimal(1).scaleb(-rules.quantity_digits)
        return SymbolSpec(
            name=rules.symbol,
            digits=digits_of(tick),
            tick_size=_plain(tick),
            contract_size=Decimal(1),
            volume_min=_plain(max(_rounded_up(rules.lot.least, step), step)),
            volume_max=_plain(rules.lot.most or _NO_LIMIT),
            volume_step=_plain(step),
            stops_level=0,
            currency_base=rules.base,
            currency_profit=rules.quote,
            currency_margin=rules.margin or rules.quote,
            description=_description(rules),
            trade_mode=trade_mode(rules.status),
            execution=Execution.MARKET,
            fillings=frozenset({Filling.IOC}),
        )


def trade_mode(status: str) -> TradeMode:
    """What may be traded in a state; with a word that is not known: nothing."""
    if status == TRADING:
        return TradeMode.FULL
    return TradeMode.CLOSE_ONLY if status in CLOSE_ONLY else TradeMode.DISABLED


def digits_of(value: Decimal) -> int:
    """How many decimals it has, noughts at the end left off."""
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def _description(rules: Rules) -> str:
    pair = f"{rules.base}/{rules.quote}"
    if not rules.is_futures:
        return f"{pair}, Binance spot"
    return f"{pair} {rules.contract_type.replace('_', ' ').lower()}".rstrip() + ", Binance USD-M futures"


def _rounded_up(value: Decimal, step: Decimal) -> Decimal:
    whole = value // step * step
    return whole if whole == value else whole + step


# Without an exponent and without noughts at the end.
def _plain(value: Decimal) -> Decimal:
    return Decimal(f"{value.normalize():f}")
