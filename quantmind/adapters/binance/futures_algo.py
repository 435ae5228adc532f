"""Conditional orders of USD-M futures, in answers and in events (docs of 2026-08: algo orders).

What such an order filled is said of the order that it became.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from quantmind.adapters.binance.faults import Id, MaybeNumber, Name, Time, decoded, milliseconds, number, side_of
from quantmind.adapters.binance.records import Order, OrderSaid

_MaybeId = Id | Annotated[str, Meta(pattern=r"\A[0-9]{0,19}\Z")] | None
"""Of the order that it became: empty until it was set off."""


# An answer and an event have the same fields under other names; msgspec renames none that are inherited.
class _Answer(
    msgspec.Struct,
    rename={
        "client_id": "clientAlgoId",
        "algo_id": "algoId",
        "kind": "orderType",
        "position_side": "positionSide",
        "status": "algoStatus",
        "becomes": "actualOrderId",
        "trigger": "triggerPrice",
        "closes_position": "closePosition",
        "reduces": "reduceOnly",
        "expires": "goodTillDate",
        "created": "createTime",
        "updated": "updateTime",
    },
):
    symbol: Name
    algo_id: Id
    client_id: str
    kind: str
    side: str
    status: str
    quantity: MaybeNumber = None
    trigger: MaybeNumber = None
    price: MaybeNumber = None
    becomes: _MaybeId = None
    position_side: str = "BOTH"
    reduces: bool = False
    closes_position: bool = False
    expires: Time = 0
    created: Time = 0
    updated: Time = 0


class _Said(
    msgspec.Struct,
    rename={
        "client_id": "caid",
        "algo_id": "aid",
        "kind": "o",
        "symbol": "s",
        "side": "S",
        "position_side": "ps",
        "quantity": "q",
        "status": "X",
        "becomes": "ai",
        "trigger": "tp",
        "price": "p",
        "closes_position": "cp",
        "reduces": "R",
        "expires": "gtd",
        "reason": "rm",
    },
):
    symbol: Name
    client_id: str
    algo_id: Id
    kind: str
    side: str
    status: str
    quantity: MaybeNumber = None
    trigger: MaybeNumber = None
    price: MaybeNumber = None
    becomes: _MaybeId = None
    position_side: str = "BOTH"
    closes_position: bool = False
    reduces: bool = False
    expires: Time = 0
    reason: str | None = None


class _Event(msgspec.Struct):
    E: Time
    T: Time
    o: _Said


_algo_order: Final = msgspec.json.Decoder(_Answer)
_algo_orders: Final = msgspec.json.Decoder(list[_Answer])
_event: Final = msgspec.json.Decoder(_Event)


def algo_order(body: bytes) -> Order:
    """POST and GET /fapi/v1/algoOrder."""
    return _answered(decoded(_algo_order, body, "conditional order"))


def algo_orders(body: bytes) -> list[Order]:
    """GET openAlgoOrders and allAlgoOrders."""
    return [_answered(each) for each in decoded(_algo_orders, body, "conditional orders")]


def algo_said(body: bytes) -> OrderSaid:
    """The event ALGO_UPDATE. Raises WireFault."""
    event = decoded(_event, body, "ALGO_UPDATE")
    said = event.o
    order = _order_of(said, "ALGO_UPDATE", event.T if said.status == "NEW" else 0, event.T)
    return OrderSaid(order, milliseconds(event.E), None, said.status, said.reason or "")


def _answered(said: _Answer) -> Order:
    return _order_of(said, "conditional order", said.created, said.updated)


def _order_of(said: _Answer | _Said, what: str, created: int, updated: int) -> Order:
    return Order(
        symbol=said.symbol,
        order_id=said.algo_id,
        client_id=said.client_id,
        side=side_of(said.side, what),
        kind=said.kind,
        status=said.status,
        quantity=number(said.quantity),
        price=number(said.price),
        trigger=number(said.trigger),
        time_msc=milliseconds(created),
        updated_msc=milliseconds(updated),
        reduces=said.reduces,
        closes_position=said.closes_position,
        position_side=said.position_side,
        conditional=True,
        becomes=max(int(said.becomes or 0), 0),
        expires_msc=milliseconds(said.expires),
    )
