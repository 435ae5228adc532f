"""The spot engine's rules of a symbol: as exchangeInfo says them, and as an order is checked by them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from quantmind.testing.binance.engine import ApiFault, Payload
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.spot_orders import KINDS, NewOrder, SpotOrder
from quantmind.testing.binance.symbols import SymbolSettings, eight, is_multiple

_AVERAGE_MINUTES: Final = 5


def filters(terms: SymbolSettings) -> list[Payload]:
    """As exchangeInfo says them."""
    said: list[Payload] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": eight(terms.min_price),
            "maxPrice": eight(terms.max_price),
            "tickSize": eight(terms.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": eight(terms.min_qty),
            "maxQty": eight(terms.max_qty),
            "stepSize": eight(terms.step),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": eight(Decimal(0)),
            "maxQty": eight(terms.most_at_market),
            "stepSize": eight(Decimal(0)),
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": eight(terms.min_notional),
            "applyMinToMarket": True,
            "maxNotional": eight(terms.max_notional or Decimal(10) ** 12),
            "applyMaxToMarket": False,
            "avgPriceMins": _AVERAGE_MINUTES,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": terms.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": terms.max_stops},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": terms.max_lists},
    ]
    if terms.percent:
        up, down = f"{1 + terms.percent:f}", f"{1 - terms.percent:f}"
        said.append(
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": up,
                "bidMultiplierDown": down,
                "askMultiplierUp": up,
                "askMultiplierDown": down,
                "avgPriceMins": _AVERAGE_MINUTES,
            }
        )
    return said


def symbol_info(terms: SymbolSettings) -> Payload:
    """A symbol in exchangeInfo."""
    return {
        "symbol": terms.name,
        "status": terms.status,
        "baseAsset": terms.base,
        "baseAssetPrecision": 8,
        "quoteAsset": terms.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(KINDS),
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(terms),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def check(wish: NewOrder, terms: SymbolSettings, market: Market) -> None:
    """Raises ApiFault -1013: the order breaks a rule of its symbol.

    The average price that some rules go by is the last one here; before the first quote they do not apply.
    """
    if terms.status != "TRADING":
        raise ApiFault(400, -1013, "Market is closed.")
    for price in (wish.price, wish.stop):
        inside = terms.min_price <= price and (not terms.max_price or price <= terms.max_price)
        if price and not (inside and is_multiple(price, terms.tick)):
            raise _failed("PRICE_FILTER")
    if wish.price and market.last and terms.percent:
        low, high = market.last * (1 - terms.percent), market.last * (1 + terms.percent)
        if not low <= wish.price <= high:
            raise _failed("PERCENT_PRICE_BY_SIDE")
    if not wish.quote_quantity:
        inside = terms.min_qty <= wish.quantity <= terms.max_qty
        if not (inside and is_multiple(wish.quantity, terms.step)):
            raise _failed("LOT_SIZE")
        if wish.kind == "MARKET" and wish.quantity > terms.most_at_market:
            raise _failed("MARKET_LOT_SIZE")
    price = wish.price or wish.stop or market.price_for(wish.side)
    worth = wish.quote_quantity or wish.quantity * price
    if price and worth < terms.min_notional:
        raise _failed("NOTIONAL")
    if wish.kind != "MARKET" and terms.max_notional and worth > terms.max_notional:
        raise _failed("NOTIONAL")


def check_counts(wishes: Sequence[NewOrder], open_orders: Sequence[SpotOrder], terms: SymbolSettings) -> None:
    """Raises ApiFault -1013: with these, more orders than allowed would be open."""
    if len(open_orders) + len(wishes) > terms.max_orders:
        raise _failed("MAX_NUM_ORDERS")
    stops = sum(order.wish.is_stop for order in open_orders) + sum(wish.is_stop for wish in wishes)
    if any(wish.is_stop for wish in wishes) and stops > terms.max_stops:
        raise _failed("MAX_NUM_ALGO_ORDERS")


def check_lists(open_lists: int, terms: SymbolSettings) -> None:
    """Raises ApiFault -1013: with another one, more order lists than allowed would be open."""
    if open_lists + 1 > terms.max_lists:
        raise _failed("MAX_NUM_ORDER_LISTS")


def _failed(name: str) -> ApiFault:
    return ApiFault(400, -1013, f"Filter failure: {name}")
