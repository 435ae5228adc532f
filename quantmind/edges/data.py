"""The ZeroMQ data door: publishes ticks and pushes to whoever subscribed."""

from __future__ import annotations

import logging
from typing import Final

import attrs

from quantmind.net.errors import NetError
from quantmind.net.zmq import PeerLimits, PubSocket

logger: Final = logging.getLogger("quantmind.data")

PEERS: Final = PeerLimits(per_s=8e3, at_once=64e3, all_per_s=64e3, all_at_once=1e6)
"""Bytes of subscriptions: some 2,000 topics at once of one subscriber, who names most with one prefix."""


@attrs.define(eq=False)
class DataStatistics:
    """For /status: what was published, by the first word of its topic, and what the socket did not take."""

    published: dict[bytes, int] = attrs.field(factory=dict)
    failed: int = 0


@attrs.define(eq=False)
class DataPublisher:
    """A `quantmind.ports.Publisher` over PUB sockets. Trouble with a socket is counted, and is nobody else's.

    Args:
        further: sockets beside the first one, which get the same.
    """

    socket: PubSocket
    statistics: DataStatistics = attrs.field(factory=DataStatistics)
    further: tuple[PubSocket, ...] = ()

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send to the subscribers of `topic`; never waits, never raises."""
        sent = self._publish(self.socket, topic, payload)
        for socket in self.further:
            sent |= self._publish(socket, topic, payload)
        if not sent:
            return
        kind = topic.partition(b".")[0]
        published = self.statistics.published
        published[kind] = published.get(kind, 0) + 1

    def _publish(self, socket: PubSocket, topic: bytes, payload: bytes) -> bool:
        try:
            socket.publish(topic, payload)
        except NetError as error:
            if not self.statistics.failed:
                logger.error("fail.publish topic=%s reason=%s", topic.decode(), error)
            self.statistics.failed += 1
            return False
        return True
