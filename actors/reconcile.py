"""An order that was found again: the proposal and the answer, rebuilt from its durable intent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from actors.messages import Reply
from quantmind.domain.orders import Absent, Cancel, Close, Modify, Open, OrderType, Origin, Placed, Proposal, Side
from quantmind.domain.retcodes import sentence
from quantmind.ports import Intent
from quantmind.wire import replies


def proposal_of(intent: Intent) -> Proposal:
    """What was asked for, as the intent's body has it."""
    body = intent.body
    origin = Origin(intent.ea_name, intent.magic, intent.request_id)
    kind = body["type"]
    if kind == "trade_open":
        return Open(
            origin,
            intent.broker,
            body["symbol"],
            Decimal(body.get("approved_volume") or body["volume"]),
            Side(body["side"]),
            OrderType(body["order_type"]),
            _decimal(body["price"]),
            _decimal(body["sl"]),
            _decimal(body["tp"]),
            expiration=body.get("expiration"),
        )
    if kind == "trade_close":
        volume, by = _decimal(body["volume"]), body.get("close_by")
        return Close(origin, intent.broker, body["symbol"], body["ticket"], volume, by)
    if kind == "trade_cancel":
        return Cancel(origin, intent.broker, body["ticket"])
    return Modify(
        origin,
        intent.broker,
        body["ticket"],
        _decimal(body["sl"]),
        _decimal(body["tp"]),
        _decimal(body["price"]),
        body.get("expiration"),
    )


def reconciled_reply(intent: Intent, found: Placed | Absent) -> tuple[Reply, str]:
    """The answer that a repeat gets from now on, and the order's state: `filled`, `placed` or `not_sent`."""
    if isinstance(found, Absent):
        message = (
            "the broker has never had it; nothing was done. Send it again with a new request_id if it is still wanted"
        )
        return replies.error("broker_unavailable", message, order_id=intent.order_id), "not_sent"
    reply: Reply = {
        "status": "success",
        "approved": True,
        "reasons": [],
        "order_id": intent.order_id,
        "retcode": found.retcode,
        "retcode_text": sentence(found.retcode),
        "order": found.order,
        "price": found.price,
        "volume": found.volume,
        "ticket": found.ticket or intent.body.get("ticket"),
        "sl": found.sl,
        "tp": found.tp,
    }
    if found.profit is not None:
        reply["profit"] = found.profit
    if found.pending:
        reply["pending"] = True
    return reply, "placed" if found.pending else "filled"


def _decimal(text: Any) -> Decimal | None:
    return None if text is None else Decimal(text)
