"""Fair shares of the one loop: who has had his goes on when it has nothing else to do, one at a time.

Within its share a connection, or a door, is never held up. Beyond it what it still wants is done in turns: one small
piece, then nothing until whatever that piece set going has come to rest, and everybody else's work with it. So a flood
gets all the time that is left over and no other, and holds up others by one piece at the most. Doors take turns with
each other, and so do those who wait at one door.

A loop that never comes to rest still gives a turn every `PATIENCE_S`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import attrs
import trio

# The one way to hear from Trio that nothing is left to run.
from trio.testing import wait_all_tasks_blocked

PATIENCE_S: Final = 0.01
"""The next turn comes after so long also when the loop did not come to rest: so a hundred a second always come."""

LEVELS: Final = 4
"""How finely those are told apart who are within their share."""
LOOK_EVERY_S: Final = 0.0005
"""How often a loop at rest looks whether a thread has finished what it had in hand."""


def _never() -> bool:
    return False


@attrs.define(eq=False)
class DoorTurns:
    """For /status: what one door did by turns."""

    waited: int = 0
    """Pieces of work that waited for a turn, since who wanted them had had his share."""
    pressed: int = 0
    """Those of them that were let go on though the loop had other things to do."""
    waiting: int = 0
    """Those that wait now."""


@attrs.define(eq=False)
class Turns:
    """Who may do the next piece of what goes beyond shares. One for all doors of a loop.

    Args:
        elsewhere: whether a thread has work in hand that others wait for. It needs the interpreter, too, and would get
            it only now and then beside a loop that never rests.
        patience_s: see `PATIENCE_S`.
    """

    elsewhere: Callable[[], bool] = _never
    patience_s: float = PATIENCE_S
    doors: dict[str, DoorTurns] = attrs.field(factory=dict)
    _lines: dict[tuple[str, str], deque[trio.Event]] = attrs.field(factory=dict, init=False)
    """Those with somebody in them, in the order in which they are served."""
    _first: trio.Event | None = attrs.field(default=None, init=False)

    async def wait(self, door: str, line: str = "", *, hold_s: float = PATIENCE_S) -> None:
        """Wait for a turn. Cancelled, it gives its place up.

        Args:
            door: for the count; doors take turns.
            line: several at one door take turns, too.
            hold_s: for so long at most what is in hand `elsewhere` is waited for.
        """
        ticket, key = trio.Event(), (door, line)
        count = self.at(door)
        count.waited += 1
        count.waiting += 1
        self._lines.setdefault(key, deque()).append(ticket)
        if self._first is None:
            self._call_next()
        try:
            await ticket.wait()
            with trio.move_on_after(self.patience_s) as patience:
                await self._rest(hold_s)
            count.pressed += patience.cancelled_caught
        finally:
            count.waiting -= 1
            if self._first is ticket:
                self._first = None
                self._call_next()
            else:
                self._leave(key, ticket)

    async def _rest(self, hold_s: float) -> None:
        await wait_all_tasks_blocked()
        end = trio.current_time() + hold_s
        while self.elsewhere() and trio.current_time() < end:
            await trio.sleep(LOOK_EVERY_S)
            await wait_all_tasks_blocked()

    def at(self, door: str) -> DoorTurns:
        """What a door did by turns so far."""
        return self.doors.setdefault(door, DoorTurns())

    def status(self) -> dict[str, dict[str, int]]:
        """For /status, by door."""
        return {door: attrs.asdict(count) for door, count in self.doors.items()}

    def _call_next(self) -> None:
        for key in self._lines:
            line = self._lines.pop(key)
            self._first = line.popleft()
            self._first.set()
            if line:
                self._lines[key] = line
            return

    def _leave(self, key: tuple[str, str], ticket: trio.Event) -> None:
        line = self._lines[key]
        line.remove(ticket)
        if not line:
            del self._lines[key]


class Pace:
    """One connection's share of the loop, or one door's: a bucket of pieces that fills at a steady rate.

    Args:
        per_s: pieces in a second that need no turn.
        burst: and so many at once.
        line: which of a door's lines it stands in when the share is spent.
        first: so many at once to begin with; None: `burst`. Who comes anew should not get more by that than who stays.
        of: the share of all together, of which this is one's; it counts there, too.
        hold_s: see `Turns.wait`.
    """

    __slots__ = ("_at", "_burst", "_hold_s", "_left", "_of", "_per_s", "_turns", "_where")

    def __init__(
        self,
        turns: Turns,
        door: str,
        per_s: float,
        burst: float,
        line: str = "",
        *,
        first: float | None = None,
        of: Pace | None = None,
        hold_s: float = PATIENCE_S,
    ) -> None:
        self._turns = turns
        self._where = (door, line)
        self._per_s, self._burst = per_s, burst
        self._left, self._at = burst if first is None else first, trio.current_time()
        self._of, self._hold_s = of, hold_s

    def count(self, pieces: int = 1) -> None:
        """So many were done. More than there was room for are owed, up to one burst."""
        self._left = max(self._left - pieces, -self._burst)
        if self._of is not None:
            self._of.count(pieces)

    @property
    def spent(self) -> bool:
        """Whether the next piece needs a turn."""
        return self._room() < 1.0 or (self._of is not None and self._of.spent)

    async def turn(self) -> None:
        """Wait for a turn. Where only the share of all is spent, those who used least of theirs stand by themselves."""
        door, line = self._where
        room = self._room()
        if room >= 1.0:
            line += f" {int(LEVELS * room / self._burst)}"
        await self._turns.wait(door, line, hold_s=self._hold_s)

    def _room(self) -> float:
        now = trio.current_time()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        return self._left
