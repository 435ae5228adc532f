"""A child's place in its family, and one incarnation in it.

A slot lasts as long as its family and owns the mailbox; incarnations come and go. Whatever decides about restarts
lives in `family`; here is what happens between being launched and having ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import trio

from .errors import StartFailed
from .events import Crashed, Started, Stopped, describe
from .inbox import Inbox
from .mailbox import Mailbox
from .ref import Ref
from .snapshot import Kind, Snapshot, State
from .spec import ActorSpec

if TYPE_CHECKING:
    from .family import Family


@attrs.define(eq=False)
class Incarnation:
    """One run of an actor, from being launched (perhaps to wait) to having ended."""

    slot: Slot
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """Ends it, wherever it is."""
    starting: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """Ends it when it does not become ready in time."""
    gate: trio.Event = attrs.field(factory=trio.Event)
    """Opens when those that start after it may start: it is ready, or will not run."""
    ready_or_over: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    inbox: Inbox[Any] | None = None
    """None until the actor is made."""
    began_at: float = 0.0
    ready_at: float | None = None
    expected: bool = False
    """The family asked for its end, so it is no reason to restart anything."""
    handled: bool = False
    """The family has seen its end."""
    fault: Exception | None = None
    error: Exception | None = None

    def request_end(self) -> None:
        """Ask the actor to stop; who has not begun ends at once."""
        if self.ended.is_set():
            return
        self.expected = True
        if self.inbox is None:
            self.scope.cancel()
        else:
            self.slot.enter(State.STOPPING)
            self.inbox.request_stop()

    async def end(self, grace: float) -> None:
        """Ask the actor to stop, cancel it after `grace` seconds, and wait until it has ended."""
        self.request_end()
        with trio.move_on_after(grace):
            await self.ended.wait()
            return
        self.scope.cancel()
        await self.ended.wait()

    async def live(self, delay: float, after: trio.Event | None, report: Callable[[Incarnation], None]) -> None:
        """Wait `delay` seconds and for the event `after`, then make the actor and run it to its end."""
        slot = self.slot
        try:
            with self.scope:
                if delay > 0:
                    await trio.sleep(delay)
                if after is not None:
                    await after.wait()
                await trio.lowlevel.checkpoint_if_cancelled()
                await self._run()
        finally:
            if self.fault is not None:
                self.error = self.fault
            if self.inbox is None:
                slot.enter(State.STOPPED)  # it was ended while it waited
            else:
                self.inbox.finish()
                slot.ended(self)
            self.ready_or_over.set()
            self.ended.set()
            report(self)

    async def _run(self) -> None:
        spec = self.slot.spec
        self.inbox = self.slot.begin(self)
        self.starting.deadline = self.began_at + spec.start_within
        with self.starting:
            try:
                await spec.make()(self.inbox)
            except Exception as crash:  # noqa: BLE001  # the one place where an actor's bug is caught
                self.error = crash
            except BaseExceptionGroup as group:  # a crash that met a cancellation
                self.error, rest = group.split(Exception)
                if rest is not None:
                    raise rest from None
        if self.error is None and self.starting.cancel_called and not self.expected:
            self.error = StartFailed(f"{self.slot.path} was not ready within {spec.start_within} seconds")

    def became_ready(self) -> None:
        """The actor says that its start-up work is done."""
        if self.ready_at is None and not self.ended.is_set():
            self.ready_at = self.slot.family.now()
            self.starting.deadline = math.inf
            self.slot.ready(self)
            self.gate.set()
            self.ready_or_over.set()


@attrs.define(eq=False)
class Slot:
    """A child's place: what lasts over its incarnations."""

    spec: ActorSpec
    family: Family
    mailbox: Mailbox[Any]
    ref: Ref[Any]
    run: Incarnation | None = None
    state: State = State.STOPPED
    since: float | None = None
    incarnation: int = 0
    restarts: int = 0
    attempt: int = -1
    """Restarts in a row; -1 before the first."""
    history: tuple[float, ...] = ()
    """Times of restarts, where each child has its own window."""
    on_trial: bool = False
    """It was parked, and has not been ready long enough since."""
    arrived: bool = False
    """It was ready once in this run of the family, or will not be."""
    proven: bool = False
    """It has been ready at least once, so that not becoming ready is a crash and no fault of the set-up."""
    retired: bool = False
    """It will not run again in this run of the family."""
    last_error: str | None = None
    last_error_at: float | None = None

    @classmethod
    def make(cls, spec: ActorSpec, family: Family) -> Slot:
        """A slot with its mailbox and the actor's one address."""
        mailbox: Mailbox[Any] = Mailbox(spec.mailbox)
        return cls(spec, family, mailbox, Ref(spec.name, mailbox))

    @property
    def path(self) -> str:
        """Names from below the root down to here."""
        return self.family.path_of(self.spec.name)

    @property
    def live(self) -> bool:
        """Whether an incarnation runs, waits, or has ended unseen by the family."""
        return self.run is not None and not self.run.handled

    def enter(self, state: State) -> None:
        """Change state."""
        if state is not self.state:
            self.state = state
            self.since = self.family.now()

    def begin(self, run: Incarnation) -> Inbox[Any]:
        """A new incarnation starts to work."""
        self.incarnation += 1
        run.began_at = self.family.now()
        self.enter(State.STARTING)
        return Inbox(self.mailbox, name=self.path, incarnation=self.incarnation, on_ready=run.became_ready)

    def ready(self, run: Incarnation) -> None:
        """The incarnation can work."""
        self.proven = True
        self.mailbox.open()  # it was closed while the actor was parked
        if not run.expected:
            self.enter(State.RUNNING)
        now = self.family.now()
        self.family.emit(Started(self.path, now, self.incarnation, now - run.began_at))
        self.family.arrived(self)

    def ended(self, run: Incarnation) -> None:
        """The incarnation is over."""
        now = self.family.now()
        if run.error is None:
            self.enter(State.STOPPED)
            self.family.emit(Stopped(self.path, now, self.incarnation))
        else:
            self.last_error, self.last_error_at = describe(run.error), now
            self.enter(State.FAILED)
            self.family.emit(Crashed(self.path, now, self.incarnation, run.error))

    def fail(self, error: Exception) -> bool:
        """End the running incarnation as if it had raised `error`. False when none runs."""
        run = self.run
        if run is None or run.inbox is None or run.expected or run.ended.is_set():
            return False
        run.fault = error
        run.scope.cancel()
        return True

    def snapshot(self) -> Snapshot:
        """This child and all below it."""
        box = self.mailbox.statistics()
        nested = self.spec.nested
        return Snapshot(
            name=self.path,
            kind=Kind.ACTOR if nested is None else nested.kind,
            state=self.state,
            in_state_s=0.0 if self.since is None else max(0.0, self.family.now() - self.since),
            incarnation=self.incarnation,
            restarts=self.restarts,
            last_error=self.last_error,
            last_error_at=self.last_error_at,
            queued=box.queued,
            capacity=box.capacity,
            peak=box.peak,
            dropped=box.dropped,
            conflated=box.conflated,
            refused=box.refused,
            expired=box.expired,
            children=() if nested is None else nested.children(),
        )
