"""MetaTrader 5 as a subject: the adapter, a worker, and a made-up terminal behind it.

The worker is a task here and no process, so that a case may cancel it at any checkpoint, and goes by the subject's
clocks; as a process it is tried in tests/faults.
"""

from __future__ import annotations

import contextlib
import json
import time
import types
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from conformance.mock_subject import START, STARTS, SYMBOLS
from conformance.subject import Capability, Executed, Kind, Loss

from quantmind.adapters.mt5.berth import Berth
from quantmind.adapters.mt5.broker import BridgedBroker
from quantmind.adapters.mt5.host import Elsewhere, Host, Listening, Place
from quantmind.adapters.mt5.worker.calling import call
from quantmind.adapters.mt5.worker.serve import serve
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.app import SystemClock
from quantmind.config.brokers import MockBrokerConfig
from quantmind.config.hours import SwapConfig
from quantmind.domain.retcodes import SUCCESSES
from quantmind.edges.bridges import BridgeGate
from quantmind.edges.zmq_commands import MAX_FRAME_BYTES
from quantmind.net.zmq import RouterSocket, ZmqContext
from quantmind.testing import mt5
from quantmind.testing.terminal import FakeTerminal
from quantmind.wire import bridge
from quantmind.wire.auth import Authenticator

TOKEN = "a-token-for-one-worker"
ABSENT_AFTER_S = 0.2
OFFER_EVERY_S = 0.05

ALWAYS = frozenset(Capability) - {
    Capability.HEDGING,
    Capability.NETTING,
    Capability.CLOSE_BY,
    Capability.REPEATS_TAGS,
    Capability.UNIQUE_WAITING_TAGS,
    # What a worker has written down it knows, whatever the terminal shows.
    Capability.BLINDNESS,
}
OF_THE_MODE = {
    "hedging": frozenset({Capability.HEDGING, Capability.CLOSE_BY}),
    "netting": frozenset({Capability.NETTING}),
}


@attrs.define(eq=False)
class TaskHost:
    """A worker in a task of this process."""

    run: Any
    nursery: trio.Nursery
    _place: Place | None = None
    _scope: trio.CancelScope | None = None

    @property
    def alive(self) -> bool:
        return self._place is not None

    async def start(self) -> Place:
        if self._place is None:
            self._scope = trio.CancelScope()
            port: int = await self.nursery.start(self._serve, self._scope)
            self._place = Listening("127.0.0.1", port, TOKEN)
        await trio.lowlevel.checkpoint()
        return self._place

    async def _serve(self, scope: trio.CancelScope, task_status: Any) -> None:
        with scope:
            await self.run(task_status.started)

    async def kill(self) -> None:
        self.end()
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await self.kill()

    def end(self) -> None:
        """End it, without a checkpoint."""
        scope, self._scope, self._place = self._scope, None, None
        if scope is not None:
            scope.cancel()


def no_nodes() -> Any:
    """No other gateway trades here."""
    return types.SimpleNamespace(brokers={})


@attrs.define(eq=False)
class GatewayPort:
    """The command port of a gateway, as far as bridges are concerned."""

    socket: RouterSocket
    berth: Berth
    number: int
    _context: ZmqContext
    _scope: trio.CancelScope
    _hears: Callable[[bytes], bool]
    _under_way: set[str] = attrs.field(factory=set, init=False)
    """Ids of what was asked of the bridge and not answered."""

    @classmethod
    def open(
        cls, nursery: trio.Nursery, port: int = 0, hears: Callable[[bytes], bool] = lambda body: True
    ) -> GatewayPort:
        """Listen; a port that was closed a moment ago is taken again. `hears`: whether a message arrives."""
        context = ZmqContext()
        socket = RouterSocket.bind(context, "127.0.0.1", port, max_message_bytes=MAX_FRAME_BYTES)
        opened = cls(socket, Berth("paper"), socket.port, context, trio.CancelScope(), hears)
        tokens = Authenticator({TOKEN: ("bridge", frozenset({"bridge"}))})
        nursery.start_soon(opened.read, BridgeGate({"paper": opened.berth}, no_nodes(), tokens, SystemClock()))
        return opened

    async def read(self, gate: BridgeGate) -> None:
        with self._scope, contextlib.suppress(trio.ClosedResourceError):
            while True:
                for incoming in await self.socket.receive_batch():
                    assert incoming.body is not None
                    self._under_way.discard(bridge.id_in(incoming.body))
                    if not self._hears(incoming.body):
                        continue
                    answer = partial(self._ask, incoming.route)
                    assert gate.take(incoming.body, incoming.route, answer, None)

    def _ask(self, route: tuple[bytes, ...], payload: bytes) -> bool:
        if bridge.kind_in(payload) in bridge.REQUESTS:
            self._under_way.add(bridge.id_in(payload))
        return self.socket.reply(route, payload)

    async def quiet(self) -> None:
        """Wait until the bridge has answered all that it was asked, also what nobody waits for any more."""
        with trio.fail_after(10):
            while self._under_way:
                await trio.sleep(0.002)

    def close(self) -> None:
        """As a process that dies. Safe to repeat."""
        self._scope.cancel()
        self._context.close()


@attrs.define(eq=False)
class Mt5Subject:
    """A made-up terminal whose market is moved by hand. Its ground truth is the terminal's own.

    `apart`: the worker is somebody else's (mt5_socket), and lives on when the adapter is killed. `calls`: it is no
    server but calls the gateway (mode listen), whose port is another one's after it was killed.
    """

    folder: Path
    margin_mode: str
    nursery: trio.Nursery
    apart: bool = False
    calls: bool = False
    starts: Mapping[str, Decimal] = attrs.field(factory=lambda: dict(STARTS), init=False)
    adapter: BridgedBroker = attrs.field(init=False)
    terminal: FakeTerminal = attrs.field(init=False)
    _host: TaskHost = attrs.field(init=False)
    _settings: Settings = attrs.field(init=False)
    _where: Place | None = attrs.field(default=None, init=False)
    _port: GatewayPort | None = attrs.field(default=None, init=False)
    _began: float = attrs.field(factory=time.monotonic, init=False)
    _passed: float = attrs.field(default=0.0, init=False)
    _wall_back: float = attrs.field(default=0.0, init=False)
    _held: bool = attrs.field(default=False, init=False)
    _past: list[BridgedBroker] = attrs.field(factory=list, init=False)
    _tags: list[str] = attrs.field(factory=list, init=False)
    """Of each request that the terminal carried out: who asked for it."""

    def __attrs_post_init__(self) -> None:
        config = MockBrokerConfig(
            name="paper",
            margin_mode=self.margin_mode,
            symbols=SYMBOLS,
            commission_per_lot=Decimal("3.50"),
            swap=SwapConfig(),
        )
        self.terminal = FakeTerminal(config, clock=self._server_time)
        self.terminal.serve(self.folder)
        self._settings = settings = Settings(
            token=TOKEN,
            path=str(self.folder / "terminal64.fake"),
            sent_file=str(self.folder / "sent"),
            parent=False,
            absent_after_s=ABSENT_AFTER_S,
        )
        self._host = TaskHost(partial(self._run, settings), self.nursery)

    async def begin(self) -> None:
        """Make the adapter; a worker that is apart runs before it."""
        if self.calls:
            self._port = GatewayPort.open(self.nursery)
            self.nursery.start_soon(self._call, self._port.socket.port)
        self._where = await self._host.start() if self.apart else None
        self._begin()

    @property
    def broker(self) -> BridgedBroker:
        return self.adapter

    def monotonic(self) -> float:
        return 1000.0 + self._passed + time.monotonic() - self._began

    def wall(self) -> float:
        return self._server_time() - self._wall_back

    def _server_time(self) -> float:
        return START + self._passed + time.monotonic() - self._began

    async def move(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        self.terminal.tick(symbol, float(bid), float(ask))

    async def pass_time(self, seconds: float) -> None:
        self._passed += seconds
        self.terminal.pass_time()

    async def set_wall_back(self, seconds: float) -> None:
        self._wall_back += seconds

    async def cut(self) -> None:
        self.terminal.faults.ipc_lost = -10005

    async def mend(self) -> None:
        self.terminal.faults.ipc_lost = 0

    async def lose(self, what: Loss | None) -> None:
        self.terminal.faults.answer_lost = what is Loss.ANSWER
        self.terminal.faults.request_lost = what is Loss.REQUEST

    async def hold_answers(self, held: bool) -> None:
        self._held = held

    async def blind(self, is_blind: bool) -> None:
        raise NotImplementedError

    async def withhold(self, withheld: bool) -> None:
        self.terminal.faults.no_data = withheld

    async def restart(self) -> None:
        """Adapter and worker are gone in the middle of whatever they did; terminal and account are not."""
        self._past.append(self.adapter)
        if self._port is not None:
            self._port.close()
            self._port = GatewayPort.open(self.nursery, self._port.number)
        elif not self.apart:
            self._host.end()
        self._begin()

    async def executed(self) -> Sequence[Executed]:
        done = self.terminal.executed()
        assert len(done) == len(self._tags)
        return [Executed(tag, each.ticket, each.volume, each.waits) for tag, each in zip(self._tags, done, strict=True)]

    async def end(self) -> None:
        """Let everything go."""
        for adapter in (*self._past, self.adapter):
            await adapter.aclose()
        self._host.end()
        if self._port is not None:
            self._port.close()
        self.terminal.close()

    # --- inside ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        host: Host = self._host if self._where is None else Elsewhere(self._where)
        if self._port is not None:
            host = self._port.berth
        self.adapter = BridgedBroker("paper", host, monotonic=self.monotonic)

    async def _call(self, port: int) -> None:
        await call(
            self._settings,
            "127.0.0.1",
            port,
            "paper",
            module=self._module(),
            clock=self.wall,
            answers=self._answer,
            every_s=OFFER_EVERY_S,
        )

    async def _run(self, settings: Settings, announce: Any) -> None:
        await serve(settings, announce, module=self._module(), clock=self.wall, answers=self._answer)

    # The package, but for a look at who asks: the terminal can't know the tag of what changes or cancels. The worker
    # has written it down before it calls.
    def _module(self) -> Any:
        def order_send(request: dict[str, Any]) -> Any:
            before = len(self.terminal.executed())
            result = mt5.order_send(request)
            self._tags += [last_tag(self.folder / "sent")] * (len(self.terminal.executed()) - before)
            assert result is None or result.retcode not in SUCCESSES or len(self.terminal.executed()) == before + 1
            return result

        return types.SimpleNamespace(**{**vars(mt5), "order_send": order_send})

    def _answer(self, reply: bytes) -> bytes | None:
        return None if self._held and tells_outcome(reply) else reply


def tells_outcome(reply: bytes) -> bool:
    """Whether a reply says what became of an order."""
    return b'"placed"' in reply or b'"unknown"' in reply or b'"refused"' in reply


def last_tag(file: Path) -> str:
    """Of the request that was written down last."""
    lines = [json.loads(line) for line in file.read_bytes().splitlines() if line]
    return next(str(line["tag"]) for line in reversed(lines) if "what" in line)


def mt5_kind(name: str, margin_mode: str, *, apart: bool = False, calls: bool = False) -> Kind:
    """A kind of terminal."""

    @contextlib.asynccontextmanager
    async def open_subject(folder: Path) -> AsyncIterator[Mt5Subject]:
        async with trio.open_nursery() as nursery:
            subject = Mt5Subject(folder, margin_mode, nursery, apart, calls)
            await subject.begin()
            try:
                yield subject
            finally:
                with trio.CancelScope(shield=True), trio.move_on_after(10):
                    await subject.end()
                nursery.cancel_scope.cancel()

    # A terminal keeps no record of a change: what has closed or was changed again since does not show it.
    return Kind(name, ALWAYS | OF_THE_MODE[margin_mode], open_subject, forgets_changes=True)
