"""What the made-up futures exchange refuses, by the codes of its documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from quantmind.testing.binance.engine import ApiFault, integer_of
from quantmind.testing.binance.futures_orders import FuturesOrder
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.symbols import SymbolSettings, decimals, is_multiple, plain

Params = Mapping[str, str]
LONGEST_ID: Final = 36
_LEAST_GTD_MS: Final = 600_000
_MOST_GTD_MS: Final = 253402300799000
_LEGAL_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]+")


def symbol_of(symbols: Mapping[str, SymbolSettings], params: Params) -> SymbolSettings:
    """The symbol that a request names. Raises ApiFault -1102, -1121."""
    if not params.get("symbol"):
        raise ApiFault(400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    found = symbols.get(params["symbol"])
    if found is None:
        raise ApiFault(400, -1121, "Invalid symbol.")
    return found


def check_side(params: Params, *, hedges: bool) -> str:
    """The position side of a request. Raises ApiFault -4061: it does not fit the account's mode; -1106: see there."""
    side = params.get("positionSide", "BOTH")
    if side not in (("LONG", "SHORT") if hedges else ("BOTH",)):
        raise ApiFault(400, -4061, "Order's position side does not match user's setting.")
    if hedges:
        refuse_extra(params, "reduceOnly")
    return side


def refuse_extra(params: Params, *names: str) -> None:
    """Raises ApiFault -1106: a parameter was sent that this request does not have."""
    for name in names:
        if name in params:
            raise ApiFault(400, -1106, f"Parameter '{name.lower()}' sent when not required.")


def check_id(params: Params, name: str) -> str:
    """A client order id, empty where none was sent. Raises ApiFault -4015 it is too long, -1100 it is not legal."""
    said = params.get(name, "")
    if len(said) > LONGEST_ID:
        raise ApiFault(400, -4015, f"Client order id length should be less than {LONGEST_ID} chars")
    if name in params and _LEGAL_ID.fullmatch(said) is None:
        legal = f"^[\\.A-Z\\:/a-z0-9_-]{{1,{LONGEST_ID}}}$"
        raise ApiFault(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
    return said


def good_till(params: Params, tif: str, now: int) -> int:
    """Until when a GTD order lives, in Unix milliseconds of a whole second; 0: for ever. Raises ApiFault -5040."""
    if tif != "GTD":
        return 0
    until = integer_of(params, "goodTillDate") or 0
    if not now + _LEAST_GTD_MS < until < _MOST_GTD_MS:
        raise ApiFault(
            400,
            -5040,
            "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than "
            f"{_MOST_GTD_MS}",
        )
    return until // 1000 * 1000


def check_numbers(symbol: SymbolSettings, market: Market, order: FuturesOrder) -> None:
    """Quantity, price and worth of an order, and whether the symbol trades. Raises ApiFault."""
    if symbol.status != "TRADING" and not order.reduces:
        raise ApiFault(400, -4140, "Invalid symbol status for opening position.")
    check_quantity(symbol, order.quantity, symbol.most_at_market if order.kind == "MARKET" else symbol.max_qty)
    if order.kind == "MARKET" and not market.is_quoted:
        raise ApiFault(400, -4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
    if order.kind == "LIMIT":
        check_price(symbol, order.price)
        _check_distance(symbol, market, order)
    worth = order.quantity * (order.price or market.price_for(order.side))
    if not order.reduce_only and worth < symbol.min_notional:
        least = plain(symbol.min_notional)
        raise ApiFault(400, -4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def check_quantity(symbol: SymbolSettings, quantity: Decimal, most: Decimal) -> None:
    """Raises ApiFault -4003, -1111, -4004, -4005 or -4023."""
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


def check_price(symbol: SymbolSettings, price: Decimal) -> None:
    """Raises ApiFault -1111, -4001, -4013, -4002 or -4014."""
    if decimals(price) > symbol.price_digits:
        raise ApiFault(400, -1111, "Precision is over the maximum defined for this asset.")
    if price <= 0:
        raise ApiFault(400, -4001, "Price less than or equal to zero.")
    if price < symbol.min_price:
        raise ApiFault(400, -4013, "Price less than min price.")
    if price > symbol.max_price:
        raise ApiFault(400, -4002, "Price greater than max price.")
    if not is_multiple(price, symbol.tick):
        raise ApiFault(400, -4014, "Price not increased by tick size.")


# The last price stands for the mark price; before the first one nothing is too far.
def _check_distance(symbol: SymbolSettings, market: Market, order: FuturesOrder) -> None:
    if not symbol.percent or not market.last:
        return
    highest, lowest = market.last * (1 + symbol.percent), market.last * (1 - symbol.percent)
    if order.side == "BUY" and order.price > highest:
        raise ApiFault(400, -4016, f"Limit price can't be higher than {plain(highest)}.")
    if order.side == "SELL" and order.price < lowest:
        raise ApiFault(400, -4024, f"Limit price can't be lower than {plain(lowest)}.")
