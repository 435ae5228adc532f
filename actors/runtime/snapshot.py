"""What a tree of actors looks like at one moment."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import attrs


class Kind(enum.Enum):
    """What a node of the tree is."""

    ACTOR = "actor"
    SUPERVISOR = "supervisor"
    POOL = "pool"


class State(enum.Enum):
    """Where a node is in its life."""

    STARTING = "starting"
    """Being made, waiting for its turn to start, or not ready yet."""
    RUNNING = "running"
    """Ready."""
    BACKING_OFF = "backing_off"
    """It ended and waits before it is started again."""
    STOPPING = "stopping"
    """Asked to stop and still at work."""
    STOPPED = "stopped"
    """It ended as it should, or has not been started."""
    FAILED = "failed"
    """It ended by a crash and will not be started again."""
    PARKED = "parked"
    """It crashed too often; refuses messages and is tried again now and then."""


@attrs.frozen
class Snapshot:
    """One node of the tree, with all below it."""

    name: str
    """Path below the root, such as "execution/governor"; for the root itself its name."""
    kind: Kind
    state: State
    in_state_s: float
    """Seconds since the state last changed."""
    incarnation: int
    """Which start it is: 1, 2, 3 …, and 0 before the first."""
    restarts: int
    """Starts after the first, whatever the reason."""
    last_error: str | None
    last_error_at: float | None
    """When, on Trio's clock."""
    queued: int
    """Messages waiting in its mailbox."""
    capacity: int
    peak: int
    """The most that ever waited."""
    dropped: int
    conflated: int
    refused: int
    expired: int
    children: tuple[Snapshot, ...] = ()

    def walk(self) -> Iterator[Snapshot]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()
