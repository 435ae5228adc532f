"""What became of a request: the server's answer, and what history says of it later, in the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from quantmind.adapters.mt5.terminal.constants import OrderKind, OrderState
from quantmind.adapters.mt5.terminal.numbers import level, lots, text, whole
from quantmind.domain.accounts import Deal, Entry, PendingOrder
from quantmind.domain.orders import Ending, Placed, Refused, Unknown
from quantmind.domain.retcodes import AMBIGUOUS, SUCCESSES, Retcode, sentence

EXECUTED: Final = "Request executed"
_ENDINGS: Final[Mapping[int, Ending]] = {
    OrderState.CANCELED: Ending.CANCELLED,
    OrderState.EXPIRED: Ending.EXPIRED,
    OrderState.REJECTED: Ending.REJECTED,
}
_MOST_COMMENT: Final = 400


def verdict_of(result: Any) -> Refused | Unknown | None:
    """What an OrderSendResult says; None: it was carried out (10008, 10009, 10010).

    10012 (no answer from the server) and 10031 (no connection to it) leave open what became of the request.
    """
    retcode = whole(result.retcode, "retcode")
    if retcode in SUCCESSES:
        return None
    if retcode in AMBIGUOUS:
        return Unknown(f"the terminal answered {retcode}: {sentence(retcode)}")
    return Refused(retcode, _said(retcode, result.comment))


def check_of(result: Any) -> Refused | None:
    """What an OrderCheckResult says; None: the request would be taken. Its success is 0, and no other code."""
    retcode = whole(result.retcode, "retcode")
    if retcode == 0 or retcode in SUCCESSES:
        return None
    return Refused(retcode, _said(retcode, result.comment))


def waiting(order: PendingOrder) -> Placed:
    """Of an order that waits in the book."""
    return Placed(
        retcode=int(Retcode.DONE),
        order=order.ticket,
        ticket=order.ticket,
        volume=order.volume,
        sl=order.sl,
        tp=order.tp,
        comment=EXECUTED,
        pending=True,
    )


def ended(row: Any, deals: Sequence[Deal], digits: int) -> Placed | None:
    """Of an order that waits no more: a row of history_orders_get, and the deals that it made.

    None: it was filled, and history does not have its deals yet.
    """
    ticket = whole(row.ticket, "ticket")
    sl, tp = level(row.sl, "sl", digits), level(row.tp, "tp", digits)
    if not deals:
        ending = _ENDINGS.get(whole(row.state, "state"))
        if ending is None:
            return None
        return Placed(
            retcode=int(Retcode.DONE),
            order=ticket,
            ticket=ticket,
            volume=Decimal(0),
            sl=sl,
            tp=tp,
            comment=EXECUTED,
            ended=ending,
        )
    if whole(row.type, "type") == OrderKind.CLOSE_BY:
        return _closed_by(row, deals, sl, tp)
    return filled(ticket, lots(row.volume_initial, "volume_initial"), deals, sl, tp)


def filled(order: int, asked: Decimal | None, deals: Sequence[Deal], sl: Decimal | None, tp: Decimal | None) -> Placed:
    """Of an order that was filled by these deals, one or more; `asked` is the volume that it was to fill."""
    volume = sum((deal.volume for deal in deals), Decimal(0))
    value = sum((deal.volume * deal.price for deal in deals), Decimal(0))
    exponent = deals[0].price.as_tuple().exponent
    price = deals[0].price if len(deals) == 1 else (value / volume).quantize(Decimal(1).scaleb(int(exponent)))
    partial = asked is not None and volume < asked
    opens = all(deal.entry is Entry.IN for deal in deals)
    return Placed(
        retcode=int(Retcode.DONE_PARTIAL if partial else Retcode.DONE),
        order=order,
        deal=deals[-1].ticket,
        ticket=deals[-1].position,
        price=price,
        volume=volume,
        profit=None if opens else sum((deal.profit for deal in deals), Decimal(0)),
        sl=sl,
        tp=tp,
        comment=EXECUTED,
    )


# Two deals, of which each has the volume: that of the position that was named comes first.
def _closed_by(row: Any, deals: Sequence[Deal], sl: Decimal | None, tp: Decimal | None) -> Placed:
    position = whole(row.position_id, "position_id")
    first = next((deal for deal in deals if deal.position == position), deals[0])
    return Placed(
        retcode=int(Retcode.DONE),
        order=whole(row.ticket, "ticket"),
        deal=first.ticket,
        ticket=first.position,
        price=first.price,
        volume=first.volume,
        profit=sum((deal.profit for deal in deals), Decimal(0)),
        sl=sl,
        tp=tp,
        comment=EXECUTED,
    )


def changed(ticket: int, sl: Decimal | None, tp: Decimal | None) -> Placed:
    """Of a position whose stops were changed."""
    return Placed(retcode=int(Retcode.DONE), ticket=ticket, sl=sl, tp=tp, comment=EXECUTED)


def cancelled(ticket: int, volume: Decimal) -> Placed:
    """Of a cancellation."""
    return Placed(retcode=int(Retcode.DONE), order=ticket, ticket=ticket, volume=volume, comment=EXECUTED)


def _said(retcode: int, comment: Any) -> str:
    try:
        told = text(comment, "comment").strip()
    except ValueError:
        told = ""
    return (sentence(retcode) + (f" (the server says: {told})" if told else ""))[:_MOST_COMMENT]
