"""PUB carries the object that a WebSocket `tick` has as its `data`."""

from __future__ import annotations

import json

import trio

from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec
from quantmind.edges.data import DataPublisher
from quantmind.net.errors import NetError
from quantmind.net.zmq import PubSocket, SubSocket, ZmqContext
from quantmind.wire.market import encode_object, encode_tick, make_tick

QUOTE = Quote("EURUSD", 1.0850, 1.0851, 1_795_424_400_123)


async def test_subscribers_get_what_they_asked_for() -> None:
    """By topic, byte for byte, and counted by the topic's first word."""
    spec = usual_spec("EURUSD")
    with ZmqContext() as context:
        publisher = DataPublisher(PubSocket.bind(context, "127.0.0.1", 0))
        subscriber = SubSocket.connect(context, "127.0.0.1", publisher.socket.port)
        subscriber.subscribe(b"tick.demo.EURUSD")
        encoded = encode_object(make_tick(QUOTE, spec, 1, "demo"))
        with trio.fail_after(10):
            while not (taken := subscriber.drain()):
                publisher.publish(b"tick.demo.GBPUSD", b"{}")
                publisher.publish(b"tick.demo.EURUSD", encoded)
                await trio.sleep(0.01)
        assert taken[0].route == (b"tick.demo.EURUSD",)
        assert taken[0].body == encoded
        assert json.loads(encoded) == json.loads(encode_tick(QUOTE, spec, 1, "demo"))["data"]
        assert publisher.statistics.published[b"tick"] >= 2
        assert publisher.statistics.failed == 0


def test_a_socket_that_fails_is_not_the_hubs_trouble() -> None:
    """It is counted, and the hub goes on."""

    class Failing:
        def publish(self, topic: bytes, payload: bytes) -> None:
            raise NetError("out of memory")

    publisher = DataPublisher(Failing())  # type: ignore[arg-type]
    publisher.publish(b"tick.demo.EURUSD", b"{}")
    publisher.publish(b"tick.demo.EURUSD", b"{}")
    assert publisher.statistics.failed == 2
    assert publisher.statistics.published == {}
