"""What USD-M futures say in answers to REST requests, as records (docs of 2026-08).

Each function takes an answer's body and raises `WireFault` where it is not as documented; unknown fields are passed
over. Words that are an enum there are kept as they were said: `strange.Strange` tells which are new.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import attrs
import msgspec
from msgspec import Meta

from quantmind.adapters.binance.faults import (
    Id,
    MaybeNumber,
    Name,
    Number,
    Time,
    decoded,
    milliseconds,
    number,
    side_of,
    wrong,
)
from quantmind.adapters.binance.futures_algo import algo_order, algo_orders
from quantmind.adapters.binance.futures_events import user_event
from quantmind.adapters.binance.records import NOUGHT, Balance, Fill, FuturesAccount, Holding, Order

__all__ = [
    "SymbolConfig",
    "account",
    "algo_order",
    "algo_orders",
    "balances",
    "holdings",
    "listen_key",
    "order",
    "orders",
    "position_mode",
    "symbol_config",
    "trades",
    "user_event",
]


@attrs.frozen
class SymbolConfig:
    """How positions of a symbol are kept. `margin_type` as CROSSED or ISOLATED."""

    symbol: str
    margin_type: str
    leverage: int


# --- as it comes -----------------------------------------------------------------------------------------------------


class _Asset(msgspec.Struct, rename="camel"):
    asset: Name
    wallet_balance: Number
    update_time: Time = 0


class _Position(msgspec.Struct, rename="camel"):
    symbol: Name
    position_amt: Number
    position_side: str = "BOTH"
    entry_price: MaybeNumber = None
    mark_price: MaybeNumber = None
    isolated_wallet: MaybeNumber = None
    update_time: Time = 0


class _Account(msgspec.Struct, rename="camel"):
    total_initial_margin: Number
    available_balance: Number
    assets: list[_Asset]
    positions: list[_Position] = []


class _Wallet(msgspec.Struct, rename="camel"):
    account_alias: str
    asset: Name
    balance: Number


class _Order(msgspec.Struct, rename="camel"):
    symbol: Name
    order_id: Id
    client_order_id: str
    side: str
    type: str
    status: str
    orig_qty: Number
    executed_qty: Number
    price: Number = "0"
    stop_price: MaybeNumber = None
    avg_price: MaybeNumber = None
    cum_quote: MaybeNumber = None
    position_side: str = "BOTH"
    reduce_only: bool = False
    close_position: bool = False
    good_till_date: Time = 0
    time: Time = 0
    update_time: Time = 0


class _Trade(msgspec.Struct, rename="camel"):
    symbol: Name
    id: Id
    order_id: Id
    side: str
    price: Number
    qty: Number
    commission: Number
    commission_asset: str
    time: Time
    realized_pnl: Number = "0"
    position_side: str = "BOTH"


class _Key(msgspec.Struct, rename="camel"):
    listen_key: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,256}\Z")]


class _Mode(msgspec.Struct, rename="camel"):
    dual_side_position: bool


class _Config(msgspec.Struct, rename="camel"):
    symbol: Name
    margin_type: str
    leverage: Annotated[int, Meta(ge=1, le=1000)]


_account: Final = msgspec.json.Decoder(_Account)
_positions: Final = msgspec.json.Decoder(list[_Position])
_wallets: Final = msgspec.json.Decoder(list[_Wallet])
_order: Final = msgspec.json.Decoder(_Order)
_orders: Final = msgspec.json.Decoder(list[_Order])
_trades: Final = msgspec.json.Decoder(list[_Trade])
_key: Final = msgspec.json.Decoder(_Key)
_mode: Final = msgspec.json.Decoder(_Mode)
_configs: Final = msgspec.json.Decoder(list[_Config])


# --- as records ------------------------------------------------------------------------------------------------------


def account(body: bytes) -> FuturesAccount:
    """GET /fapi/v3/account. Its positions have no entry price: GET positionRisk has."""
    said = decoded(_account, body, "account")
    return FuturesAccount(
        balances=tuple(Balance(each.asset, number(each.wallet_balance)) for each in said.assets),
        holdings=_open(said.positions),
        margin=number(said.total_initial_margin),
        available=number(said.available_balance),
        updated_msc=max((milliseconds(each.update_time) for each in said.assets), default=0),
    )


def holdings(body: bytes) -> tuple[Holding, ...]:
    """GET /fapi/v3/positionRisk: those that are not 0. `margin` is that of an isolated position, else 0."""
    return _open(decoded(_positions, body, "positions"))


def balances(body: bytes) -> tuple[str, tuple[Balance, ...]]:
    """GET /fapi/v3/balance: what the account is called (empty: nobody said), and its wallets."""
    said = decoded(_wallets, body, "balances")
    alias = said[0].account_alias if said else ""
    return alias, tuple(Balance(each.asset, number(each.balance)) for each in said)


def order(body: bytes) -> Order:
    """POST, PUT, GET and DELETE /fapi/v1/order."""
    return _order_of(decoded(_order, body, "order"))


def orders(body: bytes) -> list[Order]:
    """GET openOrders and allOrders."""
    return [_order_of(each) for each in decoded(_orders, body, "orders")]


def trades(body: bytes) -> list[Fill]:
    """GET userTrades. It does not say what the orders are called."""
    rows = decoded(_trades, body, "trades")
    return [
        Fill(
            symbol=each.symbol,
            trade_id=each.id,
            order_id=each.order_id,
            side=side_of(each.side, "trade"),
            price=number(each.price),
            quantity=number(each.qty),
            commission=number(each.commission),
            commission_asset=each.commission_asset,
            time_msc=milliseconds(each.time),
            realized=number(each.realized_pnl),
            position_side=each.position_side,
        )
        for each in rows
    ]


def listen_key(body: bytes) -> str:
    """POST and PUT /fapi/v1/listenKey: a name that can be put into an address as it is."""
    said = decoded(_key, body, "listen key")
    return said.listen_key


def position_mode(body: bytes) -> bool:
    """GET positionSide/dual: whether the account is in hedge mode."""
    said = decoded(_mode, body, "position mode")
    return said.dual_side_position


def symbol_config(body: bytes) -> SymbolConfig:
    """GET symbolConfig of one symbol."""
    said = decoded(_configs, body, "symbol configuration")
    if len(said) != 1:
        raise wrong("symbol configuration", "[]", [each.symbol for each in said], "it is not that of one symbol")
    return SymbolConfig(said[0].symbol, said[0].margin_type, said[0].leverage)


def _open(positions: list[_Position]) -> tuple[Holding, ...]:
    return tuple(
        Holding(
            symbol=each.symbol,
            position_side=each.position_side,
            amount=amount,
            entry_price=number(each.entry_price),
            updated_msc=milliseconds(each.update_time),
            mark=number(each.mark_price),
            margin=number(each.isolated_wallet),
        )
        for each in positions
        if (amount := number(each.position_amt))
    )


# An answer to a new order has one time only, that of the change; a new order was made then.
def _order_of(said: _Order) -> Order:
    updated, filled = milliseconds(said.update_time), number(said.executed_qty)
    return Order(
        symbol=said.symbol,
        order_id=said.order_id,
        client_id=said.client_order_id,
        side=side_of(said.side, "order"),
        kind=said.type,
        status=said.status,
        quantity=number(said.orig_qty),
        filled=filled,
        quote_filled=_quote_filled(said, filled),
        price=number(said.price),
        trigger=number(said.stop_price),
        time_msc=milliseconds(said.time) or (updated if said.status == "NEW" else 0),
        updated_msc=updated,
        reduces=said.reduce_only,
        closes_position=said.close_position,
        position_side=said.position_side,
        expires_msc=milliseconds(said.good_till_date),
    )


# Since 2026-07-15 neither is said everywhere; trades tell.
def _quote_filled(said: _Order, filled: Decimal) -> Decimal:
    return number(said.cum_quote) or number(said.avg_price) * filled or NOUGHT
