"""The exchange that is made up: how it misbehaves, and what it has to say in the end."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

import trio
from faults.chaos.records import Record

from quantmind.testing.binance.price_walk import walk
from quantmind.testing.binance.simulator import BinanceSimulator, open_simulator
from quantmind.testing.binance.spot_account import Charge, Commission
from quantmind.testing.binance.spot_engine import SpotEngine
from quantmind.testing.binance.symbols import SPOT_SYMBOLS

SYMBOL: Final = "BTCUSDT"
MONEY: Final = {"USDT": Decimal(1_000_000), "BNB": Decimal(1_000)}
RATE: Final = Decimal("0.001")
CHARGES: Final = (Charge.BNB, Charge.RECEIVED)
"""By the seed: in an asset that counts for nothing, so that all that was bought is held, or in what a trade brings."""
MOST_ROWS: Final = 1000

Fault = tuple[str, dict[str, Any], tuple[float, float]]
"""What it is called, what is set, and how long (seconds) it lasts."""
OF_REQUESTS: Final[tuple[Fault, ...]] = (
    ("answer_lost", {"lose": "answer"}, (0.05, 0.3)),
    ("request_lost", {"lose": "request"}, (0.05, 0.3)),
    ("late", {"lose": "late", "late_s": 0.3}, (0.05, 0.3)),
    ("too_late", {"lose": "late", "late_s": 0.8}, (0.05, 0.3)),
    ("503_executed", {"error": (503, -1000, "An unknown error."), "executed_first": True}, (0.05, 0.3)),
    ("503", {"error": (503, -1000, "An unknown error."), "executed_first": False}, (0.05, 0.3)),
    ("-1007_executed", {"error": (408, -1007, "Timeout waiting."), "executed_first": True}, (0.05, 0.3)),
    ("-1007", {"error": (408, -1007, "Timeout waiting."), "executed_first": False}, (0.05, 0.3)),
    ("refused", {"error": (400, -1015, "Too many new orders."), "executed_first": False}, (0.05, 0.2)),
    ("held", {"hold_answers": True}, (0.03, 0.1)),
    ("no_data", {"no_data": "error"}, (0.05, 0.15)),
    ("empty_data", {"no_data": "empty"}, (0.05, 0.15)),
    ("cut", {"cut": True}, (0.02, 0.05)),
    ("late_fill", {"late_fill_after_cancel": True}, (0.5, 1.5)),
)
OF_EVENTS: Final[tuple[Fault, ...]] = (
    ("out_of_order", {"events_out_of_order": True}, (0.2, 1.5)),
    ("duplicate", {"duplicate_events": True}, (0.2, 1.5)),
    ("delayed", {"events_delayed_s": 0.2}, (0.2, 1.0)),
    ("delayed_long", {"events_delayed_s": 0.8}, (0.5, 1.5)),
    ("lost", {"events_lost": True}, (0.05, 0.4)),
)
PAUSE_S: Final = (0.1, 0.6)


@contextlib.asynccontextmanager
async def open_exchange(seed: int) -> AsyncIterator[tuple[BinanceSimulator, trio.CancelScope]]:
    """One market that walks until the scope is cancelled, and an account with nothing but money."""
    fees = Commission(maker=RATE, taker=RATE, charge=CHARGES[seed % len(CHARGES)])
    engine = SpotEngine([each for each in SPOT_SYMBOLS if each.name == SYMBOL], MONEY, fees)
    # A gateway that is started so often meets limits that are no matter here.
    async with (
        open_simulator(engine=engine, connects_5m=100_000, weight_1m=100_000) as sim,
        trio.open_nursery() as nursery,
    ):
        walking = trio.CancelScope()

        async def market() -> None:
            with walking:
                await walk(engine, seed=seed, every_s=0.1)

        nursery.start_soon(market)
        yield sim, walking
        nursery.cancel_scope.cancel()


async def misbehave(
    sim: BinanceSimulator, rng: random.Random, faults: tuple[Fault, ...], seen: Counter[str]
) -> NoReturn:
    """One thing after the other goes wrong until it is cancelled; then all is right again."""
    while True:
        await trio.sleep(rng.uniform(*PAUSE_S))
        name, changes, lasts = rng.choice(faults)
        seen[name] += 1
        before = {field: getattr(sim.faults, field) for field in changes}
        try:
            for field, value in changes.items():
                setattr(sim.faults, field, value)
            await trio.sleep(rng.uniform(*lasts))
        finally:
            for field, value in before.items():
                setattr(sim.faults, field, value)


def ledger(sim: BinanceSimulator) -> Iterator[Record]:
    """All that the exchange carried out, each order and trade as it is now, and what is held."""
    for each in sim.executed():
        yield {
            "kind": "done",
            "done": each.done.value,
            "client_id": each.client_id,
            "order_id": each.order_id,
            "quantity": None if each.quantity is None else str(each.quantity),
            "waits": each.waits,
        }
    for kind, path, first, name in (
        ("order", "allOrders", "orderId", "orderId"),
        ("trade", "myTrades", "fromId", "id"),
    ):
        after = 0
        while rows := _ask(sim, path, symbol=SYMBOL, limit=str(MOST_ROWS), **{first: str(after)}):
            yield from ({"kind": kind, **row} for row in rows)
            after = int(rows[-1][name]) + 1
    for balance in _ask(sim, "account")["balances"]:
        yield {"kind": "balance", **balance}


def held(sim: BinanceSimulator) -> Decimal:
    """Of the coin, free or not."""
    account = sim.engine.account  # type: ignore[attr-defined]
    found: Decimal = account.free("BTC") + account.locked("BTC")
    return found


def bid(sim: BinanceSimulator) -> Decimal:
    """The best one."""
    found: Decimal = sim.engine.markets[SYMBOL].bid  # type: ignore[attr-defined]
    return found


def trades(sim: BinanceSimulator) -> int:
    """How many the account has made."""
    book = sim.engine.book  # type: ignore[attr-defined]
    return sum(len(order.trades) for order in book.orders[SYMBOL])


def _ask(sim: BinanceSimulator, what: str, **params: str) -> Any:
    return sim.engine.handle("GET", f"/api/v3/{what}", params)
