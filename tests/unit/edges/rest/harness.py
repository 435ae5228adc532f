"""A REST door over real boards and a real door for commands, whose actors answer as a test says; and raw clients."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import attrs
import trio

from actors.boards import Boards, Catalog, Halt
from actors.clients import ClientInfo
from actors.messages import HandleCommand, SetTradingState
from actors.runtime import ActorSpec, Call, Inbox, Supervisor
from quantmind.config.model import RestConfig
from quantmind.domain.accounts import Account, Cause, Deal, Entry, PendingOrder, Position, Sample
from quantmind.domain.orders import OrderType, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import TradingState
from quantmind.domain.symbols import usual_spec
from quantmind.edges.door import Door
from quantmind.edges.http import HttpEdge
from quantmind.edges.latency import Latencies
from quantmind.edges.rest import RestApp, RestContext, make_app
from quantmind.net.listen import close_listener, open_listener
from quantmind.wire.auth import SCOPES, Authenticator
from quantmind.wire.market import Tick, make_tick

NOW = 1795424400.123
OWNER = "owner-token-0123456789"
TOKENS = {OWNER: ("owner", frozenset(SCOPES))} | {
    f"{scope}-token-0123456789": (scope, frozenset({scope})) for scope in SCOPES
}
HEADERS = {"X-Token": OWNER}
JSON = {**HEADERS, "Content-Type": "application/json"}
ORDER = b'{"symbol":"EURUSD","action_type":"BUY","volume":0.10,"stop_loss":1.08000}'
APPROVED = {
    "status": "success",
    "approved": True,
    "risk_multiplier": Decimal(1),
    "ticket": 7,
    "price": Decimal("1.08510"),
}


class FixedClock:
    def now(self) -> float:
        return NOW


@attrs.define(eq=False)
class Ticks:
    epoch: str = "e1"
    by_key: dict[tuple[str, str], Tick] = attrs.field(factory=dict)

    def last_tick(self, broker: str, symbol: str) -> Tick | None:
        return self.by_key.get((broker, symbol))


@attrs.define(eq=False)
class World:
    """What the door stands in front of. `reply` answers a command; None never does."""

    boards: Boards
    ticks: Ticks
    context: RestContext
    app: RestApp
    supervisor: Supervisor
    clients: list[ClientInfo] = attrs.field(factory=list)
    commands: list[HandleCommand] = attrs.field(factory=list)
    states: list[SetTradingState] = attrs.field(factory=list)
    reply: Callable[[HandleCommand], dict[str, Any] | None] = lambda _: dict(APPROVED)
    state_reply: Callable[[SetTradingState], dict[str, Any] | None] | None = None

    async def handle_commands(self, inbox: Inbox[Any]) -> None:
        kept: list[Call[Any]] = []
        async for call in inbox:
            self.commands.append(call.request)
            reply = self.reply(call.request)
            if reply is None:
                kept.append(call.move())
            else:
                call.answer(reply)

    async def govern(self, inbox: Inbox[Any]) -> None:
        kept: list[Call[Any]] = []
        async for call in inbox:
            request = call.request
            self.states.append(request)
            if self.state_reply is not None:
                reply = self.state_reply(request)
                if reply is None:
                    kept.append(call.move())
                else:
                    call.answer(reply)
                continue
            brokers = self.boards.catalog.brokers if request.broker is None else (request.broker,)
            for broker in brokers:
                self.boards.halts.set(broker, Halt(request.state, f"{request.reason} (by {request.by})", NOW))
            call.answer({"status": "success", "state": request.state.value, "brokers": brokers})

    def put_tick(self, broker: str = "demo", symbol: str = "EURUSD", *, age_s: float = 0.0) -> None:
        spec = self.boards.catalog.spec(broker, symbol)
        assert spec is not None
        quote = Quote(symbol, 1.0850, 1.0851, int(NOW * 1000))
        self.ticks.by_key[broker, symbol] = make_tick(quote, spec, 121, broker)
        self.boards.prices.confirm(broker, [quote], trio.current_time() - age_s)
        self.boards.links.of(broker).feed = "live"

    def put_sample(self, broker: str = "demo", positions: int = 2, orders: int = 0) -> None:
        account = Account(
            login=1000001,
            server="Paper-Demo",
            currency="USD",
            leverage=100,
            margin_mode="hedging",
            balance=Decimal("10000.00"),
            equity=Decimal("10012.30"),
            margin=Decimal("108.51"),
            margin_free=Decimal("9903.79"),
            profit=Decimal("12.30"),
        )
        items = [
            Position(
                ticket=100 + number,
                symbol="EURUSD" if number % 2 == 0 else "XAUUSD",
                side=Side.BUY,
                volume=Decimal("0.10"),
                price_open=Decimal("1.08000"),
                price_current=Decimal("1.08500"),
                profit=Decimal("50.00"),
                time_msc=int(NOW * 1000),
                sl=Decimal("1.07000"),
                magic=5,
            )
            for number in range(positions)
        ]
        waiting = [
            PendingOrder(
                ticket=200 + number,
                symbol="EURUSD" if number % 2 == 0 else "XAUUSD",
                side=Side.SELL,
                order_type=OrderType.LIMIT,
                volume=Decimal("0.20"),
                price=Decimal("1.09000"),
                time_msc=int(NOW * 1000),
                tp=Decimal("1.08000"),
                expiration_msc=int(NOW * 1000) + 3_600_000 if number % 2 == 0 else None,
                magic=5 + number,
                comment="later",
            )
            for number in range(orders)
        ]
        self.boards.links.of(broker).sample = Sample(broker, account, items, waiting, trio.current_time())

    def put_deals(self, broker: str = "demo", deals: int = 2) -> None:
        book = self.boards.deals.of(broker)
        book.read_at = trio.current_time()
        book.add(
            Deal(
                ticket=300 + number,
                order=400 + number,
                position=500 + number // 2,
                symbol="EURUSD" if number % 4 < 2 else "XAUUSD",
                side=Side.BUY if number % 2 == 0 else Side.SELL,
                entry=Entry.IN if number % 2 == 0 else Entry.OUT,
                volume=Decimal("0.10"),
                price=Decimal("1.08500"),
                profit=Decimal(0) if number % 2 == 0 else Decimal("12.30"),
                cause=Cause.CLIENT,
                time_msc=int(NOW * 1000) + 1000 * (number // 3),
                commission=Decimal("-0.35"),
                magic=5,
            )
            for number in range(deals)
        )

    def put_bars(self, broker: str = "demo", symbol: str = "EURUSD", minutes: int = 3) -> None:
        series = self.boards.bars.of(broker, symbol)
        start = int(NOW * 1000) // 3_600_000 * 3_600_000
        for number in range(minutes):
            for at, bid in ((0, 1.085), (20_000, 1.0855), (40_000, 1.0845)):
                series.add(start + 60_000 * number + at, bid, round(bid + 0.0001 * (1 + at // 20_000), 5))

    def put_eas(self) -> None:
        for number, name in enumerate(("beta", "alpha", "alpha")):
            heard = self.boards.eas.heard(name, 7 + number, NOW - 60)
            heard.connected_at, heard.last_heartbeat = NOW - 3600, NOW - 60
            heard.symbol, heard.version, heard.broker = "EURUSD", "1.2", "demo"
            heard.balance = Decimal("10000.00")
        self.boards.multipliers.set("alpha", Decimal("0.5"))

    def put_client(self) -> None:
        info = ClientInfo(
            number=len(self.clients) + 1,
            remote="127.0.0.1:50000",
            connected_at=NOW,
            name="desk",
            scopes=("read",),
            subscriptions=1,
            symbols=("EURUSD",),
            messages=3,
            messages_sent=40,
            bytes_sent=9000,
            queued_bytes=0,
            conflated=2,
        )
        self.clients.append(info)


def make_world(*, brokers: tuple[str, ...] = ("demo",), max_in_flight: int = 64, **settings: Any) -> World:
    boards, ticks = Boards(Catalog(brokers)), Ticks()
    for broker in brokers:
        boards.catalog.set(broker, [usual_spec("EURUSD"), usual_spec("XAUUSD")])
        boards.halts.set(broker, Halt(TradingState.ACTIVE, "as configured", NOW))
    worlds: list[World] = []
    supervisor = Supervisor(
        "gateway",
        [
            ActorSpec("commands", lambda: worlds[0].handle_commands),
            ActorSpec("governor", lambda: worlds[0].govern),
        ],
    )
    authenticator = Authenticator(dict(TOKENS))
    latencies = Latencies(5.0)
    door = Door("http", supervisor.ref("commands"), authenticator, FixedClock(), latencies, max_in_flight, True)
    context = RestContext(
        boards=boards,
        ticks=ticks,
        door=door,
        governor=supervisor.ref("governor"),
        snapshot=supervisor.snapshot,
        authenticator=authenticator,
        clock=FixedClock(),
        settings=RestConfig(**settings),
        latencies=latencies,
        clients=lambda: worlds[0].clients,
        version="0.1.0",
        parts={"websocket": lambda: {"clients": 3}},
        addresses=lambda: {"rest": "http://127.0.0.1:5005/"},
    )
    world = World(boards, ticks, context, make_app(context), supervisor)
    worlds.append(world)
    return world


@contextlib.asynccontextmanager
async def open_world(**how: Any) -> AsyncIterator[World]:
    """A world whose actors run, for Quart's test client."""
    world = make_world(**how)
    async with trio.open_nursery() as nursery:
        await nursery.start(_run, world.supervisor)
        nursery.start_soon(world.context.door.sweep)
        yield world
        nursery.cancel_scope.cancel()


@attrs.define
class Served:
    world: World
    port: int
    edge: HttpEdge
    supervisor: Supervisor
    listener: socket.socket
    cancel: Callable[[], None]
    clients: list[RawHttp] = attrs.field(factory=list)

    async def connect(self, *, receive_buffer: int | None = None) -> RawHttp:
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await sock.connect(("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        client = RawHttp(trio.SocketStream(sock))
        self.clients.append(client)
        return client


@contextlib.asynccontextmanager
async def open_server(app: Any = None, *, edge: dict[str, Any] | None = None, **how: Any) -> AsyncIterator[Served]:
    """The app on a real socket, served by an HttpEdge that is supervised."""
    async with open_world(**how) as world:
        listener = open_listener("127.0.0.1", 0)
        try:
            http = HttpEdge(world.app if app is None else app, listener, **(edge or {}))
            supervisor = Supervisor("edges", [ActorSpec("http", lambda: http)])
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    await nursery.start(_run, supervisor)
                    served = Served(
                        world, listener.getsockname()[1], http, supervisor, listener, nursery.cancel_scope.cancel
                    )
                    try:
                        yield served
                    finally:
                        for client in served.clients:
                            client.stream.socket.close()
                    supervisor.request_stop()
        finally:
            close_listener(listener)


async def _run(supervisor: Supervisor, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    await supervisor.run(task_status=task_status)


@attrs.define
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class RawHttp:
    """A connection that sends exactly the bytes it is given."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, *parts: bytes) -> None:
        """Send the parts as segments of their own: the server reads one before the next is sent."""
        for number, part in enumerate(parts):
            if number:
                await trio.sleep(0.002)
            await self.stream.send_all(part)

    async def fill(self) -> bool:
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            return False
        self.buffer += data
        return bool(data)

    async def reply(self, *, head: bool = False) -> Reply | None:
        """The next response; None when the connection ends first."""
        while b"\r\n\r\n" not in self.buffer:
            if not await self.fill():
                return None
        top, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        status = int(first.split(" ")[1])
        if status == 100:
            return await self.reply(head=head)
        size = 0 if head or status == 204 else int(headers["content-length"])
        while len(self.buffer) < size:
            if not await self.fill():
                raise AssertionError("the connection ended inside a body")
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return Reply(status, headers, body)

    async def ended(self) -> bool:
        """Read to the end of the connection."""
        while await self.fill():
            pass
        return True

    async def aclose(self) -> None:
        await self.stream.aclose()


def request(
    method: str, path: str, body: bytes | None = None, *, token: str | None = OWNER, **headers: str
) -> tuple[bytes, bytes]:
    """Head and body of a request. Header names are given with underscores."""
    lines = {"Host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if token is not None:
        lines["X-Token"] = token
    if body is not None:
        lines.setdefault("Content-Type", "application/json")
        lines.setdefault("Content-Length", str(len(body)))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    return head.encode(), body or b""
