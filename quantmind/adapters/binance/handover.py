"""From one connection to the next, in order: what two of them tell side by side, each once. Pure.

Two connections are seldom equally quick: the second one's first message may overtake others that the first one has
still to tell. So one of them leads, and what others tell beyond it waits until the leader has come as far; then the
newest one leads. A leader that ends, or falls silent while another one goes on, leads no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

import attrs

T = TypeVar("T")

HOLD_S: Final = 1.0
"""So long a message waits for the leader: connections of one exchange are apart by some tenths of a second."""
MOST_HELD: Final = 8192
"""Messages that wait for the leader on one connection; with more of them it does so no longer."""
FAR_RESETS: Final = 20
"""So many in a row that are less than half of the last one mean that the exchange counts anew. It can't be told by a
distance: futures count in steps of thousands."""
NEAR_RESETS: Final = 2000
"""So do so many of any: no connection is behind another one by that."""


@attrs.define(eq=False)
class Handover(Generic[T]):
    """Of one stream of one symbol. Numbers rise; where they are left out nobody can tell, so only order counts.

    Connections have numbers, too: a later one has a higher number.
    """

    last: int = -1
    """The number of the newest message that was given."""
    duplicates: int = 0
    resets: int = 0
    stalls: int = 0
    """Leaders that another connection left behind."""
    leader: int = -1
    """A connection; -1: none."""
    _held: dict[int, deque[tuple[int, float, T]]] = attrs.field(factory=dict, init=False)
    _low: int = attrs.field(default=0, init=False)
    _far: int = attrs.field(default=0, init=False)

    def take(self, link: int, number: int, what: T, at: float) -> Sequence[tuple[int, T]]:
        """A message of a connection; which ones, with their numbers, are to be given now, in order.

        Args:
            at: seconds, of the clock that `flush` is told.
        """
        if self.leader < 0:
            self.leader = link
        if link != self.leader:
            return self._beside(link, number, what, at)
        if number <= self.last and not self._is_reset(number):
            self.duplicates += 1
            return ()
        self.last = number
        self._low = self._far = 0
        given = [(number, what)]
        if self._held:
            self._join(given)
        return given

    def flush(self, at: float) -> Sequence[tuple[int, T]]:
        """What has waited for a leader that does not come."""
        given: list[tuple[int, T]] = []
        for link in sorted(self._held, reverse=True):
            held = self._held.get(link)
            if held and at - held[0][1] >= HOLD_S:
                self.stalls += 1
                self._lead(link, given)
        return given

    def end(self, link: int) -> Sequence[tuple[int, T]]:
        """A connection has ended. What the newest other one has told beyond it is given, if it was the leader."""
        self._held.pop(link, None)
        given: list[tuple[int, T]] = []
        if link == self.leader:
            self.leader = -1
            if self._held:
                self._lead(max(self._held), given)
        return given

    # --- inside ------------------------------------------------------------------------------------------------------

    def _beside(self, link: int, number: int, what: T, at: float) -> Sequence[tuple[int, T]]:
        given: list[tuple[int, T]] = []
        if number <= self.last:
            self.duplicates += 1
            # It began before the place where we are, so it leaves nothing out from here on.
            if link > self.leader:
                self._lead(link, given)
            return given
        held = self._held.setdefault(link, deque())
        held.append((number, at, what))
        if len(held) > MOST_HELD or at - held[0][1] >= HOLD_S:
            self.stalls += 1
            self._lead(link, given)
        return given

    # The leader has come farther.
    def _join(self, given: list[tuple[int, Any]]) -> None:
        met = -1
        for link, held in self._held.items():
            while held and held[0][0] <= self.last:
                held.popleft()
                self.duplicates += 1
                met = max(met, link)
        self._held = {link: held for link, held in self._held.items() if held}
        if met > self.leader:
            self._lead(met, given)

    # From now on it leads; what it has told beyond the old one is given.
    def _lead(self, link: int, given: list[tuple[int, Any]]) -> None:
        self.leader = link
        self._low = self._far = 0
        for number, _, what in self._held.pop(link, ()):
            if number > self.last:
                self.last = number
                given.append((number, what))
        if self._held:
            self._join(given)

    def _is_reset(self, number: int) -> bool:
        self._low += 1
        self._far = self._far + 1 if 2 * number < self.last else 0
        if self._far < FAR_RESETS and self._low < NEAR_RESETS:
            return False
        self.resets += 1
        return True
