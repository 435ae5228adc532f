"""Requests and their replies: ROUTER, DEALER and REQ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import attrs
import zmq

from quantmind.net.errors import NetError
from quantmind.net.zmq.context import ZmqContext
from quantmind.net.zmq.security import Guard, Login, set_guard, set_login
from quantmind.net.zmq.socket import HIGH_WATER, MAX_MESSAGE_BYTES, MOST_FRAMES, Incoming, ZmqSocket


class RouterSocket(ZmqSocket):
    """Serves REQ and DEALER peers; each gets its replies by its route.

    REQ frames arrive as (identity, empty, body), with REQ_CORRELATE with one more frame before the empty one;
    a DEALER may send the empty delimiter or leave it out.
    """

    @classmethod
    def bind(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
        guard: Guard | None = None,
    ) -> Self:
        """Listen on `host`:`port`; port 0 takes any free one, see `port`.

        Args:
            guard: who may connect; each message then says its `Incoming.user`. None: who reaches it by ZMTP 3.

        Raises:
            AddressTaken: another program listens there.
            NetError: the address can't be used.
        """
        opened = cls(context, zmq.ROUTER, max_message_bytes, high_water, unasked=guard is None)
        # A peer that has gone is an answer and not a silence; and nobody takes over another's identity.
        opened._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        opened._socket.setsockopt(zmq.ROUTER_HANDOVER, 0)
        if guard is not None:
            opened._asks = True
            set_guard(opened._socket, guard)
        opened._bind(host, port)
        return opened

    @classmethod
    def bind_inproc(
        cls,
        context: ZmqContext,
        endpoint: str,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
    ) -> Self:
        """Listen for sockets of the same context only, on an `inproc://` endpoint. Raises NetError: it is taken."""
        opened = cls(context, zmq.ROUTER, max_message_bytes, high_water)
        opened._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        opened._bind_inproc(endpoint)
        return opened

    def reply(self, route: tuple[bytes, ...], payload: bytes) -> bool:
        """Send `payload` back by `route`; False: the peer has gone, or does not read and its queue is full."""
        return self._send((*route, payload))

    def _sort(self, frames: list[bytes]) -> Incoming:
        incoming = sort_routed(frames)
        return attrs.evolve(incoming, user=self._user) if self._asks else incoming


def sort_routed(frames: Sequence[bytes]) -> Incoming:
    """Tell the route from the body in the frames of a ROUTER; what is wrong becomes a fault that can be answered."""
    delimiter = next((at for at, frame in enumerate(frames) if at and not frame), None)
    # One empty frame alone is a body and not a delimiter.
    split = 1 if delimiter is None or len(frames) == 2 else delimiter + 1
    route, rest = tuple(frames[:split]), frames[split:]
    if len(frames) > MOST_FRAMES:
        return Incoming(route, None, f"a message has at most {MOST_FRAMES} frames")
    if not rest:
        return Incoming(route, None, "the message has no body")
    if len(rest) > 1:
        return Incoming(route, None, f"one frame is a message; this one has {len(rest)}")
    if not rest[0]:
        return Incoming(route, None, "the message is empty")
    return Incoming(route, rest[0], None)


class DealerSocket(ZmqSocket):
    """A client with any number of requests in flight; replies come in any order."""

    @classmethod
    def connect(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
        only_connected: bool = False,
        login: Login | None = None,
    ) -> Self:
        """Connect in the background, and again whenever the connection is lost.

        Messages queue meanwhile; with `only_connected` a send fails instead, and what was queued when the connection
        was lost is lost with it.
        """
        opened = cls(context, zmq.DEALER, max_message_bytes, high_water)
        opened._socket.setsockopt(zmq.IMMEDIATE, int(only_connected))
        if login is not None:
            set_login(opened._socket, login)
        opened._connect(host, port)
        return opened

    def send(self, payload: bytes) -> bool:
        """Send one message; False: the queue is full, or nobody is connected and that was asked for."""
        return self._send((payload,))

    def send_frames(self, frames: Sequence[bytes]) -> bool:
        """Send one message of several frames; False: the queue is full."""
        return self._send(frames)

    def _sort(self, frames: list[bytes]) -> Incoming:
        if len(frames) == 2 and not frames[0]:
            return Incoming((), frames[1], None)
        return super()._sort(frames)


class ReqSocket(ZmqSocket):
    """The plain request-reply client. A request given up does not block the next one, and its late reply is dropped."""

    @classmethod
    def connect(cls, context: ZmqContext, host: str, port: int, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> Self:
        """Connect in the background, and again whenever the connection is lost."""
        opened = cls(context, zmq.REQ, max_message_bytes, HIGH_WATER)
        opened._socket.setsockopt(zmq.REQ_RELAXED, 1)
        opened._socket.setsockopt(zmq.REQ_CORRELATE, 1)
        opened._connect(host, port)
        return opened

    async def request(self, payload: bytes) -> bytes:
        """Send `payload` and return the reply; callers bound it. One request at a time.

        Raises:
            NetError: it could not be sent, or the reply is not one frame.
        """
        if not self._send((payload,)):
            raise NetError("the request could not be sent: its queue is full")
        (incoming,) = await self.receive_batch(1)
        if incoming.body is None:
            raise NetError(incoming.fault or "the reply has no body")
        return incoming.body
