"""A paper account that trades as an account on a MetaTrader 5 server does: hedging or netting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from quantmind.adapters.mock.books import Books
from quantmind.adapters.mock.check import TradeCheck, check_of
from quantmind.adapters.mock.events import expire, roll_over, stop_out, trigger
from quantmind.adapters.mock.history import OrderRecord
from quantmind.adapters.mock.margin_level import MarginState
from quantmind.adapters.mock.market import Market
from quantmind.adapters.mock.positions import shown
from quantmind.adapters.mock.requests import carry_out
from quantmind.adapters.mock.snapshot import Snapshot, restore_books, snapshot_of
from quantmind.adapters.mock.symbol_terms import SymbolTerms
from quantmind.adapters.mock.terms import Terms
from quantmind.adapters.mock.triggers import ALWAYS_LOOK
from quantmind.adapters.mock.watch import Watch
from quantmind.domain.accounts import Account, Deal, PendingOrder, Position
from quantmind.domain.orders import Cancel, Close, Modify, Open, Placed, Proposal, Refused
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import SymbolSpec


class PaperAccount:
    """Balance, positions, waiting orders and deals of one account, in exact decimals.

    Synchronous and pure: prices come in by `tick`, time comes in with them and by `pass_time`, nothing is read or
    written. Every method either does all of what it says or nothing. Always: equity = balance + floating profit +
    swap of the positions, free margin = equity - margin, balance = initial balance + profit, commission and swap of all
    deals.

    Args:
        symbol_terms: how symbols trade; one that is not named trades as `SymbolTerms` does by default.
    """

    def __init__(
        self, terms: Terms, specs: Iterable[SymbolSpec], symbol_terms: Mapping[str, SymbolTerms] | None = None
    ) -> None:
        self.terms = terms
        self.market = Market(specs)
        self._books = Books(terms, self.market, symbol_terms or {})
        self._watch = Watch()
        self._margin_state = self._watch.renew(self._books)

    @property
    def balance(self) -> Decimal:
        """The initial balance and what every deal made."""
        return self._books.balance

    @property
    def profit(self) -> Decimal:
        """The floating profit of the open positions, swap not counted."""
        return self._books.profit

    @property
    def swap(self) -> Decimal:
        """The swap charged to open positions and not realised by a deal yet."""
        return self._books.swap

    @property
    def margin(self) -> Decimal:
        """What the open positions hold; waiting orders hold none."""
        return self._books.margin

    @property
    def margin_state(self) -> MarginState:
        """Where the margin level stands: sound, margin call, or at a stop out that could not close yet."""
        if self._watch.is_stale:
            self._renew()
        return self._margin_state

    @property
    def deals(self) -> Sequence[Deal]:
        """Every deal, oldest first."""
        return self._books.ledger.deals

    @property
    def records(self) -> Mapping[int, OrderRecord]:
        """How each order that waits no more ended, by number, in the order in which they ended."""
        return self._books.ledger.records

    @property
    def time_msc(self) -> int:
        """The account's own time: that of the newest tick or `pass_time`, UTC milliseconds."""
        return self._books.time_msc

    def positions(self) -> tuple[Position, ...]:
        """The open positions at the last prices, oldest first."""
        books = self._books
        return tuple(
            shown(position, self.market.specs[position.symbol], books.price(position.symbol), books.profit_of(position))
            for position in books.positions.values()
        )

    def orders(self) -> tuple[PendingOrder, ...]:
        """The limit and stop orders that wait, oldest first."""
        return tuple(self._books.orders.values())

    def state(self) -> Account:
        """The account at the last prices. Its `profit` has the swap in it, so that equity = balance + profit."""
        return _account(self._books)

    def terms_of(self, symbol: str) -> SymbolTerms:
        """How a symbol trades."""
        return self._books.terms_of(symbol)

    def find(self, tag: str) -> Placed | None:
        """What has become by now of the request with this tag, or None when none such was carried out.

        Of one that placed a limit or stop order: that it waits, its fill, or no volume and why it ended.
        """
        return self._books.ledger.find(tag, self._books.orders)

    def latest_deals(self, most: int) -> Sequence[Deal]:
        """The newest deals, at most so many, oldest first."""
        return self._books.ledger.latest(most)

    def latest_records(self, most: int) -> Sequence[OrderRecord]:
        """The waiting orders that ended last, at most so many, oldest first."""
        return self._books.ledger.latest_records(most)

    # --- prices and time ---------------------------------------------------------------------------------------

    def tick(self, quote: Quote) -> Sequence[Deal]:
        """Take one tick: keep its price, and do what it and its time say. Returns the deals that it made.

        In this order: expirations and swap that its time has brought; stops and waiting orders of its symbol, by
        ticket; the margin call and the stop out. The stops of a buy and sell orders look at the bid, those of a sell
        and buy orders at the ask. All are carried out at the market price of the tick that triggers them: behind
        a gap a stop loss or a stop order is worse than its level, a take profit or a limit order better.

        Raises:
            ValueError: the quote is crossed, not a price, or of another symbol; nothing changed.
        """
        watch, time_msc = self._watch, quote.time_msc
        deals: Sequence[Deal] = ()
        if time_msc >= watch.due_msc:
            self.market.check(quote)
            deals = self.pass_time(time_msc)
        self.market.update(quote)
        if time_msc > self._books.time_msc:
            self._books.time_msc = time_msc
        guard = watch.guards.get(quote.symbol)
        if guard is None or guard.spares(quote):
            return deals
        return [*deals, *self._look(quote)]

    def pass_time(self, time_msc: int) -> Sequence[Deal]:
        """Let time go on without a tick: expirations, swap, and what swap does to the margin level.

        Returns the deals of a stop out. A time that is not later changes nothing.
        """
        books = self._books
        if time_msc <= books.time_msc:
            return ()
        if time_msc < self._watch.due_msc:
            books.time_msc = time_msc
            return ()
        expire(books, time_msc)
        if books.positions and self.terms.rollover is not None:
            roll_over(books, self.terms.rollover.between(books.time_msc, time_msc))
        books.time_msc = time_msc
        return self._settle()

    # --- requests ----------------------------------------------------------------------------------------------

    def carry_out(self, request: Proposal, tag: str) -> Placed | Refused:
        """Whatever is asked for: `open`, `close`, `modify` or `cancel`."""
        outcome = carry_out(self._books, request, tag)
        if isinstance(outcome, Placed):
            # A request that brings the level to the stop out is answered as it was carried out; the next tick closes.
            self._watch.expect(self._books)
        return outcome

    def open(self, order: Open, tag: str) -> Placed | Refused:
        """Open a position at the market, or let a limit or stop order wait."""
        return self.carry_out(order, tag)

    def close(self, order: Close, tag: str) -> Placed | Refused:
        """Close a position, or a part of it, at the market or by an opposite one."""
        return self.carry_out(order, tag)

    def modify(self, order: Modify, tag: str) -> Placed | Refused:
        """Change a position's stops, or a waiting order: None keeps, 0 removes. Only what changes is checked."""
        return self.carry_out(order, tag)

    def cancel(self, order: Cancel, tag: str) -> Placed | Refused:
        """Take back a waiting order."""
        return self.carry_out(order, tag)

    def check(self, request: Proposal) -> TradeCheck:
        """What a request would come to now (MetaTrader 5: OrderCheck). Changes nothing.

        The request goes its whole way on books that are thrown away, so the answer is that of the request itself.
        """
        trial = self._books.trial()
        return check_of(carry_out(trial, request, ""), _account(trial))

    # --- over restarts -----------------------------------------------------------------------------------------

    @property
    def books(self) -> Books:
        """All of the account's state as it is, to read and never to change."""
        return self._books

    def snapshot(self) -> Snapshot:
        """All of the account's state as a value."""
        return snapshot_of(self._books)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot, in an account that nothing was done with yet.

        The first tick, or `pass_time`, brings what fell due since.

        Raises:
            ValueError: something is open in a symbol that is not there, or has no last tick; nothing changed.
        """
        restore_books(self._books, snapshot)
        self._renew()

    def begin_at(self, time_msc: int) -> None:
        """Let time go on from an earlier moment: a recording that is given anew. A later one changes nothing.

        Nothing is undone: swap that was charged stays, and a night that comes again is charged only to what was open
        before it.
        """
        if time_msc < self._books.time_msc:
            self._books.time_msc = time_msc
            self._watch.begin_anew()
            self._renew()

    # --- inside ------------------------------------------------------------------------------------------------

    def _look(self, quote: Quote) -> Sequence[Deal]:
        symbol = quote.symbol
        deals, changed = trigger(self._books, symbol)
        zone = self._watch.zones.get(symbol)
        spared = self._watch.guards[symbol] is not ALWAYS_LOOK if zone is None else zone.spares(quote)
        return deals if spared and not changed else [*deals, *self._settle()]

    def _settle(self) -> Sequence[Deal]:
        deals = stop_out(self._books)
        self._renew()
        return deals

    def _renew(self) -> None:
        self._margin_state = self._watch.renew(self._books)


def _account(books: Books) -> Account:
    terms, margin = books.terms, books.margin
    profit = books.profit + books.swap
    equity = books.balance + profit
    return Account(
        login=terms.login,
        server=terms.server,
        currency=terms.currency,
        leverage=terms.leverage,
        margin_mode=terms.margin_mode,
        balance=books.balance,
        equity=equity,
        margin=margin,
        margin_free=equity - margin,
        profit=profit,
    )
