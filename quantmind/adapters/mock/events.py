"""What ticks and time do to an account: stops, activations, expirations, swap, stop out. Each in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs

from quantmind.adapters.mock.books import Books
from quantmind.adapters.mock.charges import swap_of
from quantmind.adapters.mock.history import EXECUTED, OrderRecord, OrderState
from quantmind.adapters.mock.margin_level import MarginState, first_to_close, margin_state
from quantmind.adapters.mock.money import ZERO
from quantmind.adapters.mock.opening import position_of, reduces
from quantmind.adapters.mock.pending import has_expired, is_due
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.adapters.mock.rollover import Night
from quantmind.adapters.mock.symbol_terms import check_trade_mode
from quantmind.adapters.mock.triggers import cause_of
from quantmind.domain.accounts import Cause, Deal, Entry, PendingOrder
from quantmind.domain.clock import iso_from_msc
from quantmind.domain.orders import OrderType, Refused


def expire(books: Books, until_msc: int) -> None:
    """Take out the orders whose time is over, oldest first."""
    for order in list(books.orders.values()):
        if order.expiration_msc is not None and has_expired(order, until_msc):
            comment = f"Order expired at {iso_from_msc(order.expiration_msc)}"
            books.end(order, OrderState.EXPIRED, comment, order.expiration_msc)


def roll_over(books: Books, nights: Iterable[Night]) -> None:
    """Charge swap for each night to each position that was open by then."""
    for night in nights:
        for position in list(books.positions.values()):
            if position.time_msc >= night.at_msc:
                continue
            spec = books.market.specs[position.symbol]
            swap = swap_of(position, spec, night.multiplier, books.market, books.terms.currency)
            if swap:
                books.charge(position.ticket, swap)


def trigger(books: Books, symbol: str) -> tuple[Sequence[Deal], bool]:
    """Carry out what the symbol's last price triggers, oldest ticket first.

    Returns the deals, and whether anything changed: an order that is rejected makes no deal.

    What was opened by this very tick is not looked at: its stops wait for the next one. Nothing is carried out while
    the symbol's session is closed.
    """
    price = books.price(symbol)
    due = [
        position.ticket
        for position in books.positions.values()
        if position.symbol == symbol and cause_of(position, price) is not None
    ]
    due += [order.ticket for order in books.orders.values() if order.symbol == symbol and is_due(order, price)]
    if not due or not books.terms_of(symbol).sessions.is_open(books.time_msc):
        return (), False
    deals: list[Deal] = []
    for ticket in sorted(due):
        order = books.orders.get(ticket)
        if order is not None:
            deals += activate(books, order)
            continue
        position = books.positions.get(ticket)
        # An order before it may have netted the position away, or changed its stops.
        cause = None if position is None else cause_of(position, price)
        if position is not None and cause is not None:
            deals.append(close_at_market(books, position, cause))
    return deals, True


def activate(books: Books, order: PendingOrder) -> Sequence[Deal]:
    """Fill a waiting order at the market, or reject it with a reason when the account can't have it (any more)."""
    spec, level = books.market.specs[order.symbol], books.price(order.symbol).fill(order.side)
    if order.order_type is OrderType.STOP:
        level = books.executor.slipped(spec, books.terms_of(order.symbol), order.side, level)
    new = _affordable(books, order, level)
    if isinstance(new, Refused):
        books.end(order, OrderState.REJECTED, f"Order rejected at {level} with {new.retcode}: {new.comment}")
        return ()
    del books.orders[order.ticket]
    deal, rest = books.enter(new, order.ticket)
    books.ledger.finish(
        OrderRecord(
            attrs.evolve(order, sl=None if rest is None else rest.sl, tp=None if rest is None else rest.tp),
            OrderState.FILLED,
            books.time_msc,
            EXECUTED,
            deal=deal.ticket,
            position=deal.position,
            price=deal.price,
            profit=None if deal.entry is Entry.IN else deal.profit,
        )
    )
    return (deal,)


def _affordable(books: Books, order: PendingOrder, level: Decimal) -> OpenPosition | Refused:
    spec = books.market.specs[order.symbol]
    closing = reduces(order.side, order.volume, books.met_by(order.symbol))
    wrong = check_trade_mode(spec, order.side, closing=closing)
    if wrong is not None:
        return wrong
    new = position_of(order, level, order.volume, order.side, books.market, books.terms, books.time_msc, order.tag)
    return new if isinstance(new, Refused) else books.check_money(new) or new


def close_at_market(books: Books, position: OpenPosition, cause: Cause) -> Deal:
    """Close a position whole at the last price and its slippage, as a server does by itself."""
    side = position.side.opposite
    level = books.price(position.symbol).fill(side)
    spec, terms = books.market.specs[position.symbol], books.terms_of(position.symbol)
    level = books.executor.slipped(spec, terms, side, level)
    return books.leave(position, position.volume, level, books.ledger.take_order(), cause, "")


def stop_out(books: Books) -> Sequence[Deal]:
    """Close positions, the worst first, until the margin level is above the stop out. Returns the deals.

    A position whose session is closed can't be; the state stays, and the next tick tries again.
    """
    if state_of(books) is not MarginState.STOP_OUT:
        return ()
    # No price moves meanwhile: what each position makes stays, and is not counted anew for each that closes.
    results = {position.ticket: books.profit_of(position) + position.swap for position in books.positions.values()}
    closable = {
        ticket: result
        for ticket, result in results.items()
        if books.terms_of(books.positions[ticket].symbol).sessions.is_open(books.time_msc)
    }
    floating = sum(results.values(), ZERO)
    deals: list[Deal] = []
    while closable and margin_state(books.balance + floating, books.margin, books.terms) is MarginState.STOP_OUT:
        ticket = first_to_close(closable)
        floating -= closable.pop(ticket)
        deals.append(close_at_market(books, books.positions[ticket], Cause.STOP_OUT))
    return deals


def state_of(books: Books) -> MarginState:
    """Where the account's margin level stands at the last prices."""
    margin = books.margin
    return margin_state(books.equity, margin, books.terms) if margin else MarginState.SOUND
