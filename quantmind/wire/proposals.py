"""A recorded command back to what was asked for: the body of an order's intent, or of a decision."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from quantmind.domain.orders import Cancel, Close, Filling, Modify, Open, OrderType, Origin, Proposal, Side


def proposal_of(body: Mapping[str, Any], broker: str, origin: Origin) -> Proposal:
    """What was asked for, from a `Trade.body`; of an order, with the volume that was approved of it.

    Raises:
        ValueError: it is no such body.
    """
    try:
        return _proposal(body, broker, origin)
    except KeyError as error:
        raise ValueError(f"the recorded command has no {error.args[0]}") from None
    except (TypeError, ArithmeticError) as error:
        raise ValueError(f"the recorded command can't be read: {error!r}") from None


def _proposal(body: Mapping[str, Any], broker: str, origin: Origin) -> Proposal:
    kind = body["type"]
    if kind == "trade_open":
        side, filling = body["side"], body.get("filling")
        return Open(
            origin,
            broker,
            body["symbol"],
            Decimal(body.get("approved_volume") or body["volume"]),
            None if side is None else Side(side),
            OrderType(body["order_type"]),
            _decimal(body["price"]),
            _decimal(body["sl"]),
            _decimal(body["tp"]),
            _float(body.get("score")),
            body.get("reduce", False),
            body.get("comment", ""),
            _float(body.get("expiration")),
            body.get("deviation"),
            None if filling is None else Filling(filling),
        )
    if kind == "trade_close":
        return Close(origin, broker, body["symbol"], body["ticket"], _decimal(body["volume"]), body.get("close_by"))
    if kind == "trade_cancel":
        return Cancel(origin, broker, body["ticket"])
    if kind == "trade_modify":
        return Modify(
            origin,
            broker,
            body["ticket"],
            _decimal(body["sl"]),
            _decimal(body["tp"]),
            _decimal(body["price"]),
            _float(body.get("expiration")),
        )
    raise ValueError(f"{str(kind)[:40]!r} is no order")


def _decimal(text: Any) -> Decimal | None:
    return None if text is None else Decimal(text)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
