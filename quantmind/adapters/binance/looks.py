"""What follows from a price that was asked for while a symbol's line was silent. Pure.

The same price as the last one: it holds. Another one may have come in the moment of the question, so it takes two looks
in a row until the line is dead. A line that was connected after a gap may be silent and sound, for it tells changes
alone: then the first look is what later ones are compared with.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

import attrs

LOOKS: Final = 2
"""Other prices in so many looks in a row, and nothing on the line: it is dead."""

Pair = tuple[float, float]


class Verdict(enum.Enum):
    """What a look says."""

    SAME = "same"
    """The last price holds."""
    FIRST = "first"
    """The line has said nothing since it was connected: this is the price."""
    OTHER = "other"
    """The line may be dead."""
    DEAD = "dead"
    """Prices move, and it does not say so."""


@attrs.define(eq=False)
class Looks:
    """Of all symbols of a broker."""

    _strikes: dict[str, int] = attrs.field(factory=dict, init=False)
    _sure: set[str] = attrs.field(factory=set, init=False)
    """Symbols whose last price is of the line as it is connected now, or of a look since."""

    def begun(self, symbols: Iterable[str]) -> None:
        """The line of these was connected, after a gap."""
        for symbol in symbols:
            self._strikes.pop(symbol, None)
            self._sure.discard(symbol)

    def told(self, symbol: str) -> None:
        """The line has told a price."""
        self._sure.add(symbol)
        if self._strikes:
            self._strikes.pop(symbol, None)

    def look(self, symbol: str, prices: Pair, last: Pair | None) -> Verdict:
        """REST has told bid and ask, and the line nothing. `last`: what was told before, by whichever."""
        if prices == last:
            self._strikes.pop(symbol, None)
            self._sure.add(symbol)
            return Verdict.SAME
        if symbol not in self._sure:
            self._sure.add(symbol)
            return Verdict.FIRST
        strikes = self._strikes[symbol] = self._strikes.get(symbol, 0) + 1
        return Verdict.DEAD if strikes >= LOOKS else Verdict.OTHER
