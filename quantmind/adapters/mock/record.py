"""A paper account as it is kept in a file: its state at one moment, and apart from it its history, which only grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import islice

import attrs

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.books import Books
from quantmind.adapters.mock.history import OrderRecord
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.adapters.mock.snapshot import Snapshot
from quantmind.domain.accounts import Deal, PendingOrder
from quantmind.domain.orders import Placed
from quantmind.domain.quotes import Quote


class RecordError(Exception):
    """A kept account does not fit the one that it is to become, or contradicts itself; says how, and the way out."""


@attrs.frozen
class Holdings:
    """What only requests, stops, expiry and swap change. Money in the account currency, exact."""

    balance: Decimal
    next_order: int
    next_deal: int
    drawn: int
    positions: tuple[OpenPosition, ...]
    orders: tuple[PendingOrder, ...]


@attrs.frozen
class AccountRecord:
    """The state of an account at `time_msc` (UTC milliseconds), and whose it is."""

    broker: str
    login: int
    currency: str
    margin_mode: str
    holdings: Holdings
    time_msc: int
    quotes: tuple[Quote, ...]


@attrs.frozen
class Mark:
    """How far a history had grown."""

    deals: int = 0
    ended: int = 0
    tags: int = 0


@attrs.frozen
class History:
    """Deals, ended orders, and tags with what became of them, each oldest first."""

    deals: Sequence[Deal] = ()
    ended: Sequence[OrderRecord] = ()
    tags: Sequence[tuple[str, Placed | int]] = ()


def holdings_of(books: Books) -> Holdings:
    """The part of an account's state that must not be lost and is not history; O(positions + orders)."""
    return Holdings(
        balance=books.balance,
        next_order=books.ledger.next_order,
        next_deal=books.ledger.next_deal,
        drawn=books.executor.drawn,
        positions=tuple(books.positions.values()),
        orders=tuple(books.orders.values()),
    )


def record_of(books: Books, broker: str) -> AccountRecord:
    """The account as it is now."""
    return AccountRecord(
        broker=broker,
        login=books.terms.login,
        currency=books.terms.currency,
        margin_mode=books.terms.margin_mode,
        holdings=holdings_of(books),
        time_msc=books.time_msc,
        quotes=tuple(map(_keepable, books.market.quotes.values())),
    )


def mark_of(books: Books) -> Mark:
    """How far its history has grown."""
    ledger = books.ledger
    return Mark(deals=ledger.deal_count, ended=len(ledger.records), tags=len(ledger.tags))


def history_since(books: Books, mark: Mark) -> History:
    """What its history grew by since `mark`; as long as that is, whatever came before."""
    ledger, now = books.ledger, mark_of(books)
    tags = list(islice(reversed(ledger.tags.items()), now.tags - mark.tags))
    return History(
        deals=tuple(ledger.latest(now.deals - mark.deals)),
        ended=tuple(ledger.latest_records(now.ended - mark.ended)),
        tags=tuple(reversed(tags)),
    )


def restore(account: PaperAccount, record: AccountRecord, history: History, broker: str) -> None:
    """Make a new account what the record says. Prices of symbols that are no longer configured are left out.

    Raises:
        RecordError: it is another account's, something is open in a symbol that is not there, or its numbers
            contradict each other. Then the account is of no use.
    """
    _check_owner(account, record, broker)
    _check_numbers(record.holdings, history)
    holdings = record.holdings
    known = {order.ticket for order in holdings.orders} | {ended.order.ticket for ended in history.ended}
    snapshot = Snapshot(
        balance=holdings.balance,
        time_msc=record.time_msc,
        next_order=holdings.next_order,
        next_deal=holdings.next_deal,
        drawn=holdings.drawn,
        positions=holdings.positions,
        orders=holdings.orders,
        deals=tuple(history.deals),
        records=tuple(history.ended),
        # How an order ended is forgotten with the oldest history, and its tag with it.
        tags=tuple((tag, outcome) for tag, outcome in history.tags if isinstance(outcome, Placed) or outcome in known),
        quotes=record.quotes,
    )
    try:
        account.restore(snapshot)
    except ValueError as exc:
        raise RecordError(str(exc)) from exc
    except LookupError as exc:
        raise RecordError(f"{exc}: put the pair back under symbols") from exc


def _check_owner(account: PaperAccount, record: AccountRecord, broker: str) -> None:
    terms = account.terms
    for what, kept, configured in (
        ("broker", record.broker, broker),
        ("login", record.login, terms.login),
        ("currency", record.currency, terms.currency),
        ("margin_mode", record.margin_mode, terms.margin_mode),
    ):
        if kept != configured:
            raise RecordError(f"it is of {what} {kept}, the configuration says {configured}: set that back to {kept}")


def _check_numbers(holdings: Holdings, history: History) -> None:
    held = [(each.ticket, each.volume) for each in holdings.positions]
    held += [(each.ticket, each.volume) for each in holdings.orders]
    tickets = [ticket for ticket, _ in held]
    sound = (
        holdings.balance.is_finite()
        and len(set(tickets)) == len(tickets)
        and all(ticket < holdings.next_order and volume > 0 for ticket, volume in held)
        and all(deal.ticket < holdings.next_deal for deal in history.deals)
        and all(ended.order.ticket < holdings.next_order for ended in history.ended)
    )
    if not sound:
        raise RecordError("its balance, tickets and volumes contradict each other")


def _keepable(quote: Quote) -> Quote:
    # JSON has no NaN. A paper account trades on bid and ask only, and those are numbers.
    fine = math.isfinite(quote.last) and math.isfinite(quote.volume)
    return quote if fine else attrs.evolve(quote, last=0.0, volume=0.0)
