"""The State port in memory: for tests, and for whoever wants nothing to be left behind."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from quantmind.records import Setting


@attrs.define(eq=False)
class MemoryState:
    """Keeps the values for as long as the object lives."""

    durable: bool = attrs.field(default=False, init=False)
    _kept: dict[str, Setting] = attrs.field(factory=dict, init=False)

    async def load(self) -> Sequence[Setting]:
        """See `quantmind.ports.State`."""
        await trio.lowlevel.checkpoint()
        return list(self._kept.values())

    async def put(self, changes: Sequence[Setting]) -> None:
        """See `quantmind.ports.State`."""
        for change in changes:  # at once, so that puts take effect in the order they were called
            if change.value is None:
                self._kept.pop(change.key, None)
            else:
                self._kept[change.key] = change
        await trio.lowlevel.checkpoint()
