"""From trades to positions and deals: what each trade of ours did to the position of its symbol.

Binance says how much is held and what was traded; which order opened a position, whether a trade opened, added, closed
or reversed, and on spot what it made, is found by going through the trades in order. Pure.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

import attrs

from quantmind.adapters.binance.names import Name, Role, deal_number, name_of, number, number_of, order_number
from quantmind.adapters.binance.records import NOUGHT, Fill, Order
from quantmind.domain.accounts import Cause, Deal, Entry
from quantmind.domain.orders import Side

MOST_DEALS: Final = 10_000
"""Of a symbol: as many as `Broker.deals` gives at the most."""
_FINEST: Final = Decimal("1E-8")
"""A part of a cost is kept to here, as the exchange keeps money; what is left keeps the rest, so that they add up."""
_FORCED: Final = ("autoclose-", "adl_autoclose", "settlement_autoclose-", "delivery_autoclose-")
"""How client order ids of the exchange's own orders begin: liquidation, deleveraging, settlement (futures docs)."""
_CAUSES: Final = {Role.STOP_LOSS: Cause.SL, Role.TAKE_PROFIT: Cause.TP}


@attrs.frozen
class Lot:
    """The open position of a symbol. `amount` is below 0 for a short one, `cost` is price x amount without its sign."""

    ticket: int = 0
    tag: str = ""
    time_msc: int = 0
    amount: Decimal = NOUGHT
    cost: Decimal = NOUGHT

    @property
    def price(self) -> Decimal:
        """The mean price that it was opened at."""
        return self.cost / abs(self.amount)


@attrs.define(eq=False)
class Walk:
    """One symbol's trades, one after the other; on a futures account in hedge mode those of one position side.

    Args:
        symbol: its name.
        key: BOTH, LONG or SHORT.
        step: an amount below it can't be traded: nothing is open.
        charge: what a trade's commission takes from the account, in its currency, 0 or more.
        base: the asset of which a commission makes the position smaller, and then what a trade made is reckoned here
            (spot); empty: none, and the exchange says what it made (futures).
    """

    symbol: str
    key: str
    step: Decimal
    charge: Callable[[Fill], Decimal]
    base: str = ""
    lot: Lot = attrs.field(factory=Lot, init=False)
    deals: deque[Deal] = attrs.field(factory=lambda: deque(maxlen=MOST_DEALS), init=False)
    filled: dict[int, Decimal] = attrs.field(factory=dict, init=False)
    """By the exchange's ids of orders: how much of each the trades that were taken are."""
    last: tuple[int, int] = attrs.field(default=(0, 0), init=False)
    """Time and id of the newest trade that was taken."""
    _taken: dict[tuple[str, int, int], None] = attrs.field(factory=dict, init=False)
    """Trades that were taken, in order; those that are older than a deal which is kept no more are forgotten."""

    @property
    def is_flat(self) -> bool:
        """Whether nothing is open that could be closed."""
        return abs(self.lot.amount) < self.step

    def begin(self, lot: Lot) -> None:
        """Start from what was open before the first trade."""
        self.lot, self.last = lot, (0, 0)
        self.deals.clear()
        self.filled.clear()
        self._taken.clear()

    @property
    def volume(self) -> Decimal:
        """What is open that could be closed, signed as the lot's amount; 0: it is flat."""
        if self.is_flat:
            return NOUGHT
        volume = abs(self.lot.amount) // self.step * self.step
        return volume if self.lot.amount > 0 else -volume

    def trades(self, fill: Fill) -> bool:
        """Whether a trade is one of these."""
        return (fill.symbol, fill.position_side) == (self.symbol, self.key)

    def pays(self, fill: Fill) -> bool:
        """Whether the commission of a trade, of whatever symbol, is paid of this position."""
        return bool(self.base) and fill.commission_asset == self.base and fill.commission != 0

    def amount_of(self, fill: Fill) -> Decimal:
        """By how much a trade changes what is held, below 0 for less."""
        amount = fill.quantity * fill.side.sign if self.trades(fill) else NOUGHT
        return amount - fill.commission if self.pays(fill) else amount

    def take(self, fill: Fill) -> Deal | None:
        """Go on by one trade. None: it was taken already, or it is none of these and makes no open position smaller."""
        key = (fill.symbol, fill.trade_id, fill.order_id)  # of a trade with oneself there are two
        if key in self._taken or not (self.trades(fill) or self.pays(fill)):
            return None
        self._taken[key] = None
        self.last = max(self.last, mark_of(fill))
        while len(self._taken) > MOST_DEALS:
            del self._taken[next(iter(self._taken))]
        if self.trades(fill):
            self.filled[fill.order_id] = self.filled.get(fill.order_id, NOUGHT) + fill.quantity
            while len(self.filled) > MOST_DEALS:
                del self.filled[next(iter(self.filled))]
        before = self.volume
        deal = self._trade(fill) if self.trades(fill) else self._pay(fill)
        if deal is None:
            return None
        change = self.volume - before
        if change != deal.change:
            deal = attrs.evolve(deal, net_volume=change)
        self.deals.append(deal)
        return deal

    def lose(self, amount: Decimal) -> None:
        """So much has left it by no trade: it was withdrawn, or sold and paid where nobody follows it."""
        if 0 < amount <= self.lot.amount:
            part = _share(self.lot.cost, amount, self.lot.amount)
            self.lot = attrs.evolve(self.lot, amount=self.lot.amount - amount, cost=self.lot.cost - part)

    # --- inside ------------------------------------------------------------------------------------------------

    def _trade(self, fill: Fill) -> Deal:
        name = name_of(fill.client_id)
        before = self.lot
        was_flat = self.is_flat
        # What is left of a position that is too little to be traded is not what a new one begins with.
        amount = self.amount_of(fill)
        if was_flat or (amount > 0) == (before.amount > 0):
            entry, profit = Entry.IN, NOUGHT
            self.lot = self._larger(before, fill, name, amount, opens=was_flat)
        else:
            entry, profit = self._smaller(before, fill, name, amount)
        return Deal(
            ticket=deal_number(fill),
            order=order_number(fill.symbol, fill.order_id, fill.client_id),
            position=self.lot.ticket or before.ticket,
            symbol=fill.symbol,
            side=fill.side,
            entry=entry,
            volume=fill.quantity,
            price=fill.price,
            profit=profit if self.base else fill.realized,
            cause=_cause(fill, name),
            time_msc=fill.time_msc,
            commission=-self.charge(fill),
            tag="" if name is None or name.role in _CAUSES else name.tag,
        )

    # What goes is worth what was paid for it: nothing is won or lost on it, and the balance pays that.
    def _pay(self, fill: Fill) -> Deal | None:
        before, was_flat = self.lot, self.is_flat
        if before.amount <= 0:
            self.lot = attrs.evolve(before, amount=before.amount - fill.commission)
            return None
        part = _share(before.cost, fill.commission, before.amount)
        self.lot = attrs.evolve(before, amount=before.amount - fill.commission, cost=before.cost - part)
        if was_flat:
            return None
        return Deal(
            ticket=number("fee", fill.symbol, fill.trade_id, fill.order_id),
            order=0,
            position=before.ticket,
            symbol=self.symbol,
            side=Side.SELL,
            entry=Entry.OUT,
            volume=fill.commission,
            price=before.price,
            profit=NOUGHT,
            cause=Cause.FEE,
            time_msc=fill.time_msc,
            commission=-part,
        )

    def _larger(self, before: Lot, fill: Fill, name: Name | None, amount: Decimal, *, opens: bool) -> Lot:
        cost = before.cost + abs(amount) * fill.price
        if not opens:
            return attrs.evolve(before, amount=before.amount + amount, cost=cost)
        return Lot(
            ticket=order_number(fill.symbol, fill.order_id, fill.client_id),
            tag=_opener(name),
            time_msc=fill.time_msc,
            amount=before.amount + amount,
            cost=cost,
        )

    def _smaller(self, before: Lot, fill: Fill, name: Name | None, amount: Decimal) -> tuple[Entry, Decimal]:
        closed = min(abs(amount), abs(before.amount))
        part = before.cost if closed == abs(before.amount) else _share(before.cost, closed, abs(before.amount))
        sign = 1 if before.amount > 0 else -1
        profit = (closed * fill.price - part) * sign
        left = before.amount + amount
        if abs(amount) > abs(before.amount) and abs(left) >= self.step:
            # It keeps its number, as on a netting account of MetaTrader 5; the rest is the new order's.
            self.lot = Lot(before.ticket, _opener(name), fill.time_msc, left, abs(left) * fill.price)
            return Entry.INOUT, profit
        self.lot = attrs.evolve(before, amount=left, cost=before.cost - part)
        return Entry.OUT, profit


@attrs.frozen
class Left:
    """What there was before some trades, and what has left after each of them by no trade; `first` of it after the last
    one that was known before.
    """

    begin: Decimal
    gone: Sequence[Decimal]
    first: Decimal = NOUGHT


def left_by_no_trade(held: Decimal, changes: Sequence[Decimal], old: int = 0, known: Decimal = NOUGHT) -> Left:
    """Coins are never owed: where less is held than trades come to, the rest was withdrawn, or sold and paid elsewhere.

    It was so as early as it can have been, after the `old` first changes that had come to `known`. That counts only
    where something has left: it may have been written down between two trades that were told in another order.
    """
    plain = Left(*_never_short(held, changes))
    if not known or not any(plain.gone):
        return plain
    begin, gone = _never_short(known, changes[:old])
    more, later = _never_short(held, [known, *changes[old:]])
    first = later[0]
    if not gone:
        return Left(begin + more - first, later[1:], first)
    return Left(begin + more, [*gone[:-1], gone[-1] + first, *later[1:]], first)


def _never_short(held: Decimal, changes: Sequence[Decimal]) -> tuple[Decimal, list[Decimal]]:
    levels = list(itertools.accumulate(changes, initial=NOUGHT))
    begin = max(held - levels[-1], -min(levels))
    lowest = list(itertools.accumulate(reversed(levels[1:]), min))[::-1]
    taken, left = NOUGHT, begin + levels[-1] - held
    gone: list[Decimal] = []
    for least in lowest:
        gone.append(min(left - taken, begin + least - taken))
        taken += gone[-1]
    return begin, gone


def in_order(fills: Iterable[Fill]) -> list[Fill]:
    """Trades by time; those of one millisecond by their id, which counts up."""
    return sorted(fills, key=mark_of)


def mark_of(fill: Fill) -> tuple[int, int]:
    """Where a trade stands among others."""
    return fill.time_msc, fill.trade_id


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return (cost * part / whole).quantize(_FINEST)


def _opener(name: Name | None) -> str:
    return name.tag if name is not None and name.role is Role.ORDER else ""


def _cause(fill: Fill, name: Name | None) -> Cause:
    if name is not None:
        return _CAUSES.get(name.role, Cause.CLIENT)
    return Cause.STOP_OUT if fill.client_id.startswith(_FORCED) else Cause.CLIENT


def deals_of(walks: Iterable[Walk], order_number: int) -> list[Deal]:
    """The deals of one order, oldest first."""
    return [deal for walk in walks for deal in walk.deals if deal.order == order_number]


def openers_of(walks: Iterable[Walk]) -> dict[int, str]:
    """By position: the tag of the order that opened it, or turned it last."""
    openers: dict[int, str] = {}
    for deal in itertools.chain.from_iterable(walk.deals for walk in walks):
        if deal.entry is Entry.INOUT:
            openers[deal.position] = deal.tag
        elif deal.entry is Entry.IN:
            openers.setdefault(deal.position, deal.tag)
    return openers


def dealt(walks: Iterable[Walk], order_number: int) -> Decimal:
    """The volume of them."""
    return sum((deal.volume for deal in deals_of(walks, order_number)), NOUGHT)


def told_of(walks: Iterable[Walk], order: Order) -> Decimal:
    """How much of one of the exchange's orders is told by its trades; one that was moved may have been two of them."""
    order_id = order.becomes if order.conditional else order.order_id
    if not order_id:
        return dealt(walks, number_of(order))
    return sum((walk.filled.get(order_id, NOUGHT) for walk in walks if walk.symbol == order.symbol), NOUGHT)


def side_of(amount: Decimal) -> Side:
    """The side of a position."""
    return Side.BUY if amount > 0 else Side.SELL
