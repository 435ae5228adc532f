"""How limit and stop orders ended, each with its reason."""

from __future__ import annotations

import enum
from decimal import Decimal

import attrs

from quantmind.domain.accounts import PendingOrder
from quantmind.domain.orders import Ending, Placed
from quantmind.domain.retcodes import Retcode

EXECUTED = "Request executed"


class OrderState(enum.Enum):
    """How an order ended (MetaTrader 5: ORDER_STATE_FILLED, _CANCELED, _EXPIRED, _REJECTED)."""

    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


_ENDINGS = {
    OrderState.CANCELED: Ending.CANCELLED,
    OrderState.EXPIRED: Ending.EXPIRED,
    OrderState.REJECTED: Ending.REJECTED,
}


@attrs.frozen
class OrderRecord:
    """An order that waits no more. `comment` is the reason; a filled one has its deal, position, price and profit.

    `order` is as it was at the end; `profit` is that of what it closed on a netting account, None when that is nothing.
    """

    order: PendingOrder
    state: OrderState
    done_msc: int
    comment: str
    deal: int = 0
    position: int = 0
    price: Decimal | None = None
    profit: Decimal | None = None


def waiting(order: PendingOrder) -> Placed:
    """What the request that placed an order came to, while the order waits."""
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


def ended(record: OrderRecord) -> Placed:
    """The same when the order waits no more: its fill, or no volume and the reason."""
    order = record.order
    if record.state is OrderState.FILLED:
        return Placed(
            retcode=int(Retcode.DONE),
            order=order.ticket,
            deal=record.deal,
            ticket=record.position,
            price=record.price,
            volume=order.volume,
            profit=record.profit,
            sl=order.sl,
            tp=order.tp,
            comment=EXECUTED,
        )
    return Placed(
        retcode=int(Retcode.DONE),
        order=order.ticket,
        ticket=order.ticket,
        volume=Decimal(0),
        comment=record.comment,
        ended=_ENDINGS[record.state],
    )
