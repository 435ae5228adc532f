"""What an account has and owes: balance, positions, waiting orders, deals; valued at the last prices."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from decimal import Decimal

import attrs

from quantmind.adapters.mock.charges import commission_of
from quantmind.adapters.mock.checks import refuse
from quantmind.adapters.mock.close_by import Matched
from quantmind.adapters.mock.execution import Executor
from quantmind.adapters.mock.history import OrderRecord, OrderState
from quantmind.adapters.mock.ledger import Ledger
from quantmind.adapters.mock.market import Market, Price
from quantmind.adapters.mock.money import WIDE, ZERO
from quantmind.adapters.mock.netting import join
from quantmind.adapters.mock.positions import OpenPosition, margin_of, profit_at, split
from quantmind.adapters.mock.symbol_terms import USUAL, SymbolTerms
from quantmind.adapters.mock.terms import Terms
from quantmind.domain.accounts import Cause, Deal, Entry, PendingOrder
from quantmind.domain.orders import Refused, Side
from quantmind.domain.retcodes import Retcode


class Books:
    """The state of one account, and the few ways in which it changes. No request is checked here.

    Attributes:
        balance: the initial balance and what every deal made.
        positions: the open positions by ticket, oldest first.
        orders: the limit and stop orders that wait, by ticket, oldest first.
        ledger: deals, ended orders, tags, numbers.
        executor: the prices of market executions.
        time_msc: the account's own time, UTC milliseconds.
    """

    def __init__(self, terms: Terms, market: Market, symbol_terms: Mapping[str, SymbolTerms]) -> None:
        self.terms = terms
        self.market = market
        self.symbol_terms = symbol_terms
        self.balance = terms.initial_balance
        self.positions: dict[int, OpenPosition] = {}
        self.orders: dict[int, PendingOrder] = {}
        self.ledger = Ledger(first_order=terms.first_ticket, first_deal=terms.first_deal)
        self.executor = Executor(terms.execution_seed)
        self.time_msc = 0

    def trial(self) -> Books:
        """Books to try a request on: the same state, and nothing that is done to them reaches these."""
        trial = copy.copy(self)
        trial.positions, trial.orders = dict(self.positions), dict(self.orders)
        trial.ledger, trial.executor = self.ledger.trial(), copy.copy(self.executor)
        return trial

    # --- values ------------------------------------------------------------------------------------------------

    @property
    def nets(self) -> bool:
        """Whether a symbol has one position."""
        return self.terms.margin_mode == "netting"

    @property
    def profit(self) -> Decimal:
        """The floating profit of the open positions, swap not counted."""
        return sum((self.profit_of(position) for position in self.positions.values()), ZERO)

    @property
    def swap(self) -> Decimal:
        """The swap charged to open positions and not realised yet."""
        return sum((position.swap for position in self.positions.values()), ZERO)

    @property
    def margin(self) -> Decimal:
        """What the open positions hold."""
        return margin_of(self.positions.values())

    @property
    def equity(self) -> Decimal:
        """Balance, floating profit and swap."""
        return self.balance + self.profit + self.swap

    def terms_of(self, symbol: str) -> SymbolTerms:
        """How a symbol trades."""
        return self.symbol_terms.get(symbol, USUAL)

    def price(self, symbol: str) -> Price:
        """The last price of a symbol that something is open or waits in."""
        price = self.market.price(symbol)
        assert price is not None  # nothing opens or waits before the first one, and prices stay
        return price

    def profit_of(self, position: OpenPosition) -> Decimal:
        """The position's floating profit, swap not counted."""
        level = self.price(position.symbol).exit(position.side)
        spec = self.market.specs[position.symbol]
        return profit_at(position, level, spec, self.market, self.terms.currency)

    def met_by(self, symbol: str) -> OpenPosition | None:
        """The position that an order of the symbol would meet: on a netting account the symbol's own, else none."""
        if self.nets:
            for position in self.positions.values():
                if position.symbol == symbol:
                    return position
        return None

    # --- changes -----------------------------------------------------------------------------------------------

    def check_money(self, new: OpenPosition) -> Refused | None:
        """Whether the account could carry what it would have after the fill: 10019.

        What needs no more margin than is held passes on an empty account, too: the other leg of a hedge, and what
        makes a position smaller, take risk away.
        """
        held = self.margin
        met = self.met_by(new.symbol)
        joined = join(met, new)
        others = [position for position in self.positions.values() if position is not met]
        needed = margin_of(others if joined.rest is None else [*others, joined.rest])
        if needed <= held:
            return None
        commission = commission_of(self.terms, new.volume)
        equity = self.equity + commission
        if needed <= equity:
            return None
        charged = f" after a commission of {-commission}" if commission else ""
        return refuse(
            Retcode.NO_MONEY,
            f"{new.volume} lots of {new.symbol} need {needed - held} {self.terms.currency} more margin, "
            f"{equity - held} are free{charged}: lower the volume or close a position",
        )

    def enter(self, new: OpenPosition, number: int) -> tuple[Deal, OpenPosition | None]:
        """Let a filled order in. Returns its deal and the position afterwards (None: it closed what was there)."""
        level = new.price_open
        met = self.met_by(new.symbol)
        joined = join(met, attrs.evolve(new, ticket=number))
        self._replace(met, joined.rest)
        if joined.closed is None:
            assert joined.rest is not None
            part = attrs.evolve(new, ticket=joined.rest.ticket)
        else:
            # The deal is the new order's, though it closes what an older one opened.
            part = attrs.evolve(joined.closed, magic=new.magic, comment=new.comment)
        deal = self._deal(part, new.side, joined.entry, level, number, Cause.CLIENT, new.tag, volume=new.volume)
        return deal, joined.rest

    def leave(
        self, position: OpenPosition, volume: Decimal, level: Decimal, number: int, cause: Cause, tag: str
    ) -> Deal:
        """Close `volume` lots of a position at a level. `tag` is the client's, empty when nobody asked for it."""
        closed, rest = split(position, volume)
        self._replace(position, rest)
        return self._deal(closed, position.side.opposite, Entry.OUT, level, number, cause, tag)

    def match(self, matched: Matched, number: int, tag: str) -> tuple[Deal, Deal]:
        """Close two positions against each other; the first deal has the profit of both."""
        self._replace(self.positions[matched.closed.ticket], matched.rest)
        self._replace(self.positions[matched.by.ticket], matched.by_rest)
        level = matched.price
        first, second = (
            self._deal(closed, closed.side.opposite, Entry.OUT_BY, level, number, Cause.CLIENT, tag)
            for closed in (matched.closed, matched.by)
        )
        return first, second

    def charge(self, ticket: int, swap: Decimal) -> None:
        """Charge swap to an open position; a deal will realise it."""
        position = self.positions[ticket]
        self.positions[ticket] = attrs.evolve(position, swap=position.swap + swap)

    def end(self, order: PendingOrder, state: OrderState, comment: str, at_msc: int | None = None) -> None:
        """Take a waiting order out, unfilled, and keep why."""
        del self.orders[order.ticket]
        done_msc = self.time_msc if at_msc is None else at_msc
        self.ledger.finish(OrderRecord(order, state, done_msc, comment))

    # --- inside ------------------------------------------------------------------------------------------------

    def _replace(self, before: OpenPosition | None, after: OpenPosition | None) -> None:
        if after is not None:
            self.positions[after.ticket] = after
        elif before is not None:
            del self.positions[before.ticket]

    def _deal(
        self,
        part: OpenPosition,
        side: Side,
        entry: Entry,
        level: Decimal,
        number: int,
        cause: Cause,
        tag: str,
        *,
        volume: Decimal | None = None,
    ) -> Deal:
        # `part` is what is opened or closed; a deal that reverses has more `volume` than it closes.
        spec = self.market.specs[part.symbol]
        opens = entry is Entry.IN
        deal = Deal(
            ticket=self.ledger.take_deal(),
            order=number,
            position=part.ticket,
            symbol=part.symbol,
            side=side,
            entry=entry,
            volume=part.volume if volume is None else volume,
            price=level.quantize(spec.point, context=WIDE),
            profit=ZERO if opens else profit_at(part, level, spec, self.market, self.terms.currency),
            cause=cause,
            time_msc=self.time_msc,
            commission=commission_of(self.terms, part.volume if volume is None else volume),
            swap=ZERO if opens else part.swap,
            magic=part.magic,
            comment=part.comment,
            tag=tag,
        )
        self.balance += deal.profit + deal.commission + deal.swap
        self.ledger.book(deal)
        return deal
