"""Commands: one JSON object in, a typed message or a fault that names field, value and way out.

The messages are those of docs/protocol.md section 2. An unknown field is a fault, since a misspelt stop is money.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from decimal import Decimal
from typing import Any

import msgspec

from quantmind.domain.orders import Close, Modify, Open, OrderType, Origin, Proposal, Side
from quantmind.domain.symbols import VALID_NAME
from quantmind.wire.guards import MAX_DEPTH, CommandFault, refuse_repeated_key, too_deep
from quantmind.wire.numbers import BadNumber, decimal_from_json

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

MAX_ID = 64
MAX_EA_NAME = 64
MAX_COMMENT = 31
MAX_TICKET = 2**64 - 1


class _Common(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    request_id: str | None = None
    broker: str | None = None
    token: str | None = None
    timestamp: msgspec.Raw = msgspec.Raw(b"null")


class _TradeOpen(_Common, kw_only=True, tag="trade_open"):
    ea_name: str | None = None
    ea: str | None = None
    symbol: str
    volume: msgspec.Raw
    magic: int
    side: str | None = None
    order_type: str = "market"
    price: msgspec.Raw = msgspec.Raw(b"null")
    sl: msgspec.Raw = msgspec.Raw(b"null")
    stop_loss: msgspec.Raw = msgspec.Raw(b"null")
    tp: msgspec.Raw = msgspec.Raw(b"null")
    take_profit: msgspec.Raw = msgspec.Raw(b"null")
    current_balance: msgspec.Raw = msgspec.Raw(b"null")
    score: msgspec.Raw = msgspec.Raw(b"null")
    execute: bool = False
    reduce: bool = False
    comment: str = ""
    expires_at: msgspec.Raw = msgspec.Raw(b"null")


class _TradeClose(_Common, kw_only=True, tag="trade_close"):
    ea_name: str | None = None
    ea: str | None = None
    symbol: str
    ticket: int
    profit: msgspec.Raw = msgspec.Raw(b"null")
    magic: int = 0
    volume: msgspec.Raw = msgspec.Raw(b"null")
    execute: bool = False
    expires_at: msgspec.Raw = msgspec.Raw(b"null")


class _TradeModify(_Common, kw_only=True, tag="trade_modify"):
    ea_name: str | None = None
    ea: str | None = None
    ticket: int
    new_sl: msgspec.Raw = msgspec.Raw(b"null")
    new_stop_loss: msgspec.Raw = msgspec.Raw(b"null")
    new_tp: msgspec.Raw = msgspec.Raw(b"null")
    new_take_profit: msgspec.Raw = msgspec.Raw(b"null")
    magic: int = 0
    execute: bool = False
    expires_at: msgspec.Raw = msgspec.Raw(b"null")


class _TradeResult(_Common, kw_only=True, tag="trade_result"):
    ea_name: str | None = None
    ea: str | None = None
    approval_id: str
    ticket: int | None = None
    price: msgspec.Raw = msgspec.Raw(b"null")
    volume: msgspec.Raw
    retcode: int | None = None


class _Heartbeat(_Common, kw_only=True, tag="heartbeat"):
    ea_name: str | None = None
    ea: str | None = None
    symbol: str = ""
    magic: int = 0
    balance: msgspec.Raw = msgspec.Raw(b"null")
    equity: msgspec.Raw = msgspec.Raw(b"null")
    version: str = ""


class _RiskUpdate(_Common, kw_only=True, tag="risk_update"):
    ea_name: str | None = None
    ea: str | None = None
    risk_multiplier: msgspec.Raw


_Raw = _TradeOpen | _TradeClose | _TradeModify | _TradeResult | _Heartbeat | _RiskUpdate
_KINDS: dict[str, type[_Common]] = {
    "trade_open": _TradeOpen,
    "trade_close": _TradeClose,
    "trade_modify": _TradeModify,
    "trade_result": _TradeResult,
    "heartbeat": _Heartbeat,
    "risk_update": _RiskUpdate,
}
TYPES = tuple(_KINDS)
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Raw)
_plain = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every command may carry. Times are Unix seconds."""

    ea_name: str
    request_id: str | None = None
    broker: str | None = None
    token: str | None = None
    timestamp: float | None = None
    expires_at: float | None = None


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade_open, trade_close or trade_modify: the proposal's fields, with the broker still open."""

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
            )
        if self.kind == "trade_close":
            return Close(origin, broker, self.symbol, self.ticket, self.volume)
        return Modify(origin, broker, self.ticket, self.sl, self.tp)

    def body(self) -> dict[str, Any]:
        """What makes it this order and no other: all that is asked for, without times, token and small talk."""
        return {
            "type": self.kind,
            "broker": self.envelope.broker,
            "magic": self.magic,
            "execute": self.execute,
            "symbol": self.symbol,
            "ticket": self.ticket,
            "volume": _text(self.volume),
            "side": None if self.side is None else self.side.value,
            "order_type": self.order_type.value,
            "price": _text(self.price),
            "sl": _text(self.sl),
            "tp": _text(self.tp),
            "reduce": self.reduce,
            "comment": self.comment,
        }

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
    try:
        message = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _explain(raw, exc) from None
    try:
        refuse_repeated_key(raw)
        return _typed(message)
    except CommandFault as fault:
        fault.request_id = _valid_id(message.request_id)
        raise


def _typed(message: Any) -> Command:
    envelope = _envelope(message)
    if isinstance(message, _TradeOpen):
        order_type = _choice("order_type", message.order_type, OrderType) or OrderType.MARKET
        price = _price("price", message.price)
        if order_type is not OrderType.MARKET and not price:
            raise CommandFault("invalid_message", f"price is missing: a {order_type.value} order needs one")
        _number("current_balance", message.current_balance)
        return Trade(
            envelope=envelope,
            kind="trade_open",
            magic=_integer("magic", message.magic, -(2**63), MAX_TICKET),
            execute=message.execute,
            symbol=_symbol(message.symbol),
            volume=_positive("volume", message.volume),
            side=_choice("side", message.side, Side),
            order_type=order_type,
            price=price,
            sl=_zero_is_none(_alias(message, "sl", "stop_loss")),
            tp=_zero_is_none(_alias(message, "tp", "take_profit")),
            score=_float("score", message.score),
            reduce=message.reduce,
            comment=_short("comment", message.comment, MAX_COMMENT),
        )
    if isinstance(message, _TradeClose):
        volume = _number("volume", message.volume)
        _float("profit", message.profit)
        return Trade(
            envelope=envelope,
            kind="trade_close",
            magic=_integer("magic", message.magic, -(2**63), MAX_TICKET),
            execute=message.execute,
            symbol=_symbol(message.symbol),
            ticket=_integer("ticket", message.ticket, 1, MAX_TICKET),
            volume=None if volume is None else _above_zero("volume", volume),
        )
    if isinstance(message, _TradeModify):
        sl, tp = _alias(message, "new_sl", "new_stop_loss"), _alias(message, "new_tp", "new_take_profit")
        if sl is None and tp is None:
            raise CommandFault(
                "invalid_message", "new_sl and new_tp are both absent: nothing would change; send one (0 removes it)"
            )
        return Trade(
            envelope=envelope,
            kind="trade_modify",
            magic=_integer("magic", message.magic, -(2**63), MAX_TICKET),
            execute=message.execute,
            ticket=_integer("ticket", message.ticket, 1, MAX_TICKET),
            sl=sl,
            tp=tp,
        )
    if isinstance(message, _TradeResult):
        volume = _number("volume", message.volume)
        if volume is None or volume < 0:
            raise CommandFault("invalid_message", "volume is what was traded in lots; 0 says that nothing was")
        return TradeResult(
            envelope=envelope,
            approval_id=_short("approval_id", message.approval_id, MAX_ID),
            volume=volume,
            ticket=None if message.ticket is None else _integer("ticket", message.ticket, 0, MAX_TICKET),
            price=_price("price", message.price),
            retcode=None if message.retcode is None else _integer("retcode", message.retcode, -(2**31), 2**31),
        )
    if isinstance(message, _Heartbeat):
        return Heartbeat(
            envelope=envelope,
            symbol=_short("symbol", message.symbol, MAX_ID),
            magic=_integer("magic", message.magic, -(2**63), MAX_TICKET),
            balance=_number("balance", message.balance),
            equity=_number("equity", message.equity),
            version=_short("version", message.version, MAX_ID),
        )
    assert isinstance(message, _RiskUpdate)
    multiplier = _number("risk_multiplier", message.risk_multiplier)
    if multiplier is None or not 0 <= multiplier <= 1:
        raise CommandFault("invalid_message", f"risk_multiplier is {multiplier}, it must be from 0 to 1")
    return RiskUpdate(envelope=envelope, risk_multiplier=multiplier)


def _envelope(message: Any) -> Envelope:
    if message.ea_name is not None and message.ea is not None and message.ea_name != message.ea:
        raise CommandFault("invalid_message", "ea and ea_name are the same field and differ; send one of them")
    ea_name = message.ea_name if message.ea_name is not None else message.ea
    if not ea_name:
        raise CommandFault("invalid_message", "ea_name is missing; say which EA asks")
    if message.request_id is not None and _valid_id(message.request_id) is None:
        raise CommandFault("invalid_message", f"request_id must have 1 to {MAX_ID} characters")
    timestamp = _float("timestamp", message.timestamp)
    expires_at = _float("expires_at", getattr(message, "expires_at", msgspec.Raw(b"null")))
    return Envelope(
        ea_name=_short("ea_name", ea_name, MAX_EA_NAME),
        request_id=message.request_id,
        broker=None if message.broker is None else _short("broker", message.broker, MAX_ID),
        token=message.token,
        timestamp=timestamp,
        expires_at=expires_at,
    )


def _valid_id(request_id: str | None) -> str | None:
    return request_id if request_id is not None and 1 <= len(request_id) <= MAX_ID else None


def _number(field: str, raw: msgspec.Raw) -> Decimal | None:
    text = bytes(raw)
    if text == b"null":
        return None
    try:
        return decimal_from_json(text)
    except BadNumber as exc:
        raise CommandFault("invalid_message", f"{field}: {exc}; send a plain JSON number") from None


def _float(field: str, raw: msgspec.Raw) -> float | None:
    value = _number(field, raw)
    if value is None:
        return None
    as_float = float(value)
    if not math.isfinite(as_float):
        raise CommandFault("invalid_message", f"{field} is out of range")
    return as_float


def _above_zero(field: str, value: Decimal) -> Decimal:
    if value <= 0:
        raise CommandFault("invalid_message", f"{field} is {value}, it must be above 0")
    return value


def _positive(field: str, raw: msgspec.Raw) -> Decimal:
    value = _number(field, raw)
    if value is None:
        raise CommandFault("invalid_message", f"{field} is missing")
    return _above_zero(field, value)


def _price(field: str, raw: msgspec.Raw) -> Decimal | None:
    value = _number(field, raw)
    if value is not None and value < 0:
        raise CommandFault("invalid_message", f"{field} is {value}, a price can't be negative")
    return value


def _alias(message: Any, name: str, other: str) -> Decimal | None:
    first, second = _price(name, getattr(message, name)), _price(other, getattr(message, other))
    if first is not None and second is not None and first != second:
        raise CommandFault("invalid_message", f"{name} and {other} are the same field and differ; send one of them")
    return first if first is not None else second


def _zero_is_none(value: Decimal | None) -> Decimal | None:
    """0 is how MQL5 says that there is no stop."""
    return None if value is None or value == 0 else value


def _integer(field: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise CommandFault("invalid_message", f"{field} is {_shown(value)}, it must be from {low} to {high}")
    return value


def _shown(value: int) -> str:
    return str(value) if -(10**20) < value < 10**20 else "far out of range"


def _symbol(symbol: str) -> str:
    if VALID_NAME.match(symbol) is None:
        shown = symbol[:40]
        raise CommandFault("invalid_message", f"symbol {shown!r} is no symbol's name")
    return symbol


def _short(field: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise CommandFault("invalid_message", f"{field} has {len(text)} characters, at most {limit} are taken")
    if not text.isprintable():
        raise CommandFault("invalid_message", f"{field} has characters that can't be printed")
    return text


def _choice(field: str, text: str | None, choices: Any) -> Any:
    if text is None:
        return None
    try:
        return choices(text.lower())
    except ValueError:
        allowed = ", ".join(choice.value for choice in choices)
        raise CommandFault("invalid_message", f"{field} is {text[:24]!r}, it must be one of {allowed}") from None


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f")


_UNKNOWN_FIELD = re.compile(r"unknown field `(.*)`")


def _explain(raw: bytes, exc: Exception) -> CommandFault:
    """What was wrong, from a second and slower look at the message."""
    try:
        plain = _plain.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return CommandFault("invalid_json", f"the message is not JSON: {exc}"[:300])
    if not isinstance(plain, dict):
        return CommandFault("invalid_message", "the message must be one JSON object with a `type`")
    request_id = plain.get("request_id")
    request_id = _valid_id(request_id) if isinstance(request_id, str) else None
    kind = plain.get("type")
    if not isinstance(kind, str):
        return CommandFault("invalid_message", f"`type` is missing; one of {', '.join(TYPES)}", request_id)
    if kind not in _KINDS:
        kind = kind[:40]  # comparing takes time by its length
        hint = difflib.get_close_matches(kind, TYPES, 1)
        near = f"; did you mean {hint[0]}?" if hint else f"; known are {', '.join(TYPES)}"
        return CommandFault("unknown_type", f"there is no type {kind!r}{near}", request_id)
    unknown = _UNKNOWN_FIELD.search(str(exc))
    if unknown is not None:
        name = unknown.group(1)[:40]
        fields = [*_KINDS[kind].__struct_fields__, "type"]
        hint = difflib.get_close_matches(name, fields, 1)
        near = f"; did you mean {hint[0]}?" if hint else ""
        return CommandFault("unknown_field", f"{kind} has no field {name!r}{near}", request_id)
    return CommandFault("invalid_message", f"{kind}: {exc}"[:300], request_id)
