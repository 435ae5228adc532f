"""Every command but heartbeats leaves one line in the log: its decision, its intent, or the line that is made here.

The door of a command is the one place that every answer passes, whoever gave it, so nobody before it has to think of
the line: it only notes in the command's `Trail` what it has written. A line never waits, and it never holds a token.

Who may send commands without a token could fill the disk with them. So the lines that are written here are rationed;
what is over is counted, and an event says how many there were. A decision that reserves something, or that must be
remembered, is written by the governor and not rationed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import attrs
import trio

from actors.messages import Reply, Trail
from quantmind.domain.clock import Clock
from quantmind.records import Command, Event, Record
from quantmind.wire.auth import Identity
from quantmind.wire.commands import Heartbeat, RiskUpdate, Trade, TradeResult, kind_of

LINES_PER_S: Final = 200.0
BURST: Final = 2000
"""A whole room of EAs that all come back at once fits into it."""
TELL_EVERY_S: Final = 60.0


class Notes(Protocol):
    """Where lines go: the `Journal` port has it."""

    def note(self, records: Sequence[Record]) -> None: ...


@attrs.define(eq=False)
class CommandLog:
    """Writes the lines of one door (`via`); outlives the edge that uses the door.

    Times are monotonic seconds.
    """

    via: str
    notes: Notes
    clock: Clock
    unnoted: int = 0
    """Commands that have no line of their own, because there were too many."""
    _left: float = attrs.field(default=float(BURST), init=False)
    _at: float | None = attrs.field(default=None, init=False)
    _untold: int = attrs.field(default=0, init=False)
    _told_at: float | None = attrs.field(default=None, init=False)

    def conclude(
        self, command: Trade | TradeResult | RiskUpdate | Heartbeat, identity: Identity, trail: Trail, reply: Reply
    ) -> None:
        """A command has its answer: have its line written, unless it has one."""
        if trail.written or isinstance(command, Heartbeat):
            return
        if not self._take():
            self.unnoted += 1
            self._untold += 1
            return
        if trail.decision is not None:
            self.notes.note([trail.decision])
            return
        envelope = command.envelope
        line = Command(
            kind=kind_of(command),
            ea_name=envelope.ea_name,
            request_id=envelope.request_id,
            broker=trail.broker,
            via=self.via,
            by=identity.name,
            body=command.body(),
            reply=reply,
            at=self.clock.now(),
            repeat=trail.repeat,
        )
        self.notes.note([line])

    def _take(self) -> bool:
        now = trio.current_time()
        if self._at is not None:
            self._left = min(float(BURST), self._left + (now - self._at) * LINES_PER_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def report(self, now: float) -> None:
        """Say how many have no line: at once, then at most once a minute. To be called now and then."""
        if self._untold == 0 or (self._told_at is not None and now - self._told_at < TELL_EVERY_S):
            return
        data = {"via": self.via, "commands": self._untold, "total": self.unnoted}
        self._told_at, self._untold = now, 0
        self.notes.note([Event("unnoted", None, data, self.clock.now())])
