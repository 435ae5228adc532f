"""What spares ticks the exact look: a guard for each symbol, and the next moment at which something falls due."""

from __future__ import annotations

import math

from quantmind.adapters.mock.books import Books
from quantmind.adapters.mock.cushion import zones_of
from quantmind.adapters.mock.margin_level import MarginState, margin_state
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.adapters.mock.rollover import Night
from quantmind.adapters.mock.triggers import ALWAYS_LOOK, Guard, guard_of
from quantmind.domain.accounts import PendingOrder


class Watch:
    """Kept anew after each change of the books; between two changes a tick costs a few comparisons.

    Attributes:
        guards: for each symbol the prices between which a tick needs no look; a symbol without one never does.
        zones: the same for the margin level alone.
        due_msc: at this time something expires or is charged.
        is_stale: whether the books have changed since the last full look.
    """

    def __init__(self) -> None:
        self.guards: dict[str, Guard] = {}
        self.zones: dict[str, Guard] = {}
        self.due_msc: float = math.inf
        self.is_stale = False
        self._night: Night | None = None
        self._everything: dict[str, Guard] = {}

    def begin_anew(self) -> None:
        """Forget which night is the next; `renew` is to follow."""
        self._night = None

    def expect(self, books: Books) -> None:
        """Take the books' changes into account without the full look: the next tick of any symbol makes it.

        Many requests between two ticks then cost one look.
        """
        if not self._everything:
            self._everything = dict.fromkeys(books.market.specs, ALWAYS_LOOK)
        self.guards, self.zones = self._everything, {}
        self.due_msc = self._next_due(books)
        self.is_stale = True

    def renew(self, books: Books) -> MarginState:
        """Look at all that is open and waits; O(positions + orders). Returns where the margin level stands."""
        margin, cash = books.margin, books.balance + books.swap
        state = margin_state(cash + books.profit, margin, books.terms)
        self.zones = dict(
            zones_of(
                books.positions.values(),
                books.market,
                books.terms,
                cash,
                margin,
                state,
            )
        )
        positions: dict[str, list[OpenPosition]] = {}
        orders: dict[str, list[PendingOrder]] = {}
        for position in books.positions.values():
            positions.setdefault(position.symbol, []).append(position)
        for order in books.orders.values():
            orders.setdefault(order.symbol, []).append(order)
        self.guards = {}
        # What could not be closed yet is tried again at each tick.
        everything = state is MarginState.STOP_OUT
        priced = books.market.quotes
        for name, spec in books.market.specs.items():
            # The first price of a symbol may become a rate of account currency.
            guard = (
                guard_of(positions.get(name, ()), orders.get(name, ()), spec.point, self.zones.get(name))
                if name in priced and not everything
                else ALWAYS_LOOK
            )
            if guard is not None:
                self.guards[name] = guard
        self.due_msc = self._next_due(books)
        self.is_stale = False
        return state

    def _next_due(self, books: Books) -> float:
        expirations = [order.expiration_msc for order in books.orders.values() if order.expiration_msc is not None]
        night = self._next_night(books)
        return min(expirations + ([] if night is None else [night.at_msc]), default=math.inf)

    def _next_night(self, books: Books) -> Night | None:
        rollover = books.terms.rollover
        if rollover is None or not books.positions:
            return None
        if self._night is None or self._night.at_msc <= books.time_msc:
            self._night = rollover.next_after(books.time_msc)
        return self._night
