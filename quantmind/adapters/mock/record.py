"""A paper account as it is kept in a file: its state at one moment, and apart from it its history, which only grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import attrs

from quantmind.adapters.mock.account import PaperAccount
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


def holdings_of(snapshot: Snapshot) -> Holdings:
    """The part of a snapshot that must not be lost and is not history."""
    return Holdings(
        balance=snapshot.balance,
        next_order=snapshot.next_order,
        next_deal=snapshot.next_deal,
        drawn=snapshot.drawn,
        positions=snapshot.positions,
        orders=snapshot.orders,
    )


def record_of(account: PaperAccount, snapshot: Snapshot, broker: str) -> AccountRecord:
    """The account as it is at its snapshot."""
    return AccountRecord(
        broker=broker,
        login=account.terms.login,
        currency=account.terms.currency,
        margin_mode=account.terms.margin_mode,
        holdings=holdings_of(snapshot),
        time_msc=snapshot.time_msc,
        quotes=tuple(map(_keepable, snapshot.quotes)),
    )


def mark_of(snapshot: Snapshot) -> Mark:
    """How far its history has grown."""
    return Mark(deals=len(snapshot.deals), ended=len(snapshot.records), tags=len(snapshot.tags))


def history_since(snapshot: Snapshot, mark: Mark) -> History:
    """What its history grew by since `mark`."""
    return History(
        deals=snapshot.deals[mark.deals :], ended=snapshot.records[mark.ended :], tags=snapshot.tags[mark.tags :]
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
