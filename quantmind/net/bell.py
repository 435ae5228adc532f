"""Something has happened, again and again: whoever waits looks for himself what it was."""

from __future__ import annotations

import attrs
import trio


@attrs.define(eq=False)
class Bell:
    """Wakes all who wait when it rings. Who comes later waits for the next time, so look first, and wait then.

    Who looks at more than one thing, and waits for others in between, notes `rung` before and waits since then.
    """

    rung: int = attrs.field(default=0, init=False)
    """How often it has rung."""
    _next: trio.Event = attrs.field(factory=trio.Event, init=False)

    def ring(self) -> None:
        """Wake all who wait now."""
        self.rung += 1
        now, self._next = self._next, trio.Event()
        now.set()

    async def wait(self, since: int | None = None) -> None:
        """Wait until it rings; `since`: or has, after it had rung so often."""
        if since is not None and since != self.rung:
            await trio.lowlevel.checkpoint()
            return
        await self._next.wait()
