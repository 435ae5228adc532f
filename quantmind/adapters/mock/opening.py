"""From an order to open to a position, or to the refusal of a trade server. Money is the books' own question."""

from __future__ import annotations

from decimal import Decimal

import attrs

from quantmind.adapters.mock.checks import check_price, check_stops, check_volume, refuse, refuse_rate, stop_level
from quantmind.adapters.mock.market import Market, Price
from quantmind.adapters.mock.positions import OpenPosition, cost_of, margin_per_lot
from quantmind.adapters.mock.symbol_terms import (
    SymbolTerms,
    check_filling,
    check_kinds,
    check_session,
    check_trade_mode,
    kinds_of,
)
from quantmind.adapters.mock.terms import Terms
from quantmind.domain.accounts import PendingOrder
from quantmind.domain.orders import Open, OrderType, Refused, Side
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import SymbolSpec


@attrs.frozen
class Request:
    """An order to open whose shape is right: its symbol, how that trades, its side, and the price it meets."""

    spec: SymbolSpec
    terms: SymbolTerms
    side: Side
    price: Price


def reduces(side: Side, volume: Decimal, held: OpenPosition | None) -> bool:
    """Whether an order can only make the position smaller that it meets (None: it meets none)."""
    return held is not None and held.side is not side and volume <= held.volume


def check_open(
    order: Open, spec: SymbolSpec, terms: SymbolTerms, market: Market, held: OpenPosition | None, time_msc: int
) -> Request | Refused:
    """All that can be said of an order before it is filled or waits.

    Args:
        held: the position that it would meet, on a netting account.
    """
    side = order.side
    if side is None:
        return refuse(Retcode.INVALID, "the order has no side: say buy or sell")
    pending = order.order_type is not OrderType.MARKET
    wrong = (
        check_volume(spec, order.volume)
        or check_price(spec, "price", order.price)
        or check_price(spec, "stop loss", order.sl)
        or check_price(spec, "take profit", order.tp)
        or check_kinds(spec, terms, *kinds_of(order.order_type, order.sl, order.tp))
        or check_trade_mode(spec, side, closing=reduces(side, order.volume, held))
        or check_session(spec, terms, time_msc)
        or check_filling(spec, order.filling, pending=pending)
    )
    if wrong is not None:
        return wrong
    if not pending and order.expiration:
        return refuse(Retcode.INVALID_EXPIRATION, "a market order has no expiration: leave it out")
    if order.deviation is not None and order.deviation < 0:
        return refuse(Retcode.INVALID, f"a deviation of {order.deviation} points is below 0: use 0 or more")
    price = market.price(spec.name)
    if price is None:
        return refuse(Retcode.PRICE_OFF, f"there is no price for {spec.name} yet: wait for a tick")
    if not pending:
        wrong = check_stops(spec, side, price, stop_level(spec, order.sl), stop_level(spec, order.tp))
    return wrong or Request(spec, terms, side, price)


def position_of(
    order: Open | PendingOrder,
    level: Decimal,
    volume: Decimal,
    side: Side,
    market: Market,
    terms: Terms,
    time_msc: int,
    tag: str,
) -> OpenPosition | Refused:
    """The position that a fill makes, still without a ticket, or why it can't be counted in the account currency."""
    spec, currency = market.specs[order.symbol], terms.currency
    per_lot = margin_per_lot(spec, side, level, terms.leverage, market, currency)
    if per_lot is None:
        return refuse_rate(order.symbol, spec.currency_margin, currency)
    if market.convert(Decimal(1), spec.currency_profit, currency, paying=True) is None:
        return refuse_rate(order.symbol, spec.currency_profit, currency)
    return OpenPosition(
        ticket=0,
        symbol=order.symbol,
        side=side,
        volume=volume,
        cost=cost_of(level, volume),
        margin_per_lot=per_lot,
        time_msc=time_msc,
        sl=stop_level(spec, order.sl),
        tp=stop_level(spec, order.tp),
        magic=order.origin.magic if isinstance(order, Open) else order.magic,
        comment=order.comment,
        tag=tag,
    )
