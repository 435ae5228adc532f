"""Quotes: prices as a broker gives them. Floats, because a tick is data and not money."""

from __future__ import annotations

import attrs


@attrs.frozen(slots=True)
class Quote:
    """One tick. `bid`, `ask`, `last` in the symbol's quote currency; `time_msc` UTC milliseconds."""

    symbol: str
    bid: float
    ask: float
    time_msc: int
    last: float = 0.0
    volume: float = 0.0

    def same_prices(self, other: Quote) -> bool:
        """Whether nothing that a client sees but the time differs."""
        return (
            self.bid == other.bid and self.ask == other.ask and self.last == other.last and self.volume == other.volume
        )

    @property
    def crossed(self) -> bool:
        """Whether nobody could trade on it: the bid above the ask, or a side that is not a price."""
        return not (0.0 < self.bid <= self.ask)
