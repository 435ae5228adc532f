"""From an order to open to a position, or to the refusal of a trade server. Margin is the account's own question."""

from __future__ import annotations

from decimal import Decimal

from quantmind.adapters.mock.checks import check_price, check_stops, check_volume, refuse, refuse_rate, stop_level
from quantmind.adapters.mock.market import Market
from quantmind.adapters.mock.positions import OpenPosition, margin_per_lot
from quantmind.adapters.mock.terms import Terms
from quantmind.domain.orders import Open, OrderType, Refused
from quantmind.domain.retcodes import Retcode


def new_position(order: Open, market: Market, terms: Terms, time_msc: int) -> OpenPosition | Refused:
    """The position that the order would open at the last price, still without a ticket, or why it can't."""
    spec = market.specs.get(order.symbol)
    if spec is None:
        return refuse(Retcode.INVALID, f"there is no symbol {order.symbol} here")
    if order.side is None:
        return refuse(Retcode.INVALID, "the order has no side: say buy or sell")
    if order.order_type is not OrderType.MARKET:
        return refuse(
            Retcode.INVALID_ORDER,
            f"{order.order_type.value} orders are not available on this paper account yet: use a market order",
        )
    wrong = (
        check_volume(spec, order.volume)
        or check_price(spec, "price", order.price)
        or check_price(spec, "stop loss", order.sl)
        or check_price(spec, "take profit", order.tp)
    )
    if wrong is not None:
        return wrong
    price = market.price(order.symbol)
    if price is None:
        return refuse(Retcode.PRICE_OFF, f"there is no price for {order.symbol} yet")
    sl, tp = stop_level(spec, order.sl), stop_level(spec, order.tp)
    wrong = check_stops(spec, order.side, price, sl, tp)
    if wrong is not None:
        return wrong
    currency = terms.currency
    per_lot = margin_per_lot(spec, order.side, price, terms.leverage, market, currency)
    if per_lot is None:
        return refuse_rate(order.symbol, spec.currency_margin, currency)
    if market.convert(Decimal(1), spec.currency_profit, currency, paying=True) is None:
        return refuse_rate(order.symbol, spec.currency_profit, currency)
    return OpenPosition(
        ticket=0,
        symbol=order.symbol,
        side=order.side,
        volume=order.volume,
        price_open=price.fill(order.side),
        margin_per_lot=per_lot,
        time_msc=time_msc,
        sl=sl,
        tp=tp,
        magic=order.origin.magic,
        comment=order.comment,
    )
