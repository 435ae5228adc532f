"""The data door's publisher: trouble with its socket is counted, and is nobody else's."""

from __future__ import annotations

from typing import Any, cast

import attrs

from quantmind.edges.data import DataPublisher
from quantmind.net.errors import NetError


@attrs.define
class Socket:
    broken: bool = False
    sent: list[tuple[bytes, bytes]] = attrs.field(factory=list)

    def publish(self, topic: bytes, payload: bytes) -> None:
        if self.broken:
            raise NetError("the socket is broken")
        self.sent.append((topic, payload))


def test_what_was_published_is_counted_by_kind_and_what_failed_too() -> None:
    """A broken socket raises at nobody, and one that works again goes on."""
    socket = Socket()
    publisher = DataPublisher(cast("Any", socket))
    publisher.publish(b"tick.demo.EURUSD", b"1")
    socket.broken = True
    publisher.publish(b"tick.demo.EURUSD", b"2")
    publisher.publish(b"tick.demo.EURUSD", b"3")
    socket.broken = False
    publisher.publish(b"risk.Scalper", b"4")
    assert [payload for _, payload in socket.sent] == [b"1", b"4"]
    assert publisher.statistics.published == {b"tick": 1, b"risk": 1}
    assert publisher.statistics.failed == 2
