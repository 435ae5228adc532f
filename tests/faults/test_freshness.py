"""What a gateway gives on asking is as new as what it sends: ticks, snapshots, fills and account samples, under load.

In this gateway one poll changes a symbol once at most, so a `seq` counts polls, and age can be told by order alone:
what had reached a client before a question must not be newer than the answer. No clock decides, so a machine that
stands still proves nothing wrong.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from faults.health import ask, asking, newest_tick, quantiles, serious, wait_until
from faults.watching import Watcher
from gateway_process import TOKEN, GatewayProcess, running, write_config

from quantmind.client import CommandClient, CommandSettings, Filled, Tick, open_commands, open_ticks
from quantmind.client.rest import RestClient

SYMBOLS = ("EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "USDCAD", "USDJPY")
CROWD = 100
"""Clients that only listen."""
TRADERS = 3
POLL_MS = 100
ACCOUNT_MS = 200
POLLS = 2
"""What is given may be older than the broker's price by so many polls: so many ticks of a symbol."""
WITHIN_S = 60.0
PATIENT = CommandSettings(answer_within_s=50.0)
CLOCK_MS = 2
"""Ages are whole milliseconds."""


@attrs.define(eq=False)
class Stream:
    """What one client of the gateway has been sent: every tick, by symbol and number."""

    watcher: Watcher = attrs.field(factory=Watcher)
    ticks: dict[str, dict[int, Tick]] = attrs.field(factory=lambda: {symbol: {} for symbol in SYMBOLS})

    def __attrs_post_init__(self) -> None:
        self.watcher.check = lambda tick: self.ticks[tick.symbol].update({tick.seq: tick})

    @property
    def epoch(self) -> str:
        [epoch] = self.watcher.epochs
        return epoch

    def newest(self, symbol: str) -> int:
        """The number of the newest tick that has come."""
        return self.watcher.newest["demo", symbol].seq

    async def wait_for(self, symbol: str, seq: int) -> None:
        """Wait until this tick, or a later one, has come."""
        await wait_until(lambda: self.newest(symbol) >= seq, WITHIN_S, lambda: self.watcher.newest)

    def first_at(self, symbol: str, price: float, side: str, *, since: int) -> int | None:
        """The first tick from `since` on at which an order fills at this price; None: there has been none."""
        ticks = self.ticks[symbol]
        for seq in range(since, self.newest(symbol) + 1):
            tick = ticks.get(seq)
            if tick is not None and (tick.ask if side == "buy" else tick.bid) == price:
                return seq
        return None


@attrs.define(eq=False)
class Ages:
    """What was measured, for people: no test depends on it."""

    tick_ms: list[int] = attrs.field(factory=list)
    account_ms: list[int] = attrs.field(factory=list)
    behind: dict[str, list[int]] = attrs.field(factory=lambda: {"rest": [], "snapshot": [], "fill": []})
    """How many ticks newer than the newest that the stream had."""

    def told(self) -> str:
        """The distributions in a line."""
        polls = {name: round(value / POLL_MS, 2) for name, value in quantiles(self.tick_ms).items()}
        samples = {name: round(value / ACCOUNT_MS, 2) for name, value in quantiles(self.account_ms).items()}
        ahead = {name: quantiles(values) for name, values in self.behind.items() if values}
        return f"age of ticks in polls={polls} of accounts in samples={samples} ticks ahead of the stream={ahead}"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    walk = {"type": "random_walk", "seed": 5}
    account = {"type": "mt5_mock", "initial_balance": 1_000_000, "feed": walk}
    brokers = {
        "demo": {**account, "symbols": {name: {} for name in SYMBOLS}},
        # Where only this test trades: what its account holds is known.
        "still": {**account, "symbols": {"EURUSD": {}}},
    }
    path = write_config(tmp_path, brokers, poll_interval_ms=POLL_MS, account_interval_ms=ACCOUNT_MS)
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["risk"] = {"accounts": {"default": {"max_open_positions": 10_000, "price_fresh_s": 60, "equity_fresh_s": 60}}}
    path.write_text(json.dumps(whole), encoding="utf-8")
    with running(path, "--json-log") as process:
        yield process
    assert serious(process.log) == []


@contextlib.asynccontextmanager
async def busy(gateway: GatewayProcess) -> AsyncIterator[Stream]:
    """A hundred clients who listen and some who trade; one listener is looked at."""
    rng = random.Random(2)
    url = gateway.addresses["websocket"]
    stream = Stream()
    async with contextlib.AsyncExitStack() as stack:
        load = await stack.enter_async_context(trio.open_nursery())
        stack.callback(load.cancel_scope.cancel)
        for _ in range(CROWD):
            symbols = rng.sample(SYMBOLS, rng.randint(1, len(SYMBOLS)))
            load.start_soon(Watcher().follow, await stack.enter_async_context(open_ticks(url, symbols)))
        load.start_soon(stream.watcher.follow, await stack.enter_async_context(open_ticks(url, SYMBOLS)))
        await wait_until(lambda: len(stream.watcher.newest) == len(SYMBOLS), WITHIN_S, lambda: stream.watcher)
        for number in range(TRADERS):
            load.start_soon(keep_trading, gateway, number)
        yield stream
        load.cancel_scope.cancel()


async def keep_trading(gateway: GatewayProcess, number: int) -> None:
    rng = random.Random(number)
    async with open_commands(
        gateway.addresses["commands"], ea_name=f"Busy {number}", token=TOKEN, broker="demo", settings=PATIENT
    ) as client:
        while True:
            symbol = rng.choice(SYMBOLS)
            opened = await client.open_position(symbol, "0.01", rng.choice(("buy", "sell")))
            assert isinstance(opened, Filled), opened
            assert opened.ticket is not None
            assert isinstance(await client.close_position(symbol, opened.ticket), Filled)


# --- the questions ---------------------------------------------------------------------------------------------------


async def ask_tick(rest: RestClient, stream: Stream, symbol: str, ages: Ages) -> None:
    """GET /ticks is not older than what a client had before."""
    had = stream.newest(symbol)
    answer = await newest_tick(rest, symbol)
    seq = check_answer(answer, stream.epoch, symbol, had)
    await stream.wait_for(symbol, seq)
    sent = stream.ticks[symbol].get(seq)
    assert sent is None or (sent.bid, sent.ask) == (float(answer["bid"]), float(answer["ask"])), "another tick's prices"
    ages.tick_ms.append(answer["age_ms"])
    ages.behind["rest"].append(seq - had)


def check_answer(answer: dict[str, Any], epoch: str, symbol: str, had: int) -> int:
    assert (answer["symbol"], answer["broker"], answer["epoch"]) == (symbol, "demo", epoch)
    assert answer["age_ms"] >= 0
    seq = answer["seq"]
    assert isinstance(seq, int)
    assert seq >= had, f"/ticks/{symbol} gave {seq} when {had} had been sent: older by {had - seq} polls at least"
    return seq


async def ask_snapshot(gateway: GatewayProcess, stream: Stream, symbols: list[str], ages: Ages) -> None:
    """What a new subscription begins with is not older than what a client had before."""
    had = {symbol: stream.newest(symbol) for symbol in symbols}
    first: dict[str, Tick] = {}

    def keep(tick: Tick) -> None:
        first.setdefault(tick.symbol, tick)

    watcher = Watcher(keep)
    with trio.fail_after(WITHIN_S):
        async with open_ticks(gateway.addresses["websocket"], symbols) as feed:
            async for event in feed:
                watcher.take(event)
                if len(first) == len(symbols) and watcher.ticks > len(symbols):
                    break
    assert watcher.epochs == [stream.epoch]
    for symbol, tick in first.items():
        assert tick.snapshot
        assert tick.seq >= had[symbol], f"{symbol} began with {tick.seq} when {had[symbol]} had been sent"
        ages.behind["snapshot"].append(tick.seq - had[symbol])


async def ask_fill(rest: RestClient, stream: Stream, client: CommandClient, symbol: str, side: str, ages: Ages) -> None:
    """An order fills at a price not older than what its sender had, and a price asked for after it is hardly older."""
    had = stream.newest(symbol)
    filled = await client.open_position(symbol, "0.01", side)
    assert isinstance(filled, Filled), filled
    assert filled.price is not None
    answer = check_answer(await newest_tick(rest, symbol), stream.epoch, symbol, had)
    await stream.wait_for(symbol, answer)
    # The price may have been that of several ticks: the oldest that it can be.
    at = stream.first_at(symbol, float(filled.price), side, since=had)
    if at is None:
        await stream.wait_for(symbol, answer + POLLS)
        at = stream.first_at(symbol, float(filled.price), side, since=had)
    if not stream.watcher.missing:  # else the tick that it filled at may be among those
        assert at is not None, f"{side} {symbol} filled at {filled.price}: no tick since {had} had that price"
        assert answer >= at - POLLS, f"/ticks/{symbol} gave {answer} after an order had filled at {at}"
        ages.behind["fill"].append(at - had)
    assert filled.ticket is not None
    assert isinstance(await client.close_position(symbol, filled.ticket), Filled)


async def ask_account(rest: RestClient, client: CommandClient, ages: Ages) -> None:
    """A sample that is younger than a fill shows it: its age does not lie, and one that young comes."""
    opened = await client.open_position("EURUSD", "0.01", "buy")
    assert isinstance(opened, Filled), opened
    assert opened.ticket is not None
    await wait_sampled(rest, 1, trio.current_time(), ages)
    assert isinstance(await client.close_position("EURUSD", opened.ticket), Filled)
    await wait_sampled(rest, 0, trio.current_time(), ages)


async def wait_sampled(rest: RestClient, positions: int, known_at: float, ages: Ages) -> None:
    with trio.move_on_after(WITHIN_S):
        while True:
            asked_at = trio.current_time()
            account = await ask(rest, "/account", broker="still")
            ages.account_ms.append(account["age_ms"])
            # Taken at the earliest so much before the question; answered later, it was taken later.
            if asked_at - (account["age_ms"] + CLOCK_MS) / 1000 > known_at:
                assert account["positions"] == positions, f"{account} was taken after there were {positions} positions"
                return
            await trio.sleep(0.01)
    raise AssertionError(f"no sample in {WITHIN_S:g} s that is younger than an order")


async def question(gateway: GatewayProcess, rounds: int) -> Ages:
    ages, rng = Ages(), random.Random(1)
    async with busy(gateway) as stream:
        with asking(gateway) as rest:
            async with (
                open_commands(
                    gateway.addresses["commands"], ea_name="Asker", token=TOKEN, broker="demo", settings=PATIENT
                ) as demo,
                open_commands(
                    gateway.addresses["commands"], ea_name="Still", token=TOKEN, broker="still", settings=PATIENT
                ) as still,
            ):
                for number in range(rounds):
                    for symbol in itertools.chain(SYMBOLS, SYMBOLS):
                        await ask_tick(rest, stream, symbol, ages)
                        await trio.sleep(rng.uniform(0, 0.02))
                    await ask_snapshot(gateway, stream, rng.sample(SYMBOLS, 3), ages)
                    await ask_fill(rest, stream, demo, rng.choice(SYMBOLS), rng.choice(("buy", "sell")), ages)
                    if number % 2 == 0:
                        await ask_account(rest, still, ages)
            check_status(await ask(rest, "/status"))
    return ages


def check_status(status: dict[str, Any]) -> None:
    """The load was there, and no poller has dropped what clients then could not have."""
    assert status["websocket"]["clients"] == CROWD + 1
    assert [broker["ticks_dropped"] for broker in status["brokers"]] == [0, 0]


async def test_what_is_asked_for_is_as_new_as_what_was_sent(gateway: GatewayProcess) -> None:
    """REST ticks, snapshots, fills and account samples under load: none is older than what had been told before."""
    print((await question(gateway, 12)).told())


@pytest.mark.long
async def test_what_is_asked_for_stays_as_new(gateway: GatewayProcess) -> None:
    """The same, for minutes."""
    print((await question(gateway, 300)).told())
