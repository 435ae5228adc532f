"""A supervisor's or pool's place in the tree: its path, its children by path, its snapshot, where its events go."""

from __future__ import annotations

import abc
import logging
from typing import Any

import trio

from .events import Hook, LifecycleEvent, log_event
from .ref import Ref
from .slot import Slot
from .snapshot import Kind, Snapshot, State

_log = logging.getLogger("actors.runtime")


class Node(abc.ABC):
    """What can be seen of, and reached in, a family of children."""

    kind: Kind

    def __init__(self, name: str, on_event: Hook | None) -> None:
        if not name or "/" in name:
            raise ValueError(f"a name is part of a path, so it needs a text without '/', it was {name!r}")
        self.name = name
        self._on_event = on_event
        self._slots: dict[str, Slot] = {}
        self._parent: Node | None = None
        self._clock: trio.abc.Clock | None = None
        self._state = State.STOPPED
        self._since = 0.0
        self._runs = 0
        self._last_error: str | None = None
        self._last_error_at: float | None = None

    # --- looking and reaching in ---

    def ref(self, path: str) -> Ref[Any]:
        """The address of the actor at `path`, such as "governor" or "execution/governor".

        Raises:
          LookupError: there is no such actor.
        """
        slot, rest = self._find(path)
        if rest is not None:
            return rest.ref(path.partition("/")[2])
        if slot.spec.nested is not None:
            raise LookupError(f"{path!r} is a {slot.spec.nested.kind.value}, which takes no messages")
        return slot.ref

    def fail(self, path: str, error: Exception) -> bool:
        """A fault switch for tests and drills: end the actor at `path` as if it had raised `error` where it is now.

        It counts as a crash like any other.

        Returns:
          Whether an incarnation was there to fail: False while it backs off, is parked, stops, or has ended.

        Raises:
          LookupError: there is no such child.
        """
        slot, rest = self._find(path)
        return slot.fail(error) if rest is None else rest.fail(path.partition("/")[2], error)

    def _find(self, path: str) -> tuple[Slot, Node | None]:
        name, _, rest = path.partition("/")
        slot = self._slots.get(name)
        if slot is None or (rest and slot.spec.nested is None):
            raise LookupError(f"{self.name} has no {path!r}; its children are {', '.join(self._slots) or 'none'}")
        return slot, slot.spec.nested if rest else None

    def snapshot(self) -> Snapshot:
        """This node and all below it, as they are now. Never waits, never raises."""
        mine = self._parent._slots.get(self.name) if self._parent is not None else None  # noqa: SLF001
        if mine is not None and mine.spec.nested is self:
            return mine.snapshot()
        return Snapshot(
            name=self.name,
            kind=self.kind,
            state=self._state,
            in_state_s=max(0.0, self.now() - self._since),
            incarnation=self._runs,
            restarts=0,
            last_error=self._last_error,
            last_error_at=self._last_error_at,
            queued=0,
            capacity=0,
            peak=0,
            dropped=0,
            conflated=0,
            refused=0,
            expired=0,
            children=self.children(),
        )

    def children(self) -> tuple[Snapshot, ...]:
        """Snapshots of the children, in start order."""
        return tuple(slot.snapshot() for slot in self._slots.values())

    # --- the tree ---

    def adopt(self, parent: Node) -> None:
        """Become a child of `parent`."""
        if self._parent is not None:
            raise ValueError(f"{self.name} is a child of {self._parent.name} already")
        self._parent = parent

    @property
    def path(self) -> str:
        """Names from below the root down to here; for the root its name."""
        return self.name if self._parent is None else self._parent.path_of(self.name)

    def path_of(self, child: str) -> str:
        """The path of a child."""
        return child if self._parent is None else f"{self.path}/{child}"

    def now(self) -> float:
        """Time on Trio's clock; 0 before the first run. Works outside of Trio too."""
        if self._clock is not None:
            return self._clock.current_time()
        return 0.0 if self._parent is None else self._parent.now()

    def emit(self, event: LifecycleEvent) -> None:
        """Tell the root's hook, or log."""
        if self._parent is not None and self._on_event is None:
            self._parent.emit(event)
            return
        try:
            (self._on_event or log_event)(event)
        except Exception:  # noqa: BLE001  # somebody else's hook must not end the family
            _log.exception("fail.hook event=%r", event)

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self._state = state
            self._since = self.now()
