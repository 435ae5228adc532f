"""What the exchange would refuse of an order, said before anything is sent (docs: filters.md, futures' definitions).

Only what the documents say is refused: where the price is not known that a filter goes by, the exchange decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from math import gcd
from typing import Final

import attrs

from quantmind.adapters.binance.records import NOUGHT
from quantmind.adapters.binance.rules import (
    CLOSE_ONLY,
    CLOSED,
    EXACT,
    TRADING,
    Lot,
    Notional,
    Percent,
    Rules,
    digits_of,
)
from quantmind.domain.orders import Refused, Side
from quantmind.domain.retcodes import Retcode

STOPS: Final = frozenset(
    [
        "STOP",
        "STOP_LOSS",
        "STOP_LOSS_LIMIT",
        "STOP_MARKET",
        "TAKE_PROFIT",
        "TAKE_PROFIT_LIMIT",
        "TAKE_PROFIT_MARKET",
        "TRAILING_STOP_MARKET",
    ]
)
"""Types that wait for a trigger: the "algo" orders of the filters' names."""


@attrs.frozen
class Wanted:
    """An order. `kind` is its type at the exchange, `reduces`: it can only make a position smaller."""

    side: Side
    kind: str
    quantity: Decimal
    price: Decimal | None = None
    trigger: Decimal | None = None
    reduces: bool = False


@attrs.frozen
class Prices:
    """Of the market; None: not known. `average` is that of the symbol's `avgPriceMins`, or its reference price."""

    bid: Decimal
    ask: Decimal
    last: Decimal | None = None
    mark: Decimal | None = None
    average: Decimal | None = None


@attrs.frozen
class Standing:
    """What the account has of a symbol: open orders, those of them that wait for a trigger, and what is held of the
    base asset together with the quantities of open buys.
    """

    orders: int = 0
    stops: int = 0
    position: Decimal = NOUGHT


_NOTHING: Final = Standing()
_WITH_PRICE: Final = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
_WITH_PRICE_ON_FUTURES: Final = frozenset({"STOP", "TAKE_PROFIT"})
_TRAILING: Final = frozenset({"TRAILING_STOP_MARKET"})
_MOST: Final = Decimal(10) ** 15
"""Nobody trades so much, and remainders of larger numbers have too many digits."""
_LONGEST: Final = 40
"""Characters of a number that may be any."""


def refusal(rules: Rules, wanted: Wanted, market: Prices, standing: Standing = _NOTHING) -> Refused | None:
    """Why the exchange would refuse it; None: it would not, as far as is known here."""
    with localcontext(EXACT):
        return (
            _state(rules, wanted)
            or _form(rules, wanted)
            or _decimals(rules, wanted)
            or _quantity(rules, wanted)
            or _prices(rules, wanted)
            or _percents(rules, wanted, market)
            or _notionals(rules, wanted, market)
            or _counts(rules, wanted, standing)
        )


def at_market(rules: Rules, quantity: Decimal) -> Decimal:
    """As much of a quantity as one market order may be of; all of it where no part is tradable."""
    both = _both(rules.lot, rules.market_lot)
    with localcontext(EXACT):
        part = _lower(quantity, both.most)
        part = part // both.step * both.step if both.step else part
    return part if part and part >= both.least else quantity


def least_at(rules: Rules, price: Decimal) -> Decimal | None:
    """The smallest quantity that is worth enough in a market order at this price; None: any is, or none."""
    with localcontext(EXACT):
        worth = max((each.least for each in rules.notionals if each.least_at_market), default=NOUGHT)
        lot = _both(rules.lot, rules.market_lot)
        unit = lot.step or _unit(rules.quantity_digits)
        return _nearest(NOUGHT, max(worth / price, lot.least), lot.most, unit) if worth and price > 0 else None


# --- the symbol, and the form of the order ---------------------------------------------------------------------------


def _state(rules: Rules, wanted: Wanted) -> Refused | None:
    status = rules.status
    if status in CLOSE_ONLY and rules.is_futures and not wanted.reduces:
        why = f"{rules.symbol} only takes orders that make a position smaller now ({status})"
        return _refused(Retcode.CLOSE_ONLY, why)
    if status in CLOSE_ONLY and not rules.is_futures:
        return _refused(Retcode.TRADE_DISABLED, f"{rules.symbol} only takes cancellations now ({status})")
    if status != TRADING and status not in CLOSE_ONLY:
        code = Retcode.MARKET_CLOSED if status in CLOSED else Retcode.TRADE_DISABLED
        return _refused(code, f"{rules.symbol} does not trade now ({status}); wait until it does")
    if rules.order_types and wanted.kind not in rules.order_types:
        allowed = ", ".join(sorted(rules.order_types))
        return _refused(Retcode.INVALID_ORDER, f"{rules.symbol} takes no orders of type {wanted.kind}; use {allowed}")
    return None


def _form(rules: Rules, wanted: Wanted) -> Refused | None:
    needs_price = _WITH_PRICE | (_WITH_PRICE_ON_FUTURES if rules.is_futures else frozenset())
    if wanted.kind in needs_price and wanted.price is None:
        return _refused(Retcode.INVALID_PRICE, f"an order of type {wanted.kind} needs a price")
    if wanted.kind in STOPS - _TRAILING and wanted.trigger is None:
        return _refused(Retcode.INVALID_PRICE, f"an order of type {wanted.kind} needs a trigger price")
    for what, value, code in _values(wanted):
        if not value.is_finite() or not 0 < value < _MOST:
            return _refused(code, f"the {what} {str(value)[:_LONGEST]} is not above 0 and below {_MOST:f}")
    return None


def _decimals(rules: Rules, wanted: Wanted) -> Refused | None:
    for what, value, code in _values(wanted):
        digits, grid = rules.price_digits, rules.tick
        if what == "quantity":
            digits, grid = rules.quantity_digits, rules.lot.step
        digits = max(digits, digits_of(grid))
        if digits_of(value) > digits:
            unit = _unit(digits)
            near = max(value // unit, Decimal(1)) * unit
            return _refused(code, f"the {what} {str(value)[:_LONGEST]} has more than {digits} decimals{_use(near)}")
    return None


def _values(wanted: Wanted) -> Iterator[tuple[str, Decimal, Retcode]]:
    yield "quantity", wanted.quantity, Retcode.INVALID_VOLUME
    for what, price in (("price", wanted.price), ("trigger price", wanted.trigger)):
        if price is not None:
            yield what, price, Retcode.INVALID_PRICE


# --- quantity --------------------------------------------------------------------------------------------------------


def _quantity(rules: Rules, wanted: Wanted) -> Refused | None:
    lots = [("LOT_SIZE", rules.lot)]
    if wanted.kind == "MARKET":
        lots.append(("MARKET_LOT_SIZE", rules.market_lot))
    both = _both(*(lot for _, lot in lots))
    for name, lot in lots:
        why = _beside(wanted.quantity, lot.least, lot.most, lot.step)
        if why is not None:
            near = _nearest(wanted.quantity, both.least, both.most, both.step or _unit(rules.quantity_digits))
            return _refused(Retcode.INVALID_VOLUME, f"{name}: the quantity {wanted.quantity:f} {why}{_use(near)}")
    return None


# What two lots allow together.
def _both(first: Lot, second: Lot = Lot()) -> Lot:  # noqa: B008  # it is frozen
    most = min((each for each in (first.most, second.most) if each), default=NOUGHT)
    return Lot(max(first.least, second.least), most, _common(first.step, second.step))


def _common(first: Decimal, second: Decimal) -> Decimal:
    if not first or not second:
        return first or second
    digits = max(digits_of(first), digits_of(second))
    one, other = int(first.scaleb(digits)), int(second.scaleb(digits))
    return Decimal(one * other // gcd(one, other)).scaleb(-digits)


# --- prices ----------------------------------------------------------------------------------------------------------


def _prices(rules: Rules, wanted: Wanted) -> Refused | None:
    for what, price in (("price", wanted.price), ("trigger price", wanted.trigger)):
        why = None if price is None else _beside(price, rules.min_price, rules.max_price, rules.tick)
        if price is not None and why is not None:
            near = _nearest(price, rules.min_price, rules.max_price, rules.tick or _unit(rules.price_digits))
            return _refused(Retcode.INVALID_PRICE, f"PRICE_FILTER: the {what} {price:f} {why}{_use(near)}")
    return None


def _percents(rules: Rules, wanted: Wanted, market: Prices) -> Refused | None:
    if wanted.price is None:
        return None
    for percent in rules.percents:
        around = _around(percent, market)
        if around is None:
            continue
        buys = wanted.side is Side.BUY
        down, up = (percent.buy_down, percent.buy_up) if buys else (percent.sell_down, percent.sell_up)
        least, most = around * down, around * up
        why = _beside(wanted.price, least, most, NOUGHT)
        if why is not None:
            unit = rules.tick or _unit(rules.price_digits)
            near = _nearest(wanted.price, max(least, rules.min_price), _lower(most, rules.max_price), unit)
            return _refused(
                Retcode.INVALID_PRICE, f"{percent.name}: the price {wanted.price:f} {why}, by {around:f}{_use(near)}"
            )
    return None


def _around(of: Percent | Notional, market: Prices) -> Decimal | None:
    price = market.mark if of.by_mark else market.average if of.average_mins else market.last
    return price if price is not None and price.is_finite() and price > 0 else None


# --- worth -----------------------------------------------------------------------------------------------------------


# Of an order that waits for a trigger, and then goes to the market, the documents do not say by which price it counts.
def _notionals(rules: Rules, wanted: Wanted, market: Prices) -> Refused | None:
    for notional in rules.notionals:
        at_market = wanted.kind == "MARKET"
        price = _around(notional, market) if at_market else wanted.price
        if price is None or (notional.by_mark and wanted.reduces):
            continue
        least = notional.least if notional.least_at_market or not at_market else NOUGHT
        most = notional.most if notional.most_at_market or not at_market else NOUGHT
        worth = price * wanted.quantity
        why = _beside(worth, least, most, NOUGHT)
        if why is not None:
            lot = _both(rules.lot, rules.market_lot) if at_market else rules.lot
            unit = lot.step or _unit(rules.quantity_digits)
            near = _nearest(wanted.quantity, max(least / price, lot.least), _lower(most / price, lot.most), unit)
            return _refused(
                Retcode.INVALID_VOLUME,
                f"{notional.name}: the worth {worth.normalize():f} ({wanted.quantity:f} at {price:f}) {why}"
                + _use(near, "quantity "),
            )
    return None


# --- numbers of orders, and what is held -----------------------------------------------------------------------------


def _counts(rules: Rules, wanted: Wanted, standing: Standing) -> Refused | None:
    if wanted.kind != "MARKET" and rules.max_orders and standing.orders >= rules.max_orders:
        return _full("MAX_NUM_ORDERS", f"{standing.orders} orders are open", rules.max_orders)
    if wanted.kind in STOPS and rules.max_stops and standing.stops >= rules.max_stops:
        return _full("MAX_NUM_ALGO_ORDERS", f"{standing.stops} orders wait for a trigger", rules.max_stops)
    if rules.max_position and wanted.side is Side.BUY and standing.position + wanted.quantity > rules.max_position:
        left = max(rules.max_position - standing.position, NOUGHT)
        step = rules.lot.step
        left = left // step * step if step else left
        way = f"; use at most {left.normalize():f}" if left >= rules.lot.least and left else "; sell some first"
        held, most = standing.position.normalize(), rules.max_position.normalize()
        return _refused(
            Retcode.LIMIT_VOLUME,
            f"MAX_POSITION: {held:f} is held or ordered, and with {wanted.quantity:f} more it is above {most:f}{way}",
        )
    return None


def _full(name: str, what: str, limit: int) -> Refused:
    return _refused(Retcode.LIMIT_ORDERS, f"{name}: {what}, and {limit} may be; take one back first")


# --- grids -----------------------------------------------------------------------------------------------------------


# A bound or step of 0 is none.
def _beside(value: Decimal, least: Decimal, most: Decimal, step: Decimal) -> str | None:
    if least and value < least:
        return f"is below {least.normalize():f}"
    if most and value > most:
        return f"is above {most.normalize():f}"
    if step and value % step:
        return f"is not a multiple of {step.normalize():f}"
    return None


# Where there is no grid, the last digit is one.
def _unit(digits: int) -> Decimal:
    return Decimal(1).scaleb(-digits)


# None: nothing works.
def _nearest(value: Decimal, least: Decimal, most: Decimal, unit: Decimal) -> Decimal | None:
    low = max((least / unit).to_integral_value(ROUND_CEILING), Decimal(1))
    high = (most / unit).to_integral_value(ROUND_FLOOR) if most else None
    if high is not None and low > high:
        return None
    near = max((value / unit).to_integral_value(), low)
    return (near if high is None else min(near, high)) * unit


def _lower(first: Decimal, second: Decimal) -> Decimal:
    return min(first, second) if first and second else first or second


def _use(near: Decimal | None, what: str = "") -> str:
    return "; nothing works here now" if near is None else f"; use {what}{near.normalize():f}"


def _refused(code: Retcode, why: str) -> Refused:
    return Refused(int(code), why)
