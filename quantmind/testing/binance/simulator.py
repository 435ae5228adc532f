"""A Binance on localhost: REST, streams and WebSocket API on one port, with faults to order.

async with open_simulator("futures") as sim:
    sim.quote("BTCUSDT", "60000", "60000.1")
    ...                                         # a broker whose base_url is sim.url
    sim.faults.lose = "answer"                  # from now on
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs
import trio

from quantmind.net.listen import ListenAddress
from quantmind.net.nursery import background
from quantmind.testing.binance.door import GOING_AWAY, Stream, WsLine
from quantmind.testing.binance.engine import Engine
from quantmind.testing.binance.exchange import Exchange
from quantmind.testing.binance.faults import Faults, is_under
from quantmind.testing.binance.http_door import serve_http
from quantmind.testing.binance.ledger import Executed
from quantmind.testing.binance.port import Port
from quantmind.testing.binance.price_walk import EVERY_S, walk
from quantmind.testing.binance.recordings import Cut, Player
from quantmind.testing.binance.rest import Rest
from quantmind.testing.binance.settings import Kind, Settings, settings_of
from quantmind.testing.binance.signing_check import Keys
from quantmind.testing.binance.spot_engine import SpotEngine
from quantmind.testing.binance.streams import Place, StreamLine, Streams
from quantmind.testing.binance.symbols import SymbolSettings
from quantmind.testing.binance.ws_api import WsApiLine
from quantmind.testing.binance.ws_methods import path_of

HOST: Final = "127.0.0.1"
KEYS: Final = Keys("simulator-key", "simulator-secret")
"""Of the account, unless others are given."""
TIMERS_EVERY_S: Final = 1.0

Number = Decimal | str | int


@attrs.frozen
class Connection:
    """A WebSocket connection, as it is now.

    Attributes:
        streams: what it has subscribed to, though its path may not carry it.
        is_api: of the WebSocket API; `streams` then names "user" if it gets the user's events.
    """

    path: str
    age_s: float
    streams: tuple[str, ...]
    is_api: bool
    received: int
    pushed: int
    backlog: int


@attrs.define(eq=False)
class BinanceSimulator:
    """A running exchange; made by `open_simulator`. Its methods never wait."""

    settings: Settings
    engine: Engine
    faults: Faults
    exchange: Exchange
    streams: Streams
    port: Port
    _nursery: trio.Nursery
    _apis: dict[WsApiLine, None]

    @property
    def url(self) -> str:
        """What a broker's `base_url` must be."""
        return self.port.url

    def quote(
        self, symbol: str, bid: Number, ask: Number, bid_qty: Number | None = None, ask_qty: Number | None = None
    ) -> None:
        """Move the market; orders and streams have followed when it returns. Raises ValueError: it is no market."""
        sizes = [None if qty is None else Decimal(qty) for qty in (bid_qty, ask_qty)]
        self.engine.set_quote(symbol, Decimal(bid), Decimal(ask), *sizes)

    def trade(self, symbol: str, price: Number, qty: Number) -> None:
        """Let others trade."""
        self.engine.trade(symbol, Decimal(price), Decimal(qty))

    def executed(self) -> Sequence[Executed]:
        """Each request that was carried out, in order."""
        return self.engine.executed()

    def connections(self) -> tuple[Connection, ...]:
        """WebSocket connections that are open: streams first, oldest first."""
        streams = ((each.line, tuple(each.names), False) for each in self.streams.lines)
        apis = ((each.line, ("user",) if each.is_subscribed else (), True) for each in self._apis)
        return tuple(_facts(*each) for each in (*streams, *apis) if not each[0].is_over)

    def end_connections(self, path: str = "", *, abrupt: bool = True) -> int:
        """End WebSocket connections to a path or below it, by a closed socket or a Close frame; returns how many."""
        every = [*(each.line for each in self.streams.lines), *(each.line for each in self._apis)]
        lines = [line for line in every if is_under(line.path, path)]
        for line in lines:
            if abrupt:
                line.cut()
            else:
                line.close(GOING_AWAY)
        return len(lines)

    def say_shutdown(self, path: str = "") -> None:
        """Announce the end of connections to a path or below it; they stay."""
        for stream in self.streams.lines:
            if is_under(stream.line.path, path):
                self.streams.say_shutdown(stream)
        for api in tuple(self._apis):
            if is_under(api.line.path, path):
                api.say_shutdown()

    def start_walk(
        self, *, seed: int = 1, every_s: float = EVERY_S, prices: Mapping[str, Decimal] | None = None
    ) -> None:
        """Let prices walk from now on."""
        self._nursery.start_soon(lambda: walk(self.engine, seed=seed, every_s=every_s, prices=prices))

    def player(
        self,
        path: Path,
        *,
        speed: float | None = None,
        cuts: Sequence[Cut] = (),
        pause_at: int | None = None,
        restamps: bool = False,
    ) -> Player:
        """Something that plays a recording; the caller awaits its `play`, or gives it to `start_playing`."""
        return Player(self.streams, self.engine, path, speed, cuts, pause_at, restamps)

    def start_playing(self, player: Player) -> None:
        """Play from now on; `player.done` tells the end."""
        self._nursery.start_soon(player.play)


@contextlib.asynccontextmanager
async def open_simulator(
    kind: Kind = "spot",
    *,
    symbols: Iterable[SymbolSettings] | None = None,
    keys: Keys = KEYS,
    engine: Engine | None = None,
    clock: Callable[[], float] = time.time,
    host: str = HOST,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    **settings: Any,
) -> AsyncIterator[BinanceSimulator]:
    """Run a simulator while the block runs.

    Args:
        symbols: what is traded; None: BTCUSDT and ETHUSDT. Not with `engine`.
        engine: one that is ready; its clock and listeners become the simulator's.
        clock: Unix seconds.
        port: 0: any that is free.
        tls: makes it https and wss.
        settings: what differs from the real exchange's limits and times, see `settings.Settings`.

    Raises:
        AddressTaken, NetError: it can't listen there.
        TypeError: there is no such setting.
    """
    of = settings_of(kind, **settings)
    made = _engine(kind, symbols) if engine is None else engine
    faults = Faults()
    exchange = Exchange(of, made, keys, faults, clock)
    streams = Streams(of, lambda: exchange.listen_keys, exchange.now_ms)
    made.on_market = streams.on_market
    exchange.on_key_end = streams.end_key
    if kind == "futures":
        exchange.users.subscribe(streams.on_user)
    apis: dict[WsApiLine, None] = {}
    rest = Rest(exchange)

    async def http(stream: Stream, head: bytes) -> None:
        await serve_http(stream, head, rest.answer, exchange.clock, of.idle_s)

    async def websocket(stream: Stream, head: bytes) -> None:
        line = WsLine(of, stream, head, faults.is_silent, lambda: faults.no_pongs)
        if not line.read_request():
            return
        status = _refusal(exchange, line.target)
        if status is None:
            await _serve(exchange, streams, apis, line)
        else:
            await line.refuse(status)

    entry = Port(ListenAddress(host, port), http, websocket, tls, of.head_within_s)

    def changed(name: str, value: Any) -> None:
        exchange.users.fault_changed(name, value)
        if name == "cut" and value and not faults.cut:
            for line in [*(each.line for each in streams.lines), *(each.line for each in apis)]:
                line.cut()
            entry.cut()
        elif name == "cut" and not value and faults.cut:
            entry.open()

    async def after(seconds: float, what: Callable[[], object]) -> None:
        await trio.sleep(seconds)
        what()

    entry.open()
    faults.on_change = changed
    try:
        async with background() as nursery:
            exchange.later = lambda seconds, what: nursery.start_soon(after, seconds, what)
            nursery.start_soon(entry.run)
            nursery.start_soon(exchange.users.run)
            nursery.start_soon(_run_timers, made)
            yield BinanceSimulator(of, made, faults, exchange, streams, entry, nursery, apis)
    finally:
        entry.cut()


def _engine(kind: Kind, symbols: Iterable[SymbolSettings] | None) -> Engine:
    if kind == "spot":
        return SpotEngine() if symbols is None else SpotEngine(symbols)
    # The other engine is not loaded.
    from quantmind.testing.binance.futures_engine import FuturesEngine

    return FuturesEngine() if symbols is None else FuturesEngine(symbols)


# With which status of HTTP a WebSocket is refused; None: it is welcome.
def _refusal(exchange: Exchange, target: str) -> int | None:
    path, _, _ = target.partition("?")
    if path != path_of(exchange.settings.kind) and Place.of(exchange.settings, path, {}) is None:
        return 404
    if exchange.limits.is_banned():
        return 418
    return None if exchange.limits.connect() else 429


async def _serve(exchange: Exchange, streams: Streams, apis: dict[WsApiLine, None], line: WsLine) -> None:
    # It has subscribed before the client can know that it is connected.
    line.accept()
    place = Place.of(exchange.settings, line.path, line.query)
    served: WsApiLine | StreamLine
    if place is None:
        line.counts_text = False
        served = WsApiLine(exchange, line)
        apis[served] = None
    else:
        served = streams.open(line, place)
    try:
        await line.run()
    finally:
        if isinstance(served, WsApiLine):
            served.end()
            apis.pop(served, None)
        else:
            streams.close(served)


def _facts(line: WsLine, streams: tuple[str, ...], is_api: bool) -> Connection:
    age_s = trio.current_time() - line.opened_at
    return Connection(line.path, age_s, streams, is_api, line.received, line.pushed, line.backlog)


async def _run_timers(engine: Engine) -> NoReturn:
    while True:
        await trio.sleep(TIMERS_EVERY_S)
        engine.run_timers()
