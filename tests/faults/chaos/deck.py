"""Which site a round kills at: all that were seen take turns, those of the executor most often."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
from faults.chaos.kill_switch import Target, group_of

TURNS: Final = {"executor": 4, "intents": 2, "journal": 2}
"""Of a group in one turn of the wheel; 1 for the others."""
MOST_VISITS: Final = 40
"""A kill at a visit beyond it would come too late in a round."""
BUSY: Final = 5
"""Where more visits were seen, orders pass: such a site has three turns for one of those of a start."""
MISSES: Final = 2
"""A site that was not reached in time so often is left out."""

Place = tuple[str, str]
"""(site, moment)."""


@attrs.define(eq=False)
class Deck:
    """Draws targets. Learns sites while it goes on: some are seen only after a crash."""

    rng: random.Random
    visits: dict[Place, int] = attrs.field(factory=dict)
    """How often each was visited in the survey; 1 for those that were seen later."""
    _left: dict[str, list[Place]] = attrs.field(factory=dict, init=False)
    _wheel: list[str] = attrs.field(factory=list, init=False)
    _missed: Counter[Place] = attrs.field(factory=Counter, init=False)

    def learn(self, records: Iterable[dict[str, Any]]) -> None:
        """Take over what kill switches wrote of their sites."""
        for record in records:
            place = (record["site"], record["moment"])
            if place not in self.visits:
                self.visits[place] = 1
                self._left.setdefault(group_of(place[0]), []).append(place)  # a new one has its turn soon
            self.visits[place] = max(self.visits[place], record.get("visits", 1))

    def missed(self, target: Target) -> None:
        """A target was not reached."""
        self._missed[target.site, target.moment] += 1

    def draw(self, number: int) -> Target:
        """The target of a round."""
        place = self._next()
        most = max(1, min(self.visits[place] // 2, MOST_VISITS))
        return Target(place[0], place[1], self.rng.randint(1, most), number)

    def _next(self) -> Place:
        while True:
            if not self._wheel:
                groups = sorted({group_of(site) for site, _ in self.visits})
                self._wheel = [group for group in groups for _ in range(TURNS.get(group, 1))]
                self.rng.shuffle(self._wheel)
            group = self._wheel.pop()
            left = self._left.setdefault(group, [])
            if not left:
                left.extend(self._turns(group))
            place = left.pop(self.rng.randrange(len(left)))
            if self._missed[place] < MISSES:
                return place

    def _turns(self, group: str) -> Iterator[Place]:
        for place, visits in sorted(self.visits.items()):
            if group_of(place[0]) == group:
                yield from [place] * (3 if visits > BUSY else 1)
