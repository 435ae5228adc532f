"""Something has happened, again and again: whoever waits looks for himself what it was."""

from __future__ import annotations

import attrs
import trio


@attrs.define(eq=False)
class Bell:
    """Wakes all who wait when it rings. Who comes later waits for the next time, so look first, and wait then."""

    _next: trio.Event = attrs.field(factory=trio.Event, init=False)

    def ring(self) -> None:
        """Wake all who wait now."""
        rung, self._next = self._next, trio.Event()
        rung.set()

    async def wait(self) -> None:
        """Wait until it rings."""
        await self._next.wait()
