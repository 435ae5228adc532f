"""A REST door over real boards and a real door for commands, whose actors answer as a test says; and raw clients."""

from __future__ import annotations

import contextlib
import socket
import weakref
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import attrs
import trio
from command_path import InlineJournal, Notebook
from failing_state import FailingState
from unit.edges.rest.log_lines import LogLines

from actors.boards import Boards, Catalog
from actors.clients import ClientInfo
from actors.halts import Halt
from actors.known import KnownCommands
from actors.messages import HandleCommand, SettleOrder, SetTradingState, SupplyBaseline
from actors.risk_board import Flattening, RiskStatus
from actors.router import MAILBOX as ROUTER_MAILBOX
from actors.router import Router
from actors.runtime import ActorSpec, Call, Inbox, Supervisor
from quantmind.config.model import RestConfig
from quantmind.domain.accounts import Account, Cause, Deal, PendingOrder, Position, Sample
from quantmind.domain.accounts import Entry as DealEntry
from quantmind.domain.orders import OrderType, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Mandate, MandateMode, Policy, TradingState
from quantmind.domain.risk.book import Baseline, RiskBook, Seen, lacks
from quantmind.domain.risk.policy import BestDay, DailyLoss, MaxLoss, MinTradingDays, ProfitTarget, Rules
from quantmind.domain.risk.resets import Reset
from quantmind.domain.risk.watch import stand
from quantmind.domain.risk.worst import Exposed, WorstCase
from quantmind.domain.router_state import KnownEa, Regime, RouterState, TickMark
from quantmind.domain.symbols import usual_spec
from quantmind.edges.command_log import CommandLog
from quantmind.edges.door import Door
from quantmind.edges.http import HttpEdge
from quantmind.edges.latency import Latencies
from quantmind.edges.rest import RestApp, RestContext, make_app
from quantmind.net.listen import close_listener, open_listener
from quantmind.wire import replies
from quantmind.wire.auth import SCOPES, Authenticator
from quantmind.wire.market import Tick, make_tick

NOW = 1795424400.123
OWNER = "owner-token-0123456789"
TOKENS = {OWNER: ("owner", frozenset(SCOPES))} | {
    f"{scope}-token-0123456789": (scope, frozenset({scope})) for scope in SCOPES
}
HEADERS = {"X-Token": OWNER}
FIRM = Policy(
    preset="ftmo-2step",
    initial_capital=Decimal(10_000),
    reset=Reset(0, "Europe/Prague"),
    rules=Rules(
        daily_loss=DailyLoss(percent=Decimal(5)),
        max_loss=MaxLoss(percent=Decimal(10)),
        profit_target=ProfitTarget(percent=Decimal(10)),
        min_trading_days=MinTradingDays(days=4),
        best_day=BestDay(percent=Decimal(50)),
    ),
)
"""A firm's limits: a day may lose 500, everything 1,000."""
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
    store: FailingState = attrs.field(factory=FailingState)
    adopt_reply: Callable[[Any], dict[str, Any] | None] = lambda request: {
        "status": "success",
        "adopted": [{"ticket": 7, "by": request.by, "reason": request.reason}],
    }
    reply: Callable[[HandleCommand], dict[str, Any] | None] = lambda _: dict(APPROVED)
    baselines: list[SupplyBaseline] = attrs.field(factory=list)
    baseline_reply: Callable[[SupplyBaseline], dict[str, Any] | None] = lambda request: {
        "status": "success",
        "broker": request.broker,
        "missing": None,
    }
    settlements: list[SettleOrder] = attrs.field(factory=list)
    settle_reply: Callable[[SettleOrder], dict[str, Any] | None] = lambda _: replies.error("in_hand", "wait")
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

    async def settle(self, inbox: Inbox[Any]) -> None:
        kept: list[Call[Any]] = []
        async for call in inbox:
            self.settlements.append(call.request)
            reply = self.settle_reply(call.request)
            if reply is None:
                kept.append(call.move())
            else:
                call.answer(reply)

    async def govern(self, inbox: Inbox[Any]) -> None:
        kept: list[Call[Any]] = []
        async for call in inbox:
            request = call.request
            if isinstance(request, SupplyBaseline):
                self.baselines.append(request)
                reply = self.baseline_reply(request)
                if reply is None:
                    kept.append(call.move())
                else:
                    call.answer(reply)
                continue
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
                cause = f"{request.reason} (by {request.by})"
                self.boards.halts.set(broker, Halt(request.state, cause, NOW))
                if request.flatten:
                    self.boards.risk.flattening(broker, Flattening(broker, cause, NOW))
            call.answer({"status": "success", "state": request.state.value, "brokers": brokers})

    async def keep_books(self, inbox: Inbox[Any]) -> None:
        async for call in inbox:
            reply = self.adopt_reply(call.request)
            if reply is not None:
                call.answer(reply)

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
                tag=f"t{number}",
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
                tag=f"w{number}" if number % 2 == 0 else "",
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
                entry=DealEntry.IN if number % 2 == 0 else DealEntry.OUT,
                volume=Decimal("0.10"),
                price=Decimal("1.08500"),
                profit=Decimal(0) if number % 2 == 0 else Decimal("12.30"),
                cause=Cause.CLIENT,
                time_msc=int(NOW * 1000) + 1000 * (number // 3),
                commission=Decimal("-0.35"),
                magic=5,
                tag=f"t{number}" if number < 2 else "",
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
            heard.symbol, heard.version, heard.broker, heard.heartbeats = "EURUSD", "1.2", "demo", 1
            heard.balance = Decimal("10000.00")
        self.boards.multipliers.set("alpha", Decimal("0.5"))

    def put_router(self) -> None:
        board, said = self.boards.router, {"by": "owner", "since": NOW - 600}
        regime = Regime("trend", {"XAUUSD": "range"}, reason="morning call", **said)
        mandate = Mandate(MandateMode.REDUCED, Decimal("0.5"), reason="a bad week", **said)
        board.set(RouterState(3, regime, mandate))
        for name in ("alpha", "gone"):
            board.eas[name, 7] = KnownEa(name, 7, NOW - 7200, NOW - 60, "EURUSD", "demo", "1.2")
        board.heard.add(("alpha", 7))
        msc = int(NOW * 1000)
        board.ticks["demo", "EURUSD"] = TickMark(msc - 1000, NOW - 1, NOW - 20, (msc - 90_000, NOW - 80))
        board.ticks["demo", "XAUUSD"] = TickMark(before=(msc - 90_000, NOW - 80))

    def put_risk(
        self,
        broker: str = "demo",
        *,
        policy: Policy = FIRM,
        balance: str = "10000.00",
        equity: str = "10000.00",
        worst: WorstCase | None = None,
        promised: str | None = "0",
        day_known: bool = True,
    ) -> None:
        """An account as the governor looked at it now, on its second trading day, which began with 10,050."""
        link = self.boards.links.of(broker)
        if link.sample is None:
            self.put_sample(broker, positions=0)
        assert link.sample is not None
        account = attrs.evolve(link.sample.account, balance=Decimal(balance), equity=Decimal(equity))
        link.sample = attrs.evolve(link.sample, account=account)
        day = policy.reset.last(NOW)
        baseline = Baseline(day, Decimal(10_050), Decimal(10_050), "seen at the reset") if day_known else None
        seen = Seen(NOW, account.balance, account.equity, True)
        high = Decimal(10_050) if day_known else None
        book = RiskBook(day, baseline, seen, high, high, 2, day, Decimal(40), Decimal(50))
        self.boards.risk.put(
            broker,
            RiskStatus(
                policy=policy,
                book=book if policy.keeps_book else None,
                standings=stand(policy, book, account.balance, account.equity),
                worst=WorstCase(account.equity) if worst is None else worst,
                promised=None if promised is None else Decimal(promised),
                exposed=Exposed(),
                lacks=lacks(book, policy, NOW) if policy.keeps_book else None,
                trades_today=3,
                next_reset=policy.reset.next(NOW),
                multiplier=Decimal(1),
                at=NOW,
            ),
        )

    def put_client(self) -> None:
        info = ClientInfo(
            number=len(self.clients) + 1,
            remote="127.0.0.1:50000",
            connected_at=NOW,
            name="desk",
            scopes=("read",),
            subscriptions=1,
            symbols=("EURUSD",),
            channels=("orders",),
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
            ActorSpec("bookkeeper", lambda: worlds[0].keep_books),
            ActorSpec(
                "router",
                lambda: Router(boards.router, worlds[0].store, FixedClock(), boards.eas.all, dict),
                mailbox=ROUTER_MAILBOX,
            ),
            *(ActorSpec(f"executor:{broker}", lambda: worlds[0].settle) for broker in brokers),
        ],
    )
    journal = InlineJournal()
    authenticator = Authenticator(dict(TOKENS))
    latencies = Latencies(5.0)
    log = CommandLog("http", Notebook(), FixedClock())
    door = Door("http", supervisor.ref("commands"), authenticator, FixedClock(), latencies, max_in_flight, True, log)
    context = RestContext(
        boards=boards,
        ticks=ticks,
        door=door,
        governor=supervisor.ref("governor"),
        bookkeepers={broker: supervisor.ref("bookkeeper") for broker in brokers},
        router=supervisor.ref("router"),
        log=LogLines(journal=journal),
        snapshot=supervisor.snapshot,
        authenticator=authenticator,
        clock=FixedClock(),
        settings=RestConfig(**settings),
        latencies=latencies,
        journal=journal,
        known=KnownCommands(),
        executors={broker: supervisor.ref(f"executor:{broker}") for broker in brokers},
        clients=lambda: worlds[0].clients,
        version="0.1.0",
        parts={"websocket": lambda: {"clients": 3}},
        addresses=lambda: {"rest": "http://127.0.0.1:5005/"},
    )
    world = World(boards, ticks, context, make_app(context), supervisor)
    worlds.append(world)
    weakref.finalize(world, journal.connection.close)
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
