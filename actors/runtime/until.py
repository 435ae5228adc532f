"""For actors that read nothing: tasks that run until the actor is asked to stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actors.runtime.inbox import Inbox


async def run_until_stopping(inbox: Inbox[Any], *tasks: Callable[[], Awaitable[object]]) -> None:
    """Run these side by side until the actor is asked to stop, then cancel them; whatever one raises ends all.

    Says nothing of the actor being ready: that is for the caller, before this, or for the tasks.
    """
    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(task)
        await inbox.wait_stopping()
        nursery.cancel_scope.cancel()
