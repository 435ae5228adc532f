"""What spot's user stream says, as records (docs: binance-spot-api-docs, user-data-stream.md of 2026-07)."""

from __future__ import annotations

from typing import Final

import msgspec

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
)
from quantmind.adapters.binance.records import (
    Balance,
    BalancesSaid,
    Ended,
    Fill,
    Order,
    OrderSaid,
    OtherSaid,
    UserEvent,
)

KNOWN: Final = frozenset({"balanceUpdate", "listStatus", "externalLockUpdate", "serverShutdown"})
"""Events that change nothing that is kept here: balances are told by outboundAccountPosition, too, and the orders of a
list by executionReport."""


class _Head(msgspec.Struct):
    e: str = ""
    event: msgspec.Raw = msgspec.Raw(b"")


# The exchange tells fields apart by their case alone.
class _Report(
    msgspec.Struct,
    rename={
        "event_time": "E",
        "symbol": "s",
        "client_id": "c",
        "original": "C",
        "side": "S",
        "kind": "o",
        "quantity": "q",
        "price": "p",
        "trigger": "P",
        "list_id": "g",
        "execution": "x",
        "status": "X",
        "reject_reason": "r",
        "expiry_reason": "eR",
        "order_id": "i",
        "last_quantity": "l",
        "filled": "z",
        "last_price": "L",
        "commission": "n",
        "commission_asset": "N",
        "time": "T",
        "trade_id": "t",
        "created": "O",
        "quote_filled": "Z",
    },
):
    event_time: Time
    symbol: Name
    client_id: str
    side: str
    kind: str
    quantity: Number
    price: Number
    execution: str
    status: str
    order_id: Id
    last_quantity: Number
    filled: Number
    last_price: Number
    time: Time
    trade_id: Id = -1
    trigger: MaybeNumber = None
    original: str | None = None
    list_id: Id = -1
    reject_reason: str = "NONE"
    expiry_reason: int | str | None = None
    commission: MaybeNumber = None
    commission_asset: str | None = None
    created: Time = 0
    quote_filled: Number = "0"


class _Balance(msgspec.Struct, rename={"asset": "a", "free": "f", "locked": "l"}):
    asset: Name
    free: Number
    locked: Number


class _Position(msgspec.Struct, rename={"updated": "u", "balances": "B"}):
    updated: Time
    balances: list[_Balance]


_head: Final = msgspec.json.Decoder(_Head)
_report: Final = msgspec.json.Decoder(_Report)
_position: Final = msgspec.json.Decoder(_Position)


def user_event(body: bytes) -> UserEvent:
    """An event, wrapped with its subscription or as it is. Raises WireFault.

    `BalancesSaid.event_msc` is the time of the change, as `SpotAccount.updated_msc` is.
    """
    head, inner = decoded(_head, body, "user event"), body
    if head.event:
        inner = bytes(head.event)
        head = decoded(_head, inner, "user event")
    match head.e:
        case "executionReport":
            return _said_of(decoded(_report, inner, head.e))
        case "outboundAccountPosition":
            position = decoded(_position, inner, head.e)
            return BalancesSaid(
                balances=tuple(
                    Balance(each.asset, number(each.free), number(each.locked)) for each in position.balances
                ),
                event_msc=milliseconds(position.updated),
            )
        case "eventStreamTerminated":
            return Ended("the exchange has ended the subscription")
        case kind:
            return OtherSaid(kind, kind in KNOWN)


def _said_of(said: _Report) -> OrderSaid:
    is_cancel = said.execution == "CANCELED" and bool(said.original)
    order = Order(
        symbol=said.symbol,
        order_id=said.order_id,
        client_id=(said.original or "") if is_cancel else said.client_id,
        side=side_of(said.side, "executionReport"),
        kind=said.kind,
        status=said.status,
        quantity=number(said.quantity),
        filled=number(said.filled),
        quote_filled=number(said.quote_filled),
        price=number(said.price),
        trigger=number(said.trigger),
        time_msc=milliseconds(said.created),
        updated_msc=milliseconds(said.time),
        list_id=said.list_id,
    )
    return OrderSaid(
        order=order,
        event_msc=milliseconds(said.event_time),
        fill=_fill_of(said, order),
        execution=said.execution,
        reason=_reason_of(said),
        original_client_id=order.client_id if is_cancel else "",
    )


def _fill_of(said: _Report, order: Order) -> Fill | None:
    quantity = number(said.last_quantity)
    if said.execution != "TRADE" or quantity <= 0:
        return None
    return Fill(
        symbol=order.symbol,
        trade_id=said.trade_id,
        order_id=order.order_id,
        side=order.side,
        price=number(said.last_price),
        quantity=quantity,
        commission=number(said.commission),
        commission_asset=said.commission_asset or "",
        time_msc=order.updated_msc,
        client_id=order.client_id,
    )


def _reason_of(said: _Report) -> str:
    if said.reject_reason not in ("NONE", ""):
        return said.reject_reason
    return f"expiry reason {said.expiry_reason}" if said.expiry_reason else ""
