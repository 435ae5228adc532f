"""An MqlTradeRequest as a dict to what it asks of a paper account, or to the code that a server refuses it with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.checks import refuse
from quantmind.adapters.mock.terminal_view.constants import (
    FILLINGS,
    ORDER_TYPES,
    STOP_LIMITS,
    Action,
    TypeTime,
)
from quantmind.adapters.mock.terminal_view.numbers import price_of, volume_of
from quantmind.domain.accounts import Position
from quantmind.domain.orders import (
    Cancel,
    Close,
    Filling,
    Modify,
    Open,
    OrderType,
    Origin,
    Proposal,
    Refused,
)
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import SymbolSpec

_DAY_S: Final = 86_400
_EA_NAME: Final = "terminal"
_MOST: Final = 2**64 - 1


class InvalidRequest(ValueError):
    """A field is not there, or its value is of no type that it may have; nothing was sent (MetaTrader5: None)."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@attrs.frozen
class TradeRequest:
    """MqlTradeRequest in the field order of the package; what a request leaves out is 0 or empty."""

    action: int = 0
    magic: int = 0
    order: int = 0
    symbol: str = ""
    volume: float = 0.0
    price: float = 0.0
    stoplimit: float = 0.0
    sl: float = 0.0
    tp: float = 0.0
    deviation: int = 0
    type: int = 0
    type_filling: int = 0
    type_time: int = 0
    expiration: int = 0
    comment: str = ""
    position: int = 0
    position_by: int = 0


_KINDS: Final[Mapping[str, type]] = {field.name: type(field.default) for field in attrs.fields(TradeRequest)}


def parse(request: Mapping[str, Any]) -> TradeRequest:
    """The request with every field there.

    Raises:
        InvalidRequest: a field is unknown, or its value has the wrong type; says which and what it may be.
    """
    values: dict[str, Any] = {}
    for field, value in request.items():
        kind = _KINDS.get(field)
        if kind is None:
            raise InvalidRequest(str(field), f"a trade request has no field {field!r}: it has {', '.join(_KINDS)}")
        values[field] = _value(field, value, kind)
    return TradeRequest(**values)


def proposal_of(request: TradeRequest, account: PaperAccount, offset_s: int) -> Proposal | Refused:
    """What the request asks for.

    Args:
        offset_s: how far the server's clock is ahead of UTC, in which `expiration` is written.
    """
    try:
        action = Action(request.action)
    except ValueError:
        return refuse(Retcode.INVALID, f"action {request.action} is none: use TRADE_ACTION_DEAL and the like")
    match action:
        case Action.DEAL:
            return _deal(request, account)
        case Action.PENDING:
            return _pending(request, account, offset_s)
        case Action.SLTP:
            return _stops(request, account)
        case Action.MODIFY:
            return _modify(request, account, offset_s)
        case Action.REMOVE:
            return Cancel(_origin(request), "", request.order)
        case Action.CLOSE_BY:
            return Close(_origin(request), "", request.symbol, request.position, by=request.position_by)


def _value(field: str, value: Any, kind: type) -> Any:
    if kind is str and isinstance(value, str):
        return value
    if not isinstance(value, bool):
        # An IntEnum's member is an int; a float that is whole is not, as in the package.
        if kind is int and isinstance(value, int) and 0 <= value <= _MOST:
            return int(value)
        if kind is float and isinstance(value, int | float) and abs(value) <= _MOST:
            return float(value)
    expected = {int: "a whole number from 0 up", float: "a finite number", str: "a text"}[kind]
    raise InvalidRequest(field, f"{field} of a trade request must be {expected}, was {value!r}"[:200])


def _origin(request: TradeRequest) -> Origin:
    return Origin(_EA_NAME, request.magic)


def _deal(request: TradeRequest, account: PaperAccount) -> Proposal | Refused:
    spec = account.market.specs.get(request.symbol)
    if spec is None:
        return refuse(Retcode.INVALID, f"there is no symbol {request.symbol!r} here")
    side, order_type = ORDER_TYPES.get(request.type, (None, None))
    if side is None or order_type is not OrderType.MARKET:
        return refuse(Retcode.INVALID, f"type {request.type} is no market order: use ORDER_TYPE_BUY or ORDER_TYPE_SELL")
    filling = _filling(request, spec)
    if isinstance(filling, Refused):
        return filling
    if request.position:
        position = _position(account, request.position)
        if position is not None and position.side is side:
            return refuse(
                Retcode.INVALID, f"position {request.position} is a {side.value}: only the opposite type closes it"
            )
        return Close(_origin(request), "", request.symbol, request.position, volume=volume_of(request.volume))
    return Open(
        origin=_origin(request),
        broker="",
        symbol=request.symbol,
        volume=volume_of(request.volume),
        side=side,
        price=_level(request.price, spec),
        sl=_level(request.sl, spec),
        tp=_level(request.tp, spec),
        comment=request.comment,
        deviation=request.deviation,
        filling=filling,
    )


def _pending(request: TradeRequest, account: PaperAccount, offset_s: int) -> Proposal | Refused:
    spec = account.market.specs.get(request.symbol)
    if spec is None:
        return refuse(Retcode.INVALID, f"there is no symbol {request.symbol!r} here")
    if request.type in STOP_LIMITS:
        return refuse(Retcode.INVALID_ORDER, "a paper account has no stop limit orders: use a limit or a stop order")
    side, order_type = ORDER_TYPES.get(request.type, (None, OrderType.MARKET))
    if side is None or order_type is OrderType.MARKET:
        return refuse(
            Retcode.INVALID_ORDER, f"type {request.type} is no pending order: use ORDER_TYPE_BUY_LIMIT and the like"
        )
    filling = _filling(request, spec)
    if isinstance(filling, Refused):
        return filling
    expiration = _expiration(request, account, offset_s)
    if isinstance(expiration, Refused):
        return expiration
    return Open(
        origin=_origin(request),
        broker="",
        symbol=request.symbol,
        volume=volume_of(request.volume),
        side=side,
        order_type=order_type,
        price=_level(request.price, spec),
        sl=_level(request.sl, spec),
        tp=_level(request.tp, spec),
        comment=request.comment,
        expiration=expiration,
        filling=filling,
    )


def _stops(request: TradeRequest, account: PaperAccount) -> Proposal | Refused:
    ticket = request.position
    if not ticket and account.terms.margin_mode == "netting":
        ticket = next((each.ticket for each in account.positions() if each.symbol == request.symbol), 0)
    position = _position(account, ticket)
    if position is None:
        return refuse(Retcode.POSITION_CLOSED, f"there is no open position {ticket}")
    spec = account.market.specs[position.symbol]
    # Both are replaced: what the request leaves out is removed.
    return Modify(_origin(request), "", ticket, new_sl=price_of(request.sl, spec), new_tp=price_of(request.tp, spec))


def _modify(request: TradeRequest, account: PaperAccount, offset_s: int) -> Proposal | Refused:
    order = next((each for each in account.orders() if each.ticket == request.order), None)
    if order is None:
        return refuse(Retcode.INVALID, f"there is no pending order {request.order}")
    spec = account.market.specs[order.symbol]
    expiration = _expiration(request, account, offset_s)
    if isinstance(expiration, Refused):
        return expiration
    return Modify(
        _origin(request),
        "",
        request.order,
        new_sl=price_of(request.sl, spec),
        new_tp=price_of(request.tp, spec),
        new_price=price_of(request.price, spec),
        new_expiration=expiration or 0.0,
    )


def _position(account: PaperAccount, ticket: int) -> Position | None:
    return next((each for each in account.positions() if each.ticket == ticket), None)


def _filling(request: TradeRequest, spec: SymbolSpec) -> Filling | Refused:
    filling = FILLINGS.get(request.type_filling)
    if filling is None:
        return refuse(
            Retcode.INVALID_FILL,
            f"{spec.name} has no filling mode {request.type_filling}: use ORDER_FILLING_FOK or _IOC",
        )
    return filling


def _level(value: float, spec: SymbolSpec) -> Decimal | None:
    return None if value == 0 else price_of(value, spec)


# A day ends with the last second of the server's day.
def _expiration(request: TradeRequest, account: PaperAccount, offset_s: int) -> float | Refused | None:
    try:
        type_time = TypeTime(request.type_time)
    except ValueError:
        return refuse(
            Retcode.INVALID_EXPIRATION, f"type_time {request.type_time} is none: use ORDER_TIME_GTC and the like"
        )
    if type_time is TypeTime.GTC:
        return None
    if type_time is TypeTime.DAY:
        now_s = math.floor(account.time_msc / 1000) + offset_s
        return float(now_s // _DAY_S * _DAY_S + _DAY_S - 1 - offset_s)
    if request.expiration == 0:
        return refuse(Retcode.INVALID_EXPIRATION, "this type_time needs an expiration: none was given")
    if type_time is TypeTime.SPECIFIED:
        return float(request.expiration - offset_s)
    return float(request.expiration // _DAY_S * _DAY_S + _DAY_S - 1 - offset_s)
