"""The ticks that a terminal has of its symbols, and the bars that they make."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

MOST_TICKS: Final = 200_000
"""Of a symbol; older ones are forgotten, as far as programs need none of them."""
_TRADE: Final = 2
"""COPY_TICKS_TRADE: there are quotes alone."""
Row = dict[str, Any]


class Prices:
    """Ticks as rows of the package, oldest first.

    Args:
        digits: of each symbol.
    """

    def __init__(self, digits: Mapping[str, int]) -> None:
        self._digits = dict(digits)
        self._ticks: dict[str, deque[Row]] = {symbol: deque(maxlen=MOST_TICKS) for symbol in digits}
        self._counts = dict.fromkeys(digits, 0)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._ticks

    def add(self, symbol: str, row: Row) -> None:
        """Take one tick. Raises KeyError: there is no such symbol."""
        self._ticks[symbol].append(row)
        self._counts[symbol] += 1

    def newest(self, symbol: str) -> Row | None:
        """The last tick; None: there is no symbol, or no tick of it."""
        ticks = self._ticks.get(symbol)
        return ticks[-1] if ticks else None

    def count(self, symbol: str) -> int:
        """How many ticks of a symbol there have been, also of those that are forgotten."""
        return self._counts.get(symbol, 0)

    def from_second(self, symbol: str, first_s: int, count: int, flags: int) -> list[Row]:
        """So many ticks from a second on, the oldest ones."""
        found = (row for row in self._of(symbol, flags) if row["time"] >= first_s)
        return list(itertools.islice(found, max(0, count)))

    def between(self, symbol: str, first_msc: int, last_msc: int, flags: int) -> list[Row]:
        """The ticks of a time, both ends included."""
        return [row for row in self._of(symbol, flags) if first_msc <= row["time_msc"] <= last_msc]

    def page(self, symbol: str, first_msc: int, count: int, flags: int) -> list[Row]:
        """So many ticks from a millisecond on, the oldest ones; from 0: the newest ones."""
        ticks = self._of(symbol, flags)
        if count <= 0:
            return []
        if first_msc == 0:
            newest = list(itertools.islice(reversed(ticks), count))
            newest.reverse()
            return newest
        return list(itertools.islice((row for row in ticks if row["time_msc"] >= first_msc), count))

    def bars(self, symbol: str, seconds: int, since: int | None, until: int | None, newest: int | None) -> list[Row]:
        """Bars of bids: those that begin within two times, or the newest ones that begin at `until` or before."""
        point = 10 ** self._digits.get(symbol, 0)
        bars: dict[int, Row] = {}
        for row in self._of(symbol, -1):
            _join(bars, row, row["time"] // seconds * seconds, round((row["ask"] - row["bid"]) * point))
        found: Iterable[Row] = [bar for _, bar in sorted(bars.items())]
        found = [bar for bar in found if since is None or bar["time"] >= since]
        found = [bar for bar in found if until is None or bar["time"] <= until]
        return found if newest is None else found[-newest:] if newest > 0 else []

    def _of(self, symbol: str, flags: int) -> Sequence[Row]:
        ticks = self._ticks[symbol]
        return () if flags == _TRADE else ticks


def _join(bars: dict[int, Row], row: Row, begin: int, spread: int) -> None:
    bid = row["bid"]
    bar = bars.get(begin)
    if bar is None:
        bar = bars[begin] = {"time": begin, "open": bid, "high": bid, "low": bid, "close": bid, "tick_volume": 0}
        bar |= {"spread": spread, "real_volume": 0}
    bar["high"], bar["low"], bar["close"] = max(bar["high"], bid), min(bar["low"], bid), bid
    bar["tick_volume"] += 1
    bar["spread"] = min(bar["spread"], spread)
