"""The orders of an account as they are told: open ones, and how those ended that are over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from quantmind.adapters.binance.records import Life, Order

MOST_ENDED: Final = 5000
"""Orders that are over; who asks for an older one asks the exchange."""

Key = tuple[bool, str, int]
"""Whether it is conditional, symbol, the exchange's id."""


def key_of(order: Order) -> Key:
    """An id is unique for its symbol, and conditional orders have ids of their own."""
    return order.conditional, order.symbol, order.order_id


@attrs.define(eq=False)
class OrdersKept:
    """What was said of each order last. Old news that come late change nothing."""

    _open: dict[Key, Order] = attrs.field(factory=dict, init=False)
    _ended: dict[Key, Order] = attrs.field(factory=dict, init=False)
    _keys: dict[tuple[str, str], Key] = attrs.field(factory=dict, init=False)
    """By symbol and client order id: the newest that had it."""

    def __iter__(self) -> Iterator[Order]:
        """Those that are open, by the time at which they were told of first."""
        return iter(list(self._open.values()))

    def get(self, key: Key) -> Order | None:
        """An order, open or over."""
        return self._open.get(key) or self._ended.get(key)

    def named(self, symbol: str, client_id: str) -> Order | None:
        """The newest order with a client order id."""
        key = self._keys.get((symbol, client_id))
        return None if key is None else self.get(key)

    def begin(self, orders: Iterable[Order], symbols: Iterable[str]) -> None:
        """These are open now of these symbols, and no others: whatever else was, is over, how is not known."""
        there = {key_of(order): order for order in orders}
        of = set(symbols)
        for key in [key for key, order in self._open.items() if order.symbol in of and key not in there]:
            del self._open[key]
        for order in there.values():
            self.take(order)

    def take(self, order: Order) -> bool:
        """Take in what is said of an order; False: it is older than what is known."""
        key = key_of(order)
        known = self.get(key)
        if known is not None and _is_another(order, known):
            self._open.pop(key, None)
            self._ended.pop(key, None)
            known = None
        if known is not None and not _is_newer(order, known):
            return False
        if known is not None and order.time_msc == 0:
            order = attrs.evolve(order, time_msc=known.time_msc)
        self._keys[order.symbol, order.client_id] = key
        if order.life in (Life.OPEN, Life.STRANGE):
            self._open[key] = order
            return True
        self._open.pop(key, None)
        self._ended.pop(key, None)
        self._ended[key] = order
        while len(self._ended) > MOST_ENDED:
            oldest = next(iter(self._ended))
            gone = self._ended.pop(oldest)
            if self._keys.get((gone.symbol, gone.client_id)) == oldest:
                del self._keys[gone.symbol, gone.client_id]
        return True

    def gone(self, order: Order) -> None:
        """The exchange says that it does not wait any more, and not how it ended."""
        self._open.pop(key_of(order), None)


# The exchange counts its orders anew: a test network was reset.
def _is_another(order: Order, known: Order) -> bool:
    return order.client_id != known.client_id and 0 < known.updated_msc < order.time_msc


# An order that is over stays so; a fill that comes after its end is in its trades, and makes `filled` larger.
def _is_newer(order: Order, known: Order) -> bool:
    if order.filled != known.filled:
        return order.filled > known.filled
    was_open, is_open = known.life in (Life.OPEN, Life.STRANGE), order.life in (Life.OPEN, Life.STRANGE)
    if was_open != is_open:
        return was_open
    return order.updated_msc >= known.updated_msc
