"""Events of the user on their way from the engine to whoever has subscribed, with their faults."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import attrs
import trio

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.faults import Faults

LONE_S: Final = 0.1
"""How long an event waits for the next one to change places with."""
MOST_DELAYED: Final = 65_536
"""Events that wait while they are delayed; beyond it the oldest are lost, and counted."""

Push = Callable[[Payload], None]


@attrs.define(eq=False)
class UserFeed:
    """Hands each event to all subscribers, in order and at once unless a fault says otherwise."""

    faults: Faults
    told: int = attrs.field(default=0, init=False)
    """Events that came from the engine."""
    lost: int = attrs.field(default=0, init=False)
    """Of them, those that nobody was told."""
    _subscribers: dict[Push, None] = attrs.field(factory=dict, init=False)
    _late: list[Payload] | None = attrs.field(default=None, init=False)
    _lone: Payload | None = attrs.field(default=None, init=False)
    _lone_until: float = attrs.field(default=math.inf, init=False)
    _delayed: deque[tuple[float, Payload]] = attrs.field(factory=deque, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def subscribe(self, push: Push) -> None:
        """Events from now on; `push` must not wait."""
        self._subscribers[push] = None

    def unsubscribe(self, push: Push) -> None:
        """No event from now on. Safe to repeat."""
        self._subscribers.pop(push, None)

    def tell(self, event: Payload) -> None:
        """An event of the engine."""
        self.told += 1
        if self._late is not None:
            self._late.append(event)
            return
        if self.faults.events_lost:
            self.lost += 1
            return
        for each in (event, event) if self.faults.duplicate_events else (event,):
            self._swap(each)

    @contextlib.contextmanager
    def told_late(self) -> Iterator[Callable[[], None]]:
        """What happens in the block, until the function that it gives is called, is told at its end."""
        late: list[Payload] = []
        self._late = late

        def in_time() -> None:
            self._late = None

        try:
            yield in_time
        finally:
            self._late = None
            self.told -= len(late)
            for event in late:
                self.tell(event)

    def fault_changed(self, name: str, value: Any) -> None:
        """A fault that ends gives back what it kept."""
        if name == "events_out_of_order" and not value:
            self._end_lone()
        elif name == "events_delayed_s" and not value:
            while self._delayed:
                self._deliver(self._delayed.popleft()[1])

    async def run(self) -> NoReturn:
        """Deliver what waits, when its time has come."""
        while True:
            due = self._lone_until
            if self._delayed:
                due = min(due, self._delayed[0][0])
            with trio.move_on_at(due):
                await self._changed.wait()
            self._changed = trio.Event()
            now = trio.current_time()
            if self._lone_until <= now:
                self._end_lone()
            while self._delayed and self._delayed[0][0] <= now:
                self._deliver(self._delayed.popleft()[1])

    def _swap(self, event: Payload) -> None:
        if not self.faults.events_out_of_order:
            self._send(event)
        elif self._lone is None:
            self._lone, self._lone_until = event, trio.current_time() + LONE_S
            self._changed.set()
        else:
            self._send(event)
            self._end_lone()

    def _end_lone(self) -> None:
        lone, self._lone, self._lone_until = self._lone, None, math.inf
        if lone is not None:
            self._send(lone)

    def _send(self, event: Payload) -> None:
        if not self.faults.events_delayed_s and not self._delayed:
            self._deliver(event)
            return
        if len(self._delayed) >= MOST_DELAYED:
            self._delayed.popleft()
            self.lost += 1
        self._delayed.append((trio.current_time() + self.faults.events_delayed_s, event))
        self._changed.set()

    def _deliver(self, event: Payload) -> None:
        for push in tuple(self._subscribers):
            push(event)
