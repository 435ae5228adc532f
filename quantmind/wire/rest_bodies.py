"""Bodies that come over HTTP, and the commands of the protocol that they stand for; pure functions.

Every decoder gives a value or raises `HttpProblem` (422 with `code`, and `field` where one is at fault), whatever was
sent. Numbers go on as they were written: no float stands in between.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs
import msgspec

from quantmind.domain.order_life import OrderState
from quantmind.domain.risk import Mandate, TradingState
from quantmind.domain.risk.mandate import BadValue
from quantmind.domain.router_state import Regime
from quantmind.wire import commands
from quantmind.wire.fields import MAX_TICKET, above_zero, integer_in, number_in
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


class _RouterState(_Body, kw_only=True):
    reason: str
    regime: msgspec.Raw = _ABSENT
    mandate: msgspec.Raw = _ABSENT
    revision: int | None = None


class _Regime(_Body, kw_only=True):
    label: str | None
    symbols: dict[str, str] = {}


class _Mandate(_Body, kw_only=True):
    mode: str
    max_multiplier: msgspec.Raw = _NULL


class _Settle(_Body, kw_only=True):
    outcome: str
    reason: str
    ticket: int | None = None
    price: msgspec.Raw = _NULL
    volume: msgspec.Raw = _NULL
    profit: msgspec.Raw = _NULL
    force: bool = False


_settle = msgspec.json.Decoder(_Settle)
_trade = msgspec.json.Decoder(_Trade)
_close = msgspec.json.Decoder(_Close)
_position_change = msgspec.json.Decoder(_PositionChange)
_order_change = msgspec.json.Decoder(_OrderChange)
_risk_state = msgspec.json.Decoder(_RiskState)
_router_state = msgspec.json.Decoder(_RouterState)
_regime = msgspec.json.Decoder(_Regime)
_mandate = msgspec.json.Decoder(_Mandate)
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
    flatten: bool = False


def decode_state(raw: bytes) -> StateChange:
    """The body of POST /risk/state."""
    body: _RiskState = _decode(_risk_state, raw)
    try:
        state = TradingState(body.state)
    except ValueError:
        hint = near(body.state, [state.value for state in TradingState])
        raise _invalid(f"state is {shown(body.state)}{hint}", "state") from None
    reason = _read_reason(body.reason)
    if body.flatten and state is TradingState.ACTIVE:
        raise _invalid("an account that is to be flattened can't be active: say halted or reduce_only", "flatten")
    return StateChange(state, reason, body.broker, body.flatten)


class _Baseline(_Body, kw_only=True):
    balance: msgspec.Raw
    reason: str
    broker: str | None = None
    equity: msgspec.Raw = _NULL
    highest_balance: msgspec.Raw = _NULL
    highest_equity: msgspec.Raw = _NULL


_baseline: Final = msgspec.json.Decoder(_Baseline)


@attrs.frozen
class BaselineSaid:
    """What an account had when its day began. Money of the account."""

    broker: str | None
    balance: Decimal
    equity: Decimal | None
    highest_balance: Decimal | None
    highest_equity: Decimal | None
    reason: str


def _money(raw: msgspec.Raw, name: str) -> Decimal | None:
    try:
        value = number_in(name, raw)
        return None if value is None else above_zero(name, value)
    except commands.CommandFault as fault:
        raise command_problem(fault) from None


def decode_baseline(raw: bytes) -> BaselineSaid:
    """The body of PUT /risk/baseline."""
    body: _Baseline = _decode(_baseline, raw)
    reason = _read_reason(body.reason)
    balance = _money(body.balance, "balance")
    if balance is None:
        raise _invalid("balance is null; say what the balance was when the day began", "balance")
    return BaselineSaid(
        body.broker,
        balance,
        _money(body.equity, "equity"),
        _money(body.highest_balance, "highest_balance"),
        _money(body.highest_equity, "highest_equity"),
        reason,
    )


class _Reason(msgspec.Struct, forbid_unknown_fields=True):
    reason: str


_reason: Final = msgspec.json.Decoder(_Reason)


def decode_reason(raw: bytes) -> str:
    """The body of a request that says why, and nothing else."""
    return _read_reason(_decode(_reason, raw).reason)


# --- settling by hand ------------------------------------------------------------------------------------------------

_NUMBERS_OF: Final[Mapping[OrderState, frozenset[str]]] = MappingProxyType(
    {
        OrderState.FILLED: frozenset({"ticket", "price", "volume", "profit"}),
        OrderState.PARTLY_FILLED: frozenset({"ticket", "price", "volume", "profit"}),
        OrderState.PLACED: frozenset({"ticket"}),
        OrderState.DONE: frozenset(),
        OrderState.REFUSED: frozenset(),
        OrderState.NOT_SENT: frozenset(),
        OrderState.CANCELLED: frozenset(),
        OrderState.EXPIRED: frozenset(),
    }
)
"""What a person may say an order has become, and what may be told beside it."""


@attrs.frozen
class Settlement:
    """What a person says of an order; price in the quote currency, volume in lots, profit in the account currency."""

    state: OrderState
    reason: str
    force: bool = False
    ticket: int | None = None
    price: Decimal | None = None
    volume: Decimal | None = None
    profit: Decimal | None = None


def decode_settlement(raw: bytes) -> Settlement:
    """The body of POST /orders/{id}/settle."""
    body: _Settle = _decode(_settle, raw)
    states = {state.value: state for state in _NUMBERS_OF}
    state = states.get(body.outcome)
    if state is None:
        detail = f"outcome is {shown(body.outcome)}, it must be one of {', '.join(states)}"
        raise _invalid(detail, "outcome")
    reason = _read_reason(body.reason)
    try:
        ticket = None if body.ticket is None else integer_in("ticket", body.ticket, 1, MAX_TICKET)
        numbers = {name: number_in(name, getattr(body, name)) for name in ("price", "volume", "profit")}
        for name in ("price", "volume"):
            if (value := numbers[name]) is not None:
                above_zero(name, value)
    except commands.CommandFault as fault:
        raise command_problem(fault) from None
    given = {name: value for name, value in (("ticket", ticket), *numbers.items()) if value is not None}
    for name in given:
        if name not in _NUMBERS_OF[state]:
            raise _invalid(f"{name} makes no sense with the outcome {state.value}; leave it out", name)
    return Settlement(state, reason, body.force, ticket, **numbers)


def _read_reason(text: str) -> str:
    reason = text.strip()
    if not 1 <= len(reason) <= MAX_REASON:
        detail = f"reason has {len(reason)} characters, it must have 1 to {MAX_REASON}: the record keeps why"
        raise _invalid(detail, "reason")
    if not reason.isprintable():
        raise _invalid("reason has characters that can't be printed", "reason")
    return reason


# --- the router's state ----------------------------------------------------------------------------------------------


@attrs.frozen
class RouterChange:
    """What is to be set of the router's state; None stays. `revision`: only where that is the one that holds."""

    regime: Regime | None
    mandate: Mandate | None
    revision: int | None


def decode_router_state(raw: bytes, *, by: str, now: float) -> RouterChange:
    """The body of PUT /state, as said by somebody now (Unix seconds)."""
    body: _RouterState = _decode(_router_state, raw)
    if not bytes(body.regime) and not bytes(body.mandate):
        raise HttpProblem(422, "invalid_message", "nothing would change; send regime, mandate or both")
    said: Fields = {"by": by, "reason": _read_reason(body.reason), "since": now}
    regime = mandate = None
    try:
        if bytes(body.regime):
            given = _part("regime", _regime, body.regime)
            regime = Regime.checked(given.label, given.symbols, **said)
        if bytes(body.mandate):
            wanted = _part("mandate", _mandate, body.mandate)
            number = number_in("max_multiplier", wanted.max_multiplier)
            mandate = Mandate.checked(wanted.mode, number, **said)
    except BadValue as fault:
        raise _invalid(fault.message, fault.field) from None
    except commands.CommandFault as fault:
        raise _invalid(fault.message, "max_multiplier") from None
    return RouterChange(regime, mandate, body.revision)


# A member that is an object of its own; its faults name it.
def _part(name: str, decoder: msgspec.json.Decoder[T], raw: msgspec.Raw) -> T:
    text = bytes(raw)
    if text == b"null":
        raise _invalid(f"{name} is null, which says nothing; leave it out to keep what holds", name)
    try:
        return _decode(decoder, text)
    except HttpProblem as problem:
        fields = {"field": name, **problem.fields}
        raise HttpProblem(problem.status, problem.code, f"{name}: {problem.detail}", **fields) from None


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
