"""The actor `line:<broker>`: keeps up connections that a broker has of its own, as the streams of an exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from actors.runtime import Inbox, run_until_stopping


@attrs.define
class LineKeeper:
    """Runs what keeps the connections up. Ready at once: an exchange that can't be reached is a state.

    Args:
        run: never returns; trouble of the network is its own to deal with.
    """

    run: Callable[[], Awaitable[None]]

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Run until asked to stop."""
        inbox.ready()
        await run_until_stopping(inbox, self.run)
