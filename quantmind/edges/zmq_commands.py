"""Commands over ZeroMQ: takes what has come in one go, and gives answers back by the route they came."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors.runtime import Inbox
from quantmind.edges.bridges import BridgeGate
from quantmind.edges.door import Door
from quantmind.net.turns import Pace, Turns
from quantmind.net.zmq import Incoming, PeerLimits, RouterSocket
from quantmind.wire import replies

logger = logging.getLogger("quantmind.zmq")

MAX_COMMAND_BYTES = 64 * 1024
MAX_FRAME_BYTES = 2 * 1024 * 1024
"""What the socket takes, so that a message that is too long has its answer; a longer one ends its connection."""
HIGH_WATER = 2000
"""Messages that wait for us or for a peer, at most: twice what the door has in flight."""

PEERS = PeerLimits(per_s=4e6, at_once=16e6, all_per_s=16e6, all_at_once=64e6)
"""Bytes that come in: one peer may bring 250 of the longest commands at once, and twenty thousand usual ones in each
second."""

BATCH = 32
"""Messages in one go, some three milliseconds with what they set going; then others have a turn."""
PACED_BATCH = 8
"""And beyond the door's share."""
PER_S = 200.0
AT_ONCE = 64.0
"""Messages of all clients together that need no turn."""

RECORD_S = 0.002
"""So long a turn waits for a commit that is under way, and no longer: orders of many clients share the next one."""
WINDOW = 16
"""Undecided commands beyond which no more are taken in: they would queue inside, ahead of everybody else's."""
HELD_S = 0.25
"""But for so long at most: a disk that hangs keeps them for seconds."""

LOOK_EVERY_S = 0.01

TokenOf = Callable[[str], str | None]


def _no_token(_user: str) -> None:
    return None


@attrs.define
class ZmqCommands:
    """The actor that reads the command socket. Socket and door outlive it, so a crash loses no message."""

    socket: RouterSocket
    door: Door
    token_of: TokenOf = _no_token
    """With which token the sender was let in; None where connections show none."""
    bridges: BridgeGate | None = None
    """Takes what bridges of terminals say; None: no broker waits for one."""
    turns: Turns = attrs.field(factory=Turns)
    """What goes beyond the door's share takes turns there."""

    async def __call__(self, inbox: Inbox[Any]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.door.sweep)
            reading = trio.CancelScope()
            nursery.start_soon(self._read, reading)
            inbox.ready()
            await inbox.wait_stopping()
            reading.cancel()
            # Who has been let in still gets an answer; the supervisor's grace bounds it.
            while self.door.in_flight:  # noqa: ASYNC110  # once in a process, and the door tells nobody
                await trio.sleep(LOOK_EVERY_S)
            nursery.cancel_scope.cancel()

    async def _read(self, scope: trio.CancelScope) -> None:
        pace = Pace(self.turns, "commands", PER_S, AT_ONCE, hold_s=RECORD_S)
        with scope:
            while True:
                await self.socket.wait_incoming()
                batch = BATCH
                # However slow they come: on a slow disk they would pile up behind it, within the door's share.
                if pace.spent or self.door.has_undecided(WINDOW):
                    with trio.move_on_after(HELD_S):
                        await self.door.wait_below(WINDOW)
                    await pace.turn()
                    batch = PACED_BATCH
                taken = self.socket.drain(batch)
                pace.count(len(taken))
                for incoming in taken:
                    self._take(incoming)

    def _take(self, incoming: Incoming) -> None:
        route = incoming.route

        def answer(reply: replies.Reply) -> None:
            self.socket.reply(route, replies.encode(reply))

        if incoming.body is None:
            self.door.refuse("invalid_message", f"{incoming.fault}; send one JSON object in one frame", answer)
        elif self._is_of_a_bridge(incoming.body, incoming):
            return
        elif len(incoming.body) > MAX_COMMAND_BYTES:
            message = f"the message has {len(incoming.body)} bytes, at most {MAX_COMMAND_BYTES} are taken"
            self.door.refuse("invalid_message", message, answer)
        else:
            self.door.submit(incoming.body, answer, token=self.token_of(incoming.user), sender=route)

    def _is_of_a_bridge(self, body: bytes, incoming: Incoming) -> bool:
        if self.bridges is None:
            return False
        route = incoming.route
        return self.bridges.take(
            body, (self.socket, route), lambda payload: self.socket.reply(route, payload), self.token_of(incoming.user)
        )
