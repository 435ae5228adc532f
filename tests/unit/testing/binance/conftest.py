"""A client that signs, and an engine of futures that knows just enough to be served."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import attrs
import httpx
import pytest
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from quantmind.net.nursery import background
from quantmind.testing.binance.engine import ApiFault, say_nothing
from quantmind.testing.binance.ledger import Executed
from quantmind.testing.binance.simulator import KEYS, BinanceSimulator, open_simulator
from quantmind.testing.binance.symbols import FUTURES_SYMBOLS

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "59000",
}


def sign(payload: str) -> str:
    return hmac.new(str(KEYS.secret).encode(), payload.encode(), hashlib.sha256).hexdigest()


@attrs.define
class Client:
    """Plain httpx, and what is needed to sign."""

    sim: BinanceSimulator
    http: httpx.AsyncClient
    key: dict[str, str] = attrs.field(factory=lambda: {"X-MBX-APIKEY": KEYS.api_key})

    def signed(self, **params: Any) -> str:
        query = urlencode({"timestamp": self.sim.exchange.now_ms()} | params)
        return f"{query}&signature={sign(query)}"

    async def ask(self, method: str, path: str, **params: Any) -> httpx.Response:
        with trio.fail_after(5):
            return await self.http.request(method, f"{path}?{self.signed(**params)}", headers=self.key)

    def call(self, number: Any, method: str, **params: Any) -> str:
        """A signed request of the WebSocket API."""
        said = {"apiKey": KEYS.api_key, "timestamp": self.sim.exchange.now_ms()} | params
        payload = "&".join(f"{name}={said[name]}" for name in sorted(said))
        return json.dumps({"id": number, "method": method, "params": said | {"signature": sign(payload)}})

    async def refusal(self, path: str) -> int:
        """With which status a WebSocket is answered."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.sim.port.address.port)
        async with stream:
            await stream.send_all(handshake(path))
            with trio.fail_after(5):
                return int(bytes(await stream.receive_some()).split(b" ")[1])

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[WebSocketConnection]:
        address = self.sim.port.address
        with trio.fail_after(5):
            stream = await trio.open_tcp_stream(address.host, address.port)
        try:
            async with background() as nursery:
                with trio.fail_after(5):
                    ws = await wrap_client_stream(nursery, stream, f"{address.host}:{address.port}", path)
                yield ws
                with trio.move_on_after(1):
                    await ws.aclose()
        finally:
            await trio.aclose_forcefully(stream)


def handshake(path: str) -> bytes:
    """The request of a WebSocket."""
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    return (head + key).encode()


async def heard(ws: WebSocketConnection, within_s: float = 5) -> Any:
    """The next message, decoded."""
    with trio.fail_after(within_s):
        return json.loads(await ws.get_message())


async def is_quiet(ws: WebSocketConnection, for_s: float = 0.03) -> bool:
    """Whether nothing comes for a moment."""
    with trio.move_on_after(for_s):
        await ws.get_message()
        return False
    return True


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    with trio.fail_after(5):
        while not holds():
            await trio.sleep(0.001)


@attrs.define(eq=False)
class TinyFutures:
    """Listen keys, orders, quotes and trades: as much of futures as a server meets."""

    clock: Callable[[], float] = lambda: 0.0
    on_event: Callable[[dict[str, Any]], None] = say_nothing
    on_market: Callable[[dict[str, Any]], None] = say_nothing
    symbols: Mapping[str, Any] = attrs.field(factory=lambda: {each.name: each for each in FUTURES_SYMBOLS})
    done: list[Executed] = attrs.field(factory=list)
    timers: int = 0

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> Any:
        name = path.rpartition("/")[2]
        if name == "listenKey":
            return {} if method == "DELETE" else {"listenKey": "k" * 64}
        if name in ("order", "algoOrder") and method == "POST":
            number = len(self.done) + 1
            self.done.append(Executed(str(number), number, params["symbol"], Decimal(params["quantity"]), False))
            self.on_event({"e": "ORDER_TRADE_UPDATE", "E": 1, "o": {"i": number}})
            return {"orderId": number}
        if name == "time":
            return {"serverTime": int(self.clock() * 1000)}
        if name == "exchangeInfo":
            return {"symbols": []}
        if name == "account":
            return {"assets": []}
        raise ApiFault(404, -1000, f"There is no {method} {path}.")

    def set_quote(self, symbol: str, bid: Decimal, ask: Decimal, bid_qty: Any = None, ask_qty: Any = None) -> None:
        data = {
            "e": "bookTicker",
            "u": 1,
            "s": symbol,
            "b": str(bid),
            "B": "1",
            "a": str(ask),
            "A": "1",
            "T": 1,
            "E": 1,
        }
        self.on_market({"kind": "bookTicker", "symbol": symbol, "data": data})

    def trade(self, symbol: str, price: Decimal, qty: Decimal) -> None:
        data = {
            "e": "trade",
            "E": 1,
            "T": 1,
            "s": symbol,
            "t": 1,
            "p": str(price),
            "q": str(qty),
            "X": "MARKET",
            "m": True,
        }
        self.on_market({"kind": "trade", "symbol": symbol, "data": data})

    def executed(self) -> list[Executed]:
        return self.done

    def run_timers(self) -> None:
        self.timers += 1


@asynccontextmanager
async def opened(kind: Any = "spot", **arguments: Any) -> AsyncIterator[Client]:
    if kind == "futures":
        arguments.setdefault("engine", TinyFutures())
    async with open_simulator(kind, **arguments) as sim, httpx.AsyncClient(base_url=sim.url) as http:
        sim.quote("BTCUSDT", "60000", "60000.1")
        yield Client(sim, http)


@attrs.frozen
class Tools:
    """What tests use, by one fixture: they can't import each other's helpers."""

    open: Callable[..., Any] = opened
    heard: Callable[..., Any] = heard
    is_quiet: Callable[..., Any] = is_quiet
    until: Callable[..., Any] = until
    handshake: Callable[[str], bytes] = handshake
    sign: Callable[[str], str] = sign
    order: dict[str, str] = attrs.field(factory=lambda: dict(ORDER))
    limit: dict[str, str] = attrs.field(factory=lambda: dict(LIMIT))
    tiny: Callable[..., Any] = TinyFutures


@pytest.fixture
def tools() -> Tools:
    return Tools()
