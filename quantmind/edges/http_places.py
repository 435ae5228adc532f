"""Who has a place at the HTTP door: so many connections, and the last places for those who showed a token.

When the places for strangers are taken, one more stranger takes the place of another: of the address that has most of
them, the one that has waited longest without asking for anything. So whoever opens connections and says nothing, or a
byte now and then, loses them one after the other, and an operator always gets in. Pure: it is told the time, in
seconds, and says whom to close.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import attrs

PLACE_KEY: Final = "quantmind.place"
"""Where in its scope the app finds the connection's `Place`, to say that it has shown a token."""
RESERVED: Final = 64
"""Places that only connections have which showed a token, where there are four times as many in all."""


@attrs.define(eq=False)
class Place:
    """One connection.

    Attributes:
        known: it has shown a token that is right.
        answering: a request of it came in whole and has no answer yet; then it is not closed for another.
        quiet_since: when it had its last answer, or came.
        close: ends the connection, now.
    """

    address: str
    quiet_since: float
    close: Callable[[], None]
    known: bool = False
    answering: bool = False


@attrs.define(eq=False)
class Places:
    """All connections of a door. `most` at a time."""

    most: int
    _taken: set[Place] = attrs.field(factory=set, init=False)

    def __len__(self) -> int:
        return len(self._taken)

    def __bool__(self) -> bool:
        return True

    @property
    def for_strangers(self) -> int:
        """How many connections there may be that showed no token."""
        return self.most - min(RESERVED, self.most // 4)

    @property
    def known(self) -> int:
        """How many showed one."""
        return sum(place.known for place in self._taken)

    def make_room(self) -> tuple[bool, Place | None]:
        """Whether one more may come, and which connection must be closed for it."""
        strangers = [place for place in self._taken if not place.known]
        if len(strangers) < self.for_strangers and len(self._taken) < self.most:
            return True, None
        leaving = _longest_quiet(_of_the_most(strangers))
        if leaving is None and len(self._taken) >= self.most:
            leaving = _longest_quiet(self._taken)
        return leaving is not None or len(self._taken) < self.most, leaving

    def take(self, place: Place) -> None:
        """One more is here."""
        self._taken.add(place)

    def leave(self, place: Place) -> None:
        """It has gone. Safe to repeat."""
        self._taken.discard(place)


# Those who may be closed, of the address that has most of them.
def _of_the_most(strangers: Iterable[Place]) -> list[Place]:
    free = [place for place in strangers if not place.answering]
    if not free:
        return []
    most, _ = Counter(place.address for place in free).most_common(1)[0]
    return [place for place in free if place.address == most]


def _longest_quiet(places: Iterable[Place]) -> Place | None:
    return min((place for place in places if not place.answering), key=lambda place: place.quiet_since, default=None)
