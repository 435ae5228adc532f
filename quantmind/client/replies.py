"""A gateway's replies to commands: bytes to typed outcomes, without I/O."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from quantmind.client.outcomes import (
    AnyOutcome,
    Approved,
    Beat,
    Done,
    Ended,
    Failed,
    Filled,
    MultiplierSet,
    Placed,
    Reason,
    Rejected,
    Reported,
    Unknown,
)
from quantmind.client.requests import Command

PLACED: Final = 10008
"""MetaTrader 5's TRADE_RETCODE_PLACED: the order was placed, and did not fill yet."""

MAX_EXPONENT: Final = 30
"""Numbers beyond 10**30 are none of a trade, and arithmetic on 1E+999999999 does not end."""

_FINAL_ERRORS: Final = frozenset({"expired", "request_id_conflict"})
"""Errors that no other copy of the same command can turn into an outcome: they hold for all copies."""


class UnreadableReply(Exception):
    """It is no reply that a gateway sends. `request_id` where it could be read."""

    def __init__(self, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class _Reason(msgspec.Struct):
    rule: str
    message: str = ""
    limit: Any = None
    value: Any = None


class Reply(msgspec.Struct):
    """A reply's fields; those that a later version adds are ignored."""

    status: str
    request_id: str | None = None
    timestamp: float = 0.0
    approved: bool = False
    code: str = ""
    message: str = ""
    approval_id: str | None = None
    approved_volume: Decimal | None = None
    max_volume: Decimal | None = None
    risk_multiplier: Decimal | None = None
    valid_until: float | None = None
    valid_for_ms: int | None = None
    reasons: list[_Reason] = []
    order_id: str | None = None
    ticket: int | None = None
    order: int | None = None
    price: Decimal | None = None
    volume: Decimal | None = None
    profit: Decimal | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    retcode: int | None = None
    retcode_text: str = ""
    pending: bool = False
    ended: str | None = None
    reserved: Decimal | None = None
    trading_state: str | None = None
    next_heartbeat_s: float | None = None
    floor: Decimal | None = None
    next_floor: Decimal | None = None
    next_reset: float | None = None


class _Head(msgspec.Struct):
    request_id: str | None = None


_reply: Final = msgspec.json.Decoder(Reply)
_head: Final = msgspec.json.Decoder(_Head)
_STATUSES: Final = frozenset({"success", "rejected", "error", "unknown"})
_BAD: Final = (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, ArithmeticError, ValueError)
_NUMBERS: Final = (
    *("approved_volume", "max_volume", "risk_multiplier", "price", "volume", "profit", "sl", "tp"),
    *("reserved", "floor", "next_floor"),
)


def read_reply(raw: bytes) -> Reply:
    """The reply in a message.

    Raises:
        UnreadableReply: it is none.
    """
    try:
        reply = _reply.decode(raw)
    except _BAD as error:
        raise UnreadableReply(str(error)[:200], _id_of(raw)) from None
    if reply.status not in _STATUSES:
        raise UnreadableReply(f"there is no status {reply.status[:40]!r}", reply.request_id)
    for name in _NUMBERS:
        value = getattr(reply, name)
        if value is not None and not (value.is_finite() and abs(value.adjusted()) <= MAX_EXPONENT):
            raise UnreadableReply(f"{name} is out of range", reply.request_id)
    return reply


def _id_of(raw: bytes) -> str | None:
    try:
        return _head.decode(raw).request_id
    except _BAD:
        return None


def is_final(reply: Reply) -> bool:
    """Whether the reply tells what became of the command, whatever copy of it was answered.

    Every other error (`busy`, `unauthorized` and so on) says only that this copy did nothing.
    """
    return reply.status != "error" or reply.order_id is not None or reply.code in _FINAL_ERRORS


def outcome_of(command: Command, reply: Reply) -> AnyOutcome:
    """What a reply means for its command."""
    request_id = command.request_id
    match reply.status:
        case "rejected":
            reasons = tuple(
                Reason(reason.rule, reason.message, _plain(reason.limit), _plain(reason.value))
                for reason in reply.reasons
            )
            return Rejected(request_id, reasons, reply.max_volume, reply.risk_multiplier)
        case "error":
            return Failed(
                request_id,
                reply.code,
                reply.message or reply.retcode_text,
                reply.retcode,
                reply.retcode_text,
                reply.order_id,
            )
        case "unknown":
            return not_known(command, reply.message or "the gateway does not know yet", reply.order_id)
        case _:
            return _success(command, reply)


def not_known(command: Command, reason: str, order_id: str | None = None) -> Unknown | Failed:
    """What an order is that was not answered: unknown. Of anything else, that it is not approved."""
    if command.execute:
        return Unknown(command.request_id, reason, command, order_id)
    return Failed(command.request_id, "no_answer", reason)


def unreadable(command: Command, why: str) -> Unknown | Failed:
    """What a command is whose answer makes no sense: an order may have been carried out."""
    text = f"the gateway's answer can't be read ({why}); are both of the same version?"
    if command.execute:
        return Unknown(command.request_id, text, command)
    return Failed(command.request_id, "unreadable", text)


def _success(command: Command, reply: Reply) -> AnyOutcome:
    request_id = command.request_id
    if command.kind == "heartbeat":
        if reply.risk_multiplier is None or reply.trading_state is None:
            return unreadable(command, "risk_multiplier or trading_state is missing")
        return Beat(
            request_id,
            reply.risk_multiplier,
            reply.trading_state,
            reply.next_heartbeat_s or 5.0,
            reply.floor,
            reply.next_floor,
            reply.next_reset,
        )
    if command.kind == "trade_result":
        if reply.approval_id is None or reply.reserved is None:
            return unreadable(command, "approval_id or reserved is missing")
        return Reported(request_id, reply.approval_id, reply.reserved)
    if command.kind == "risk_update":
        if reply.risk_multiplier is None:
            return unreadable(command, "risk_multiplier is missing")
        return MultiplierSet(request_id, reply.risk_multiplier)
    if not reply.approved:
        return unreadable(command, "a success that is not approved")
    if not command.execute:
        return _approved(command, reply)
    return _carried_out(command, reply)


def _approved(command: Command, reply: Reply) -> Approved | Failed:
    needed = ("approval_id", "approved_volume", "valid_until") if command.kind == "trade_open" else ()
    for name in needed:
        if getattr(reply, name) is None:
            return Failed(command.request_id, "unreadable", f"the approval has no {name}; it is not taken for one")
    return Approved(
        command.request_id,
        reply.approval_id,
        reply.approved_volume,
        reply.max_volume,
        reply.risk_multiplier,
        reply.valid_until,
        reply.valid_for_ms,
    )


def _carried_out(command: Command, reply: Reply) -> Filled | Placed | Ended | Done:
    request_id, told = command.request_id, (reply.retcode, reply.retcode_text, reply.order_id)
    if command.kind in ("trade_modify", "trade_cancel"):
        return Done(request_id, reply.ticket, reply.sl, reply.tp, *told)
    if reply.ended is not None:
        return Ended(request_id, reply.ended, reply.ticket, reply.order, *told)
    if reply.pending or reply.retcode == PLACED:
        return Placed(request_id, reply.ticket or reply.order, reply.order, reply.volume, reply.sl, reply.tp, *told)
    return Filled(
        request_id,
        reply.ticket,
        reply.order,
        reply.price,
        reply.volume,
        reply.profit,
        reply.sl,
        reply.tp,
        *told,
    )


def _plain(value: Any) -> Decimal | str | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    return str(value)[:200]
