"""The actor `stop_file`: while the file STOP is there, it holds all accounts halted."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors.boards import Boards
from actors.looking import look_every
from actors.messages import SetTradingState
from actors.runtime import Backoff, Inbox, NotDelivered, Ref, ReplyLost
from quantmind.domain.clock import Clock
from quantmind.domain.risk import TradingState
from quantmind.ports import StopSign

logger: Final = logging.getLogger("quantmind.stop_file")

LOOK_EVERY_S: Final = 1.0
LOOK_WITHIN_S: Final = 5.0
ASK_WITHIN_S: Final = 5.0
BY: Final = "STOP file"


@attrs.define
class StopWatch:
    """Looks once a second, and asks the governor to halt whatever is not halted though the file is there.

    It asks until the governor has said success: at each look for an account that is not halted, and at growing
    intervals where all are halted and only the record of it is missing. When the file has gone, nothing is released: a
    person does that. Where it can't be looked for in time, what was seen last holds.

    Ready after the first look, before the governor starts: what stood while the gateway was down is asked for first.
    """

    boards: Boards
    sign: StopSign
    governor: Ref[Any]
    clock: Clock
    backoff: Backoff = attrs.field(factory=lambda: Backoff(first=2.0, cap=60.0))
    _failed: int = attrs.field(default=0, init=False)
    _again_at: float = attrs.field(default=float("-inf"), init=False)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Look until asked to stop."""
        self.boards.stop_file.path = self.sign.name
        await look_every(inbox, LOOK_EVERY_S, partial(self._look_and_hold, inbox))

    async def _look_and_hold(self, inbox: Inbox[Any]) -> None:
        await self._look()
        inbox.ready()  # before it asks: the governor starts only then
        if self.boards.stop_file.there:
            await self._hold()

    async def _look(self) -> None:
        board = self.boards.stop_file
        with trio.move_on_after(LOOK_WITHIN_S) as scope:
            self._saw(await self.sign.look())
        if scope.cancelled_caught:
            board.error = f"the state folder has not answered for {LOOK_WITHIN_S:g} s"
            logger.error("fail.stop_file reason=%s", board.error)

    def _saw(self, line: str | None) -> None:
        board = self.boards.stop_file
        board.looked_at = self.clock.now()
        if line is None:
            if board.there:
                logger.warning("gone.stop_file path=%s", board.path)
            board.there, board.line, board.since, board.asked, board.error = False, "", None, None, None
            return
        if line == board.asked:
            board.error = None
        new = not board.there or line != board.line
        if not board.there:
            board.since = board.looked_at
        board.there, board.line = True, line
        if new:
            self._failed, self._again_at = 0, float("-inf")
            logger.critical("see.stop_file path=%s reason=%s flatten=%s", board.path, board.reason, board.flatten)

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _hold(self) -> None:
        """Ask for what the file says and does not hold yet."""
        board = self.boards.stop_file
        free = [
            broker
            for broker in self.boards.catalog.brokers
            if self.boards.halts.read(broker).state is not TradingState.HALTED
        ]
        if board.asked == board.line:
            for broker in free:
                board.error = await self._ask(broker)
                if board.error is not None:
                    board.asked = None  # so that it is asked again until it is known
            return
        if not free and trio.current_time() < self._again_at:
            return
        line = board.line
        board.error = await self._ask(None)
        if board.error is None:
            board.asked, self._failed = line, 0
        else:
            self._again_at = trio.current_time() + self.backoff.delay(self._failed)
            self._failed += 1

    async def _ask(self, broker: str | None) -> str | None:
        """Have one account halted, or all; why it is not known to be, or None."""
        board = self.boards.stop_file
        try:
            with trio.fail_after(ASK_WITHIN_S):
                reply = await self.governor.ask(
                    SetTradingState(broker, TradingState.HALTED, board.reason, BY, flatten=board.flatten)
                )
        except NotDelivered as error:
            return f"the governor could not be asked ({error})"
        except (ReplyLost, trio.TooSlowError):
            return "the governor gave no answer"
        if reply["status"] == "success":
            return None
        why = str(reply.get("message", reply["status"]))
        logger.error("fail.stop_file reason=%s", why)
        return why
