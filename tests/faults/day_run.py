"""One trading day at a gateway in another process: who is there, and what is seen from outside until all have gone."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import trio
from faults.day_load import Prober, SlowReader, come_and_go
from faults.generated_day import SYMBOLS, Day
from faults.health import Footprint, ask, asking, footprint, items, nodes_of, quantiles, wait_until
from faults.paper_book import Book, trade
from faults.watching import Watcher
from gateway_process import TOKEN, GatewayProcess, write_config

from quantmind.client import CommandSettings, open_commands, open_ticks

BALANCE = Decimal(1_000_000)
PATIENT = CommandSettings(answer_within_s=50.0)
WATCHED = (SYMBOLS, SYMBOLS[:5], ("EURUSD",), ("XAUUSD", "USDJPY"))
"""What each fast client wants; the first wants everything, and the day begins with it."""
WITHIN_S = 60.0


@attrs.frozen
class Plan:
    """How much of the day, and how fast."""

    from_hour: int
    minutes: int
    speed: float
    trade_pause_s: float
    visitors: int
    most_growth_kb: int
    """Of the median of memory from the first third to the last: what a day's bars, deals and orders take."""

    @property
    def wall_s(self) -> float:
        return self.minutes * 60 / self.speed


MOST_TRADES = 2_000
"""For each trader: the gateway keeps the newest 10,000 deals, and all are needed."""


@attrs.define(eq=False)
class Told:
    """What was seen from outside."""

    plan: Plan
    day: Day
    watchers: list[Watcher] = attrs.field(factory=list)
    conflated: list[int] = attrs.field(factory=list)
    """Of each of them: ticks that the gateway or its own buffer replaced by newer ones, since it was behind."""
    slow_ticks: list[dict[str, Any]] = attrs.field(factory=list)
    slow_conflated: int = 0
    visits: Counter[str] = attrs.field(factory=Counter)
    book: Book = attrs.field(factory=Book)
    prober: Prober | None = None
    before: Footprint | None = None
    after: Footprint | None = None
    status: dict[str, Any] = attrs.field(factory=dict)
    actors: dict[str, Any] = attrs.field(factory=dict)
    account: dict[str, Any] = attrs.field(factory=dict)
    deals: list[dict[str, Any]] = attrs.field(factory=list)
    positions: list[dict[str, Any]] = attrs.field(factory=list)
    log: list[str] = attrs.field(factory=list)
    exit_code: int | None = None
    gateway_cpu_s: float = 0.0
    clients_cpu_s: float = 0.0


def configure(folder: Path, day: Day, plan: Plan) -> Path:
    brokers = {
        "demo": {
            "type": "mt5_mock",
            "initial_balance": int(BALANCE),
            "commission_per_lot": 3.5,
            "swap": {},
            "symbols": {name: {"swap_long": -7.2, "swap_short": 2.4} for name in SYMBOLS},
            "feed": {"type": "replay", "path": str(day.path), "speed": plan.speed, "start": "first_subscriber"},
        }
    }
    # A machine that stands still for a minute must not make a slow reader a dead one.
    path = write_config(
        folder,
        brokers,
        poll_interval_ms=20,
        account_interval_ms=100,
        websocket={"slow_client_timeout_s": 120, "heartbeat_interval_s": 120},
    )
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["risk"] = {"accounts": {"default": {"max_open_positions": 10_000, "price_fresh_s": 60, "equity_fresh_s": 60}}}
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


async def live_through(gateway: GatewayProcess, told: Told) -> None:
    """The whole day, until the gateway is as it was before it."""
    with asking(gateway) as rest:
        told.before = await footprint(gateway, rest)
        slow = await trio.to_thread.run_sync(SlowReader, gateway.port("websocket"))
        try:
            await fill_the_day(gateway, told, slow)
            await read_books(gateway, told)
        finally:
            slow.leave()
        await wait_as_before(gateway, told)


# Everybody at once, until each has seen the last tick.
async def fill_the_day(gateway: GatewayProcess, told: Told, slow: SlowReader) -> None:
    day, plan = told.day, told.plan
    told.watchers = [Watcher(day.check) for _ in WATCHED]
    first, stopping = told.watchers[0], trio.Event()
    async with contextlib.AsyncExitStack() as stack:
        followers = await stack.enter_async_context(trio.open_nursery())
        feeds = []
        for watcher, symbols in zip(told.watchers, WATCHED, strict=True):
            feed = await stack.enter_async_context(open_ticks(gateway.addresses["websocket"], symbols))
            followers.start_soon(watcher.follow, feed)
            feeds.append(feed)
            if watcher is first:  # the day begins with its subscription, and with nobody else's
                await wait_until(lambda: len(first.newest) == len(SYMBOLS), WITHIN_S, lambda: first.newest.keys())
        slow.send({"type": "subscribe", "symbols": list(SYMBOLS)})
        slow.collect()
        async with trio.open_nursery() as load:
            for number in range(2):
                load.start_soon(trader, gateway, told, number, stopping)
            for number in range(plan.visitors):
                load.start_soon(visitor, gateway, told, number, stopping)
            load.start_soon(prober, gateway, told, stopping)
            await wait_until(lambda: all_seen(told), plan.wall_s * 5 + WITHIN_S, lambda: (first, day.total))
            stopping.set()
        slow.hurry.set()
        await wait_until(lambda: drained(told, slow), WITHIN_S, lambda: told.slow_ticks[-1:])
        with asking(gateway) as rest:
            clients = await items(rest, "/clients")
        [told.slow_conflated] = [item["ticks_conflated"] for item in clients if item["remote"] == slow.address]
        fast = {frozenset(item["symbols"]): item for item in clients if item["remote"] != slow.address}
        told.conflated = [
            fast[frozenset(symbols)]["ticks_conflated"] + feed.statistics().conflated
            for symbols, feed in zip(WATCHED, feeds, strict=True)
        ]


async def trader(gateway: GatewayProcess, told: Told, number: int, stopping: trio.Event) -> None:
    async with open_commands(
        gateway.addresses["commands"], ea_name=f"Trader {number}", token=TOKEN, settings=PATIENT
    ) as client:
        newest, rng = told.watchers[0].newest, random.Random(number)
        pause_s = told.plan.trade_pause_s
        await trade(client, told.book, newest, rng, stopping, pause_s=pause_s, most=MOST_TRADES)


async def visitor(gateway: GatewayProcess, told: Told, number: int, stopping: trio.Event) -> None:
    told.visits += await come_and_go(gateway, told.day, random.Random(number), stopping)


async def prober(gateway: GatewayProcess, told: Told, stopping: trio.Event) -> None:
    with asking(gateway) as rest:
        told.prober = Prober(gateway, rest, random.Random(7))
        await told.prober.run(stopping)


def all_seen(told: Told) -> bool:
    return all(
        watcher.next_seq(("demo", symbol)) == told.day.count(symbol) + 1
        for watcher, symbols in zip(told.watchers, WATCHED, strict=True)
        for symbol in symbols
    )


def drained(told: Told, slow: SlowReader) -> bool:
    told.slow_ticks = slow.ticks
    last = {tick["symbol"]: tick["seq"] for tick in told.slow_ticks}
    return last == {symbol: told.day.count(symbol) for symbol in SYMBOLS}


# Samples and deals follow an order by fractions of a second: the books are read when both have what was traded.
async def read_books(gateway: GatewayProcess, told: Told) -> None:
    with asking(gateway) as rest, trio.move_on_after(WITHIN_S):
        while True:
            told.deals, told.positions = await items(rest, "/deals"), await items(rest, "/positions")
            told.account = await ask(rest, "/account")
            out = {deal["position"] for deal in told.deals if deal["entry"] == "out"}
            # Both may lag by the same close: what the traders were told must be in them.
            if (
                len(told.deals) - len(out) == len(told.book.opened)
                and len(told.positions) == len(told.book.opened) - len(out)
                and told.book.closed.keys() <= out
            ):
                break
            await trio.sleep(0.1)


async def wait_as_before(gateway: GatewayProcess, told: Told) -> None:
    assert told.before is not None
    with asking(gateway) as rest, trio.move_on_after(WITHIN_S):
        while True:
            told.after = await footprint(gateway, rest)
            told.status, told.actors = await ask(rest, "/status"), await ask(rest, "/actors")
            descriptors = told.after.descriptors or 0
            if (
                told.after.clients == 0
                and told.after.actors == told.before.actors
                and descriptors <= (told.before.descriptors or 0)
            ):
                return
            await trio.sleep(0.1)


def figures(told: Told) -> str:
    """What was seen, in a few lines."""
    assert told.prober is not None
    prints, status = told.prober.footprints, told.status
    first, last = thirds(prints)
    watchers = [(watcher.ticks, watcher.missing) for watcher in told.watchers]
    causes = Counter(deal["cause"] for deal in told.deals if deal["entry"] == "out")
    memory = [statistics.median(each.memory_kb or 0 for each in third) / 1024 for third in (first, last)]
    descriptors = [max(each.descriptors or 0 for each in third) for third in (first, last)]
    peaks = {node["name"]: node["mailbox"]["peak"] for node in nodes_of(told.actors) if node["mailbox"]["peak"] > 1}
    return "\n".join(
        (
            f"ticks={told.day.total} (ticks, missing) of the fast={watchers}",
            f"slow: ticks={len(told.slow_ticks)} conflated={told.slow_conflated}",
            f"most bytes waiting={told.prober.peak_bytes_waiting}",
            f"visits={dict(told.visits)} answers={told.prober.answers.total()}",
            f"opened={len(told.book.opened)} closed={dict(causes)} refused={len(told.book.refused)}",
            f"memory MB in thirds={memory} descriptors={descriptors} before={told.before} after={told.after}",
            f"peaks={peaks} loop={status['loop']} clients={quantiles([each.clients for each in prints])}",
            f"pushes={status['hub']['pushes']} batches={status['hub']['batches']} journal={status['journal']}",
            f"cpu s: gateway={told.gateway_cpu_s:.1f} clients={told.clients_cpu_s:.1f}",
            f"log={Counter(json.loads(line)['level'] for line in told.log)}",
        )
    )


def thirds(prints: list[Footprint]) -> tuple[list[Footprint], list[Footprint]]:
    """The first third of what was noted, and the last."""
    third = len(prints) // 3
    return prints[:third], prints[-third:]
