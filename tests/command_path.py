"""The command path as the tree has it, small enough for one test: door, commands, governor, executor, a paper broker.

With a mock clock use `InlineJournal`: the real records and SQL, but in the caller's own step and with switches.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from actors import carrier
from actors import commands as commands_actor
from actors import flattener as flattener_actor
from actors import governor as governor_actor
from actors.boards import Boards, Catalog
from actors.carrier import Carrier, Hands
from actors.closer import Closer
from actors.commands import Commands, Routing
from actors.executor import Executor
from actors.flattener import Flattener
from actors.governor import Governor
from actors.health import Health
from actors.known import KnownCommands
from actors.messages import AccountSampled, SetTradingState
from actors.poller import Poller
from actors.recorder import Recorder
from actors.runtime import (
    ActorSpec,
    Backoff,
    LifecycleEvent,
    Mailbox,
    MailboxPolicy,
    Overflow,
    Ref,
    RestartWindow,
    Strategy,
    Supervisor,
    supervise,
)
from quantmind.adapters.guarded import GuardedBroker
from quantmind.adapters.journal import SqliteJournal, reading, rows
from quantmind.adapters.journal.chain import Chain
from quantmind.adapters.journal.overlay import Overlay
from quantmind.adapters.journal.schema import prepare
from quantmind.adapters.mock.account import PaperAccount, Terms
from quantmind.adapters.mock.broker import MockBroker
from quantmind.adapters.mock.feed import FeedStep
from quantmind.domain.orders import Absent, Outcome, Placed
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Approved, EaLimits, Policy, TradingState
from quantmind.domain.router_state import RouterState
from quantmind.domain.symbols import usual_spec
from quantmind.edges.command_log import CommandLog
from quantmind.edges.door import Door
from quantmind.edges.latency import Latencies
from quantmind.edges.zmq_commands import ZmqCommands
from quantmind.errors import JournalDown
from quantmind.net.zmq import RouterSocket
from quantmind.ports import Broker, Journal, OpenOrders
from quantmind.records import (
    Decision,
    Entry,
    Intent,
    Known,
    OrderRecord,
    Record,
    Result,
    Setting,
    Standing,
)
from quantmind.wire import replies
from quantmind.wire.auth import Authenticator

TOKEN = "owner-token-0123456789"
EA_TOKEN = "ea-token-0123456789"
READ_TOKEN = "read-token-0123456789"
EPOCH = 1_795_424_400.0
SYMBOLS = ("EURUSD", "GBPUSD")
PRICES = {"EURUSD": (1.0850, 1.0851), "GBPUSD": (1.2500, 1.2502)}
QUICK = Backoff(first=0.01, cap=0.05)
OFTEN = RestartWindow(1000, 1.0)


@attrs.define(eq=False)
class WallClock:
    """Wall time that runs with Trio's clock and can be set."""

    shift: float = EPOCH

    def now(self) -> float:
        return self.shift + trio.current_time()


@attrs.define(eq=False)
class InlineJournal:
    """The Journal port on SQLite, in the caller's own step, with switches.

    `fails`: raise JournalDown. `hangs`: never answer; `late`: answer never, but keep the records all the same.
    `gate`: wait for it after the records are durable, before the caller hears so. `aside_fails`, `aside_hangs`: the
    same for what is kept aside, which is appended first when the records can be. `write_fails`: it can be read.
    """

    path: Path | str = ":memory:"
    fails: str | None = None
    hangs: bool = False
    late: bool = False
    before: Callable[[Sequence[Record]], Any] | None = None
    """Awaited before records become durable."""
    read_intents: Callable[[str], Any] | None = None
    """Instead of reading them."""
    gate: trio.Event | None = None
    gate_for: type[Any] = object
    on_commit: Callable[[Sequence[Entry]], None] | None = None
    write_fails: str | None = None
    aside_fails: str | None = None
    aside_hangs: bool = False
    aside: list[Record] = attrs.field(factory=list)
    appended: list[Record] = attrs.field(factory=list)
    noted: list[Record] = attrs.field(factory=list)
    connection: sqlite3.Connection = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        prepare(self.connection, durable=False)

    @property
    def down(self) -> str | None:
        return self.fails or self.write_fails

    async def append(self, records: Sequence[Record]) -> Sequence[Result]:
        await self._trouble()
        if self.write_fails is not None:
            raise JournalDown(self.write_fails)
        if self.before is not None:
            await self.before(records)
        self.connection.execute("BEGIN IMMEDIATE")
        chain = Chain(self.connection)
        rows.write_all(self.connection, self.aside, chain)
        results = rows.write_all(self.connection, records, chain)
        chain.finish()
        self.connection.execute("COMMIT")
        self.appended += [*self.aside, *records]
        self.aside = []
        if self.on_commit is not None and chain.entries:
            self.on_commit(chain.entries)
        if self.late:
            await trio.sleep_forever()
        if self.gate is not None and any(isinstance(record, self.gate_for) for record in records):
            await self.gate.wait()
        return results

    async def keep_aside(self, records: Sequence[Record]) -> None:
        await trio.lowlevel.checkpoint()
        if self.aside_hangs:
            await trio.sleep_forever()
        if self.aside_fails is not None:
            raise JournalDown(self.aside_fails)
        self.aside += records

    def note(self, records: Sequence[Record]) -> None:
        self.noted += records

    async def known(self, limit: int) -> Sequence[Known]:
        await self._trouble()
        return self._tables().newest(limit)

    async def lookup(self, ea_name: str, request_id: str) -> Known | None:
        await self._trouble()
        return self._tables().lookup(ea_name, request_id)

    async def remembered(self, request_id: str, ea_name: str | None, limit: int) -> Sequence[OrderRecord]:
        await self._trouble()
        return self._tables().remembered(request_id, ea_name, limit)

    async def open_orders(self, ask: OpenOrders) -> Sequence[OrderRecord]:
        await self._trouble()
        return self._tables().open_orders(ask)

    async def open_intents(self, broker: str) -> Sequence[Intent]:
        await self._trouble()
        if self.read_intents is not None:
            found: Sequence[Intent] = await self.read_intents(broker)
            return found
        return self._tables().open_intents(broker)

    async def order(self, order_id: str) -> OrderRecord | None:
        await self._trouble()
        return self._tables().order(order_id)

    async def waiting_orders(self, broker: str) -> Sequence[OrderRecord]:
        await self._trouble()
        return self._tables().waiting_orders(broker)

    async def standing(self) -> Standing:
        await self._trouble()
        return self._tables().standing()

    async def known_deals(self, broker: str) -> frozenset[int]:
        await self._trouble()
        return reading.known_deals(self.connection, broker)

    async def approval_for(self, broker: str, symbol: str, magic: int, since: float) -> str | None:
        await self._trouble()
        return reading.approval_for(self.connection, broker, symbol, magic, since)

    async def approved_since(self, broker: str, since: float) -> Sequence[float]:
        await self._trouble()
        return reading.approved_since(self.connection, broker, since)

    async def open_reservations(self) -> Sequence[Decision]:
        await self._trouble()
        return self._tables().open_reservations()

    async def settings(self) -> Sequence[Setting]:
        await self._trouble()
        return self._tables().settings()

    def _tables(self) -> Overlay:
        return Overlay(self.connection, self.aside)

    async def _trouble(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.hangs:
            await trio.sleep_forever()
        if self.fails is not None:
            raise JournalDown(self.fails)


@attrs.define(eq=False)
class Notebook:
    """Where a door's lines go, kept."""

    lines: list[Record] = attrs.field(factory=list)

    def note(self, records: Sequence[Record]) -> None:
        self.lines += records


class StillFeed:
    """A feed without ticks."""

    paced = True

    def open(self) -> None: ...
    def start(self) -> None: ...
    def close(self) -> None: ...
    def advance(self, now: float) -> FeedStep:
        return FeedStep(())


@attrs.define(eq=False)
class WatchedBroker:
    """A paper broker that counts what is sent to it, and stops or breaks where it is told to."""

    inner: MockBroker
    sent: list[tuple[str, Approved]] = attrs.field(factory=list)
    sent_at: list[float] = attrs.field(factory=list)
    holding: Approved | None = None
    """The order that came last, when `before` is called."""
    before: Callable[[], Any] | None = None
    """Awaited before an order is carried out."""
    after: Callable[[], Any] | None = None
    """Awaited after an order was carried out, before its outcome is told."""

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def paced(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def place(self, order: Approved, tag: str) -> Outcome:
        self.holding = order
        if self.before is not None:
            await self.before()
        self.sent.append((tag, order))
        self.sent_at.append(trio.current_time())
        outcome = await self.inner.place(order, tag)
        if self.after is not None:
            await self.after()
        return outcome

    async def find(self, tag: str) -> Placed | Absent | None:
        return await self.inner.find(tag)

    @property
    def opened(self) -> int:
        """Deals that opened a position."""
        return sum(deal.entry.value == "in" for deal in self.inner.account.deals)

    @property
    def tags_sent_twice(self) -> list[str]:
        tags = [tag for tag, _ in self.sent]
        return [tag for tag in tags if tags.count(tag) > 1]


def make_broker(name: str = "demo", balance: int = 1_000_000, margin_mode: str = "hedging") -> WatchedBroker:
    """A connected paper account with still prices."""
    terms = Terms(initial_balance=Decimal(balance), margin_mode=margin_mode)
    account = PaperAccount(terms, [usual_spec(symbol) for symbol in SYMBOLS])
    for symbol, (bid, ask) in PRICES.items():
        account.tick(Quote(symbol, bid, ask, 1))
    return WatchedBroker(MockBroker(name=name, account=account, feed=StillFeed()))


@attrs.define(eq=False)
class CommandPath:
    """A running command path."""

    root: Supervisor
    boards: Boards
    journal: Any
    broker: WatchedBroker
    clock: Any
    door: Door
    governor: Ref[Any]
    known: KnownCommands
    events: list[LifecycleEvent]
    nursery: trio.Nursery
    hub: Mailbox[Any]
    """What a poller has told, where there is one."""
    sampling: bool = True
    replies_heard: int = 0
    prices: dict[str, tuple[float, float]] = attrs.field(factory=lambda: dict(PRICES))

    async def ask(self, message: Mapping[str, Any] | bytes, within: float = 30.0) -> dict[str, Any]:
        """Send one message in by the door, and its answer as the wire has it."""
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        done = trio.Event()
        answers: list[Any] = []

        def keep(reply: Any) -> None:
            answers.append(reply)
            done.set()

        self.door.submit(raw, keep)
        with trio.fail_after(within):
            await done.wait()
        await trio.lowlevel.checkpoint()
        assert len(answers) == 1, "exactly one answer"
        self.replies_heard += 1
        decoded: dict[str, Any] = json.loads(replies.encode(answers[0]))
        return decoded

    def later(self, message: Mapping[str, Any] | bytes) -> Later:
        """Ask without waiting."""
        later = Later()

        async def ask() -> None:
            later.reply = await self.ask(message)
            later.done.set()

        self.nursery.start_soon(ask)
        return later

    async def sample(self) -> None:
        """Read the account and tell the governor, as a poller does; prices are confirmed."""
        self.confirm_prices()
        sample = await self.broker.inner.sample()
        self.boards.links.of(self.broker.name).sample = sample
        deals = self.boards.deals.of(self.broker.name)
        deals.read_at = trio.current_time()
        deals.add(self.broker.inner.account.deals)
        self.governor.tell_nowait(AccountSampled(sample))
        await trio.sleep(0.001)

    def confirm_prices(self) -> None:
        now = trio.current_time()
        self.boards.prices.confirm(self.broker.name, [Quote(s, b, a, 1) for s, (b, a) in self.prices.items()], now)

    async def tick(self, symbol: str, bid: float, ask: float) -> None:
        """A price moves; stops fill, and the account is sampled."""
        self.prices[symbol] = (bid, ask)
        self.broker.inner.account.tick(Quote(symbol, bid, ask, round(self.clock.now() * 1000)))
        await self.sample()

    async def set_state(self, state: str, broker: str | None = None, *, flatten: bool = False) -> dict[str, Any]:
        return await self.governor.ask(SetTradingState(broker, TradingState(state), "a test", "tester", flatten))

    async def crash(self, path: str) -> None:
        """Crash an actor and wait until it is up again."""
        assert self.root.fail(path, RuntimeError(f"{path} was crashed by a test"))
        await self.settle()

    async def settle(self, seconds: float = 0.2) -> None:
        """Let restarts happen."""
        await trio.sleep(seconds)

    async def _sample_for_ever(self) -> None:
        while True:
            if self.sampling:
                with contextlib.suppress(Exception):
                    await self.sample()
            await trio.sleep(0.5)


@attrs.define(eq=False)
class Later:
    reply: dict[str, Any] | None = None
    done: trio.Event = attrs.field(factory=trio.Event)

    async def wait(self) -> dict[str, Any]:
        with trio.fail_after(30):
            await self.done.wait()
        assert self.reply is not None
        return self.reply


@contextlib.asynccontextmanager
async def open_command_path(
    *,
    journal: Any = None,
    broker: WatchedBroker | None = None,
    clock: Any = None,
    socket: RouterSocket | None = None,
    policy: Policy | None = None,
    ea_limits: Callable[[str], EaLimits] | None = None,
    brokers: tuple[str, ...] | None = None,
    approval_ttl_s: float = 5.0,
    max_in_flight: int = 1024,
    require_token: bool = False,
    sampling: bool = True,
    warning_ms: float = 1e9,
    live: Broker | None = None,
) -> AsyncIterator[CommandPath]:
    """Run the path until the block ends. With a `socket` its commands are served too.

    With `live` that is the broker: a poller reads it, and `health` looks at it; nothing is sampled by the test.
    """
    journal = InlineJournal() if journal is None else journal
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(journal, InlineJournal):
            stack.callback(journal.connection.close)
        yield await stack.enter_async_context(
            _open_path(
                journal,
                broker,
                clock,
                socket,
                policy,
                ea_limits,
                brokers,
                approval_ttl_s,
                max_in_flight,
                require_token,
                sampling,
                warning_ms,
                live,
            )
        )


@contextlib.asynccontextmanager
async def _open_path(
    journal: Any,
    broker: WatchedBroker | None,
    clock: Any,
    socket: RouterSocket | None,
    policy: Policy | None,
    ea_limits: Callable[[str], EaLimits] | None,
    brokers: tuple[str, ...] | None,
    approval_ttl_s: float,
    max_in_flight: int,
    require_token: bool,
    sampling: bool,
    warning_ms: float,
    live: Broker | None,
) -> AsyncIterator[CommandPath]:
    broker = make_broker() if broker is None else broker
    clock = WallClock() if clock is None else clock
    names = (broker.name,) if brokers is None else brokers
    boards = Boards(Catalog(names))
    boards.router.set(RouterState())
    if live is None:
        await broker.inner.connect()
        boards.catalog.set(broker.name, [usual_spec(symbol) for symbol in SYMBOLS])
    guarded = GuardedBroker(live or broker, boards.links.of(broker.name).breaker)
    known, hands, began = KnownCommands(), Hands(), trio.current_time()
    refs: dict[str, Ref[Any]] = {}
    events: list[LifecycleEvent] = []

    executors = Supervisor(
        "brokers",
        [
            ActorSpec(
                f"{name}:{broker.name}",
                partial(lambda kind: kind(Carrier(guarded, journal, boards, refs["governor"], clock, hands)), kind),
                mailbox=carrier.MAILBOX,
            )
            for name, kind in (("executor", Executor), ("closer", Closer))
        ],
        window=OFTEN,
        backoff=QUICK,
        park_after_window=True,
    )

    def make_governor() -> Governor:
        return Governor(
            boards=boards,
            journal=journal,
            clock=clock,
            policies={name: Policy(max_open_positions=1000) if policy is None else policy for name in names},
            ea_limits=(lambda _: EaLimits()) if ea_limits is None else ea_limits,
            executors={broker.name: executors.ref(f"executor:{broker.name}")},
            closers={broker.name: executors.ref(f"closer:{broker.name}")},
            approval_ttl_s=approval_ttl_s,
            myself=refs["governor"],
            began=began,
        )

    def make_commands() -> Commands:
        return Commands(Routing(names, {}), boards, known, journal, refs["governor"], clock, 10.0)

    execution = Supervisor(
        "execution",
        [
            supervise(executors),
            ActorSpec("governor", make_governor, mailbox=governor_actor.MAILBOX),
            ActorSpec("commands", make_commands, mailbox=commands_actor.MAILBOX),
        ],
        Strategy.REST_FOR_ONE,
        OFTEN,
        QUICK,
    )
    refs["governor"] = execution.ref("governor")
    flattener = ActorSpec(
        f"flattener:{broker.name}",
        lambda: Flattener(broker.name, boards, refs["governor"], clock),
        mailbox=flattener_actor.MAILBOX,
    )
    specs = [supervise(execution), flattener]
    hub: Mailbox[Any] = Mailbox(MailboxPolicy(Overflow.DROP_OLDEST, 100_000, reason="a test looks at it afterwards"))
    if live is not None:
        poller = Poller(guarded, Ref("hub", hub), refs["governor"], boards, clock, 0.1, 0.5)
        specs += [
            ActorSpec("health", lambda: Health(boards, lambda: journal.down, journal.note, clock)),
            ActorSpec(f"poller:{broker.name}", lambda: attrs.evolve(poller)),
        ]
    if isinstance(journal, SqliteJournal):
        specs.insert(0, ActorSpec("journal", lambda: Recorder(journal)))
    door = Door(
        "zmq",
        execution.ref("commands"),
        Authenticator(
            {
                TOKEN: ("owner", frozenset({"admin"})),
                EA_TOKEN: ("robot", frozenset({"ea"})),
                READ_TOKEN: ("reader", frozenset({"read"})),
            }
        ),
        clock,
        Latencies(warning_ms),
        max_in_flight,
        require_token,
        CommandLog("zmq", journal, clock),
    )
    if socket is not None:
        specs.append(ActorSpec("zmq_commands", lambda: ZmqCommands(socket, door)))
    root = Supervisor("gateway", specs, Strategy.REST_FOR_ONE, OFTEN, QUICK, on_event=events.append)
    async with trio.open_nursery() as nursery:
        if socket is None:
            nursery.start_soon(door.sweep)
        await nursery.start(root.run)
        path = CommandPath(
            root, boards, journal, broker, clock, door, refs["governor"], known, events, nursery, hub, sampling
        )
        if live is None:
            await path.sample()
            await trio.sleep(0.01)
            nursery.start_soon(path._sample_for_ever)
        yield path
        with trio.move_on_after(10):
            await root.stop()
        nursery.cancel_scope.cancel()


def opening(request_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A trade_open for a verdict."""
    message = {"type": "trade_open", "ea_name": "alpha", "symbol": "EURUSD", "volume": 0.1, "magic": 7, "side": "buy"}
    return {**message, **({} if request_id is None else {"request_id": request_id}), **fields}


def order(clock: Any, request_id: str = "r1", **fields: Any) -> dict[str, Any]:
    """A trade_open that is to be executed."""
    given = {"execute": True, "token": EA_TOKEN, "expires_at": clock.now() + 30}
    return opening(request_id, **{**given, **fields})


def closing(clock: Any, ticket: int, request_id: str, **fields: Any) -> dict[str, Any]:
    """A trade_close that is to be executed."""
    given = {"execute": True, "token": EA_TOKEN, "expires_at": clock.now() + 30}
    message = {"type": "trade_close", "ea_name": "alpha", "symbol": "EURUSD", "ticket": ticket, "magic": 7}
    return {**message, "request_id": request_id, **given, **fields}


__all__ = ["CommandPath", "InlineJournal", "Journal", "closing", "open_command_path", "opening", "order"]
