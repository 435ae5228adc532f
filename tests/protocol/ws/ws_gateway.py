"""The market side of a gateway on a real socket: hub, sessions and listener under supervision, without brokers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import attrs
import trio
from command_path import InlineJournal
from inline_log import InlineLog

from actors.account_board import AccountBoard
from actors.boards import Catalog
from actors.bulletin import Bulletin
from actors.bulletin_keeper import BulletinKeeper
from actors.channel_reader import Channels
from actors.clients import Clients, WsStatistics
from actors.hub import HUB_MAILBOX, Demand, Hub, HubStatistics, LastTicks
from actors.messages import FeedState, HubMessage, TickBatch
from actors.runtime import ActorSpec, Backoff, Pool, Ref, RestartWindow, Supervisor, supervise
from quantmind.config.model import WebSocketConfig
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec
from quantmind.edges.ws import WsListener, pool_capacity
from quantmind.net.errors import PeerGone
from quantmind.net.listen import ListenAddress
from quantmind.net.ws import ClientConnection, connect
from quantmind.records import Record
from quantmind.wire.auth import Identity

TOKENS = {
    "good-token": Identity("good", frozenset({"read"})),
    "all-token": Identity("all", frozenset({"read", "admin"})),
    "ea-token": Identity("robot", frozenset({"ea"})),
}


class FakeClock:
    def now(self) -> float:
        return 1_795_424_400.123


class NoPublisher:
    def publish(self, topic: bytes, payload: bytes) -> None:
        pass


@attrs.define(eq=False)
class WsGateway:
    """What a test reaches."""

    config: WebSocketConfig
    catalog: Catalog
    address: ListenAddress
    clients: Clients
    tree: Supervisor
    pool: Pool
    hub: Ref[HubMessage]
    last: LastTicks
    hub_statistics: HubStatistics
    demand: Demand
    journal: InlineJournal
    log: InlineLog
    channels: Channels

    @property
    def bulletin(self) -> Bulletin:
        return self.channels.bulletin

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.address.port}/"

    @property
    def statistics(self) -> WsStatistics:
        return self.clients.statistics

    def publish(self, *ticks: tuple[str, float, float, int], broker: str = "demo") -> None:
        """Ticks (symbol, bid, ask, time_msc) as a poller would send them."""
        self.hub.tell_nowait(TickBatch(broker, [Quote(*tick) for tick in ticks], 0.0))

    def feed(self, state: str, age_ms: int, broker: str = "demo") -> None:
        self.hub.tell_nowait(FeedState(broker, None, state, age_ms))

    async def record(self, *records: Record) -> None:
        """Write records, which channels then tell of."""
        await self.journal.append(records)

    @contextlib.asynccontextmanager
    async def connect(self, headers: Mapping[str, str] | None = None) -> AsyncIterator[Client]:
        with trio.fail_after(60):
            async with connect(self.url, headers=headers) as connection:
                yield Client(connection)


@attrs.define(eq=False)
class Client:
    """A client that speaks JSON."""

    connection: ClientConnection

    async def send(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, str) else json.dumps(message))

    async def send_binary(self, data: bytes) -> None:
        await self.connection._ws.send_message(data)

    async def receive(self) -> Any:
        with trio.fail_after(10):
            return json.loads(await self.connection.receive())

    async def closed(self) -> int | None:
        """The code that the gateway closes with; nothing may come before."""
        with trio.fail_after(20):
            try:
                raise AssertionError(f"not closed, but {await self.connection.receive()}")
            except PeerGone as gone:
                return gone.code

    async def ask(self, message: Any) -> Any:
        await self.send(message)
        return await self.receive()

    async def subscribe(self, *names: str) -> Any:
        return await self.ask({"type": "subscribe", "symbols": names})


@contextlib.asynccontextmanager
async def open_gateway(
    symbols: Iterable[str] = ("EURUSD", "GBPUSD", "USDJPY"), journal: InlineJournal | None = None, **config: Any
) -> AsyncIterator[WsGateway]:
    """A gateway with brokers demo and live in its catalog. Leaving the block stops it in order."""
    journal = InlineJournal() if journal is None else journal
    bulletin = Bulletin()
    journal.on_commit = bulletin.take
    log = InlineLog(journal.connection)
    channels = Channels(bulletin, AccountBoard(), FakeClock(), log)
    settings = WebSocketConfig(**{"port": 0, **config})
    catalog = Catalog(("demo", "live"))
    catalog.set("demo", [usual_spec(name) for name in symbols])
    catalog.set("live", [usual_spec(name) for name in ("EURUSD", "XAUUSD")])
    last, demand, hub_statistics = LastTicks(), Demand(), HubStatistics()
    clients = Clients(settings.max_clients)
    pool = Pool("clients", capacity=pool_capacity(settings))
    address = ListenAddress(settings.host, settings.port)
    address.open()

    def hub() -> Hub:
        return Hub(catalog, last, demand, NoPublisher(), pool.refs, hub_statistics)

    def listener() -> WsListener:
        return WsListener(
            address=address,
            config=settings,
            pool=pool,
            hub=tree.ref("hub"),
            catalog=catalog,
            clients=clients,
            clock=FakeClock(),
            epoch=lambda: last.epoch,
            admit=lambda token, _peer: TOKENS.get(token),
            stands=lambda identity: identity in TOKENS.values(),
            channels=channels,
        )

    tree = Supervisor(
        "root",
        [
            ActorSpec("hub", hub, mailbox=HUB_MAILBOX),
            ActorSpec("bulletin", lambda: BulletinKeeper(bulletin, journal)),
            supervise(pool),
            ActorSpec("ws", listener),
        ],
        window=RestartWindow(most=100),
        backoff=Backoff(first=0.01, cap=0.01),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        try:
            yield WsGateway(
                settings,
                catalog,
                address,
                clients,
                tree,
                pool,
                tree.ref("hub"),
                last,
                hub_statistics,
                demand,
                journal,
                log,
                channels,
            )
        finally:
            with trio.move_on_after(15, shield=True):
                await tree.stop()
            address.close()
            nursery.cancel_scope.cancel()
