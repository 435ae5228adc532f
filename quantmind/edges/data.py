"""The ZeroMQ data door: publishes ticks and pushes to whoever subscribed."""

from __future__ import annotations

import logging
from typing import Final

import attrs

from quantmind.net.errors import NetError
from quantmind.net.zmq import PubSocket

logger: Final = logging.getLogger("quantmind.data")


@attrs.define(eq=False)
class DataStatistics:
    """For /status: what was published, by the first word of its topic, and what the socket did not take."""

    published: dict[bytes, int] = attrs.field(factory=dict)
    failed: int = 0


@attrs.define(eq=False)
class DataPublisher:
    """A `quantmind.ports.Publisher` over one PUB socket. Trouble with the socket is counted, and is nobody else's."""

    socket: PubSocket
    statistics: DataStatistics = attrs.field(factory=DataStatistics)

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send to the subscribers of `topic`; never waits, never raises."""
        try:
            self.socket.publish(topic, payload)
        except NetError as error:
            if not self.statistics.failed:
                logger.error("fail.publish topic=%s reason=%s", topic.decode(), error)
            self.statistics.failed += 1
            return
        kind = topic.partition(b".")[0]
        published = self.statistics.published
        published[kind] = published.get(kind, 0) + 1
