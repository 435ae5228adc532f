"""What became of a request, in the gateway's words: the same whoever asks, who sent it or who looks it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from quantmind.adapters.binance.book import Book
from quantmind.adapters.binance.errors import OutcomeUnknown
from quantmind.adapters.binance.names import number_of
from quantmind.adapters.binance.records import NOUGHT, Life, Order
from quantmind.adapters.binance.wishes import Slot
from quantmind.domain.accounts import Deal, Entry
from quantmind.domain.orders import Ending, Placed, Refused
from quantmind.domain.retcodes import Retcode

EXECUTED: Final = "Request executed"
PART_EXECUTED: Final = "Request executed partially"
NEVER: Final = frozenset({"not_sent", "absent"})
"""What is written down of a request that has not reached the exchange, and never will."""
_WAITS: Final = (Life.OPEN, Life.TRIGGERED, Life.STRANGE)
_ENDINGS: Final = {"CANCELED": Ending.CANCELLED, "REJECTED": Ending.REJECTED}


def placed_of(book: Book, order: Order, slot: Slot) -> Placed:
    """What an order has come to; its trades are known to the book.

    One that waits is `pending`; one that was filled, wholly or in part, has price, deal and position; one that is over
    without a fill has `ended`.

    Raises:
        OutcomeUnknown: it was filled, and its trades are not known.
    """
    return _placed(book, order, slot, book.deals_of(number_of(order)))


def _placed(book: Book, order: Order, slot: Slot, deals: Sequence[Deal]) -> Placed:
    ticket = number_of(order)
    if not deals and order.life in _WAITS:
        return _waiting(book, order)
    if not deals and order.filled and book.told_of(order) >= order.filled:
        return of_history(book, order)
    if not deals and order.filled:
        raise OutcomeUnknown(f"the order {ticket} has filled {order.filled}, and its trades are not told yet")
    if not deals:
        return Placed(
            retcode=int(Retcode.DONE),
            order=ticket,
            ticket=ticket,
            volume=NOUGHT,
            comment=f"The order is over without a fill ({order.status})"[:400],
            ended=_ENDINGS.get(order.status, Ending.EXPIRED),
        )
    volume = sum((deal.volume for deal in deals), NOUGHT)
    paid = sum((deal.volume * deal.price for deal in deals), NOUGHT)
    prices = {deal.price for deal in deals}
    price = prices.pop() if len(prices) == 1 else (paid / volume).quantize(book.specs[slot[0]].point.scaleb(-5))
    closing = [deal.profit for deal in deals if deal.entry is not Entry.IN]
    exits = book.exits(slot) if not closing else None
    partial = volume < order.quantity
    return Placed(
        retcode=int(Retcode.DONE_PARTIAL if partial else Retcode.DONE),
        order=ticket,
        deal=deals[-1].ticket,
        ticket=deals[-1].position,
        price=price,
        volume=volume,
        profit=sum(closing, NOUGHT) if closing else None,
        sl=None if exits is None else exits.sl or None,
        tp=None if exits is None else exits.tp or None,
        comment=PART_EXECUTED if partial else EXECUTED,
    )


def of_history(book: Book, order: Order) -> Placed:
    """What an order came to that was filled so long ago that its trades are told no more: by what it says of itself."""
    ticket, average = number_of(order), order.average
    return Placed(
        retcode=int(Retcode.DONE_PARTIAL if order.filled < order.quantity else Retcode.DONE),
        order=ticket,
        ticket=ticket,
        price=None if average is None else average.quantize(book.specs[order.symbol].point.scaleb(-5)),
        volume=order.filled,
        comment="It was filled; the exchange tells its trades no more",
    )


def changed_of(book: Book, order: Order, slot: Slot, known: int) -> Placed:
    """What a change of a waiting order has come to: it waits, for what of it is not filled, or as `placed_of`.

    Args:
        known: so many deals its order had before; they are told no more.

    Raises:
        OutcomeUnknown: as `placed_of`.
    """
    if order.life in _WAITS:
        return _waiting(book, order)
    deals = book.deals_of(number_of(order))
    return _placed(book, order, slot, deals[known:] or deals)


def _waiting(book: Book, order: Order) -> Placed:
    ticket = number_of(order)
    wish = book.wishes.of_order(ticket)
    return Placed(
        retcode=int(Retcode.DONE),
        order=ticket,
        ticket=ticket,
        volume=order.quantity - order.filled,
        sl=None if wish is None else wish.sl or None,
        tp=None if wish is None else wish.tp or None,
        comment=EXECUTED,
        pending=True,
    )


def cancelled(ticket: int, volume: Decimal) -> Placed:
    """A waiting order was taken back."""
    return Placed(retcode=int(Retcode.DONE), order=ticket, ticket=ticket, volume=volume, comment=EXECUTED)


def stops_changed(ticket: int, sl: Decimal, tp: Decimal) -> Placed:
    """The stops of a position are others now."""
    return Placed(retcode=int(Retcode.DONE), ticket=ticket, sl=sl or None, tp=tp or None, comment=EXECUTED)


def changed_nothing(answer: Mapping[str, Any]) -> bool:
    """Whether what is written down of a request says that it surely has changed nothing at the exchange."""
    return "refused" in answer or not NEVER.isdisjoint(answer)


def kept(outcome: Placed | Refused) -> dict[str, Any]:
    """An outcome as it is written down."""
    word = "placed" if isinstance(outcome, Placed) else "refused"
    return {word: msgspec.to_builtins(outcome)}


def read(answer: Mapping[str, Any]) -> Placed | Refused | None:
    """An outcome that was written down; None: there is none that can be read."""
    try:
        if "placed" in answer:
            return msgspec.convert(answer["placed"], Placed)
        return msgspec.convert(answer["refused"], Refused) if "refused" in answer else None
    except msgspec.ValidationError:
        return None
