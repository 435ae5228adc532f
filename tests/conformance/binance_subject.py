"""Binance as a subject: the adapter over the exchange that is made up. Its ground truth is the engine's ledger.

The exchange does not know the tag of what only cancels or moves: the adapter has written it down before it asked.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import attrs
import trio
from conformance.mock_subject import START
from conformance.subject import Capability, Executed, Kind, Loss

from quantmind.adapters.binance import live
from quantmind.adapters.binance.broker import BinanceBroker
from quantmind.adapters.binance.build import build
from quantmind.adapters.binance.names import Name, Role, name_of, tag_number
from quantmind.config.brokers import BinanceBrokerConfig
from quantmind.config.secret import Secret
from quantmind.testing.binance.engine import Engine
from quantmind.testing.binance.ledger import Done
from quantmind.testing.binance.simulator import KEYS, BinanceSimulator, open_simulator
from quantmind.testing.binance.spot_engine import SpotEngine
from quantmind.testing.binance.symbols import SymbolSettings

D = Decimal
Market = Literal["spot", "futures"]
STARTS = {"BTCUSDT": D("60000.00"), "ETHUSDT": D("3000.00")}
RECV_WINDOW_MS = 400
SPARE_S = 0.1
WITHIN_S = 10.0
MONEY = D(1_000_000)
_TRADES = {"spot": "/api/v3/myTrades", "futures": "/fapi/v1/userTrades"}
_ALL = {"spot": "/api/v3/allOrders", "futures": "/fapi/v1/allOrders"}


def account_at(sim: BinanceSimulator, market: str, **more: Any) -> BinanceBrokerConfig:
    """The configuration of the simulator's account."""
    keys = {"api_key": Secret(KEYS.api_key), "api_secret": Secret(KEYS.secret)}
    return BinanceBrokerConfig(type=f"binance_{market}", base_url=sim.url, **keys, **more)


def symbols() -> list[SymbolSettings]:
    """Two, without the filters that depend on amounts of money."""
    return [
        SymbolSettings(
            name,
            name.removesuffix("USDT"),
            "USDT",
            tick=D("0.01"),
            step=D("0.001"),
            min_qty=D("0.001"),
            max_qty=D(9000),
            min_notional=D(0),
            max_notional=D(0),
            max_stops=200,
        )
        for name in STARTS
    ]


def engine_of(market: Market) -> Engine:
    """An empty account with money."""
    if market == "spot":
        return SpotEngine(symbols(), balances={"USDT": MONEY})
    from quantmind.testing.binance.futures_engine import FuturesEngine

    return FuturesEngine(symbols(), balances={"USDT": MONEY})


@attrs.frozen
class Did:
    """An entry of the ledger, and what the adapter had written down last."""

    entry: Any
    tag: str
    what: Mapping[str, Any]


class Noting(list[Any]):
    """A ledger's entries; `note` is told of each as it is written."""

    def __init__(self, note: Callable[[Any], None]) -> None:
        super().__init__()
        self._note = note

    def append(self, one: Any) -> None:
        super().append(one)
        self._note(one)


@attrs.define(eq=False)
class BinanceSubject:
    """One account at the exchange that is made up."""

    folder: Path
    market: Market
    hedges: bool
    nursery: trio.Nursery
    sim: BinanceSimulator
    starts: Mapping[str, Decimal] = attrs.field(factory=lambda: dict(STARTS), init=False)
    adapter: BinanceBroker = attrs.field(init=False)
    passed: float = attrs.field(default=0.0, init=False)
    _wall_back: float = attrs.field(default=0.0, init=False)
    _began: float = attrs.field(factory=time.monotonic, init=False)
    _scope: trio.CancelScope = attrs.field(init=False)
    _past: list[BinanceBroker] = attrs.field(factory=list, init=False)
    _did: list[Did] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.sim.engine._ledger.entries = Noting(self._note)  # type: ignore[attr-defined]
        for symbol, price in STARTS.items():
            self.sim.quote(symbol, price, price + D("0.1"))
        self._begin()

    @property
    def broker(self) -> BinanceBroker:
        return self.adapter

    def monotonic(self) -> float:
        return 1000.0 + self.passed + time.monotonic() - self._began

    def server_time(self) -> float:
        return START + self.passed + time.monotonic() - self._began

    def wall(self) -> float:
        return self.server_time() - self._wall_back

    async def move(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        feed = self.adapter.feed
        before = feed._lines[feed._line_of[symbol]].received if feed.lost is None else None
        if bid > ask:
            return  # the exchange's matching leaves no such book
        self.sim.quote(symbol, bid, ask)
        if before is None:
            return
        # Until the adapter has heard it, and what it set off.
        with trio.fail_after(WITHIN_S):
            await feed.trades_opened()  # nobody waits for these
            for line in feed._lines.values():
                await line.prove()
            if self.adapter.user.lost is None:
                await self.adapter.user.prove()

    async def pass_time(self, seconds: float) -> None:
        # A listen key ends after an hour; the adapter, whose time does not pass, can't keep it alive.
        while seconds > 0:
            step = min(seconds, 1800.0)
            self.passed += step
            seconds -= step
            if self.market == "futures" and self.adapter.user.lost is None:
                self.sim.engine.handle("PUT", "/fapi/v1/listenKey", {})
            self.sim.engine.run_timers()

    async def set_wall_back(self, seconds: float) -> None:
        self._wall_back += seconds

    async def cut(self) -> None:
        self.sim.faults.cut = True
        with trio.fail_after(WITHIN_S):
            while self.adapter._wanted and (self.adapter.user.lost is None or self.adapter.feed.lost is None):
                await trio.sleep(0.002)

    async def mend(self) -> None:
        self.sim.faults.cut = False

    async def lose(self, what: Loss | None) -> None:
        self.sim.faults.lose = None if what is None else "answer" if what is Loss.ANSWER else "request"

    async def hold_answers(self, held: bool) -> None:
        self.sim.faults.hold_answers = held

    async def blind(self, is_blind: bool) -> None:
        raise NotImplementedError

    async def withhold(self, withheld: bool) -> None:
        raise NotImplementedError

    async def restart(self) -> None:
        """The adapter is gone in the middle of whatever it did; the exchange is not."""
        self._scope.cancel()
        self._past.append(self.adapter)
        self._begin()

    async def executed(self) -> Sequence[Executed]:
        return self._truth()

    async def end(self) -> None:
        """Let everything go."""
        for adapter in (*self._past, self.adapter):
            await adapter.aclose()
        self._scope.cancel()

    # --- inside ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        config = account_at(
            self.sim,
            self.market,
            name="coins",
            symbols=tuple(STARTS),
            recv_window_ms=RECV_WINDOW_MS,
            position_mode=None if self.market == "spot" else "hedge" if self.hedges else "one_way",
        )
        self.adapter = build(
            config,
            sent_file=self.folder / "sent",
            carried_file=self.folder / "positions",
            monotonic=self.monotonic,
            wall=self.wall,
        )
        self.adapter.finder.window_s = self.adapter.desk.window_s = RECV_WINDOW_MS / 1000 + SPARE_S
        self._scope = trio.CancelScope()
        self.nursery.start_soon(self._run, self.adapter, self._scope)

    async def _run(self, adapter: BinanceBroker, scope: trio.CancelScope) -> None:
        with scope:
            await adapter.run()

    def _note(self, entry: Any) -> None:
        file = self.folder / "sent"
        lines = [json.loads(line) for line in file.read_bytes().splitlines() if line]
        asked = [line for line in lines if "what" in line]
        fits = [line for line in asked if self._fits(entry, line)] or asked or [{"tag": "", "what": {}}]
        self._did.append(Did(entry, str(fits[-1]["tag"]), fits[-1]["what"]))

    # What was given up may be carried out when the next request is written down already.
    def _fits(self, entry: Any, line: Any) -> bool:
        what, name = line["what"], name_of(entry.client_id)
        if entry.done in (Done.CANCELED, Done.MODIFIED) and name is not None and name.role is Role.ORDER:
            wanted = "cancel" if entry.done is Done.CANCELED else "move"
            return (what["kind"], what.get("order_id"), what["symbol"]) == (wanted, entry.order_id, entry.symbol)
        return name is not None and line["tag"] == name.tag

    def _truth(self) -> list[Executed]:
        tickets = self._tickets()
        done: list[Executed] = []
        for did in self._did:
            one = self._executed(did, tickets)
            if one is not None and one.tag not in {each.tag for each in done}:
                done.append(one)
        return done

    # What an entry comes to for whoever asked; None: it is a part of something that counts already.
    def _executed(self, did: Did, tickets: Mapping[str, int]) -> Executed | None:
        entry, name, kind = did.entry, name_of(did.entry.client_id), did.what.get("kind")
        ours = isinstance(name, Name)
        if entry.done is Done.PLACED and ours and name.role in (Role.ORDER, Role.CLOSE):
            if name.by:
                return Executed(name.by, tag_number(name.tag), self._volume(entry), waits=True)
            if not entry.waits and not entry.quantity:
                return None  # it was over without a fill
            ticket = tag_number(name.tag) if entry.waits else tickets[name.tag]
            return Executed(name.tag, ticket, entry.quantity, entry.waits)
        if entry.done is Done.MODIFIED:
            return Executed(did.tag, tag_number(name.tag), self._volume(entry), waits=True) if ours else None
        if entry.done is Done.CANCELED and ours and name.role is Role.ORDER:
            if kind != "cancel":
                return None
            return Executed(did.tag, int(did.what["ticket"]), self._left(entry, conditional=did.what["conditional"]))
        if kind == "stops" and (not ours or name.role not in (Role.ORDER, Role.CLOSE)):
            return Executed(did.tag, int(did.what["ticket"]), None)
        return None

    # What of a cancelled order was not filled.
    def _left(self, entry: Any, *, conditional: bool) -> Decimal:
        if conditional:
            return D(self.sim.engine.handle("GET", "/fapi/v1/algoOrder", {"algoId": str(entry.order_id)})["quantity"])
        asked = {"symbol": entry.symbol, "orderId": str(entry.order_id)}
        order = self.sim.engine.handle("GET", _ALL[self.market].replace("allOrders", "order"), asked)
        return D(order["origQty"]) - D(order["executedQty"])

    def _volume(self, entry: Any) -> Decimal:
        if entry.quantity is not None:
            return entry.quantity
        order = self.sim.engine.handle(
            "GET",
            _ALL[self.market].replace("allOrders", "order"),
            {"symbol": entry.symbol, "orderId": str(entry.order_id)},
        )
        return D(order["origQty"])

    # By tag: the position that an order's fill came to, by the trades alone.
    def _tickets(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for symbol in STARTS:
            names = {
                each["orderId"]: each["clientOrderId"]
                for each in self.sim.engine.handle("GET", _ALL[self.market], {"symbol": symbol, "limit": "1000"})
            }
            held: dict[str, Decimal] = {}
            open_ticket: dict[str, int] = {}
            for trade in self.sim.engine.handle("GET", _TRADES[self.market], {"symbol": symbol, "limit": "1000"}):
                key = trade.get("positionSide", "BOTH")
                name = name_of(names[trade["orderId"]])
                is_buy = trade["isBuyer"] if "isBuyer" in trade else trade["side"] == "BUY"
                if not held.get(key) and name is not None:
                    open_ticket[key] = tag_number(name.tag)
                held[key] = held.get(key, D(0)) + D(trade["qty"]) * (1 if is_buy else -1)
                if name is not None:
                    found[name.tag] = open_ticket[key]
        return found


ALWAYS = frozenset(Capability) - {
    Capability.HEDGING,
    Capability.CLOSE_BY,
    Capability.EXPIRATION,
    Capability.REPEATS_TAGS,
    Capability.UNIQUE_WAITING_TAGS,
    Capability.SWAP,
    # The account is told by a stream, and what was sent is written down: questions have no part in it.
    Capability.BLINDNESS,
    Capability.NO_DATA,
}


def binance_kind(name: str, market: Market, *, hedges: bool = False) -> Kind:
    """A kind of account."""

    @contextlib.asynccontextmanager
    async def open_subject(folder: Path) -> AsyncIterator[BinanceSubject]:
        times = [0.0]
        subjects: list[BinanceSubject] = []

        def clock() -> float:
            return subjects[0].server_time() if subjects else START + times[0]

        # A ping before each question is what a case can do many times a second, and no gateway does.
        with patch.object(live, "MOST_PINGS", 1_000_000):
            async with (
                open_simulator(
                    market,
                    engine=engine_of(market),
                    clock=clock,
                    weight_1m=10_000_000,
                    orders=((10, 1_000_000), (60, 1_000_000)),
                    connects_5m=100_000,
                    incoming_per_s=100_000,
                ) as sim,
                trio.open_nursery() as nursery,
            ):
                subject = BinanceSubject(folder, market, hedges, nursery, sim)
                subjects.append(subject)
                try:
                    yield subject
                finally:
                    with trio.CancelScope(shield=True), trio.move_on_after(10):
                        await subject.end()
                    nursery.cancel_scope.cancel()

    capabilities = ALWAYS
    if market == "spot":
        capabilities -= {Capability.SHORT}
    else:
        capabilities |= {Capability.EXPIRATION}
    if hedges:
        capabilities -= {Capability.NETTING}
    return Kind(name, capabilities, open_subject)
