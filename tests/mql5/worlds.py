"""A made-up terminal, a gateway, and shipped MQL5 programs on the terminal's charts."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from gateway_process import TOKEN, GatewayProcess, done, running, until, write_config
from mql5.build import build, require_gpp
from mql5.program import Program

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.testing.terminal import FakeTerminal

MQL5 = Path(__file__).resolve().parents[2] / "mql5"
BRIDGE = MQL5 / "Experts" / "QuantMind" / "QuantMindBridge.mq5"
SAMPLE = MQL5 / "Experts" / "QuantMind" / "GovernedSample.mq5"
SYMBOLS = {"EURUSD": SymbolOverrides(), "USDJPY": SymbolOverrides()}
LOGIN = 5
PRICE = 1.10000
POINTS = {"EURUSD": 0.00001, "USDJPY": 0.001}
SPREAD_POINTS = 10


def free_port() -> int:
    """One that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@attrs.define(eq=False)
class World:
    """One terminal's folder, its market, and the gateway's configuration."""

    folder: Path
    terminal: FakeTerminal
    config: Path
    port: int
    token: str
    """Of the bridge."""
    bids: dict[str, float] = attrs.field(factory=lambda: {"EURUSD": PRICE, "USDJPY": 150.0})
    """Where the market is; it goes up and down by a point around it."""
    quiet: threading.Event = attrs.field(factory=threading.Event)
    """Set: the market says nothing."""
    _programs: contextlib.ExitStack = attrs.field(factory=contextlib.ExitStack)
    _over: threading.Event = attrs.field(factory=threading.Event)

    def open_market(self) -> None:
        """Prices from now on, five times a second."""
        self._say_prices(0)
        market = threading.Thread(target=self._run_market)
        market.start()
        self._programs.callback(market.join)
        self._programs.callback(self._over.set)

    def price(self, bid: float, symbol: str = "EURUSD") -> None:
        """Let the market go to a price, at once."""
        self.bids[symbol] = bid
        self._say_prices(0)

    def _run_market(self) -> None:
        for number in itertools.count(1):
            if self._over.wait(0.2):
                return
            if not self.quiet.is_set():
                self._say_prices(number % 2)

    def _say_prices(self, points: int) -> None:
        for symbol, bid in self.bids.items():
            point = POINTS[symbol]
            digits = 5 if symbol == "EURUSD" else 3
            up = round(bid + points * point, digits)
            self.terminal.tick(symbol, up, round(up + SPREAD_POINTS * point, digits))

    def start(self, source: Path, inputs: Mapping[str, Any], **environment: Any) -> Program:
        """Attach a program to a chart of EURUSD; it is ended with the world."""
        settings = {"MQL_TERMINAL": str(self.folder / "terminal64.fake"), "MQL_SYMBOL": "EURUSD"}
        settings.update({name: str(value) for name, value in environment.items()})
        program = Program(build(source), inputs=inputs, folder=self.folder, environment=settings)
        return self._programs.enter_context(program)

    def start_bridge(self, **inputs: Any) -> Program:
        """The bridge EA, with the token that it needs."""
        return self.start(BRIDGE, {"InpPort": self.port, "InpToken": self.token, "InpOfferMs": 100, **inputs})

    def start_sample(self, gateway: GatewayProcess, **inputs: Any) -> Program:
        """The sample EA, which buys whenever it may and has nothing."""
        asked = {
            "InpPort": self.port,
            "InpPushPort": gateway.port("publish"),
            "InpBroker": "mine",
            "InpEaName": "sample",
            "InpSignal": "QM_SIGNAL_BUY",
            "InpStopPoints": 0,
            "InpTakePoints": 0,
        }
        return self.start(SAMPLE, {**asked, **inputs}, MQL_CHART_FILE=self.folder / "chart.json")

    def close(self) -> None:
        """End the programs, then the terminal."""
        self._programs.close()
        self.terminal.close()


@contextlib.contextmanager
def world(folder: Path, *, margin_mode: str = "hedging", risk: Any = None, **broker: Any) -> Iterator[World]:
    """A terminal with two symbols that have a price, and a configuration whose broker `mine` waits for its bridge."""
    require_gpp()
    terminal = FakeTerminal(
        MockBrokerConfig(name="x", login=LOGIN, server="Demo", symbols=SYMBOLS, margin_mode=margin_mode)
    )
    port = free_port()
    # What is refused while bridges come and go opens a breaker: not for a minute.
    mine = {"type": "mt5_socket", "mode": "listen", "account_id": str(LOGIN), "timeout": 4}
    mine = {**mine, "breaker": {"failures": 5, "open_s": 2}, **broker}
    config = write_config(folder, {"mine": mine}, commands={"port": port})
    if risk is not None:
        write_risk(config, risk)
    token = done(config, "token", "add", "mine-bridge", "--scope", "bridge", "--broker", "mine")["token"]
    made = World(folder, terminal, config, port, token)
    terminal.serve(folder)
    made.open_market()
    try:
        yield made
    finally:
        made.close()


def write_risk(config: Path, risk: Any) -> None:
    """Rules for the account."""
    text = json.loads(config.read_text(encoding="utf-8"))
    text["risk"] = risk
    config.write_text(json.dumps(text), encoding="utf-8")


@contextlib.contextmanager
def bridged(made: World, **inputs: Any) -> Iterator[tuple[GatewayProcess, Program]]:
    """A gateway that trades on the terminal by the bridge EA."""
    with running(made.config) as gateway:
        bridge = made.start_bridge(**inputs)
        until(lambda: is_active(gateway), 60)
        yield gateway, bridge


def is_active(gateway: GatewayProcess) -> bool:
    """Whether the account trades."""
    return bool(gateway.get("/status")["brokers"][0]["trading"]["state"] == "active")


def order(request_id: str, **more: Any) -> dict[str, Any]:
    """A market order that the gateway is to place."""
    asked = {"type": "trade_open", "ea_name": "a", "magic": 7, "symbol": "EURUSD", "volume": 0.1, "side": "buy"}
    asked = {**asked, "execute": True, "token": TOKEN, "request_id": request_id, "timestamp": time.time()}
    return {**asked, **more}
