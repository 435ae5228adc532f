"""What is traded and by which rules: exchangeInfo of spot and of USD-M futures (docs of 2026-07 and 2026-08)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Final

import attrs
import msgspec
from msgspec import Meta

from quantmind.adapters.binance.budget import Limit
from quantmind.adapters.binance.faults import NOT_JSON, Count, Name, Size, Time, decoded, milliseconds, number, wrong
from quantmind.adapters.binance.records import NOUGHT
from quantmind.adapters.binance.rules import Lot, Notional, Percent, Rules, spec_of

__all__ = ["ExchangeInfo", "Rules", "exchange_info", "spec_of"]

_PASSED_OVER: Final = frozenset(
    [
        "EXCHANGE_MAX_NUM_ALGO_ORDERS",
        "EXCHANGE_MAX_NUM_ICEBERG_ORDERS",
        "EXCHANGE_MAX_NUM_ORDERS",
        "EXCHANGE_MAX_NUM_ORDER_LISTS",
        "ICEBERG_PARTS",
        "MAX_ASSET",
        "MAX_NUM_ICEBERG_ORDERS",
        "MAX_NUM_ORDER_AMENDS",
        "POSITION_RISK_CONTROL",
        "TRAILING_DELTA",
        "T_PLUS_SELL",
    ]
)
"""Filters of what is never done here, or of more than a symbol."""


@attrs.frozen
class ExchangeInfo:
    """`symbols` are those that were wanted and are there."""

    symbols: dict[str, Rules]
    rate_limits: tuple[Limit, ...]
    server_msc: int


# --- as it comes -----------------------------------------------------------------------------------------------------


_Digits = Annotated[int, Meta(ge=0, le=24)]


class _RateLimit(msgspec.Struct, rename="camel"):
    rate_limit_type: str = ""
    interval: str = ""
    interval_num: int = 0
    limit: int = 0


class _Info(msgspec.Struct, rename="camel"):
    symbols: list[msgspec.Raw]
    rate_limits: list[_RateLimit] = []
    server_time: Time = 0


class _Named(msgspec.Struct):
    symbol: str = ""


class _Symbol(msgspec.Struct, rename="camel"):
    symbol: Name
    status: str
    base_asset: Name
    quote_asset: Name
    margin_asset: str = ""
    contract_type: str = ""
    order_types: list[str] = []
    permission_sets: list[list[str]] = []
    permissions: list[str] = []
    oco_allowed: bool = False
    oto_allowed: bool = False
    price_precision: _Digits | None = None
    quantity_precision: _Digits | None = None
    base_asset_precision: _Digits = 8
    quote_asset_precision: _Digits = 8
    trigger_protect: Size = "0"
    market_take_bound: Size = "0"
    filters: list[_Filter] = []


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    min_price: Size = "0"
    max_price: Size = "0"
    tick_size: Size = "0"
    min_qty: Size = "0"
    max_qty: Size = "0"
    step_size: Size = "0"
    min_notional: Size = "0"
    max_notional: Size = "0"
    notional: Size = "0"
    apply_to_market: bool = True
    apply_min_to_market: bool = True
    apply_max_to_market: bool = False
    multiplier_up: Size = "0"
    multiplier_down: Size = "0"
    bid_multiplier_up: Size = "0"
    bid_multiplier_down: Size = "0"
    ask_multiplier_up: Size = "0"
    ask_multiplier_down: Size = "0"
    avg_price_mins: Count = 0
    limit: Count | str = 0
    max_num_orders: Count = 0
    max_num_algo_orders: Count = 0
    max_num_order_lists: Count = 0
    max_position: Size = "0"


_info: Final = msgspec.json.Decoder(_Info)
_named: Final = msgspec.json.Decoder(_Named)
_symbol: Final = msgspec.json.Decoder(_Symbol)


# --- as records ------------------------------------------------------------------------------------------------------


def exchange_info(body: bytes, wanted: Collection[str]) -> ExchangeInfo:
    """GET exchangeInfo, where what can't be read of other symbols is no fault. Raises WireFault."""
    said = decoded(_info, body, "exchangeInfo")
    symbols: dict[str, Rules] = {}
    for raw in said.symbols:
        name = _name_of(raw)
        if name in wanted:
            symbols[name] = _rules_of(decoded(_symbol, raw, f"exchangeInfo of {name}"))
    limits = tuple(
        Limit(each.rate_limit_type, each.interval, each.interval_num, each.limit)
        for each in said.rate_limits
        if each.rate_limit_type
    )
    return ExchangeInfo(symbols, limits, milliseconds(said.server_time))


def _name_of(raw: msgspec.Raw) -> str:
    try:
        return _named.decode(raw).symbol
    except NOT_JSON:
        return ""


def _rules_of(said: _Symbol) -> Rules:
    filters = {each.filter_type: each for each in said.filters}
    price = filters.get("PRICE_FILTER")
    is_futures = bool(said.margin_asset)
    orders, stops = filters.get("MAX_NUM_ORDERS"), filters.get("MAX_NUM_ALGO_ORDERS")
    lists, position = filters.get("MAX_NUM_ORDER_LISTS"), filters.get("MAX_POSITION")
    permissions = said.permission_sets or ([said.permissions] if said.permissions else [])
    return Rules(
        symbol=said.symbol,
        status=said.status,
        base=said.base_asset,
        quote=said.quote_asset,
        margin=said.margin_asset,
        contract_type=said.contract_type,
        order_types=frozenset(said.order_types),
        permissions=tuple(frozenset(each) for each in permissions),
        oco_allowed=said.oco_allowed,
        oto_allowed=said.oto_allowed,
        price_digits=said.quote_asset_precision if said.price_precision is None else said.price_precision,
        quantity_digits=said.base_asset_precision if said.quantity_precision is None else said.quantity_precision,
        min_price=NOUGHT if price is None else number(price.min_price),
        max_price=NOUGHT if price is None else number(price.max_price),
        tick=NOUGHT if price is None else number(price.tick_size),
        lot=_lot_of(filters.get("LOT_SIZE")),
        market_lot=_lot_of(filters.get("MARKET_LOT_SIZE")),
        notionals=_notionals_of(said.filters, is_futures=is_futures),
        percents=_percents_of(said.filters, is_futures=is_futures),
        max_orders=0 if orders is None else orders.max_num_orders or _limit_of(orders),
        max_stops=0 if stops is None else stops.max_num_algo_orders or _limit_of(stops),
        max_lists=0 if lists is None else lists.max_num_order_lists,
        max_position=NOUGHT if position is None else number(position.max_position),
        trigger_protect=number(said.trigger_protect),
        market_take_bound=number(said.market_take_bound),
        unknown_filters=tuple(sorted(filters.keys() - _KNOWN)),
    )


# Futures call it so; of other filters it is a quantity, said as a word.
def _limit_of(said: _Filter) -> int:
    if isinstance(said.limit, str):
        raise wrong(said.filter_type, "limit", said.limit, "it is no number of orders")
    return said.limit


def _lot_of(said: _Filter | None) -> Lot:
    return Lot() if said is None else Lot(number(said.min_qty), number(said.max_qty), number(said.step_size))


_KNOWN: Final = _PASSED_OVER | frozenset(
    [
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ORDERS",
        "MAX_NUM_ORDER_LISTS",
        "MAX_POSITION",
        "MIN_NOTIONAL",
        "NOTIONAL",
        "PERCENT_PRICE",
        "PERCENT_PRICE_BY_SIDE",
        "PRICE_FILTER",
    ]
)


def _notionals_of(filters: Sequence[_Filter], *, is_futures: bool) -> tuple[Notional, ...]:
    found: list[Notional] = []
    for each in filters:
        name, mins = each.filter_type, each.avg_price_mins
        if name == "MIN_NOTIONAL" and is_futures:
            found.append(Notional(name, number(each.notional), by_mark=True))
        elif name == "MIN_NOTIONAL":
            found.append(
                Notional(name, number(each.min_notional), least_at_market=each.apply_to_market, average_mins=mins)
            )
        elif name == "NOTIONAL":
            found.append(
                Notional(
                    name,
                    number(each.min_notional),
                    number(each.max_notional),
                    each.apply_min_to_market,
                    each.apply_max_to_market,
                    mins,
                )
            )
    return tuple(found)


# On futures a price may be as far on the harmless side as it likes: a buy is bounded above, a sell below.
def _percents_of(filters: Sequence[_Filter], *, is_futures: bool) -> tuple[Percent, ...]:
    found: list[Percent] = []
    for each in filters:
        name, mins = each.filter_type, each.avg_price_mins
        up, down = number(each.multiplier_up), number(each.multiplier_down)
        if name == "PERCENT_PRICE" and is_futures:
            found.append(Percent(name, NOUGHT, up, down, NOUGHT, by_mark=True))
        elif name == "PERCENT_PRICE":
            found.append(Percent(name, down, up, down, up, mins))
        elif name == "PERCENT_PRICE_BY_SIDE":
            found.append(
                Percent(
                    name,
                    number(each.bid_multiplier_down),
                    number(each.bid_multiplier_up),
                    number(each.ask_multiplier_down),
                    number(each.ask_multiplier_up),
                    mins,
                )
            )
    return tuple(found)
