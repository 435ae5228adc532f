"""The WebSocket door: accepts connections and starts a session for each."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any, Final

import attrs
import trio

from actors.boards import Catalog
from actors.channel_reader import Channels
from actors.clients import Clients
from actors.messages import HubMessage
from actors.runtime import ActorSpec, Inbox, NotDelivered, Pool, Ref, Restart
from actors.session import SESSION_MAILBOX, Session, Stands
from quantmind.config.model import WebSocketConfig
from quantmind.domain.clock import Clock
from quantmind.net.errors import NetError
from quantmind.net.listen import ListenAddress, accept_connections
from quantmind.net.tls_door import TlsDoor
from quantmind.net.turns import Pace, Turns
from quantmind.wire.auth import Denial, Identity

logger: Final = logging.getLogger("quantmind.ws")

SPARE: Final = 64
"""Connections beyond `max_clients` that may be in their handshake, or hear why they are turned away."""

DOOR: Final = "websocket"
"""Among those who take turns."""
ACCEPTS_PER_S: Final = 20.0
ACCEPTS_AT_ONCE: Final = 10.0
"""Connections accepted without a turn: each is some two milliseconds of work."""
PIECES_PER_S: Final = 100.0
PIECES_AT_ONCE: Final = 50.0
PIECES_AT_FIRST: Final = 10.0
"""What one client sends without a turn, in messages of usual length; a handshake counts as some four of them."""
ALL_PER_S: Final = 500.0
ALL_AT_ONCE: Final = 200.0
"""And what all clients send together."""

GRACE_S: Final = 6.0
"""For a client to read its close: a little more than a connection waits for it."""


Admit = Callable[[str, str], Identity | Denial | None]


def _peer(raw: socket.socket) -> str:
    try:
        return str(raw.getpeername()[0])
    except OSError:
        return "gone"


def pool_capacity(config: WebSocketConfig) -> int:
    """How many sessions the pool must hold."""
    return config.max_clients + SPARE


@attrs.define(eq=False)
class WsListener:
    """The actor that accepts WebSocket clients. Asked to stop it listens no more; sessions end by their pool.

    Args:
        pool: where sessions run; see `pool_capacity`.
        epoch: the hub's epoch now.
        admit: whose a token is that came from an address, or why it opens nothing, in constant time.
        stands: whether who was let in may stay.
        channels: what private channels are read from.
        tls: what clients must speak; None: clear text.
        turns: what goes beyond a client's share, or the listener's, takes turns there.
    """

    address: ListenAddress
    config: WebSocketConfig
    pool: Pool
    hub: Ref[HubMessage]
    catalog: Catalog
    clients: Clients
    clock: Clock
    epoch: Callable[[], str]
    admit: Admit
    channels: Channels
    stands: Stands
    tls: TlsDoor | None = None
    turns: Turns = attrs.field(factory=Turns)
    _all: Pace = attrs.field(init=False)

    @_all.default
    def _share_of_all(self) -> Pace:
        return Pace(self.turns, DOOR, ALL_PER_S, ALL_AT_ONCE)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Accept until asked to stop."""
        listener = self.address.open()
        inbox.ready()
        logger.info("open.listener host=%s port=%d", self.address.host, self.address.port)
        try:
            async with trio.open_nursery() as nursery:
                pace = Pace(self.turns, DOOR, ACCEPTS_PER_S, ACCEPTS_AT_ONCE, "accept")
                nursery.start_soon(accept_connections, listener, self._accept, pace)
                await inbox.wait_stopping()
                nursery.cancel_scope.cancel()
        except* NetError:
            self.address.close()  # it will not mend: the next incarnation opens another one
            raise
        self.address.close()

    def _accept(self, raw: socket.socket) -> None:
        number, peer = self.clients.next_number(), _peer(raw)
        spec = ActorSpec(
            f"client-{number}",
            lambda: Session(
                raw=raw,
                number=number,
                hub=self.hub,
                config=self.config,
                catalog=self.catalog,
                clients=self.clients,
                clock=self.clock,
                epoch=self.epoch,
                authenticate=lambda token: self.admit(token, peer),
                stands=self.stands,
                channels=self.channels,
                tls=self.tls,
                pace=Pace(self.turns, DOOR, PIECES_PER_S, PIECES_AT_ONCE, first=PIECES_AT_FIRST, of=self._all),
            ),
            restart=Restart.TEMPORARY,
            mailbox=SESSION_MAILBOX,
            grace=GRACE_S,
            retire=raw.close,
        )
        try:
            self.pool.start_nowait(spec)
        except NotDelivered as error:
            self.clients.statistics.refuse("overload")
            logger.warning("refuse.client client=%d reason=%s", number, error)
            raw.close()
