"""What is published by topic: PUB, SUB, and a publisher that connects."""

from __future__ import annotations

from typing import Final, Self

import zmq

from quantmind.net.zmq.context import ZmqContext
from quantmind.net.zmq.security import CurveGuard, Guard, Login, PlainGuard, set_guard, set_login
from quantmind.net.zmq.socket import HIGH_WATER, MAX_MESSAGE_BYTES, Incoming, ZmqSocket

LONGEST_TOPIC: Final = 512
"""Bytes of a topic that a subscriber may name; the longest that is published has about half. libzmq keeps some 50 bytes
for each of them, and takes them in within a send of ours: long ones would fill the memory and hold up everybody."""
COMMAND_BYTES: Final = 16
"""Room for what ZMTP puts before the topic: one byte, or the name of a command."""
TOPICS_AHEAD: Final = 64
"""Subscriptions of one peer that wait for us, and"""
TOPIC_BUFFER: Final = 16 * 1024
"""bytes of them in the kernel: what a send of ours may find of a peer that has just been cut."""
CURVE_BYTES: Final = 64
"""What encryption adds to each frame, rounded up."""


class PubSocket(ZmqSocket):
    """Publishes to whoever subscribed; one that does not read misses messages, and holds up nobody.

    libzmq drops for a subscriber whose queue is at `high_water` and does not say so; the subscriber sees the gap by
    the `seq` in the payload. What can be told is when such a queue is found full for the first time: XPUB_NODROP is
    set so that the send is refused then, counted in `ZmqStatistics.full`, and repeated without it. Leaving it set
    would let one subscriber silence all the others.
    """

    @classmethod
    def bind(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        high_water: int = HIGH_WATER,
        guard: Guard | None = None,
    ) -> Self:
        """Listen on `host`:`port`; port 0 takes any free one, see `port`. Who names a longer topic is dropped.

        Args:
            guard: who may subscribe; None: who reaches it by ZMTP 3.

        Raises:
            AddressTaken: another program listens there.
            NetError: the address can't be used.
        """
        most = LONGEST_TOPIC + COMMAND_BYTES + (CURVE_BYTES if isinstance(guard, CurveGuard) else 0)
        opened = cls(context, zmq.PUB, most, high_water, unasked=guard is None)
        if guard is not None:
            set_guard(opened._socket, guard)
        opened._socket.setsockopt(zmq.XPUB_NODROP, 1)
        opened._socket.setsockopt(zmq.RCVHWM, TOPICS_AHEAD)
        opened._socket.setsockopt(zmq.RCVBUF, TOPIC_BUFFER)
        opened._bind(host, port)
        return opened

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send `payload` to the subscribers of `topic`; never waits."""
        frames = (topic, payload)
        if not self._send(frames) and not self._closed:
            self._socket.setsockopt(zmq.XPUB_NODROP, 0)
            self._send(frames)
            self._socket.setsockopt(zmq.XPUB_NODROP, 1)


class FeedSocket(ZmqSocket):
    """A publisher that connects to a SUB which binds, and knows whether that one listens.

    It keeps nothing for later: what is published while nobody is connected is not sent when somebody is, since an old
    price is no price. Not let in by PLAIN, libzmq does not try again; whoever owns the socket opens another.
    """

    _topics: frozenset[bytes] = frozenset()

    @classmethod
    def connect(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        login: Login | None = None,
        high_water: int = HIGH_WATER,
    ) -> Self:
        """Connect in the background, and again whenever the connection is lost."""
        opened = cls(context, zmq.XPUB, MAX_MESSAGE_BYTES, high_water)
        opened._socket.setsockopt(zmq.XPUB_NODROP, 1)
        # Without it the queue, and what is subscribed, would outlive the connection.
        opened._socket.setsockopt(zmq.IMMEDIATE, 1)
        if login is not None:
            set_login(opened._socket, login)
        opened._connect(host, port)
        return opened

    @property
    def heard(self) -> bool:
        """Whether the other side has let us in and listens to something."""
        self._hear()
        return bool(self._topics) and not self._closed

    def publish(self, topic: bytes, payload: bytes) -> bool:
        """Send `payload`; False: nobody listens to `topic` now, or the queue is full. Never waits."""
        self._hear()
        if not any(map(topic.startswith, self._topics)):
            self._unroutable += 1
            return False
        return self._send((topic, payload))

    # Each is one byte, 1 for a new topic and 0 for one that nobody listens to any more, and the topic.
    def _hear(self) -> None:
        for incoming in [] if self._closed else self.drain():
            said = incoming.body or b""
            if said[:1] == b"\x01":
                self._topics |= {said[1:]}
            else:
                self._topics -= {said[1:]}


class SubSocket(ZmqSocket):
    """Receives what is published under the topics it subscribed to; `Incoming.route` is the topic."""

    @classmethod
    def bind(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
        plain_domain: str | None = None,
    ) -> Self:
        """Listen on `host`:`port` for publishers that connect; port 0 takes any free one, see `port`.

        Args:
            plain_domain: lets in by PLAIN only, and only whom the context's ZAP handler lets into this domain
                (`quantmind.net.zap`); without a handler nobody. Each message then says its `Incoming.user`. None: who
                reaches it by ZMTP 3.

        Raises:
            AddressTaken: another program listens there.
            NetError: the address can't be used.
        """
        opened = cls(context, zmq.SUB, max_message_bytes, high_water, unasked=plain_domain is None)
        if plain_domain is not None:
            opened._asks = True
            set_guard(opened._socket, PlainGuard(plain_domain))
        opened._bind(host, port)
        return opened

    @classmethod
    def connect(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
        login: Login | None = None,
    ) -> Self:
        """Connect in the background, and again whenever the connection is lost."""
        opened = cls(context, zmq.SUB, max_message_bytes, high_water)
        if login is not None:
            set_login(opened._socket, login)
        opened._connect(host, port)
        return opened

    def subscribe(self, topic: bytes) -> None:
        """Receive what is published under topics that begin with `topic`; empty: everything."""
        self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        self._wake_parked()

    def unsubscribe(self, topic: bytes) -> None:
        """Take back one `subscribe`."""
        self._socket.setsockopt(zmq.UNSUBSCRIBE, topic)
        self._wake_parked()

    def _sort(self, frames: list[bytes]) -> Incoming:
        if len(frames) == 2:
            return Incoming((frames[0],), frames[1], None, self._user)
        fault = f"a topic and one frame make a message; this one has {len(frames)}"
        return Incoming(tuple(frames[:1]), None, fault, self._user)
