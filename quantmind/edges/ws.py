"""The WebSocket door: accepts connections and starts a session for each."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any, Final

import attrs
import trio

from actors.boards import Catalog
from actors.messages import HubMessage
from actors.runtime import ActorSpec, Inbox, NotDelivered, Pool, Ref, Restart
from actors.session import SESSION_MAILBOX, Authenticate, Clients, Session
from quantmind.config.model import WebSocketConfig
from quantmind.domain.clock import Clock
from quantmind.net.errors import NetError
from quantmind.net.listen import ListenAddress, accept_connections

logger: Final = logging.getLogger("quantmind.ws")

SPARE: Final = 64
"""Connections beyond `max_clients` that may be in their handshake, or hear why they are turned away."""

GRACE_S: Final = 6.0
"""For a client to read its close: a little more than a connection waits for it."""


def pool_capacity(config: WebSocketConfig) -> int:
    """How many sessions the pool must hold."""
    return config.max_clients + SPARE


@attrs.define(eq=False)
class WsListener:
    """The actor that accepts WebSocket clients. Asked to stop it listens no more; sessions end by their pool.

    Args:
        pool: where sessions run; see `pool_capacity`.
        epoch: the hub's epoch now.
        authenticate: whose a token is or None, in constant time.
    """

    address: ListenAddress
    config: WebSocketConfig
    pool: Pool
    hub: Ref[HubMessage]
    catalog: Catalog
    clients: Clients
    clock: Clock
    epoch: Callable[[], str]
    authenticate: Authenticate

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Accept until asked to stop."""
        listener = self.address.open()
        inbox.ready()
        logger.info("open.listener host=%s port=%d", self.address.host, self.address.port)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(accept_connections, listener, self._accept)
                await inbox.wait_stopping()
                nursery.cancel_scope.cancel()
        except* NetError:
            self.address.close()  # it will not mend: the next incarnation opens another one
            raise
        self.address.close()

    def _accept(self, raw: socket.socket) -> None:
        number = self.clients.next_number()
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
                authenticate=self.authenticate,
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
