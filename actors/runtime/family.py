"""What supervisors and pools have in common: launching children, and deciding what an ending means.

One task decides: the one in `Family.run`. Children report their ends to it through a channel, and a request to stop
is one more message there, so restarting and stopping never happen at the same time. The only waiting it does is for
children it has asked to end, each bounded by its grace. Everything else is waited for in the children's own tasks:
the back-off, and the turn of those that must be ready before.
"""

from __future__ import annotations

import abc
import logging
import math
from collections.abc import Sequence
from typing import Any

import trio

from .errors import ActorError, RestartLimitReached, StartFailed
from .events import GaveUp, Hook, Parked, Restarting, describe
from .inbox import Inbox
from .node import Node
from .policy import Backoff, Restart, RestartWindow
from .slot import Incarnation, Slot
from .snapshot import State

_log = logging.getLogger("actors.runtime")


class Family(Node):
    """Children and the one task that looks after them. Use `Supervisor` or `Pool`."""

    def __init__(
        self,
        name: str,
        *,
        window: RestartWindow,
        backoff: Backoff,
        park_after_window: bool,
        retry_every: float,
        on_event: Hook | None,
    ) -> None:
        super().__init__(name, on_event)
        self._window = window
        self._backoff = backoff
        self._parks = park_after_window
        self._retry_every = retry_every
        self._nursery: trio.Nursery | None = None
        self._reports: trio.MemorySendChannel[Incarnation | None] | None = None
        self._over: trio.Event | None = None
        self._history: tuple[float, ...] = ()
        self._announce = _nothing
        self._announced = False
        self._stop_requested = False

    # --- what the two kinds do differently ---

    @abc.abstractmethod
    def _launch_all(self) -> None:
        """Start what there is to start."""

    @abc.abstractmethod
    async def _end_all(self) -> None:
        """Ask everyone to stop and wait until they have."""

    @abc.abstractmethod
    def _together(self, failed: Slot) -> Sequence[Slot]:
        """Who restarts when this one failed, in start order."""

    @abc.abstractmethod
    def _finished(self) -> bool:
        """Whether there is nobody left to look after."""

    @abc.abstractmethod
    def _forget(self, slot: Slot) -> None:
        """This child will not run again."""

    @abc.abstractmethod
    def _after_run(self) -> None:
        """Tidy up when a run is over."""

    _first_start_is_fatal: bool

    # --- running ---

    async def run(
        self,
        inbox: Inbox[Any] | None = None,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Start the children, look after them, and return when they have ended.

        `nursery.start(supervisor.run)` waits until all are ready. Cancelling it ends all children at once, without
        their grace; `stop` gives it to them.

        Args:
          inbox: given by the parent to a nested one.
          task_status: given by `nursery.start`.

        Raises:
          StartFailed: a child did not become ready on its very first start.
          RestartLimitReached: there were more restarts than the window allows.
        """
        if self._nursery is not None:
            raise ActorError(f"{self.name} runs already")
        # One item for each incarnation that has not been handled, and one for each request to stop.
        self._reports, reports = trio.open_memory_channel[Incarnation | None](math.inf)
        self._over = trio.Event()
        self._clock = trio.lowlevel.current_clock()
        self._history = ()
        self._runs += 1
        self._announced = False
        self._announce = task_status.started if inbox is None else inbox.ready
        self._enter(State.STARTING)
        failure: ActorError | None = None
        try:
            async with trio.open_nursery() as self._nursery:
                if inbox is not None:
                    self._nursery.start_soon(self._relay_stop, inbox, name=f"{self.name} stop")
                if not self._stop_requested:
                    self._launch_all()
                    self._check_arrivals()
                failure = await self._look_after(reports)
                self._nursery.cancel_scope.cancel()
        finally:
            self._nursery = None
            self._reports = None
            self._stop_requested = False
            self._enter(State.STOPPED if failure is None else State.FAILED)
            self._after_run()
            if inbox is None:  # the root; a nested one may run again, with the same mailboxes
                self.retire(f"{self.name} has ended")
            self._over.set()
        if failure is not None:
            raise failure
        if inbox is None and not self._announced:
            self._announce()

    async def stop(self) -> None:
        """Ask all children to stop, each within its grace, and wait until `run` is over.

        Meant for the root: a nested supervisor that ends by itself is restarted by its parent.
        """
        self.request_stop()
        if self._over is not None:
            await self._over.wait()

    def request_stop(self) -> None:
        """As `stop`, without waiting. Before `run` has begun it makes `run` return at once."""
        if self._over is not None and self._over.is_set():
            return  # it has ended already
        self._stop_requested = True
        if self._nursery is not None:
            self._enter(State.STOPPING)
        if self._reports is not None:
            self._reports.send_nowait(None)

    async def _relay_stop(self, inbox: Inbox[Any]) -> None:
        await inbox.wait_stopping()
        self.request_stop()

    async def _look_after(self, reports: trio.MemoryReceiveChannel[Incarnation | None]) -> ActorError | None:
        while not self._stop_requested and not self._finished():
            run = await reports.receive()
            if run is None:
                continue
            run.handled = True
            if run.expected or run.slot.run is not run or run.inbox is None:
                continue
            try:
                await self._react(run)
            except (StartFailed, RestartLimitReached) as failure:
                failure.__cause__ = run.error
                self._last_error, self._last_error_at = describe(failure), self.now()
                self._stop_requested = True  # from here on nobody is added
                self.emit(GaveUp(self.path, self.now(), failure))
                await self._end_all()
                return failure
            self._check_arrivals()
        self._stop_requested = True
        self._enter(State.STOPPING)
        await self._end_all()
        return None

    # --- what an ending means ---

    async def _react(self, run: Incarnation) -> None:
        slot = run.slot
        restart = slot.spec.restart
        if run.error is None and restart is not Restart.PERMANENT:
            self._retire(slot, "it has done its work")
            return
        if run.ready_at is None and not slot.proven and self._first_start_is_fatal and not self._parks:
            raise StartFailed(f"{slot.path} ended before it was ready: {_why(run)}")
        if restart is Restart.TEMPORARY:
            self._retire(slot, "it has ended")
            return
        if self._parks:  # who may be parked holds back nobody
            slot.arrived = True
            run.gate.set()
        now = self.now()
        ready_for = 0.0 if run.ready_at is None else now - run.ready_at
        tried_in_vain = slot.on_trial and run.ready_at is None
        park = not self._admit(slot, now, ready_for)
        group = [slot] if tried_in_vain else self._together(slot)
        for other in reversed(group):
            if other is not slot and other.run is not None and other.state is not State.PARKED:
                await other.run.end(other.spec.grace)
        if not self._stop_requested:
            slot.attempt = -1 if park else self._backoff.attempt(slot.attempt, ready_for)
            self._launch_group(group, slot, park)

    def _admit(self, slot: Slot, now: float, ready_for: float) -> bool:
        # True: restart it. False: park it. Raises when it is the parent's problem.
        if not self._parks:
            history = self._window.admit(self._history, now)
            if history is None:
                raise RestartLimitReached(
                    f"{self.path}: {slot.spec.name} needed restart number {self._window.most + 1} within "
                    f"{self._window.within} seconds: {_why(slot.run)}"
                )
            self._history = history
            return True
        if slot.on_trial and ready_for < self._window.within:
            return False
        slot.on_trial = False
        history = self._window.admit(slot.history, now)
        slot.history = () if history is None else history
        return history is not None

    def _launch_group(self, group: Sequence[Slot], failed: Slot, park: bool) -> None:
        after: trio.Event | None = None
        delay = 0.0 if park else self._backoff.delay(failed.attempt)
        for slot in group:
            if slot is failed and park:
                self._park(slot)
            elif slot is not failed and slot.spec.restart is Restart.TEMPORARY:
                self._retire(slot, "it was taken down with a sibling")
            elif slot is failed or slot.state is not State.PARKED:
                slot.restarts += 1
                self.emit(Restarting(slot.path, self.now(), delay))
                after = self._launch(slot, State.BACKING_OFF, delay, after)
                delay = 0.0  # those behind wait for their turn

    def _launch(self, slot: Slot, waiting: State, delay: float = 0.0, after: trio.Event | None = None) -> trio.Event:
        # Everything a stop needs is set here, at once, so that one arriving before the task's first step finds it.
        assert self._nursery is not None
        assert self._reports is not None
        slot.retired = False
        if waiting is not State.PARKED:
            slot.mailbox.open()
        slot.enter(waiting)
        run = Incarnation(slot)
        if slot.run is not None and not slot.run.gate.is_set():
            run.gate = slot.run.gate  # it ended before it was ready: who waits for it waits for the next one
        slot.run = run
        self._nursery.start_soon(run.live, delay, after, self._reports.send_nowait, name=slot.path)
        return run.gate

    def _park(self, slot: Slot) -> None:
        slot.on_trial = True
        slot.restarts += 1
        why = f"{slot.path} is parked after too many crashes and is tried every {self._retry_every} seconds"
        self._close(slot, why)
        self.emit(Parked(slot.path, self.now(), self._retry_every))
        self._launch(slot, State.PARKED, self._retry_every)

    def _retire(self, slot: Slot, why: str) -> None:
        if slot.retired:
            return
        slot.retired = slot.arrived = True
        self._close(slot, f"{slot.path} does not run any more: {why}")
        if slot.run is not None:
            slot.run.gate.set()
        if slot.spec.nested is not None:
            slot.spec.nested.retire(why)
        if slot.spec.retire is not None:
            try:
                slot.spec.retire()
            except Exception:  # noqa: BLE001  # somebody else's hook must not end the family
                _log.exception("fail.hook path=%s", slot.path)
        self._forget(slot)

    def _close(self, slot: Slot, why: str) -> None:
        slot.mailbox.close(why)
        if slot.spec.nested is not None:
            slot.spec.nested.close_mailboxes(why)

    def close_mailboxes(self, why: str) -> None:
        """Answer what is queued anywhere below, and refuse more until the children are started again."""
        for slot in list(self._slots.values()):
            self._close(slot, why)

    def retire(self, why: str) -> None:
        """Nobody below will run again: every queued request gets its answer now."""
        for slot in list(self._slots.values()):
            self._retire(slot, why)

    # --- readiness ---

    def arrived(self, slot: Slot) -> None:
        """A child is ready."""
        slot.arrived = True
        self._check_arrivals()

    def _check_arrivals(self) -> None:
        if not self._announced and all(slot.arrived for slot in self._slots.values()):
            self._announced = True
            if not self._stop_requested:
                self._enter(State.RUNNING)
            self._announce()


def _nothing() -> None:
    pass


def _why(run: Incarnation | None) -> str:
    if run is None or run.error is None:
        return "it returned"
    return describe(run.error)
