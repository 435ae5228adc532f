"""A fixed set of children, started in order and stopped in reverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import trio

from .events import Hook
from .family import Family
from .policy import Backoff, Restart, RestartWindow, Strategy, affected
from .slot import Slot
from .snapshot import Kind, State
from .spec import ActorSpec


class Supervisor(Family):
    """Starts its children in order, each when the one before is ready; restarts them; stops them in reverse.

    Args:
      name: the root's is shown in snapshots; a nested one's is part of the path of all below it.
      specs: the children, in start order.
      strategy: who restarts together with a failed child.
      window: more restarts than this end the supervisor with `RestartLimitReached`, or park the child.
      backoff: how long a child waits before it is started again.
      park_after_window: give each child a window of its own. A child beyond it is parked instead: it refuses
        messages, is tried again every `retry_every` seconds, and is back for good once it has been ready for as long
        as the window. Nothing that happens to it ever reaches the parent, its first start included.
      retry_every: seconds between two trials of a parked child.
      on_event: called with each `LifecycleEvent` of this supervisor and all below it. Must not wait. Without one,
        events go to the parent's, and the root's are logged.
    """

    kind = Kind.SUPERVISOR
    _first_start_is_fatal = True

    def __init__(
        self,
        name: str,
        specs: Sequence[ActorSpec],
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        window: RestartWindow = RestartWindow(),  # noqa: B008  # frozen
        backoff: Backoff = Backoff(),  # noqa: B008  # frozen
        *,
        park_after_window: bool = False,
        retry_every: float = 60.0,
        on_event: Hook | None = None,
    ) -> None:
        super().__init__(
            name,
            window=window,
            backoff=backoff,
            park_after_window=park_after_window,
            retry_every=retry_every,
            on_event=on_event,
        )
        self._strategy = strategy
        for spec in specs:
            if spec.name in self._slots:
                raise ValueError(f"{name} has two children called {spec.name!r}")
            self._slots[spec.name] = Slot.make(spec, self)
        for spec in specs:
            if spec.nested is not None:
                spec.nested.adopt(self)

    def _launch_all(self) -> None:
        after: trio.Event | None = None
        for slot in self._slots.values():
            slot.arrived = slot.on_trial = False
            slot.history = ()
            slot.attempt = -1
            after = self._launch(slot, State.STARTING, after=after)

    async def _end_all(self) -> None:
        for slot in reversed(self._slots.values()):
            if slot.run is not None:
                await slot.run.end(slot.spec.grace)

    def _together(self, failed: Slot) -> Sequence[Slot]:
        names = affected(self._strategy, list(self._slots), failed.spec.name)
        return [self._slots[name] for name in names]

    def _finished(self) -> bool:
        return not any(slot.live for slot in self._slots.values())

    def _forget(self, slot: Slot) -> None:
        pass  # it stays visible

    def _after_run(self) -> None:
        pass  # what is queued for a nested one's children waits for its next run


def supervise(child: Family, *, restart: Restart = Restart.PERMANENT) -> ActorSpec:
    """The spec that makes a supervisor or a pool a child of another.

    It is made once and run for each incarnation, so the addresses of a supervisor's children stay valid and what is
    queued for them survives. It has no grace and no start limit of its own, as each of its children has.
    """

    def make() -> Any:
        return child.run

    return ActorSpec(child.name, make, restart=restart, grace=math.inf, start_within=math.inf, nested=child)
