"""What is seen to again and again while the connections are up: clock, account stream, dead man's switch."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import trio

from quantmind.adapters.binance.book import Book
from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.errors import BinanceError
from quantmind.adapters.binance.user_stream import UserStream
from quantmind.adapters.binance.venue import Venue, in_time

logger: Final = logging.getLogger("quantmind.binance")

CLOCK_LOOK_S: Final = 5.0
CHECK_S: Final = 60.0
"""So often the exchange is asked what the account has: a stream may be open, answer pings and tell nothing."""
TELLS_WITHIN_S: Final = 3.0


@attrs.define(eq=False)
class Upkeep:
    """Of one account. Nothing of it raises for trouble of the network.

    Args:
        name: the broker's.
        measure: measures the exchange's clock. Raises BinanceError.
        monotonic: seconds.
        dead_man_s: so long without word of us until the exchange takes back all orders; 0: never.
    """

    name: str
    venue: Venue
    book: Book
    user: UserStream
    clock: ServerClock
    measure: Callable[[], Awaitable[None]]
    monotonic: Callable[[], float]
    dead_man_s: float = 0.0
    silent_deaths: int = attrs.field(default=0, init=False)
    """How often the account's stream was connected anew because it told nothing."""

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.keep_time)
            nursery.start_soon(self.check_stream)
            if self.dead_man_s:
                nursery.start_soon(self.keep_alive)

    async def keep_time(self) -> None:
        """Measure the exchange's clock where that is due."""
        while True:
            if self.clock.due(self.monotonic()):
                try:
                    await self.measure()
                except BinanceError as error:
                    logger.warning("fail.clock broker=%s reason=%s", self.name, ascii(str(error)))
            await trio.sleep(CLOCK_LOOK_S)

    async def check_stream(self) -> None:
        """Connect the account's stream anew where the exchange holds something else than it has told."""
        while True:
            await trio.sleep(CHECK_S)
            try:
                silent = await self._is_silent()
            except BinanceError as error:
                logger.warning("fail.check broker=%s reason=%s", self.name, ascii(str(error)))
                continue
            if silent:
                self.silent_deaths += 1
                logger.error("fail.silent broker=%s", self.name)
                self.user.restart("it does not tell what happens to the account")

    async def keep_alive(self) -> None:
        """Tell the exchange in time that somebody is there."""
        while True:
            try:
                await in_time(self.venue.arm(self.dead_man_s), self.dead_man_s / 3)
            except BinanceError as error:
                logger.warning("fail.dead_man broker=%s reason=%s", self.name, ascii(str(error)))
            await trio.sleep(self.dead_man_s / 3)

    # Twice, since what is told may be on its way.
    async def _is_silent(self) -> bool:
        told = self.user.events
        for _ in range(2):
            if self.user.lost is not None or self.book.unsettled() is not None:
                return False
            if self.book.fits(await self.venue.account()):
                return False
            await trio.sleep(TELLS_WITHIN_S)
        return self.user.events == told and self.book.unsettled() is None
