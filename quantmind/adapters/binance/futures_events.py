"""What the user stream of USD-M futures says, as records (docs of 2026-08)."""

from __future__ import annotations

from typing import Annotated, Final

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
)
from quantmind.adapters.binance.futures_algo import algo_said
from quantmind.adapters.binance.records import (
    NOUGHT,
    Balance,
    BalancesSaid,
    Ended,
    Fill,
    Holding,
    LeverageSaid,
    Order,
    OrderSaid,
    OtherSaid,
    UserEvent,
)

KNOWN: Final = frozenset(
    {
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "GRID_UPDATE",
        "MARGIN_CALL",
        "STRATEGY_UPDATE",
        "TRADE_LITE",
    }
)
"""Events that change nothing that is kept here: a trade is told by ORDER_TRADE_UPDATE, too, and a conditional order
that was refused by ALGO_UPDATE."""
_FILLING: Final = frozenset({"TRADE", "CALCULATED"})
"""A trade, and one that the exchange makes by force: a liquidation."""


class _Head(msgspec.Struct):
    e: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


# The exchange tells fields apart by their case alone.
class _Order(
    msgspec.Struct,
    rename={
        "symbol": "s",
        "client_id": "c",
        "side": "S",
        "kind": "o",
        "quantity": "q",
        "price": "p",
        "average": "ap",
        "trigger": "sp",
        "execution": "x",
        "status": "X",
        "order_id": "i",
        "last_quantity": "l",
        "filled": "z",
        "last_price": "L",
        "commission": "n",
        "commission_asset": "N",
        "time": "T",
        "trade_id": "t",
        "reduces": "R",
        "position_side": "ps",
        "closes_position": "cp",
        "realized": "rp",
        "expires": "gtd",
        "expiry_reason": "er",
    },
):
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
    average: MaybeNumber = None
    trigger: MaybeNumber = None
    commission: MaybeNumber = None
    commission_asset: str | None = None
    trade_id: Id = 0
    reduces: bool = False
    position_side: str = "BOTH"
    closes_position: bool = False
    realized: MaybeNumber = None
    expires: Time = 0
    expiry_reason: int | str | None = None


class _OrderEvent(msgspec.Struct):
    E: Time
    T: Time
    o: _Order


class _Balance(msgspec.Struct, rename={"asset": "a", "wallet": "wb"}):
    asset: Name
    wallet: Number


class _Position(
    msgspec.Struct,
    rename={"symbol": "s", "amount": "pa", "entry_price": "ep", "position_side": "ps", "isolated_wallet": "iw"},
):
    symbol: Name
    amount: Number
    entry_price: MaybeNumber = None
    position_side: str = "BOTH"
    isolated_wallet: MaybeNumber = None


class _Account(msgspec.Struct, rename={"reason": "m", "balances": "B", "positions": "P"}):
    reason: str = ""
    balances: list[_Balance] = []
    positions: list[_Position] = []


class _AccountEvent(msgspec.Struct):
    T: Time
    a: _Account


class _Leverage(msgspec.Struct, rename={"symbol": "s", "leverage": "l"}):
    symbol: Name
    leverage: Annotated[int, Meta(ge=1, le=1000)]


class _ConfigEvent(msgspec.Struct):
    ac: _Leverage | None = None


_head: Final = msgspec.json.Decoder(_Head)
_order: Final = msgspec.json.Decoder(_OrderEvent)
_account: Final = msgspec.json.Decoder(_AccountEvent)
_config: Final = msgspec.json.Decoder(_ConfigEvent)


def user_event(body: bytes) -> UserEvent:
    """An event, as it is or in a combined stream. Raises WireFault.

    `BalancesSaid.event_msc` is the time of the change, as `FuturesAccount.updated_msc` is.
    """
    head, inner = decoded(_head, body, "user event"), body
    if not head.e and head.data:
        inner = bytes(head.data)
        head = decoded(_head, inner, "user event")
    match head.e:
        case "ORDER_TRADE_UPDATE":
            return _order_said(decoded(_order, inner, head.e))
        case "ALGO_UPDATE":
            return algo_said(inner)
        case "ACCOUNT_UPDATE":
            return _balances_said(decoded(_account, inner, head.e))
        case "ACCOUNT_CONFIG_UPDATE" as kind:
            said = decoded(_config, inner, head.e).ac
            return OtherSaid(kind, known=True) if said is None else LeverageSaid(said.symbol, said.leverage)
        case "listenKeyExpired":
            return Ended("the listen key has expired")
        case kind:
            return OtherSaid(kind, kind in KNOWN)


def _order_said(event: _OrderEvent) -> OrderSaid:
    said, filled = event.o, number(event.o.filled)
    order = Order(
        symbol=said.symbol,
        order_id=said.order_id,
        client_id=said.client_id,
        side=side_of(said.side, "ORDER_TRADE_UPDATE"),
        kind=said.kind,
        status=said.status,
        quantity=number(said.quantity),
        filled=filled,
        quote_filled=number(said.average) * filled,
        price=number(said.price),
        trigger=number(said.trigger),
        time_msc=milliseconds(said.time) if said.execution == "NEW" else 0,
        updated_msc=milliseconds(event.T),
        reduces=said.reduces,
        closes_position=said.closes_position,
        position_side=said.position_side,
        expires_msc=milliseconds(said.expires),
    )
    reason = "" if said.expiry_reason in (None, "", "0", 0) else f"expiry reason {said.expiry_reason}"
    return OrderSaid(order, milliseconds(event.E), _fill_of(said, order), said.execution, reason)


# What the exchange did by force may have no number: GET userTrades tells it then.
def _fill_of(said: _Order, order: Order) -> Fill | None:
    quantity = number(said.last_quantity)
    if said.execution not in _FILLING or quantity <= NOUGHT or said.trade_id <= 0:
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
        time_msc=milliseconds(said.time),
        realized=number(said.realized),
        position_side=order.position_side,
        client_id=order.client_id,
    )


def _balances_said(event: _AccountEvent) -> BalancesSaid:
    updated = milliseconds(event.T)
    return BalancesSaid(
        balances=tuple(Balance(each.asset, number(each.wallet)) for each in event.a.balances),
        event_msc=updated,
        holdings=tuple(
            Holding(
                symbol=each.symbol,
                position_side=each.position_side,
                amount=number(each.amount),
                entry_price=number(each.entry_price),
                updated_msc=updated,
                margin=number(each.isolated_wallet),
            )
            for each in event.a.positions
        ),
        reason=event.a.reason,
    )
