"""Children that come and go, such as one for each connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio

from .errors import NotDelivered, StartFailed
from .events import Hook
from .family import Family
from .policy import Backoff, RestartWindow
from .ref import Ref
from .slot import Slot
from .snapshot import Kind, State
from .spec import ActorSpec


class Pool(Family):
    """Dynamic children, each on its own. A child of a supervisor by `supervise(pool)`.

    A child that will not run again is forgotten: its queued requests are answered and its name is free. Temporary
    children may crash as often as they like. Permanent and transient ones are restarted, and share one window. All
    are asked to stop at the same time, each within its grace. When the pool itself is restarted, its children have
    ended.

    Args:
      name: part of the path of its children.
      capacity: the most children at a time.
      window: more restarts than this end the pool with `RestartLimitReached`, or park the child.
      backoff: how long a child waits before it is started again.
      park_after_window: see `Supervisor`.
      retry_every: see `Supervisor`.
      on_event: see `Supervisor`.
    """

    kind = Kind.POOL
    _first_start_is_fatal = False

    def __init__(
        self,
        name: str,
        *,
        capacity: int,
        window: RestartWindow = RestartWindow(),  # noqa: B008  # frozen
        backoff: Backoff = Backoff(),  # noqa: B008  # frozen
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
        if capacity < 1:
            raise ValueError(f"a pool holds at least 1 child, the capacity was {capacity}")
        self.capacity = capacity

    def __len__(self) -> int:
        return len(self._slots)

    def __bool__(self) -> bool:
        return True  # an empty pool is a pool

    def refs(self) -> tuple[Ref[Any], ...]:
        """The addresses of the children there are now, oldest first."""
        return tuple(slot.ref for slot in self._slots.values())

    def start_nowait(self, spec: ActorSpec) -> Ref[Any]:
        """Add a child and start it. Its mailbox takes messages at once.

        Raises:
          NotDelivered: the pool is full, stopping, or does not run. Nothing was started.
          ValueError: a child of that name is there already.
        """
        return self._add(spec).ref

    async def start(self, spec: ActorSpec) -> Ref[Any]:
        """Add a child, start it and wait until it is ready. If cancelled, the child stays.

        Raises:
          NotDelivered: the pool is full, stopping, or does not run. Nothing was started.
          StartFailed: its first incarnation ended without becoming ready. By its restart rule it may be tried again.
          ValueError: a child of that name is there already.
        """
        slot = self._add(spec)
        run = slot.run
        assert run is not None
        await run.ready_or_over.wait()
        if run.ready_at is None:
            raise StartFailed(f"{slot.path} ended before it was ready") from run.error
        return slot.ref

    def _add(self, spec: ActorSpec) -> Slot:
        if self._nursery is None or self._stop_requested:
            raise NotDelivered(f"the pool {self.name} does not run, so it cannot start {spec.name!r}")
        if spec.name in self._slots:
            raise ValueError(f"the pool {self.name} has a child called {spec.name!r} already")
        if len(self._slots) >= self.capacity:
            raise NotDelivered(f"the pool {self.name} is full ({self.capacity} children); close one first")
        if spec.nested is not None:
            spec.nested.adopt(self)
        slot = self._slots[spec.name] = Slot.make(spec, self)
        self._launch(slot, State.STARTING)
        return slot

    def _launch_all(self) -> None:
        pass  # it begins empty

    async def _end_all(self) -> None:
        runs = [slot.run for slot in self._slots.values() if slot.run is not None]
        async with trio.open_nursery() as nursery:
            for run in runs:
                nursery.start_soon(run.end, run.slot.spec.grace)

    def _together(self, failed: Slot) -> Sequence[Slot]:
        return [failed]

    def _finished(self) -> bool:
        return False

    def _forget(self, slot: Slot) -> None:
        if self._slots.get(slot.spec.name) is slot:
            del self._slots[slot.spec.name]
            slot.run = None  # which holds the slot: children come and go, and leave nothing for the collector

    def _after_run(self) -> None:
        self.retire(f"the pool {self.name} has ended")
