"""A paper account that trades as a MetaTrader 5 hedging account with market execution does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs

from quantmind.adapters.mock.checks import check_price, check_stops, check_volume, refuse, stop_level
from quantmind.adapters.mock.ledger import Ledger
from quantmind.adapters.mock.market import Market, Price
from quantmind.adapters.mock.money import ZERO
from quantmind.adapters.mock.opening import new_position
from quantmind.adapters.mock.positions import OpenPosition, margin_of, profit_at, shown
from quantmind.adapters.mock.terms import Terms
from quantmind.adapters.mock.triggers import Guard, cause_of, guard_of
from quantmind.domain.accounts import Account, Cause, Deal, Entry, Position
from quantmind.domain.orders import Cancel, Close, Modify, Open, Placed, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import SymbolSpec

EXECUTED = "Request executed"


class PaperAccount:
    """Balance, positions and deals of one account, in exact decimals.

    Synchronous and pure: prices come in by `tick`, time comes in with them, nothing is read or written. Every
    method either does all of what it says or nothing. Always: equity = balance + floating profit of the
    positions, free margin = equity - margin, balance = initial balance + profit of all deals.
    """

    def __init__(self, terms: Terms, specs: Iterable[SymbolSpec]) -> None:
        self.terms = terms
        self.market = Market(specs)
        self._ledger = Ledger(first_order=terms.first_ticket)
        self._balance = terms.initial_balance
        self._positions: dict[int, OpenPosition] = {}
        self._guards: dict[str, Guard] = {}
        self._time_msc = 0

    @property
    def balance(self) -> Decimal:
        """The initial balance and what every deal made."""
        return self._balance

    @property
    def profit(self) -> Decimal:
        """The floating profit of the open positions."""
        return sum((self._profit(position) for position in self._positions.values()), ZERO)

    @property
    def margin(self) -> Decimal:
        """What the open positions hold."""
        return margin_of(self._positions.values())

    @property
    def deals(self) -> Sequence[Deal]:
        """Every deal, oldest first."""
        return self._ledger.deals

    @property
    def time_msc(self) -> int:
        """The account's own time: that of the newest tick, UTC milliseconds."""
        return self._time_msc

    def positions(self) -> tuple[Position, ...]:
        """The open positions at the last prices, oldest first."""
        return tuple(
            shown(position, self._price(position.symbol), self._profit(position))
            for position in self._positions.values()
        )

    def state(self) -> Account:
        """The account at the last prices."""
        profit, margin = self.profit, self.margin
        equity = self._balance + profit
        return Account(
            login=self.terms.login,
            server=self.terms.server,
            currency=self.terms.currency,
            leverage=self.terms.leverage,
            margin_mode=self.terms.margin_mode,
            balance=self._balance,
            equity=equity,
            margin=margin,
            margin_free=equity - margin,
            profit=profit,
        )

    def find(self, tag: str) -> Placed | None:
        """What became of the order with this tag, or None when no such order was carried out."""
        return self._ledger.find(tag)

    # --- prices ------------------------------------------------------------------------------------------------

    def tick(self, quote: Quote) -> Sequence[Deal]:
        """Take one tick: keep its price, and close what its stops say. Returns the deals that it made.

        The stops of a buy look at the bid, those of a sell at the ask. Both are carried out at the market price
        of the tick that triggers them, as a server with market execution does: behind a gap a stop loss is
        worse than its level and a take profit better.

        Raises:
            ValueError: the quote is crossed, not a price, or of another symbol; nothing changed.
        """
        self.market.update(quote)
        if quote.time_msc > self._time_msc:
            self._time_msc = quote.time_msc
        guard = self._guards.get(quote.symbol)
        if guard is None or guard.spares(quote):
            return ()
        price = self._price(quote.symbol)
        deals = []
        for position in self._of_symbol(quote.symbol):
            cause = cause_of(position, price)
            if cause is not None:
                level = price.exit(position.side)
                deals.append(self._close(position, position.volume, level, cause, self._ledger.take_order()))
        return deals

    # --- orders ------------------------------------------------------------------------------------------------

    def open(self, order: Open, tag: str) -> Placed | Refused:
        """Open a position at the market; a limit or stop order is refused, this account has none yet."""
        new = new_position(order, self.market, self.terms, self._time_msc)
        if isinstance(new, Refused):
            return new
        wrong = self._check_margin(new)
        if wrong is not None:
            return wrong
        number = self._ledger.take_order()
        position = attrs.evolve(new, ticket=number)
        self._positions[number] = position
        self._guard(position.symbol)
        deal = self._book(position, position.side, Entry.IN, position.volume, position.price_open, ZERO, number)
        placed = Placed(
            retcode=int(Retcode.DONE),
            order=number,
            deal=deal.ticket,
            ticket=number,
            price=deal.price,
            volume=deal.volume,
            sl=position.sl,
            tp=position.tp,
            comment=EXECUTED,
        )
        self._ledger.remember(tag, placed)
        return placed

    def close(self, order: Close, tag: str) -> Placed | Refused:
        """Close a position, or a part of it, at the market."""
        position = self._positions.get(order.ticket)
        if position is None:
            return refuse(Retcode.POSITION_CLOSED, f"there is no open position {order.ticket}")
        if order.symbol and order.symbol != position.symbol:
            return refuse(Retcode.INVALID, f"position {order.ticket} is of {position.symbol}, not of {order.symbol}")
        spec = self.market.specs[position.symbol]
        volume = position.volume if order.volume is None else order.volume
        if volume.is_finite() and volume > position.volume:
            return refuse(
                Retcode.INVALID_CLOSE_VOLUME,
                f"{volume} lots can't be closed: position {order.ticket} has {position.volume}",
            )
        if not volume.is_finite() or volume != position.volume:
            wrong = check_volume(spec, volume)
            if wrong is not None:
                return wrong
        price = self._price(position.symbol)
        number = self._ledger.take_order()
        deal = self._close(position, volume, price.exit(position.side), Cause.CLIENT, number)
        placed = Placed(
            retcode=int(Retcode.DONE),
            order=number,
            deal=deal.ticket,
            ticket=position.ticket,
            price=deal.price,
            volume=deal.volume,
            profit=deal.profit,
            sl=position.sl,
            tp=position.tp,
            comment=EXECUTED,
        )
        self._ledger.remember(tag, placed)
        return placed

    def modify(self, order: Modify, tag: str) -> Placed | Refused:
        """Change a position's stops: None keeps one, 0 removes it. Only a level that changes is checked."""
        position = self._positions.get(order.ticket)
        if position is None:
            return refuse(Retcode.POSITION_CLOSED, f"there is no open position {order.ticket}")
        spec = self.market.specs[position.symbol]
        wrong = check_price(spec, "stop loss", order.new_sl) or check_price(spec, "take profit", order.new_tp)
        if wrong is not None:
            return wrong
        sl = position.sl if order.new_sl is None else stop_level(spec, order.new_sl)
        tp = position.tp if order.new_tp is None else stop_level(spec, order.new_tp)
        if sl == position.sl and tp == position.tp:
            return refuse(
                Retcode.NO_CHANGES,
                f"position {order.ticket} already has stop loss {sl or 'none'} and take profit {tp or 'none'}",
            )
        price = self._price(position.symbol)
        new_sl, new_tp = (None if sl == position.sl else sl), (None if tp == position.tp else tp)
        wrong = check_stops(spec, position.side, price, new_sl, new_tp)
        if wrong is not None:
            return wrong
        self._positions[position.ticket] = attrs.evolve(position, sl=sl, tp=tp)
        self._guard(position.symbol)
        placed = Placed(retcode=int(Retcode.DONE), ticket=position.ticket, sl=sl, tp=tp, comment=EXECUTED)
        self._ledger.remember(tag, placed)
        return placed

    def cancel(self, order: Cancel, tag: str) -> Placed | Refused:
        """Take back a pending order."""
        del tag
        return refuse(Retcode.INVALID, f"there is no pending order {order.ticket}")

    # --- inside ------------------------------------------------------------------------------------------------

    def _price(self, symbol: str) -> Price:
        price = self.market.price(symbol)
        assert price is not None  # a position of it opened at one, and prices stay
        return price

    def _profit(self, position: OpenPosition) -> Decimal:
        price = self._price(position.symbol)
        spec = self.market.specs[position.symbol]
        level = price.exit(position.side)
        return profit_at(position, level, position.volume, spec, self.market, self.terms.currency)

    def _check_margin(self, position: OpenPosition) -> Refused | None:
        held = self.margin
        needed = margin_of([*self._positions.values(), position])
        equity = self._balance + self.profit
        # The other leg of a hedge needs nothing more, and takes risk away: it passes on an empty account too.
        if needed <= held or needed <= equity:
            return None
        return refuse(
            Retcode.NO_MONEY,
            f"{position.volume} lots of {position.symbol} need {needed - held} {self.terms.currency} more margin, "
            f"{equity - held} are free",
        )

    def _close(self, position: OpenPosition, volume: Decimal, price: Decimal, cause: Cause, order: int) -> Deal:
        spec = self.market.specs[position.symbol]
        profit = profit_at(position, price, volume, spec, self.market, self.terms.currency)
        if volume == position.volume:
            del self._positions[position.ticket]
        else:
            self._positions[position.ticket] = attrs.evolve(position, volume=position.volume - volume)
        self._balance += profit
        self._guard(position.symbol)
        return self._book(position, position.side.opposite, Entry.OUT, volume, price, profit, order, cause)

    def _book(
        self,
        position: OpenPosition,
        side: Side,
        entry: Entry,
        volume: Decimal,
        price: Decimal,
        profit: Decimal,
        order: int,
        cause: Cause = Cause.CLIENT,
    ) -> Deal:
        deal = Deal(
            ticket=self._ledger.take_deal(),
            order=order,
            position=position.ticket,
            symbol=position.symbol,
            side=side,
            entry=entry,
            volume=volume,
            price=price,
            profit=profit,
            cause=cause,
            time_msc=self._time_msc,
            magic=position.magic,
            comment=position.comment,
        )
        self._ledger.book(deal)
        return deal

    def _of_symbol(self, symbol: str) -> list[OpenPosition]:
        return [position for position in self._positions.values() if position.symbol == symbol]

    def _guard(self, symbol: str) -> None:
        guard = guard_of(self._of_symbol(symbol), self.market.specs[symbol].point)
        if guard is None:
            self._guards.pop(symbol, None)
        else:
            self._guards[symbol] = guard
