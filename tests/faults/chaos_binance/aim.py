"""Which site a round kills at: every second one is where an order is on its way to the exchange, or looked up there."""

from __future__ import annotations

from typing import Final

import attrs
from faults.chaos.deck import MISSES, Deck, Place
from faults.chaos.kill_switch import Target

MOST_VISITS: Final = 8
"""One beyond it would come too late in a round, of which a part is the connection to the exchange."""
ON_THE_WAY: Final = ("actors/carrier.py", "actors/executor.py")


@attrs.define(eq=False)
class Aim(Deck):
    """Draws targets as `Deck` does, and others."""

    _turn: list[Place] = attrs.field(factory=list, init=False)

    def draw(self, number: int) -> Target:
        """The target of a round."""
        place = self._on_the_way() if number % 2 else None
        site, moment = self._next() if place is None else place
        most = max(1, min(self.visits[site, moment] // 6, MOST_VISITS))
        return Target(site, moment, self.rng.randint(1, most), number)

    def _on_the_way(self) -> Place | None:
        if not self._turn:
            self._turn = sorted(place for place in self.visits if is_on_the_way(place[0]))
            self.rng.shuffle(self._turn)
        while self._turn:
            place = self._turn.pop()
            if self._missed[place] < MISSES:
                return place
        return None


def is_on_the_way(site: str) -> bool:
    """Whether an order is at the adapter there."""
    return site.startswith(ON_THE_WAY) and "adapters/binance/" in site
