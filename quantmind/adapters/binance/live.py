"""One connection of a line, from its first try to its end, and what was proven of it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Final

import attrs
import trio

from quantmind.adapters.binance.errors import NotSent, Refusal
from quantmind.net.bell import Bell
from quantmind.net.errors import NetError
from quantmind.net.ws import ClientConnection

MOST_PINGS: Final = 3
PINGS_WINDOW_S: Final = 1.0
"""The exchange ends a connection on which it gets more than five messages in a second, pings and pongs among them."""

MOST_ATTEMPTS: Final = 200
"""In five minutes, of all lines of a broker: the exchange takes 300 from one address."""
ATTEMPTS_WINDOW_S: Final = 300.0


@attrs.define(eq=False)
class Turns:
    """Lets through so many in a sliding time, the first who came first."""

    most: int
    window_s: float
    _free_at: deque[float] = attrs.field(factory=deque, init=False)
    """When each that was made counts no more: compared as it is slept for, or rounding would let it spin."""
    _lock: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def turn(self) -> None:
        """Wait until one more may be made. Cancelled it counts for nothing."""
        async with self._lock:
            while True:
                now = trio.current_time()
                while self._free_at and now >= self._free_at[0]:
                    self._free_at.popleft()
                if len(self._free_at) < self.most:
                    self._free_at.append(now + self.window_s)
                    return
                await trio.sleep_until(self._free_at[0])


@attrs.define(eq=False)
class Attempts:
    """Holds back connections that would be too many, and numbers them."""

    most: int = MOST_ATTEMPTS
    _turns: Turns = attrs.field(init=False)
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    @_turns.default
    def _of_an_address(self) -> Turns:
        return Turns(self.most, ATTEMPTS_WINDOW_S)

    async def turn(self) -> int:
        """Wait until one more may be made; its number. Cancelled it counts for nothing."""
        await self._turns.turn()
        return next(self._numbers)


@attrs.define(eq=False)
class Live:
    """One connection. Those that were begun later have higher numbers."""

    number: int = 0
    connection: ClientConnection | None = None
    why: str = ""
    """Why it ended."""
    seen: set[Hashable] = attrs.field(factory=set)
    """What it has told of."""
    up: trio.Event = attrs.field(factory=trio.Event)
    over: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    stirred: Bell = attrs.field(factory=Bell)
    ends_soon: bool = False
    was_closed: bool = False
    """The exchange has ended it by a Close frame: all that it had sent before was heard."""
    was_beside: bool = False
    """It has answered a ping when the one that replaces it was open already."""
    is_refused: bool = False
    """There were too many requests from here (429, 418)."""
    refusal: Refusal | None = None
    """What the exchange has answered to what had to be said first, or to the question for its address."""
    since: float = attrs.field(factory=trio.current_time)
    """When it was opened, of Trio's clock; before that, when it was begun."""
    heard_at: float = attrs.field(factory=trio.current_time)
    _pings: Turns = attrs.field(factory=lambda: Turns(MOST_PINGS, PINGS_WINDOW_S), init=False)
    _pinging: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _begun: int = attrs.field(default=0, init=False)
    _proven: int = attrs.field(default=0, init=False)

    @property
    def is_open(self) -> bool:
        """It was opened, and is not over."""
        return self.up.is_set() and not self.over.is_set()

    def stir(self) -> None:
        """Wake who waits for anything of it."""
        self.stirred.ring()

    def end(self, why: str) -> None:
        """Let it go, now."""
        self.why = self.why or why
        self.scope.cancel()

    async def prove(self) -> None:
        """A ping and its pong: what was told before has been heard. Callers bound it, and share the next one.

        Raises:
            NotSent: it is over, or ends meanwhile.
        """
        # A ping that is under way says nothing of what is told now.
        wanted = self._begun + 1
        async with self._pinging:
            if self._proven >= wanted:
                return
            await self._pings.turn()
            connection = self.connection
            if connection is None:
                raise NotSent(self.why or "the connection is over")
            self._begun += 1
            number = self._begun
            try:
                await connection.ping()
            except NetError as error:
                raise NotSent(str(error)) from None
            self._proven = number
