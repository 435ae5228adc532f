"""A hundred broken connections: what was missed comes back or is told, and no command is carried out twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from gateway_process import TOKEN, GatewayProcess, running, write_config

from quantmind.client import (
    CommandClient,
    CommandSettings,
    Disconnected,
    Failed,
    Feed,
    FeedEvent,
    FeedSettings,
    Filled,
    Gap,
    NewEpoch,
    OrderOutcome,
    Recovered,
    SeqReset,
    Tick,
    Unknown,
    open_commands,
    open_ticks,
)
from quantmind.testing.proxy import FaultProxy, Faults, open_proxy

SYMBOLS = ["EURUSD", "GBPUSD", "USDJPY"]
BALANCE = 10_000_000
TRADERS = 3
IMPATIENT_FEED = FeedSettings(quiet_s=0.4, answer_within_s=0.3, first_pause_s=0.02, most_pause_s=0.2, good_after_s=0.1)
IMPATIENT = CommandSettings(answer_within_s=2.0, repeat_after_s=0.15, reopen_after_s=0.4)
WITHIN_S = 20.0
"""For one connection to come back: far more than any takes, on a machine that does other things, too."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    brokers = {
        "demo": {
            "type": "mt5_mock",
            "initial_balance": BALANCE,
            "symbols": {name: {} for name in SYMBOLS},
            "feed": {"type": "random_walk", "seed": 5},
        }
    }
    path = write_config(tmp_path, brokers, poll_interval_ms=10, account_interval_ms=50)
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["risk"] = {"accounts": {"default": {"max_open_positions": 10_000, "price_fresh_s": 30, "equity_fresh_s": 30}}}
    path.write_text(json.dumps(whole), encoding="utf-8")
    with running(path) as process:
        yield process


# --- ticks -----------------------------------------------------------------------------------------------------------

Key = tuple[str, str, str]
"""(epoch, broker, symbol)."""


@attrs.define
class Account:
    """What a consumer was told of each symbol, and that each number was told in time."""

    epoch: str = ""
    ticks: dict[Key, dict[int, Tick]] = attrs.field(factory=dict)
    gaps: dict[Key, set[int]] = attrs.field(factory=dict)
    expected: dict[Key, int] = attrs.field(factory=dict)
    disconnects: int = 0
    recovered: int = 0

    def take(self, event: FeedEvent) -> None:
        match event:
            case NewEpoch(epoch=epoch):
                self.epoch = epoch
            case Disconnected():
                self.disconnects += 1
            case Recovered():
                self.recovered += 1
            case SeqReset():
                raise AssertionError(f"the gateway does not count backwards: {event}")
            case Gap():
                key = (self.epoch, event.broker, event.symbol)
                assert event.from_seq == self.expected.get(key, event.from_seq), "a gap begins where the ticks ended"
                self.gaps.setdefault(key, set()).update(range(event.from_seq, event.to_seq + 1))
                self.expected[key] = event.to_seq + 1
            case Tick():
                key = (self.epoch, event.broker, event.symbol)
                assert event.seq == self.expected.get(key, event.seq), f"lost silently before {event}"
                self.expected[key] = event.seq + 1
                self.ticks.setdefault(key, {})[event.seq] = event

    async def follow(self, feed: Feed) -> None:
        async for event in feed:
            self.take(event)


def compare(disturbed: Account, undisturbed: Account) -> tuple[int, int]:
    """Every tick that the undisturbed saw was seen, or told as missing; returns how many were seen and missing."""
    seen = missing = 0
    assert disturbed.ticks.keys() == undisturbed.ticks.keys()
    for key, all_ticks in undisturbed.ticks.items():
        mine, gaps = disturbed.ticks[key], disturbed.gaps.get(key, set())
        assert not mine.keys() & gaps, "what came is not missing"
        first, last = min(mine), max(mine)
        wanted = {seq for seq in all_ticks if first <= seq <= last}
        assert wanted == {seq for seq in mine.keys() | gaps if seq in wanted}
        for seq in mine.keys() & all_ticks.keys():
            assert (mine[seq].bid, mine[seq].ask, mine[seq].time_msc) == (
                all_ticks[seq].bid,
                all_ticks[seq].ask,
                all_ticks[seq].time_msc,
            )
        seen += len(mine)
        missing += len(gaps)
    return seen, missing


# --- commands --------------------------------------------------------------------------------------------------------


@attrs.define
class Book:
    """What traders know of their orders."""

    outcomes: dict[str, OrderOutcome] = attrs.field(factory=dict)
    opened: dict[int, Filled] = attrs.field(factory=dict)
    closed: dict[int, Filled] = attrs.field(factory=dict)
    closing: dict[str, int] = attrs.field(factory=dict)
    unknown: dict[str, Unknown] = attrs.field(factory=dict)
    doubtful: set[str] = attrs.field(factory=set)
    """Ids that were unknown once."""

    def take(self, outcome: OrderOutcome) -> None:
        before = self.outcomes.get(outcome.request_id)
        assert before is None or isinstance(before, Unknown), "an outcome that is known does not change"
        self.outcomes[outcome.request_id] = outcome
        self.unknown.pop(outcome.request_id, None)
        if isinstance(outcome, Unknown):
            self.unknown[outcome.request_id] = outcome
            self.doubtful.add(outcome.request_id)
        elif isinstance(outcome, Filled):
            ticket = self.closing.get(outcome.request_id)
            if ticket is None:
                assert outcome.ticket is not None
                assert outcome.ticket not in self.opened, "one order, one position"
                self.opened[outcome.ticket] = outcome
            else:
                assert ticket not in self.closed
                self.closed[ticket] = outcome


async def trade(client: CommandClient, book: Book, rng: random.Random, stopping: trio.Event) -> None:
    """Open positions, and close every other one; at times in such a hurry that an outage leaves it unknown."""
    while not stopping.is_set():
        opened: OrderOutcome | None = None
        with trio.move_on_after(rng.choice((0.12, 20, 20))):
            opened = await client.open_position("EURUSD", "0.01", rng.choice(("buy", "sell")))
        if opened is None:
            # This machine stood still for longer than the client keeps for its answer: the call was cancelled.
            for unknown in client.unsettled:
                if unknown.request_id not in book.outcomes:
                    book.take(unknown)
            continue
        book.take(opened)
        if isinstance(opened, Filled) and rng.random() < 0.5:
            assert opened.ticket is not None
            request_id = f"close-{opened.ticket}"
            book.closing[request_id] = opened.ticket
            book.take(await client.close_position("EURUSD", opened.ticket, request_id=request_id))
        await trio.sleep(rng.uniform(0.0, 0.05))


# --- the network -----------------------------------------------------------------------------------------------------


async def break_once(kind: str, proxies: list[FaultProxy], rng: random.Random) -> None:
    for proxy in proxies:
        match kind:
            case "cut":
                proxy.cut_all()
            case "reset":
                proxy.reset_all()
            case "half_open":
                proxy.swallow_all()
            case "mid_frame":
                # What is open ends in the midst of the next piece, and the next connection after a few frames.
                proxy.restore(
                    Faults(slice_bytes=5, cut_after_bytes=rng.randrange(100, 3000), cut_by_reset=rng.random() < 0.5)
                )
            case "refused":
                proxy.set_faults(refuse=True)
                proxy.cut_all()
            case "slow":
                proxy.restore(Faults(latency_s=0.03, bytes_per_s=20_000))
                await trio.sleep(0.05)
                proxy.cut_all()


async def break_connections(count: int, feed: Feed, proxies: list[FaultProxy], account: Account) -> Counter[str]:
    rng = random.Random(11)
    kinds = ["cut", "reset", "mid_frame", "refused", "cut", "reset", "mid_frame", "slow", "half_open"]
    broken: Counter[str] = Counter()
    while broken.total() < count:
        kind = kinds[broken.total() % len(kinds)]
        broken[kind] += 1
        lost = account.disconnects
        with trio.fail_after(WITHIN_S):
            while not all(proxy.statistics().open for proxy in proxies):
                await trio.sleep(0.005)
        await break_once(kind, proxies, rng)
        with trio.fail_after(WITHIN_S):
            while account.disconnects == lost:
                await trio.sleep(0.005)
            for proxy in proxies:
                proxy.restore()
            stood = feed.statistics().ticks
            while not feed.statistics().connected or feed.statistics().ticks == stood:
                await trio.sleep(0.005)
        await trio.sleep(rng.uniform(0.0, 0.08))
    return broken


async def settle(client: CommandClient, book: Book) -> None:
    async def one(unknown: Unknown) -> None:
        book.take(await client.settle(unknown))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for unknown in list(book.unknown.values()):
                nursery.start_soon(one, unknown)
    assert not book.unknown


def positions_of(gateway: GatewayProcess) -> dict[int, Any]:
    found: dict[int, Any] = {}
    after = ""
    while True:
        page = gateway.get(f"/positions?limit=1000{after}")
        found.update({item["ticket"]: item for item in page["items"]})
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


def check_books(gateway: GatewayProcess, book: Book) -> None:
    """The gateway has exactly the positions that we know of, and each profit once."""
    assert positions_of(gateway).keys() == book.opened.keys() - book.closed.keys()
    profits = sum((fill.profit or Decimal(0) for fill in book.closed.values()), Decimal(0))
    assert Decimal(str(gateway.get("/account")["balance"])) == BALANCE + profits


async def run_through(gateway: GatewayProcess, count: int, note: Any) -> None:
    book, disturbed, undisturbed, stopping = Book(), Account(), Account(), trio.Event()
    async with (
        open_proxy("127.0.0.1", gateway.port("websocket")) as ticks_proxy,
        open_proxy("127.0.0.1", gateway.port("commands")) as commands_proxy,
        open_ticks(f"ws://127.0.0.1:{ticks_proxy.port}/", SYMBOLS, settings=IMPATIENT_FEED) as feed,
        open_ticks(gateway.addresses["websocket"], SYMBOLS) as direct,
        open_commands(
            f"tcp://127.0.0.1:{commands_proxy.port}", ea_name="Trader", token=TOKEN, settings=IMPATIENT
        ) as client,
        trio.open_nursery() as followers,
    ):
        followers.start_soon(undisturbed.follow, direct)
        followers.start_soon(disturbed.follow, feed)
        with trio.fail_after(WITHIN_S):
            while not (disturbed.ticks and undisturbed.ticks):
                await trio.sleep(0.01)
        async with trio.open_nursery() as traders:
            for number in range(TRADERS):
                traders.start_soon(trade, client, book, random.Random(number), stopping)
            broken = await break_connections(count, feed, [ticks_proxy, commands_proxy], disturbed)
            stopping.set()
        await settle(client, book)
        followers.cancel_scope.cancel()
    assert undisturbed.disconnects == 0
    assert not undisturbed.gaps
    seen, missing = compare(disturbed, undisturbed)
    await trio.to_thread.run_sync(check_books, gateway, book)
    statistics = client.statistics()
    kinds = Counter(type(outcome).__name__ for outcome in book.outcomes.values())
    note(f"unknown at first={len(book.doubtful)}")
    outages = f"disconnects={disturbed.disconnects} recovered={disturbed.recovered}"
    note(f"broken={dict(broken)} {outages} ticks={seen} missing={missing}")
    note(f"outcomes={dict(kinds)} closed={len(book.closed)} commands={statistics}")
    # Otherwise it showed nothing.
    assert disturbed.disconnects >= count
    assert disturbed.recovered >= count // 2
    assert statistics.repeated > 0
    assert statistics.reopened > 0
    assert len(book.opened) > count // 4
    assert book.doubtful
    assert {outcome.code for outcome in book.outcomes.values() if isinstance(outcome, Failed)} <= {
        "expired",
        "not_sent",
    }


async def test_a_hundred_disconnects(gateway: GatewayProcess, record_property: Any) -> None:
    """Cut, reset, half-open, in mid-frame, refused: ticks are seen or told missing, orders are carried out once."""
    await run_through(gateway, 100, partial(record_property, "seen"))


@pytest.mark.long
async def test_a_thousand_disconnects(gateway: GatewayProcess, record_property: Any) -> None:
    """The same, ten times as long."""
    await run_through(gateway, 1000, partial(record_property, "seen"))
