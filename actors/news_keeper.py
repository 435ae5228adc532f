"""The actor `news`: looks at the operator's calendar of events, and writes the board that the governor reads."""

from __future__ import annotations

import logging
from typing import Any, Final

import attrs
import trio

from actors.looking import look_every
from actors.news_board import NewsBoard
from actors.runtime import Inbox
from quantmind.domain.clock import Clock
from quantmind.ports import CalendarSource

logger: Final = logging.getLogger("quantmind.news")

LOOK_EVERY_S: Final = 5.0
LOOK_WITHIN_S: Final = 8.0
"""Below what an actor has to become ready: a disk that hangs is a state here, not a crash."""


@attrs.define
class NewsKeeper:
    """Looks every few seconds. What can't be read now leaves the board's calendar as it is, with the reason beside it.

    Ready after the first look, so that the first order already finds what there is.
    """

    board: NewsBoard
    source: CalendarSource
    clock: Clock

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Look until asked to stop."""
        self.board.file = self.source.name
        await look_every(inbox, LOOK_EVERY_S, self._look)

    async def _look(self) -> None:
        board, before = self.board, self.board.error
        with trio.move_on_after(LOOK_WITHIN_S) as scope:
            reading = await self.source.look()
            board.error = reading.error
            board.looked_at = self.clock.now()
            if reading.calendar is not None and reading.calendar is not board.calendar:
                board.set(reading.calendar)
                logger.info("read.news file=%s events=%d", board.file, len(reading.calendar.events))
        if scope.cancelled_caught:
            board.error = f"the file has not answered for {LOOK_WITHIN_S:g} s"
        if board.error is not None and board.error != before:
            logger.error("fail.news file=%s reason=%s", board.file, board.error)
