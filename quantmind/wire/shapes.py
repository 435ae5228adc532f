"""The shapes of commands on the wire: which fields a message may have, before their values are looked at.

Numbers stay raw text until `quantmind.wire.fields` reads them exactly. An unknown field is a fault, since a misspelt
stop is money.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec

from quantmind.wire.fields import valid_id
from quantmind.wire.guards import CommandFault


class Message(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    request_id: str | None = None
    broker: str | None = None
    token: str | None = None
    timestamp: msgspec.Raw = msgspec.Raw(b"null")

    def __repr__(self) -> str:
        return without_token(self)


def without_token(shown: msgspec.Struct) -> str:
    """How a struct shows itself, but for its token: what crashes with it in hand says so in the log."""
    fields = ((name, getattr(shown, name)) for name in shown.__struct_fields__)
    told = (f"{name}=****" if name == "token" and value is not None else f"{name}={value!r}" for name, value in fields)
    return f"{type(shown).__name__}({', '.join(told)})"


class TradeOpenMessage(Message, kw_only=True, tag="trade_open"):
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
    expiration: msgspec.Raw = msgspec.Raw(b"null")
    deviation: int | None = None
    filling: str | None = None
    expires_at: msgspec.Raw = msgspec.Raw(b"null")


class TradeCloseMessage(Message, kw_only=True, tag="trade_close"):
    ea_name: str | None = None
    ea: str | None = None
    symbol: str
    ticket: int
    profit: msgspec.Raw = msgspec.Raw(b"null")
    magic: int = 0
    volume: msgspec.Raw = msgspec.Raw(b"null")
    close_by: int | None = None
    execute: bool = False
    expires_at: msgspec.Raw = msgspec.Raw(b"null")


class TradeModifyMessage(Message, kw_only=True, tag="trade_modify"):
    ea_name: str | None = None
    ea: str | None = None
    ticket: int
    new_sl: msgspec.Raw = msgspec.Raw(b"null")
    new_stop_loss: msgspec.Raw = msgspec.Raw(b"null")
    new_tp: msgspec.Raw = msgspec.Raw(b"null")
    new_take_profit: msgspec.Raw = msgspec.Raw(b"null")
    new_price: msgspec.Raw = msgspec.Raw(b"null")
    new_expiration: msgspec.Raw = msgspec.Raw(b"null")
    magic: int = 0
    execute: bool = False
    expires_at: msgspec.Raw = msgspec.Raw(b"null")


class TradeCancelMessage(Message, kw_only=True, tag="trade_cancel"):
    ea_name: str | None = None
    ea: str | None = None
    ticket: int
    magic: int = 0
    execute: bool = False
    expires_at: msgspec.Raw = msgspec.Raw(b"null")


class TradeResultMessage(Message, kw_only=True, tag="trade_result"):
    ea_name: str | None = None
    ea: str | None = None
    approval_id: str
    ticket: int | None = None
    price: msgspec.Raw = msgspec.Raw(b"null")
    volume: msgspec.Raw
    retcode: int | None = None


class HeartbeatMessage(Message, kw_only=True, tag="heartbeat"):
    ea_name: str | None = None
    ea: str | None = None
    symbol: str = ""
    magic: int = 0
    balance: msgspec.Raw = msgspec.Raw(b"null")
    equity: msgspec.Raw = msgspec.Raw(b"null")
    version: str = ""


class RiskUpdateMessage(Message, kw_only=True, tag="risk_update"):
    ea_name: str | None = None
    ea: str | None = None
    risk_multiplier: msgspec.Raw


_AnyMessage = (
    TradeOpenMessage
    | TradeCloseMessage
    | TradeModifyMessage
    | TradeCancelMessage
    | TradeResultMessage
    | HeartbeatMessage
    | RiskUpdateMessage
)
KINDS: dict[str, type[Message]] = {
    "trade_open": TradeOpenMessage,
    "trade_close": TradeCloseMessage,
    "trade_modify": TradeModifyMessage,
    "trade_cancel": TradeCancelMessage,
    "trade_result": TradeResultMessage,
    "heartbeat": HeartbeatMessage,
    "risk_update": RiskUpdateMessage,
}
TYPES = tuple(KINDS)

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_AnyMessage)
_plain = msgspec.json.Decoder()


def message_of(raw: bytes) -> Any:
    """The message as its shape has it, values unread.

    Raises:
        CommandFault: it is no JSON object, or of no known type, or has a field or a kind of value that it may not have.
    """
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _explain(raw, exc) from None


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
    request_id = valid_id(request_id) if isinstance(request_id, str) else None
    kind = plain.get("type")
    if not isinstance(kind, str):
        return CommandFault("invalid_message", f"`type` is missing; one of {', '.join(TYPES)}", request_id)
    if kind not in KINDS:
        kind = kind[:40]  # comparing takes time by its length
        hint = difflib.get_close_matches(kind, TYPES, 1)
        near = f"; did you mean {hint[0]}?" if hint else f"; known are {', '.join(TYPES)}"
        return CommandFault("unknown_type", f"there is no type {kind!r}{near}", request_id)
    unknown = _UNKNOWN_FIELD.search(str(exc))
    if unknown is not None:
        name = unknown.group(1)[:40]
        fields = [*KINDS[kind].__struct_fields__, "type"]
        hint = difflib.get_close_matches(name, fields, 1)
        near = f"; did you mean {hint[0]}?" if hint else ""
        return CommandFault("unknown_field", f"{kind} has no field {name!r}{near}", request_id)
    return CommandFault("invalid_message", f"{kind}: {exc}"[:300], request_id)
