"""The worst case to the stops: what an account would have if every open stop were hit, and how it stands exposed.

A position never has less than at its stop, so the sum over all positions at their stops is the least equity that any
path of prices can lead to (but for slippage, which has its allowance). It does not change with a price, so it is kept
beside the account and no decision walks the positions. "The worst case" in docs/risk.md proves it and says what is
excepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import Side
from quantmind.domain.risk.policy import Allowances
from quantmind.domain.risk.stops import NOTHING_MORE, More, further, furthest, worst_at
from quantmind.domain.risk.worth import ZERO, Worth

NONE_UNKNOWN = 8
"""So many causes are told of what has no worst case."""


@attrs.frozen
class Span:
    """A signed sum that is sure, and what may come to it from orders that are not filled: upwards and downwards."""

    net: Decimal = ZERO
    up: Decimal = ZERO
    down: Decimal = ZERO

    def plus(self, other: Span) -> Span:
        return Span(self.net + other.net, self.up + other.up, self.down + other.down)

    def times(self, factor: Decimal) -> Span:
        """In another currency; the factor is above 0."""
        return Span(self.net * factor, self.up * factor, self.down * factor)


NO_SPAN = Span()


@attrs.frozen
class WorstCase:
    """An account at its stops, in its currency.

    `cash` is the equity without what is floating. `at_stops` is what the positions then come to, `losses` the losing
    ones of them alone (a profit may be taken before a loss is made), `orders` what pending orders may lose (0 or less).
    `unknown` says what has no worst case: then nothing is known. `waiting` is what pending orders need of margin at a
    leverage of 1; None: it is not known.
    """

    cash: Decimal
    at_stops: Decimal = ZERO
    losses: Decimal = ZERO
    orders: Decimal = ZERO
    unknown: tuple[str, ...] = ()
    waiting: Decimal | None = ZERO

    @property
    def equity(self) -> Decimal:
        """What would be left, were all of them hit."""
        return self.cash + self.at_stops + self.orders

    @property
    def equity_of_losers(self) -> Decimal:
        """The same without the profits that stops lock in: those may be cash already at the next reset."""
        return self.cash + self.losses + self.orders


@attrs.frozen
class Exposed:
    """Net exposure: lots and money by symbol, money by currency; how many positions and orders each symbol has."""

    lots: Mapping[str, Span] = attrs.field(factory=dict)
    symbols: Mapping[str, Span] = attrs.field(factory=dict)
    currencies: Mapping[str, Span] = attrs.field(factory=dict)
    counts: Mapping[str, int] = attrs.field(factory=dict)
    unknown: tuple[str, ...] = ()
    """Symbols whose base has no rate."""


@attrs.frozen
class _Held:
    """One position or order, counted."""

    item: Position | PendingOrder
    worth: Worth | None
    floating: Decimal
    worst: Decimal
    unknown: str | None


@attrs.define(eq=False)
class Ledger:
    """What one account holds, counted once and kept: of what did not change nothing is counted again."""

    allowances: Allowances
    _positions: dict[int, _Held] = attrs.field(factory=dict, init=False)
    _orders: dict[int, _Held] = attrs.field(factory=dict, init=False)
    _worst: WorstCase | None = attrs.field(default=None, init=False)
    _exposed: Exposed = attrs.field(factory=Exposed, init=False)

    @property
    def worst(self) -> WorstCase | None:
        """None before the account was read."""
        return self._worst

    @property
    def exposed(self) -> Exposed:
        return self._exposed

    def keep(
        self,
        positions: Mapping[int, Position],
        orders: Mapping[int, PendingOrder],
        equity: Decimal,
        worth: Callable[[str], Worth | None],
        *,
        netting: bool,
    ) -> None:
        """Count what there is by now. `worth` tells what a lot of a symbol is worth, None where that is not known.

        On a `netting` account an order that fills gives its stop to all lots of its side: there each of them counts at
        the furthest stop that the symbol's orders would leave it with.
        """
        worths: dict[str, Worth | None] = {}

        def known(symbol: str) -> Worth | None:
            if symbol not in worths:
                worths[symbol] = worth(symbol)
            return worths[symbol]

        self._positions = {
            ticket: self._counted(self._positions.get(ticket), item, known(item.symbol), self._position)
            for ticket, item in positions.items()
        }
        self._orders = {
            ticket: self._counted(self._orders.get(ticket), item, known(item.symbol), self._order)
            for ticket, item in orders.items()
        }
        held, waiting = self._positions.values(), self._orders.values()
        unknown = [each.unknown for each in (*held, *waiting) if each.unknown is not None]
        if not equity.is_finite():
            unknown.append(f"the equity is {equity}")
        shared = NOTHING_MORE
        if netting and waiting and not unknown:
            shared = self._shared(known)
        self._worst = WorstCase(
            cash=equity - sum((each.floating for each in held), ZERO),
            at_stops=sum((each.worst for each in held), ZERO) - shared.all,
            losses=sum((each.worst for each in held if each.worst < 0), ZERO) - shared.losses,
            orders=sum((each.worst for each in waiting), ZERO),
            unknown=tuple(unknown[:NONE_UNKNOWN]),
            waiting=_margin_of(waiting),
        )
        self._exposed = _exposed((*held, *waiting))

    def _shared(self, worth: Callable[[str], Worth | None]) -> More:
        """What is lost more where the lots of a side share the furthest of their stops."""
        groups: dict[tuple[str, Side], list[Position | PendingOrder]] = {}
        for each in (*self._orders.values(), *self._positions.values()):
            groups.setdefault((each.item.symbol, each.item.side), []).append(each.item)
        more = NOTHING_MORE
        for (symbol, side), items in groups.items():
            known = worth(symbol)
            if len(items) > 1 and known is not None:
                stops = furthest(side, [item.sl for item in items])
                for item in items:
                    # Without a stop there is an assumed one here, else the item's own worst case were not known.
                    more = more.plus(further(item, item.sl, stops, known, self.allowances) or NOTHING_MORE)
        return more

    def _counted(
        self,
        before: _Held | None,
        item: Position | PendingOrder,
        worth: Worth | None,
        count: Callable[[Position | PendingOrder, Worth | None], _Held],
    ) -> _Held:
        if before is not None and before.item is item and before.worth == worth:
            return before
        return count(item, worth)

    def _position(self, item: Position | PendingOrder, worth: Worth | None) -> _Held:
        assert isinstance(item, Position)
        floating = item.profit + item.swap
        if not floating.is_finite():
            return _Held(item, worth, ZERO, ZERO, _no_number("position", item))
        return self._held("position", item, worth, floating)

    def _order(self, item: Position | PendingOrder, worth: Worth | None) -> _Held:
        return self._held("order", item, worth, ZERO)

    def _held(self, what: str, item: Position | PendingOrder, worth: Worth | None, floating: Decimal) -> _Held:
        if worth is None:
            return _Held(item, worth, floating, ZERO, _no_rate(what, item))
        try:
            worst = worst_at(item, item.sl, worth, self.allowances)
        except ArithmeticError:  # comparing with what is no number
            return _Held(item, worth, floating, ZERO, _no_number(what, item))
        if worst is None:
            return _Held(item, worth, floating, ZERO, _no_stop(what, item))
        if not worst.is_finite():
            return _Held(item, worth, floating, ZERO, _no_number(what, item))
        return _Held(item, worth, floating, worst, None)


def _margin_of(waiting: Iterable[_Held]) -> Decimal | None:
    needed = ZERO
    for each in waiting:
        lot = None if each.worth is None else each.worth.margin_of_a_lot(1)
        if lot is None:
            return None
        needed += lot * each.item.volume
    return needed


def _exposed(held: tuple[_Held, ...]) -> Exposed:
    lots: dict[str, Span] = {}
    symbols: dict[str, Span] = {}
    currencies: dict[str, Span] = {}
    counts: dict[str, int] = {}
    unknown: dict[str, None] = {}
    for each in held:
        item = each.item
        signed = item.volume * item.side.sign
        sure = isinstance(item, Position)
        if not signed.is_finite():
            unknown[item.symbol] = None
            continue
        lots[item.symbol] = lots.get(item.symbol, NO_SPAN).plus(span_of(signed, sure=sure))
        counts[item.symbol] = counts.get(item.symbol, 0) + 1
        moved = None if each.worth is None else moves(each.worth, signed)
        if moved is None or not moved[0][1].is_finite():
            unknown[item.symbol] = None
            continue
        symbols[item.symbol] = symbols.get(item.symbol, NO_SPAN).plus(span_of(moved[0][1], sure=sure))
        for currency, amount in moved:
            currencies[currency] = currencies.get(currency, NO_SPAN).plus(span_of(amount, sure=sure))
    return Exposed(lots, symbols, currencies, counts, tuple(unknown)[:NONE_UNKNOWN])


def span_of(amount: Decimal, *, sure: bool) -> Span:
    """A signed amount as it counts in a sum."""
    if sure:
        return Span(amount)
    return Span(ZERO, amount, ZERO) if amount > 0 else Span(ZERO, ZERO, amount)


def moves(worth: Worth, signed: Decimal) -> tuple[tuple[str, Decimal], ...] | None:
    """What signed lots are of each currency, in the account's: more of the base, less of the profit currency."""
    lot = worth.exposure_of_a_lot()
    if lot is None:
        return None
    amount = signed * lot
    if worth.own:
        return ((worth.symbol, amount),)
    return ((worth.currency_base, amount), (worth.currency_profit, -amount))


def _no_rate(what: str, item: Position | PendingOrder) -> str:
    return f"{what} {item.ticket} on {item.symbol}: no price or rate tells what it is worth"


def _no_number(what: str, item: Position | PendingOrder) -> str:
    return f"{what} {item.ticket} on {item.symbol}: what it is worth is no number"


def _no_stop(what: str, item: Position | PendingOrder) -> str:
    return f"{what} {item.ticket} on {item.symbol} has no stop"
