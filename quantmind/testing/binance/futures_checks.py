"""What the made-up futures exchange refuses, by the codes of its documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.futures_orders import AlgoOrder, FuturesOrder
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.symbols import SymbolSettings, decimals, is_multiple


def check_side(params: Mapping[str, str], *, hedges: bool) -> str:
    """The position side of a request. Raises ApiFault -4061: it does not fit the account's mode; -1106: see there."""
    side = params.get("positionSide", "BOTH")
    if side not in (("LONG", "SHORT") if hedges else ("BOTH",)):
        raise ApiFault(400, -4061, "Order's position side does not match user's setting.")
    if hedges and "reduceOnly" in params:
        raise ApiFault(400, -1106, "Parameter 'reduceonly' sent when not required.")
    return side


def check_numbers(symbol: SymbolSettings, market: Market, order: FuturesOrder) -> None:
    """Quantity, price and worth of an order. Raises ApiFault."""
    most = symbol.most_at_market if order.kind == "MARKET" else symbol.max_qty
    _check_quantity(symbol, order.quantity, most)
    if order.kind == "MARKET" and not market.is_quoted:
        raise ApiFault(400, -4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
    if order.kind == "LIMIT":
        _check_price(symbol, order.price)
        if symbol.percent and market.last:
            if order.side == "BUY" and order.price > market.last * (1 + symbol.percent):
                raise ApiFault(400, -4016, "Limit price can't be higher than the percent price allows.")
            if order.side == "SELL" and order.price < market.last * (1 - symbol.percent):
                raise ApiFault(400, -4024, "Limit price can't be lower than the percent price allows.")
    worth = order.quantity * (order.price or market.price_for(order.side))
    if not order.reduce_only and worth < symbol.min_notional:
        least = symbol.min_notional
        raise ApiFault(400, -4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def check_conditional(symbol: SymbolSettings, market: Market, algo: AlgoOrder, beside: Iterable[AlgoOrder]) -> None:
    """A conditional order. Raises ApiFault: -4130 for a second one that closes a position the same way."""
    if any(each.client_id == algo.client_id for each in beside):
        raise ApiFault(400, -4116, "ClientOrderId is duplicated.")
    _check_price(symbol, algo.trigger)
    if algo.closes_position:
        way = (algo.side, algo.position_side, algo.kind.startswith("STOP"))
        if any(
            (each.side, each.position_side, each.kind.startswith("STOP")) == way and each.closes_position
            for each in beside
        ):
            raise ApiFault(
                400, -4130, "An open stop or take profit order with GTE and closePosition in the direction is existing."
            )
    else:
        _check_quantity(symbol, algo.quantity, symbol.most_at_market)
    if market.is_quoted and algo.is_reached(market.price_for(algo.side)):
        raise ApiFault(400, -2021, "Order would immediately trigger.")


def _check_quantity(symbol: SymbolSettings, quantity: Decimal, most: Decimal) -> None:
    if quantity <= 0:
        raise ApiFault(400, -4003, "Quantity less than or equal to zero.")
    if decimals(quantity) > symbol.quantity_digits:
        raise ApiFault(400, -1111, "Precision is over the maximum defined for this asset.")
    if quantity < symbol.min_qty:
        raise ApiFault(400, -4004, "Quantity less than min quantity.")
    if quantity > most:
        raise ApiFault(400, -4005, "Quantity greater than max quantity.")
    if not is_multiple(quantity, symbol.step):
        raise ApiFault(400, -4023, "Qty not increased by step size.")


def _check_price(symbol: SymbolSettings, price: Decimal) -> None:
    if decimals(price) > symbol.price_digits:
        raise ApiFault(400, -1111, "Precision is over the maximum defined for this asset.")
    if price < symbol.min_price:
        raise ApiFault(400, -4013, "Price less than min price.")
    if price > symbol.max_price:
        raise ApiFault(400, -4002, "Price greater than max price.")
    if not is_multiple(price, symbol.tick):
        raise ApiFault(400, -4014, "Price not increased by tick size.")
