"""The sockets of a `NativeBridge`: nothing here waits, and nothing is kept for a gateway that is not connected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from quantmind.net.zmq import DealerSocket, FeedSocket, PlainLogin, SubSocket, ZmqContext

logger: Final = logging.getLogger("quantmind.bridge")

HIGH_WATER: Final = 10_000
"""Published ticks that wait for the program to look; what comes then is lost, and so are all before it."""
COMMANDS_WAITING: Final = 1024
TICKS_WAITING: Final = 1000
MOST_TOPICS: Final = 10_000
"""Symbols of all brokers; ticks of further ones are ignored."""
REOPEN_S: Final = 5.0
"""After so long without being heard the socket for ticks is opened again: refused once, libzmq gives up."""

Held = tuple[bytes, float]
"""A tick as it came, and when it had not come yet (monotonic seconds): it is at most so old in our hands."""


class Link:
    """Three sockets of one gateway. One thread at a time.

    Args:
        ports: of commands, of ticks in, of ticks out.
        topic: which published ticks are kept, by how their topic begins.
    """

    def __init__(
        self, host: str, ports: tuple[int, int, int], *, topic: bytes, login: PlainLogin | None, now: float
    ) -> None:
        self._host = host
        self._data_port = ports[1]
        self._login = login
        self._context = ZmqContext()
        self._commands = DealerSocket.connect(
            self._context, host, ports[0], high_water=COMMANDS_WAITING, only_connected=True
        )
        self._publish_port = ports[2]
        self._topic = topic
        self._ticks = self._open_ticks()
        self._feed: FeedSocket | None = None
        self._feed_since = now
        self._told = False
        self._looked_at = now
        self._latest: dict[bytes, dict[bytes, Held]] = {}
        self._topics = 0
        self.overflows = 0

    def close(self) -> None:
        """Close at once; what was not sent is lost. Safe to repeat."""
        self._context.close()

    # ------------------------------------------------------------------ commands

    def send(self, payload: bytes) -> bool:
        """Hand a command to libzmq; False: no gateway is connected, or it does not read."""
        return self._commands.send(payload)

    def replies(self) -> Iterator[bytes]:
        """The replies that have come, a bounded number at a time; more are there at the next look."""
        yield from (each.body for each in self._commands.drain(COMMANDS_WAITING) if each.body is not None)

    # ------------------------------------------------------------------ ticks out of the gateway

    def look(self, now: float) -> None:
        """Take the published ticks that have come; the newest of each topic stays.

        After a pause so long that the queue was full the newest ones were lost, so none is shown any more until
        another comes: an old price is no price. What waits elsewhere (in the gateway's queue, on the wire) is as old,
        and nothing tells how old; so it goes with the connection, and another one is opened.
        """
        taken = 0
        while taken < HIGH_WATER:
            batch = self._ticks.drain()
            if not batch:
                break
            taken += len(batch)
            for incoming in batch:
                if incoming.body is not None:
                    self._keep(incoming.route[0], (incoming.body, self._looked_at))
        if taken >= HIGH_WATER:
            self.overflows += 1
            self._latest.clear()
            self._topics = 0
            self._ticks.close()
            self._ticks = self._open_ticks()
            logger.warning("lose.ticks reason=nobody looked at them for %.1f s", now - self._looked_at)
        self._looked_at = now

    def held(self, symbol: bytes) -> dict[bytes, Held]:
        """The newest tick of a symbol at each broker, by the broker's name."""
        return dict(self._latest.get(symbol, {}))

    def _open_ticks(self) -> SubSocket:
        opened = SubSocket.connect(self._context, self._host, self._publish_port, high_water=HIGH_WATER)
        opened.subscribe(self._topic)
        return opened

    def _keep(self, topic: bytes, tick: Held) -> None:
        # tick.BROKER.SYMBOL: a broker's name has no dot, a symbol may.
        _, broker, symbol = (*topic.split(b".", 2), b"", b"")[:3]
        of_symbol = self._latest.get(symbol, {})
        if broker not in of_symbol:
            if self._topics >= MOST_TOPICS or not symbol:
                return
            self._topics += 1
            self._latest[symbol] = of_symbol
        of_symbol[broker] = tick

    # ------------------------------------------------------------------ ticks into the gateway

    def publish(self, topic: bytes, payload: bytes, now: float) -> bool:
        """Send a tick; False: the gateway does not listen to us, or does not keep up."""
        feed = self._feed
        if feed is None:
            feed = self._open_feed(now)
        if feed.heard:
            self._feed_since, self._told = now, False
        elif now - self._feed_since >= REOPEN_S:
            if not self._told:
                self._told = True
                logger.warning(
                    "wait.gateway address=tcp://%s:%d reason=it does not take our ticks: is it up, has a broker a feed "
                    "of type ingest, and are user and token right?",
                    self._host,
                    self._data_port,
                )
            feed.close()
            feed = self._open_feed(now)
        return feed.publish(topic, payload)

    @property
    def publishing(self) -> bool:
        """Whether the gateway takes our ticks now."""
        return self._feed is not None and self._feed.heard

    def _open_feed(self, now: float) -> FeedSocket:
        self._feed_since = now
        self._feed = FeedSocket.connect(
            self._context, self._host, self._data_port, login=self._login, high_water=TICKS_WAITING
        )
        return self._feed
