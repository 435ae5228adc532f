"""Bodies that come over HTTP, and the commands of the protocol that they stand for; pure functions.

Every decoder gives a value or raises `HttpProblem` (422 with `code`, and `field` where one is at fault), whatever was
sent. Numbers go on as they were written: no float stands in between.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import attrs
import msgspec

from quantmind.domain.risk import TradingState
from quantmind.wire import commands
from quantmind.wire.guards import refuse_repeated_key
from quantmind.wire.problems import HttpProblem, command_problem
from quantmind.wire.rest import msc_from_iso, near, shown

T = TypeVar("T")

MAX_REASON: Final = 200

# What decoding raises, whatever was sent. RecursionError: nesting; UnicodeError: half a surrogate pair.
_BAD = (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError)
_NULL = msgspec.Raw(b"null")
_ABSENT = msgspec.Raw(b"")


class _Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class _Trade(_Body, kw_only=True):
    symbol: str
    action_type: str
    volume: msgspec.Raw
    stop_loss: msgspec.Raw = _NULL
    sl: msgspec.Raw = _NULL
    take_profit: msgspec.Raw = _NULL
    tp: msgspec.Raw = _NULL
    broker: str | None = None
    order_type: str | None = None
    price: msgspec.Raw = _NULL
    comment: str | None = None
    expiration: msgspec.Raw = _NULL
    deviation: int | None = None
    filling: str | None = None


class _Close(_Body, kw_only=True):
    volume: msgspec.Raw = _NULL
    close_by: int | None = None


class _PositionChange(_Body, kw_only=True):
    stop_loss: msgspec.Raw = _ABSENT
    sl: msgspec.Raw = _ABSENT
    take_profit: msgspec.Raw = _ABSENT
    tp: msgspec.Raw = _ABSENT


class _OrderChange(_PositionChange, kw_only=True):
    price: msgspec.Raw = _ABSENT
    expiration: msgspec.Raw = _ABSENT


class _RiskState(_Body, kw_only=True):
    state: str
    reason: str
    broker: str | None = None
    flatten: bool = False


_trade = msgspec.json.Decoder(_Trade)
_close = msgspec.json.Decoder(_Close)
_position_change = msgspec.json.Decoder(_PositionChange)
_order_change = msgspec.json.Decoder(_OrderChange)
_risk_state = msgspec.json.Decoder(_RiskState)
_plain = msgspec.json.Decoder()

_UNKNOWN_FIELD: Final = re.compile(r"unknown field `(.*)`", re.DOTALL)
_MISSING_FIELD: Final = re.compile(r"required field `([a-z_]+)`")
_AT_FIELD: Final = re.compile(r"`\$\.([a-z_]+)`")
_NEW: Final = re.compile(r"\bnew_(?=sl|tp|stop_loss|take_profit|price|expiration)")
"""Where the protocol says `new_sl`, the body of a change says `sl`."""

Fields = dict[str, Any]
"""What a body asks for, by the names of the protocol."""


# --- orders ----------------------------------------------------------------------------------------------------------


def decode_trade(raw: bytes, *, ea_name: str, request_id: str) -> bytes:
    """The `trade_open` command that the body of POST /trade stands for."""
    body: _Trade = _decode(_trade, raw)
    action = body.action_type.upper()
    if action not in ("BUY", "SELL"):
        raise _invalid(f"action_type is {shown(body.action_type)}, it must be BUY or SELL", "action_type")
    fields: Fields = {"magic": 0, "execute": True, "symbol": body.symbol, "side": action.lower()}
    numbers = ("volume", "stop_loss", "sl", "take_profit", "tp", "price")
    fields.update((name, value) for name in numbers if bytes(value := getattr(body, name)) != b"null")
    texts = ("broker", "order_type", "comment", "deviation", "filling")
    fields.update((name, value) for name in texts if (value := getattr(body, name)) is not None)
    if bytes(body.expiration) != b"null":
        fields["expiration"] = _expiration(body.expiration)
    return _command("trade_open", ea_name, request_id, fields)


def decode_close(raw: bytes) -> Fields:
    """What the body of a close asks for; an empty one asks for all of the position."""
    if not raw.strip():
        return {}
    body: _Close = _decode(_close, raw)
    fields: Fields = {} if bytes(body.volume) == b"null" else {"volume": body.volume}
    return fields if body.close_by is None else {**fields, "close_by": body.close_by}


def decode_position_change(raw: bytes) -> Fields:
    """What the body of a position's change asks for: what is absent stays, 0 removes a stop."""
    return _change(_decode(_position_change, raw))


def decode_order_change(raw: bytes) -> Fields:
    """What the body of a pending order's change asks for: what is absent stays, 0 removes a stop or the expiration."""
    return _change(_decode(_order_change, raw))


def refuse_body(raw: bytes) -> None:
    """Whether a request came without a body, as it must."""
    if raw.strip():
        raise HttpProblem(422, "invalid_message", "this request takes no body; the path says it all")


# Which of the two ways to read a null would cost the client its stop, we can't know.
def _change(body: _PositionChange) -> Fields:
    fields: Fields = {}
    for name in body.__struct_fields__:
        value: msgspec.Raw = getattr(body, name)
        text = bytes(value)
        if text == b"null":
            way = "leave it out to keep what is there" + ("" if name == "price" else ", send 0 to remove it")
            raise _invalid(f"{name} is null, which may mean to keep it or to remove it; {way}", name)
        if text:
            fields[f"new_{name}"] = _expiration(value) if name == "expiration" else value
    if not fields:
        raise HttpProblem(422, "invalid_message", f"nothing would change; send {', '.join(body.__struct_fields__)}")
    return fields


def close_command(fields: Fields, *, ea_name: str, request_id: str, broker: str, ticket: int, symbol: str) -> bytes:
    """The `trade_close` command for what `decode_close` gave."""
    target = {"broker": broker, "ticket": ticket, "symbol": symbol, "execute": True}
    return _command("trade_close", ea_name, request_id, {**target, **fields})


def modify_command(fields: Fields, *, ea_name: str, request_id: str, broker: str, ticket: int) -> bytes:
    """The `trade_modify` command for what a decoder of changes gave."""
    target = {"broker": broker, "ticket": ticket, "execute": True}
    return _command("trade_modify", ea_name, request_id, {**target, **fields})


def cancel_command(*, ea_name: str, request_id: str, broker: str, ticket: int) -> bytes:
    """The `trade_cancel` command for a pending order."""
    return _command("trade_cancel", ea_name, request_id, {"broker": broker, "ticket": ticket, "execute": True})


def check_command(raw: bytes) -> None:
    """Whether a body is a message of the command protocol; its code where it is none."""
    try:
        commands.decode(raw)
    except commands.CommandFault as fault:
        raise command_problem(fault) from None


def _command(kind: str, ea_name: str, request_id: str, fields: Fields) -> bytes:
    encoded = msgspec.json.encode({"type": kind, "ea_name": ea_name, "request_id": request_id, **fields})
    try:
        commands.decode(encoded)
    except commands.CommandFault as fault:
        words = _NEW.sub("", fault.message) if kind == "trade_modify" else fault.message
        raise command_problem(commands.CommandFault(fault.code, words, fault.request_id)) from None
    return encoded


# A number is the protocol's Unix seconds; people write a date.
def _expiration(raw: msgspec.Raw) -> Any:
    if not bytes(raw).startswith(b'"'):
        return raw
    try:
        text: str = _plain.decode(raw)
    except _BAD:
        raise _invalid("expiration is no text in UTF-8", "expiration") from None
    msc = msc_from_iso(text)
    if msc is None:
        detail = f"expiration is {shown(text)}, it must be a time such as 2026-11-23T09:00:00Z, or Unix seconds"
        raise _invalid(detail, "expiration")
    return msc / 1000


# --- trading states --------------------------------------------------------------------------------------------------


@attrs.frozen
class StateChange:
    """A trading state to set; `broker` None is every account."""

    state: TradingState
    reason: str
    broker: str | None


def decode_state(raw: bytes) -> StateChange:
    """The body of POST /risk/state."""
    body: _RiskState = _decode(_risk_state, raw)
    try:
        state = TradingState(body.state)
    except ValueError:
        hint = near(body.state, [state.value for state in TradingState])
        raise _invalid(f"state is {shown(body.state)}{hint}", "state") from None
    reason = body.reason.strip()
    if not 1 <= len(reason) <= MAX_REASON:
        detail = f"reason has {len(reason)} characters, it must have 1 to {MAX_REASON}: the record keeps why"
        raise _invalid(detail, "reason")
    if not reason.isprintable():
        raise _invalid("reason has characters that can't be printed", "reason")
    if body.flatten:
        detail = (
            "flatten is not implemented in this version; set the state halted or reduce_only, then close the "
            "positions with trade_close commands"
        )
        raise HttpProblem(422, "not_implemented", detail, field="flatten")
    return StateChange(state, reason, body.broker)


def _decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    if not raw.strip():
        raise HttpProblem(422, "invalid_json", "the body is empty; send one JSON object")
    if commands.too_deep(raw):
        raise HttpProblem(422, "invalid_json", f"the body is nested deeper than {commands.MAX_DEPTH} levels")
    try:
        value = decoder.decode(raw)
    except _BAD as exc:
        raise _explain(raw, exc, decoder.type) from None
    try:
        refuse_repeated_key(raw)
    except commands.CommandFault as fault:
        raise HttpProblem(422, fault.code, fault.message) from None
    return value


def _explain(raw: bytes, exc: Exception, kind: Any) -> HttpProblem:
    """What was wrong, from a second and slower look at the body."""
    text = str(exc)[:300]
    try:
        plain = _plain.decode(raw)
    except _BAD:
        return HttpProblem(422, "invalid_json", f"the body is not JSON: {text}")
    fields = kind.__struct_fields__
    if not isinstance(plain, dict):
        return HttpProblem(422, "invalid_message", f"the body must be one JSON object with {', '.join(fields)}")
    unknown = _UNKNOWN_FIELD.search(str(exc))
    if unknown is not None:
        name = unknown.group(1)
        detail = f"there is no field {shown(name)}{near(name, fields)}"
        return HttpProblem(422, "unknown_field", detail, field=name[:40])
    missing = _MISSING_FIELD.search(text)
    if missing is not None:
        return _invalid(f"{missing.group(1)} is missing", missing.group(1))
    at = _AT_FIELD.search(text)
    if at is not None:
        return _invalid(f"{at.group(1)}: {text.partition(' - at ')[0]}", at.group(1))
    return HttpProblem(422, "invalid_message", text)


def _invalid(detail: str, field: str) -> HttpProblem:
    return HttpProblem(422, "invalid_message", detail, field=field)
