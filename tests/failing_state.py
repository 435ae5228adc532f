"""A store of the router's state whose troubles a test makes."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from quantmind.adapters.state import MemoryState
from quantmind.errors import StateDown
from quantmind.records import Setting


@attrs.define(eq=False)
class FailingState:
    """A store of the router's state in memory that fails, hangs for ever, or can't be read (`unreadable`)."""

    inner: MemoryState = attrs.field(factory=MemoryState)
    durable: bool = True
    fails: str | None = None
    hangs: bool = False
    unreadable: bool = False
    puts: list[Setting] = attrs.field(factory=list)

    async def load(self) -> Sequence[Setting]:
        await self._trouble()
        if self.unreadable:
            raise StateDown("it can't be read")
        return await self.inner.load()

    async def put(self, changes: Sequence[Setting]) -> None:
        await self._trouble()
        self.puts += changes
        await self.inner.put(changes)

    async def _trouble(self) -> None:
        if self.hangs:
            await trio.sleep_forever()
        if self.fails is not None:
            raise StateDown(self.fails)
