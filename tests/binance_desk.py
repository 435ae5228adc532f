"""A broker of an exchange over the one that is made up: it begins and ends as a process does, and trades in short."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from conformance.binance_subject import account_at, symbols
from conformance.desk import ORIGIN, approved, new_tag

from quantmind.adapters.binance.broker import BinanceBroker
from quantmind.adapters.binance.build import build
from quantmind.domain.accounts import Position
from quantmind.domain.orders import Open, OrderType, Outcome, Proposal, Side
from quantmind.testing.binance.futures_engine import FuturesEngine
from quantmind.testing.binance.simulator import BinanceSimulator, open_simulator
from quantmind.testing.binance.spot_engine import SpotEngine

D = Decimal
BTC = "BTCUSDT"
WITHIN_S = 10.0


@attrs.define(eq=False)
class Desk:
    """A broker over a simulator. `down` ends the broker as a kill does, `up` begins another."""

    sim: BinanceSimulator
    kind: str
    folder: Path
    nursery: trio.Nursery
    config: dict[str, Any]
    broker: BinanceBroker = attrs.field(init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    async def up(self) -> None:
        """Begin a broker, and connect it."""
        given = {"name": "c", "symbols": (BTC,), "recv_window_ms": 300, **self.config}
        config = account_at(self.sim, self.kind, **given)
        self.broker = build(config, sent_file=self.folder / "sent", carried_file=self.folder / "positions")
        self.broker.finder.window_s = self.broker.desk.window_s = 0.4
        self._scope = trio.CancelScope()
        self.nursery.start_soon(self._run, self.broker, self._scope)
        await self.broker.connect()

    def down(self) -> None:
        """End it at once."""
        self._scope.cancel()

    async def _run(self, broker: BinanceBroker, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await broker.run()
        finally:
            await broker.api.aclose()

    async def place(self, proposal: Proposal, tag: str | None = None) -> Outcome:
        tag = tag or new_tag()
        return await self.broker.place(approved(proposal, tag), tag)

    async def buy(self, quantity: str = "0.01", tag: str | None = None, **more: Any) -> Outcome:
        """A market order, unless a price is given."""
        kind = OrderType.LIMIT if "price" in more else OrderType.MARKET
        return await self.place(Open(ORIGIN, "c", BTC, D(quantity), Side.BUY, kind, **more), tag)

    async def position(self) -> Position | None:
        found = (await self.broker.sample()).positions
        return found[0] if found else None

    async def until(self, what: Any) -> Any:
        """Wait for the adapter to come to it."""
        with trio.fail_after(WITHIN_S):
            while True:
                found = await what()
                if found:
                    return found
                await trio.sleep(0.02)


@contextlib.asynccontextmanager
async def opened(kind: str, folder: Path, *, engine: Any = None, **config: Any) -> AsyncIterator[Desk]:
    """A desk with a market: BTCUSDT at 60000 / 60001."""
    money = {"USDT": D(1_000_000)}
    made = engine or (SpotEngine if kind == "spot" else FuturesEngine)(symbols(), balances=money)
    async with open_simulator(kind, engine=made, incoming_per_s=100_000, weight_1m=1_000_000) as sim:
        sim.quote(BTC, "60000", "60001")
        sim.quote("ETHUSDT", "3000", "3001")
        async with trio.open_nursery() as nursery:
            desk = Desk(sim, kind, folder, nursery, config)
            try:
                with trio.fail_after(30):
                    await desk.up()
                yield desk
            finally:
                desk.down()
                nursery.cancel_scope.cancel()


async def stopped(desk: Desk, level: Decimal) -> bool:
    """Whether the position has its stop loss there."""
    position = await desk.position()
    return position is not None and position.sl == level


KINDS = pytest.mark.parametrize("kind", ["spot", "futures"])
