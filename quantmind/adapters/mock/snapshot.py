"""All of an account's state as one value, to put away and take up again."""

from __future__ import annotations

from decimal import Decimal

import attrs

from quantmind.adapters.mock.books import Books
from quantmind.adapters.mock.history import OrderRecord
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.domain.accounts import Deal, PendingOrder
from quantmind.domain.orders import Placed
from quantmind.domain.quotes import Quote


@attrs.frozen
class Snapshot:
    """What `PaperAccount.restore` needs to go on exactly as the account that it was taken of would.

    `quotes` are the last ticks: without them nothing that is open has a value. `drawn` is how far the random numbers of
    slippage and requotes have come. Terms and symbols are not in it: they come from the configuration.
    """

    balance: Decimal
    time_msc: int
    next_order: int
    next_deal: int
    drawn: int
    positions: tuple[OpenPosition, ...]
    orders: tuple[PendingOrder, ...]
    deals: tuple[Deal, ...]
    records: tuple[OrderRecord, ...]
    tags: tuple[tuple[str, Placed | int], ...]
    quotes: tuple[Quote, ...]


def snapshot_of(books: Books) -> Snapshot:
    """The books as a value."""
    ledger = books.ledger
    return Snapshot(
        balance=books.balance,
        time_msc=books.time_msc,
        next_order=ledger.next_order,
        next_deal=ledger.next_deal,
        drawn=books.executor.drawn,
        positions=tuple(books.positions.values()),
        orders=tuple(books.orders.values()),
        deals=tuple(ledger.deals),
        records=tuple(ledger.records.values()),
        tags=tuple(ledger.tags.items()),
        quotes=tuple(books.market.quotes.values()),
    )


def restore_books(books: Books, snapshot: Snapshot) -> None:
    """Put a snapshot into books that nothing was done with yet.

    Raises:
        ValueError: something is open in a symbol that is not there, or has no last tick; nothing changed.
    """
    specs, priced = books.market.specs, {quote.symbol for quote in snapshot.quotes}
    holdings = [(position.ticket, position.symbol) for position in snapshot.positions]
    holdings += [(order.ticket, order.symbol) for order in snapshot.orders]
    for ticket, symbol in holdings:
        if symbol not in specs:
            raise ValueError(f"{ticket} is of {symbol}, which is no symbol of the account: add it again")
        if symbol not in priced:
            raise ValueError(f"{ticket} is of {symbol}, of which there is no last price")
    for quote in snapshot.quotes:
        if quote.symbol in specs:
            books.market.check(quote)
    for quote in snapshot.quotes:
        if quote.symbol in specs:
            books.market.update(quote)
    books.balance, books.time_msc = snapshot.balance, snapshot.time_msc
    books.executor.drawn = snapshot.drawn
    books.positions = {position.ticket: position for position in snapshot.positions}
    books.orders = {order.ticket: order for order in snapshot.orders}
    ledger = books.ledger
    ledger.next_order, ledger.next_deal = snapshot.next_order, snapshot.next_deal
    for deal in snapshot.deals:
        ledger.book(deal)
    ledger.records = {record.order.ticket: record for record in snapshot.records}
    ledger.tags = dict(snapshot.tags)
