"""What spot says in answers to REST requests, as records (docs: binance-spot-api-docs, rest-api.md of 2026-07).

Each function takes an answer's body and raises `WireFault` where it is not as documented; unknown fields are passed
over. Words that are an enum there are kept as they were said: `strange.Strange` tells which are new.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from quantmind.adapters.binance.errors import Refusal
from quantmind.adapters.binance.faults import (
    NOT_JSON,
    Id,
    MaybeNumber,
    Name,
    Number,
    Time,
    decoded,
    milliseconds,
    number,
    side_of,
)
from quantmind.adapters.binance.records import NOUGHT, Balance, Fill, Order, SpotAccount
from quantmind.adapters.binance.refusals import UNKNOWN_CODES
from quantmind.adapters.binance.spot_events import user_event
from quantmind.adapters.binance.ws_wire import WsReply, ws_reply
from quantmind.domain.orders import Side

__all__ = [
    "OrderList",
    "WsReply",
    "account",
    "half_replaced",
    "is_untouched",
    "open_order_lists",
    "order",
    "order_list",
    "orders",
    "placed",
    "replaced",
    "trades",
    "user_event",
    "ws_reply",
]


@attrs.frozen
class OrderList:
    """An order list that is open: which orders are in it, by id and client order id.

    `status` as EXECUTING or ALL_DONE.
    """

    list_id: int
    symbol: str
    kind: str
    status: str
    client_id: str
    orders: tuple[tuple[int, str], ...]
    time_msc: int


# --- as it comes -----------------------------------------------------------------------------------------------------


class _Balance(msgspec.Struct):
    asset: Name
    free: Number
    locked: Number


class _Account(msgspec.Struct, rename="camel"):
    can_trade: bool
    balances: list[_Balance]
    update_time: Time = 0
    uid: int = 0


class _Fill(msgspec.Struct, rename="camel"):
    price: Number
    qty: Number
    commission: Number
    commission_asset: str
    trade_id: Id


class _Order(msgspec.Struct, rename="camel"):
    symbol: Name
    order_id: Id
    client_order_id: str
    side: str
    type: str
    status: str
    price: Number
    orig_qty: Number
    executed_qty: Number
    cummulative_quote_qty: Number = "0"
    order_list_id: Id = -1
    stop_price: MaybeNumber = None
    orig_client_order_id: str = ""
    time: Time = 0
    update_time: Time = 0
    transact_time: Time = 0
    fills: list[_Fill] = []


class _ListedOrder(msgspec.Struct, rename="camel"):
    order_id: Id
    client_order_id: str


class _OrderList(msgspec.Struct, rename="camel"):
    order_list_id: Id
    order_reports: list[_Order]


class _ListRow(msgspec.Struct, rename="camel"):
    order_list_id: Id
    symbol: Name
    contingency_type: str
    list_order_status: str
    list_client_order_id: str
    orders: list[_ListedOrder]
    transaction_time: Time = 0


class _Trade(msgspec.Struct, rename="camel"):
    symbol: Name
    id: Id
    order_id: Id
    price: Number
    qty: Number
    commission: Number
    commission_asset: str
    time: Time
    is_buyer: bool


class _Replaced(msgspec.Struct, rename="camel"):
    new_order_response: _Order


class _Why(msgspec.Struct):
    code: int
    msg: str


class _Half(msgspec.Struct, rename="camel"):
    cancel_result: str
    new_order_result: str
    new_order_response: msgspec.Raw = msgspec.Raw(b"null")


class _Failed(msgspec.Struct, rename="camel"):
    cancel_result: str
    cancel_response: _Why


_account: Final = msgspec.json.Decoder(_Account)
_order: Final = msgspec.json.Decoder(_Order)
_orders: Final = msgspec.json.Decoder(list[_Order])
_order_list: Final = msgspec.json.Decoder(_OrderList)
_list_rows: Final = msgspec.json.Decoder(list[_ListRow])
_trades: Final = msgspec.json.Decoder(list[_Trade])
_replaced: Final = msgspec.json.Decoder(_Replaced)
_half: Final = msgspec.json.Decoder(_Half)
_why: Final = msgspec.json.Decoder(_Why)
_failed: Final = msgspec.json.Decoder(_Failed)


# --- as records ------------------------------------------------------------------------------------------------------


def account(body: bytes) -> SpotAccount:
    """GET /api/v3/account."""
    said = decoded(_account, body, "account")
    return SpotAccount(
        uid=said.uid,
        can_trade=said.can_trade,
        balances=tuple(Balance(each.asset, number(each.free), number(each.locked)) for each in said.balances),
        updated_msc=milliseconds(said.update_time),
    )


def order(body: bytes) -> Order:
    """GET or DELETE /api/v3/order: the order's client order id, never the cancellation's."""
    return _order_of(decoded(_order, body, "order"))


def orders(body: bytes) -> list[Order]:
    """GET openOrders and allOrders."""
    return [_order_of(each) for each in decoded(_orders, body, "orders")]


def placed(body: bytes) -> tuple[Order, tuple[Fill, ...]]:
    """POST /api/v3/order, in the forms RESULT and FULL; only the latter tells trades."""
    said = decoded(_order, body, "new order")
    placed_order = _order_of(said)
    return placed_order, tuple(
        Fill(
            symbol=said.symbol,
            trade_id=each.trade_id,
            order_id=said.order_id,
            side=placed_order.side,
            price=number(each.price),
            quantity=number(each.qty),
            commission=number(each.commission),
            commission_asset=each.commission_asset,
            time_msc=placed_order.updated_msc,
            client_id=said.client_order_id,
        )
        for each in said.fills
    )


def order_list(body: bytes) -> tuple[int, tuple[Order, ...]]:
    """The id and the orders of a list: POST orderList/oco, oto, otoco, and DELETE orderList."""
    said = decoded(_order_list, body, "order list")
    return said.order_list_id, tuple(_order_of(each) for each in said.order_reports)


def open_order_lists(body: bytes) -> list[OrderList]:
    """GET openOrderList and allOrderList."""
    rows = decoded(_list_rows, body, "order lists")
    return [
        OrderList(
            list_id=row.order_list_id,
            symbol=row.symbol,
            kind=row.contingency_type,
            status=row.list_order_status,
            client_id=row.list_client_order_id,
            orders=tuple((each.order_id, each.client_order_id) for each in row.orders),
            time_msc=milliseconds(row.transaction_time),
        )
        for row in rows
    ]


def trades(body: bytes) -> list[Fill]:
    """GET myTrades. It does not say what the orders are called."""
    rows = decoded(_trades, body, "trades")
    return [
        Fill(
            symbol=each.symbol,
            trade_id=each.id,
            order_id=each.order_id,
            side=Side.BUY if each.is_buyer else Side.SELL,
            price=number(each.price),
            quantity=number(each.qty),
            commission=number(each.commission),
            commission_asset=each.commission_asset,
            time_msc=milliseconds(each.time),
        )
        for each in rows
    ]


def replaced(body: bytes) -> Order:
    """The new order of POST order/cancelReplace, where both halves were done."""
    said = decoded(_replaced, body, "replaced order")
    return _order_of(said.new_order_response)


def half_replaced(data: bytes) -> Refusal | None:
    """Why there is no new order, of the `data` of a cancelReplace that was half done; None: it does not say that the
    old one was cancelled, and the new one surely refused.
    """
    try:
        half = _half.decode(data)
        if (half.cancel_result, half.new_order_result) != ("SUCCESS", "FAILURE"):
            return None
        why = _why.decode(half.new_order_response)
    except NOT_JSON:
        return None
    return None if why.code in UNKNOWN_CODES else Refusal(why.code, why.msg)


def is_untouched(data: bytes) -> bool:
    """Whether the `data` of a cancelReplace that was refused says that the old order surely waits as it did."""
    try:
        failed = _failed.decode(data)
    except NOT_JSON:
        return False
    return failed.cancel_result == "FAILURE" and failed.cancel_response.code not in UNKNOWN_CODES


# An answer to a new order or a cancellation has one time, that of the change. A cancellation has a client order id of
# its own. Of very old orders the exchange does not know the worth, and says that it is below 0.
def _order_of(said: _Order) -> Order:
    is_cancel = bool(said.orig_client_order_id)
    changed = milliseconds(said.transact_time)
    return Order(
        symbol=said.symbol,
        order_id=said.order_id,
        client_id=said.orig_client_order_id or said.client_order_id,
        side=side_of(said.side, "order"),
        kind=said.type,
        status=said.status,
        quantity=number(said.orig_qty),
        filled=number(said.executed_qty),
        quote_filled=max(number(said.cummulative_quote_qty), NOUGHT),
        price=number(said.price),
        trigger=number(said.stop_price),
        time_msc=milliseconds(said.time) or (0 if is_cancel else changed),
        updated_msc=milliseconds(said.update_time) or changed,
        list_id=said.order_list_id,
    )
