"""Commands over ZeroMQ: takes what has come in one go, and gives answers back by the route they came."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import trio

from actors.runtime import Inbox
from quantmind.edges.door import Door
from quantmind.net.zmq import Incoming, RouterSocket
from quantmind.wire import replies

logger = logging.getLogger("quantmind.zmq")

MAX_COMMAND_BYTES = 64 * 1024
MAX_FRAME_BYTES = 2 * 1024 * 1024
"""What the socket takes, so that a message that is too long has its answer; a longer one ends its connection."""
HIGH_WATER = 2000
"""Messages that wait for us or for a peer, at most: twice what the door has in flight."""

LOOK_EVERY_S = 0.01


@attrs.define
class ZmqCommands:
    """The actor that reads the command socket. Socket and door outlive it, so a crash loses no message."""

    socket: RouterSocket
    door: Door

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
        with scope:
            while True:
                for incoming in await self.socket.receive_batch():
                    self._take(incoming)

    def _take(self, incoming: Incoming) -> None:
        route = incoming.route

        def answer(reply: replies.Reply) -> None:
            self.socket.reply(route, replies.encode(reply))

        if incoming.body is None:
            self.door.refuse("invalid_message", f"{incoming.fault}; send one JSON object in one frame", answer)
        elif len(incoming.body) > MAX_COMMAND_BYTES:
            message = f"the message has {len(incoming.body)} bytes, at most {MAX_COMMAND_BYTES} are taken"
            self.door.refuse("invalid_message", message, answer)
        else:
            self.door.submit(incoming.body, answer)
