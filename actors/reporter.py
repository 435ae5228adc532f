"""The reporter: measures how late the loop is, and says in the log, now and then, how the gateway is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors.loop_watch import LoopLag, LoopWatch
from actors.runtime import Inbox

logger = logging.getLogger("quantmind.reporter")

LAG_EVERY_S = 0.25
SUMMARY_EVERY_S = 60.0
LATE_MS = 100.0
"""A loop this late holds up ticks and commands visibly."""


@attrs.define
class Reporter:
    """Writes the loop's lag to a board, and a summary to the log.

    `counters` are asked for each summary.
    """

    lag: LoopLag
    counters: Callable[[], dict[str, int]]

    async def __call__(self, inbox: Inbox[Any]) -> None:
        inbox.ready()
        next_summary = trio.current_time() + SUMMARY_EVERY_S
        watch = LoopWatch(self.lag)
        with watch.running(), trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_stopping, inbox, scope)
                while True:
                    due = trio.current_time() + LAG_EVERY_S
                    await trio.sleep_until(due)
                    watch.beat()
                    self._measure((trio.current_time() - due) * 1000)
                    if trio.current_time() >= next_summary:
                        next_summary += SUMMARY_EVERY_S
                        logger.info("report.gateway %s", " ".join(f"{k}={v}" for k, v in self.counters().items()))

    def _measure(self, late_ms: float) -> None:
        self.lag.last_ms = round(late_ms, 3)
        self.lag.max_ms = max(self.lag.max_ms, self.lag.last_ms)
        if late_ms >= LATE_MS:
            self.lag.late += 1
            logger.warning("late.loop by_ms=%.0f", late_ms)


async def _cancel_when_stopping(inbox: Inbox[Any], scope: trio.CancelScope) -> None:
    await inbox.wait_stopping()
    scope.cancel()
