"""For actors that look at something outside so and so often."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actors.runtime import Inbox, run_until_stopping


async def look_every(inbox: Inbox[Any], seconds: float, look: Callable[[], Awaitable[None]]) -> None:
    """Look at once and then so often until asked to stop; ready after the first look. A look that takes longer than
    `seconds` is followed by the next one at once, never overtaken."""

    async def for_ever() -> None:
        while True:
            due = trio.current_time() + seconds
            await look()
            inbox.ready()
            await trio.sleep_until(due)

    await run_until_stopping(inbox, for_ever)


def next_on_grid(due: float, interval_s: float) -> tuple[float, int]:
    """The next time on a fixed grid (monotonic seconds) after `due`, and how many that are over were left out."""
    due += interval_s
    late_s = trio.current_time() - due
    skipped = max(0, math.ceil(late_s / interval_s))
    return due + skipped * interval_s, skipped
