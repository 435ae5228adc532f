"""Commands: one JSON object in, a typed message or a fault that names field, value and way out.

The messages are those of docs/protocol.md section 2. An unknown field is a fault, since a misspelt stop is money.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import msgspec

from quantmind.domain.orders import Cancel, Close, Filling, Modify, Open, OrderType, Origin, Proposal, Side
from quantmind.wire.fields import (
    MAX_COMMENT,
    MAX_DEVIATION,
    MAX_EA_NAME,
    MAX_ID,
    MAX_TICKET,
    above_zero,
    alias_in,
    choice_in,
    expiration_in,
    float_in,
    integer_in,
    number_in,
    positive_in,
    price_in,
    symbol_in,
    text_in,
    text_of,
    valid_id,
    zero_is_none,
)
from quantmind.wire.guards import MAX_DEPTH, CommandFault, refuse_repeated_key, too_deep
from quantmind.wire.shapes import (
    TYPES,
    HeartbeatMessage,
    RiskUpdateMessage,
    TradeCancelMessage,
    TradeCloseMessage,
    TradeModifyMessage,
    TradeOpenMessage,
    TradeResultMessage,
    message_of,
    without_token,
)

__all__ = [
    "MAX_COMMENT",
    "MAX_DEPTH",
    "MAX_EA_NAME",
    "MAX_ID",
    "MAX_TICKET",
    "TYPES",
    "Command",
    "CommandFault",
    "Envelope",
    "Heartbeat",
    "RiskUpdate",
    "Trade",
    "TradeResult",
    "decode",
    "fingerprint_of",
    "too_deep",
]

_encode = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every command may carry. Times are Unix seconds."""

    ea_name: str
    request_id: str | None = None
    broker: str | None = None
    token: str | None = None
    timestamp: float | None = None
    expires_at: float | None = None

    def __repr__(self) -> str:
        return without_token(self)


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade_open, trade_close, trade_modify or trade_cancel: the proposal's fields, with the broker still open.

    `price` is also a modification's new price, `expiration` (Unix seconds) its new expiration, 0 for none.
    """

    envelope: Envelope
    kind: str
    magic: int
    execute: bool
    symbol: str = ""
    ticket: int = 0
    volume: Decimal | None = None
    side: Side | None = None
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    score: float | None = None
    reduce: bool = False
    comment: str = ""
    expiration: float | None = None
    deviation: int | None = None
    filling: Filling | None = None
    close_by: int | None = None

    def proposal(self, broker: str) -> Proposal:
        """What is asked for, at the broker that it was routed to."""
        origin = Origin(self.envelope.ea_name, self.magic, self.envelope.request_id)
        if self.kind == "trade_open":
            assert self.volume is not None
            return Open(
                origin,
                broker,
                self.symbol,
                self.volume,
                self.side,
                self.order_type,
                self.price,
                self.sl,
                self.tp,
                self.score,
                self.reduce,
                self.comment,
                self.expiration,
                self.deviation,
                self.filling,
            )
        if self.kind == "trade_close":
            return Close(origin, broker, self.symbol, self.ticket, self.volume, self.close_by)
        if self.kind == "trade_cancel":
            return Cancel(origin, broker, self.ticket)
        return Modify(origin, broker, self.ticket, self.sl, self.tp, self.price, self.expiration)

    def body(self) -> dict[str, Any]:
        """What makes it this order and no other: all that is asked for, without times, token and small talk."""
        body: dict[str, Any] = {
            "type": self.kind,
            "broker": self.envelope.broker,
            "magic": self.magic,
            "execute": self.execute,
            "symbol": self.symbol,
            "ticket": self.ticket,
            "volume": text_of(self.volume),
            "side": None if self.side is None else self.side.value,
            "order_type": self.order_type.value,
            "price": text_of(self.price),
            "sl": text_of(self.sl),
            "tp": text_of(self.tp),
            "reduce": self.reduce,
            "comment": self.comment,
        }
        # Only where they are said: what was asked without them keeps the fingerprint that a journal may hold.
        later = {
            "expiration": self.expiration,
            "deviation": self.deviation,
            "filling": None if self.filling is None else self.filling.value,
            "close_by": self.close_by,
            "score": self.score,
        }
        body.update((name, value) for name, value in later.items() if value is not None)
        return body

    def fingerprint(self) -> str:
        """A hash of `body`, equal for equal orders however their numbers were written."""
        return fingerprint_of(self.body())


class TradeResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an approved trade that the EA placed itself came out; volume 0: not placed."""

    envelope: Envelope
    approval_id: str
    volume: Decimal
    ticket: int | None = None
    price: Decimal | None = None
    retcode: int | None = None

    def body(self) -> dict[str, Any]:
        """What it says, without times and token."""
        return {
            "type": "trade_result",
            "broker": self.envelope.broker,
            "approval_id": self.approval_id,
            "volume": text_of(self.volume),
            "ticket": self.ticket,
            "price": text_of(self.price),
            "retcode": self.retcode,
        }


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """An EA is alive. Balance and equity in its account currency."""

    envelope: Envelope
    symbol: str = ""
    magic: int = 0
    balance: Decimal | None = None
    equity: Decimal | None = None
    version: str = ""


class RiskUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """An EA sets its own multiplier, 0 to 1."""

    envelope: Envelope
    risk_multiplier: Decimal

    def body(self) -> dict[str, Any]:
        """What it says, without times and token."""
        return {
            "type": "risk_update",
            "broker": self.envelope.broker,
            "risk_multiplier": text_of(self.risk_multiplier),
        }


def fingerprint_of(body: dict[str, Any]) -> str:
    """The fingerprint of the trade with this `Trade.body`."""
    return hashlib.blake2b(_encode(body), digest_size=16).hexdigest()


Command = Trade | TradeResult | Heartbeat | RiskUpdate


_NAMES = {TradeResult: "trade_result", Heartbeat: "heartbeat", RiskUpdate: "risk_update"}


def kind_of(command: Command) -> str:
    """The command's `type` on the wire."""
    return command.kind if isinstance(command, Trade) else _NAMES[type(command)]


def decode(raw: bytes) -> Command:
    """One command from its JSON text.

    Raises:
        CommandFault: with code `invalid_json`, `unknown_type`, `unknown_field` or `invalid_message`, and the
            request's id where it could be read.
    """
    if not raw.strip():
        raise CommandFault("invalid_json", "the message is empty; send one JSON object with a `type`")
    if too_deep(raw):
        raise CommandFault("invalid_json", f"the message is nested deeper than {MAX_DEPTH} levels")
    message = message_of(raw)
    try:
        refuse_repeated_key(raw)
        return _typed(message)
    except CommandFault as fault:
        fault.request_id = valid_id(message.request_id)
        raise


def _typed(message: Any) -> Command:
    envelope = _envelope(message)
    if isinstance(message, TradeOpenMessage):
        order_type = choice_in("order_type", message.order_type, OrderType) or OrderType.MARKET
        price = price_in("price", message.price)
        if order_type is not OrderType.MARKET and not price:
            raise CommandFault("invalid_message", f"price is missing: a {order_type.value} order needs one")
        expiration = expiration_in("expiration", message.expiration)
        if order_type is OrderType.MARKET and expiration:
            raise CommandFault(
                "invalid_message",
                "expiration is for limit and stop orders; a market order is bounded by expires_at, so leave it out",
            )
        number_in("current_balance", message.current_balance)
        return Trade(
            envelope=envelope,
            kind="trade_open",
            magic=integer_in("magic", message.magic, -(2**63), MAX_TICKET),
            execute=message.execute,
            symbol=symbol_in(message.symbol),
            volume=positive_in("volume", message.volume),
            side=choice_in("side", message.side, Side),
            order_type=order_type,
            price=price,
            sl=zero_is_none(alias_in(message, "sl", "stop_loss")),
            tp=zero_is_none(alias_in(message, "tp", "take_profit")),
            score=float_in("score", message.score),
            reduce=message.reduce,
            comment=text_in("comment", message.comment, MAX_COMMENT),
            expiration=expiration or None,
            deviation=None
            if message.deviation is None
            else integer_in("deviation", message.deviation, 0, MAX_DEVIATION),
            filling=None if message.filling is None else choice_in("filling", message.filling, Filling),
        )
    if isinstance(message, TradeCloseMessage):
        volume = number_in("volume", message.volume)
        float_in("profit", message.profit)
        return Trade(
            envelope=envelope,
            kind="trade_close",
            magic=integer_in("magic", message.magic, -(2**63), MAX_TICKET),
            execute=message.execute,
            symbol=symbol_in(message.symbol),
            ticket=integer_in("ticket", message.ticket, 1, MAX_TICKET),
            volume=None if volume is None else above_zero("volume", volume),
            close_by=_other_ticket(message),
        )
    if isinstance(message, TradeModifyMessage):
        sl, tp = alias_in(message, "new_sl", "new_stop_loss"), alias_in(message, "new_tp", "new_take_profit")
        price, expiration = (
            price_in("new_price", message.new_price),
            expiration_in("new_expiration", message.new_expiration),
        )
        if price == 0:
            raise CommandFault("invalid_message", "new_price is 0, a pending order needs a price; cancel it instead")
        if sl is None and tp is None and price is None and expiration is None:
            raise CommandFault(
                "invalid_message",
                "new_sl, new_tp, new_price and new_expiration are all absent: nothing would change; send one "
                "(0 removes a stop or an expiration)",
            )
        return Trade(
            envelope=envelope,
            kind="trade_modify",
            magic=integer_in("magic", message.magic, -(2**63), MAX_TICKET),
            execute=message.execute,
            ticket=integer_in("ticket", message.ticket, 1, MAX_TICKET),
            sl=sl,
            tp=tp,
            price=price,
            expiration=expiration,
        )
    if isinstance(message, TradeCancelMessage):
        return Trade(
            envelope=envelope,
            kind="trade_cancel",
            magic=integer_in("magic", message.magic, -(2**63), MAX_TICKET),
            execute=message.execute,
            ticket=integer_in("ticket", message.ticket, 1, MAX_TICKET),
        )
    if isinstance(message, TradeResultMessage):
        volume = number_in("volume", message.volume)
        if volume is None or volume < 0:
            raise CommandFault("invalid_message", "volume is what was traded in lots; 0 says that nothing was")
        return TradeResult(
            envelope=envelope,
            approval_id=text_in("approval_id", message.approval_id, MAX_ID),
            volume=volume,
            ticket=None if message.ticket is None else integer_in("ticket", message.ticket, 0, MAX_TICKET),
            price=price_in("price", message.price),
            retcode=None if message.retcode is None else integer_in("retcode", message.retcode, -(2**31), 2**31),
        )
    if isinstance(message, HeartbeatMessage):
        return Heartbeat(
            envelope=envelope,
            symbol=text_in("symbol", message.symbol, MAX_ID),
            magic=integer_in("magic", message.magic, -(2**63), MAX_TICKET),
            balance=number_in("balance", message.balance),
            equity=number_in("equity", message.equity),
            version=text_in("version", message.version, MAX_ID),
        )
    assert isinstance(message, RiskUpdateMessage)
    multiplier = number_in("risk_multiplier", message.risk_multiplier)
    if multiplier is None or not 0 <= multiplier <= 1:
        raise CommandFault("invalid_message", f"risk_multiplier is {multiplier}, it must be from 0 to 1")
    return RiskUpdate(envelope=envelope, risk_multiplier=multiplier)


def _envelope(message: Any) -> Envelope:
    if message.ea_name is not None and message.ea is not None and message.ea_name != message.ea:
        raise CommandFault("invalid_message", "ea and ea_name are the same field and differ; send one of them")
    ea_name = message.ea_name if message.ea_name is not None else message.ea
    if not ea_name:
        raise CommandFault("invalid_message", "ea_name is missing; say which EA asks")
    if message.request_id is not None and valid_id(message.request_id) is None:
        raise CommandFault("invalid_message", f"request_id must have 1 to {MAX_ID} characters")
    timestamp = float_in("timestamp", message.timestamp)
    expires_at = float_in("expires_at", getattr(message, "expires_at", msgspec.Raw(b"null")))
    return Envelope(
        ea_name=text_in("ea_name", ea_name, MAX_EA_NAME),
        request_id=message.request_id,
        broker=None if message.broker is None else text_in("broker", message.broker, MAX_ID),
        token=message.token,
        timestamp=timestamp,
        expires_at=expires_at,
    )


def _other_ticket(message: TradeCloseMessage) -> int | None:
    if message.close_by is None:
        return None
    other = integer_in("close_by", message.close_by, 1, MAX_TICKET)
    if other == message.ticket:
        raise CommandFault("invalid_message", f"close_by is {other}, the ticket itself; name the opposite position")
    if bytes(message.volume) != b"null":
        raise CommandFault(
            "invalid_message",
            "volume and close_by don't go together: two positions close by the smaller of their volumes",
        )
    return other
