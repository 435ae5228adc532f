"""Away and back: `resume` gives exactly what was missed, or says that it can't. Compared with what was published.

A witness that is never away hears everything; another client is away for a while (3 s, or 60 s with --long), and over a
gateway that is killed or stopped, while orders are placed, refused and closed and trading states change.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from gateway_process import TOKEN, GatewayProcess, running, write_config

from quantmind.net.ws import ClientConnection, connect

SYMBOLS = ["EURUSD", "GBPUSD", "USDJPY"]
CHANNELS = ["orders", "risk", "events"]
DEMO = {
    "type": "mt5_mock",
    "persist": True,
    "symbols": {symbol: {} for symbol in SYMBOLS},
    "feed": {"type": "random_walk", "seed": 4},
}
TRADED_LINES = 6
"""A round of trading leaves more lines than that on the channels."""


@attrs.define(eq=False)
class Follower:
    """One client: what it heard of each symbol and of the channels, in the order in which it came."""

    connection: ClientConnection
    answer: dict[str, Any]
    ticks: dict[str, list[dict[str, Any]]] = attrs.field(factory=dict)
    snapshots: list[dict[str, Any]] = attrs.field(factory=list)
    told: list[dict[str, Any]] = attrs.field(factory=list)

    async def follow(self) -> None:
        while True:
            message = json.loads(await self.connection.receive())
            if message.get("snapshot"):
                self.snapshots.append(message)
            elif message["type"] == "tick":
                self.ticks.setdefault(message["data"]["symbol"], []).append(message["data"])
            elif "data" in message:
                self.told.append(message)

    @property
    def numbers(self) -> list[int]:
        """The lines of the log that it was told of."""
        return [line["journal_seq"] for line in self.told]

    def resume(self) -> dict[str, Any]:
        """What it would say to go on from here."""
        seen = max([self.answer.get("journal_seq", 0), *self.numbers])
        seq = {symbol: ticks[-1]["seq"] for symbol, ticks in self.ticks.items()}
        return {"epoch": self.answer["epoch"], "seq": seq, "journal_seq": seen}

    async def until(self, condition: Any) -> None:
        with trio.fail_after(60):
            while not condition(self):
                await trio.sleep(0.02)


@contextlib.asynccontextmanager
async def follower(
    gateway: GatewayProcess,
    *,
    symbols: list[str] | None = None,
    channels: list[str] | None = None,
    resume: dict[str, Any] | None = None,
) -> AsyncIterator[Follower]:
    """Connect, subscribe, and follow for the length of the block."""
    asked = {"symbols": symbols, "channels": channels, "resume": resume}
    async with connect(gateway.addresses["websocket"]) as connection:
        await connection.send(json.dumps({"type": "auth", "token": TOKEN}))
        assert json.loads(await connection.receive())["type"] == "authenticated"
        message = {"type": "subscribe", **{name: value for name, value in asked.items() if value is not None}}
        await connection.send(json.dumps(message))
        answer = json.loads(await connection.receive())
        assert answer["type"] == "subscribed", answer
        client = Follower(connection, answer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.follow)
            yield client
            nursery.cancel_scope.cancel()


def trade(gateway: GatewayProcess, keep: int = 0) -> None:
    """Open two positions, close them but for `keep`, be refused once, change the trading state and back."""
    tickets = []
    for symbol, action in (("EURUSD", "BUY"), ("GBPUSD", "SELL")):
        status, reply = gateway.post("/trade", {"symbol": symbol, "action_type": action, "volume": 0.1})
        assert status == 200, reply
        tickets.append(reply["ticket"])
    status, _ = gateway.post("/trade", {"symbol": "EURUSD", "action_type": "BUY", "volume": 50})
    assert status == 422
    for ticket in tickets[keep:]:
        status, reply = gateway.post(f"/brokers/demo/positions/{ticket}/close", {})
        assert status == 200, reply
    for state in ("reduce_only", "active"):
        status, _ = gateway.post("/risk/state", {"state": state, "reason": "a test"})
        assert status == 200


def lines_after(gateway: GatewayProcess, seq: int, through: int) -> list[int]:
    """The numbers of the log's lines that belong to the channels, after one and through another."""
    kinds = "order,position,deal,intent,outcome,event,setting"
    found: list[int] = []
    after = str(seq)
    while True:
        page = gateway.get(f"/journal?kind={kinds}&after={after}&limit=1000")
        for item in page["items"]:
            key = str(item["body"].get("key", ""))
            if item["kind"] != "setting" or key.startswith(("state:", "multiplier:")):
                found.append(item["seq"])
        if page["next"] is None:
            return [number for number in found if number <= through]
        after = page["next"]


async def wait_ready(gateway: GatewayProcess) -> None:
    """Until the account can be traded on."""
    with trio.fail_after(60):
        while True:
            (broker,) = (await trio.to_thread.run_sync(gateway.get, "/status"))["brokers"]
            if (broker["orders"], broker["feed"], broker["books"]["state"]) == ("ready", "live", "agreed"):
                return
            await trio.sleep(0.1)


async def settled(gateway: GatewayProcess) -> int:
    """The newest line of the log, once no further one comes: what was done is in the books by then."""
    last = -1
    while True:
        head = (await trio.to_thread.run_sync(gateway.get, "/journal?limit=1&newest=true"))["head"]["seq"]
        if head == last:
            return int(head)
        last = head
        await trio.sleep(1.5)


async def away(gateway: GatewayProcess, seconds: float) -> dict[str, int]:
    """Go away for a while and come back; how much was missed of each."""
    await wait_ready(gateway)
    async with follower(gateway, symbols=SYMBOLS, channels=CHANNELS) as witness:
        async with follower(gateway, symbols=SYMBOLS, channels=CHANNELS) as client:
            await trio.to_thread.run_sync(trade, gateway, 1)
            await client.until(lambda one: len(one.ticks) == len(SYMBOLS) and len(one.told) >= TRADED_LINES)
            before, resume = client.told, client.resume()
        began = trio.current_time()
        while trio.current_time() - began < seconds:
            await trio.to_thread.run_sync(trade, gateway)
            await trio.sleep(min(1.0, seconds / 3))
        head = await settled(gateway)
        until = {symbol: ticks[-1]["seq"] for symbol, ticks in witness.ticks.items()}
        async with follower(gateway, symbols=SYMBOLS, channels=CHANNELS, resume=resume) as back:
            assert back.answer["recovered"] is True
            await trio.to_thread.run_sync(trade, gateway)
            head = await settled(gateway)
            written = await trio.to_thread.run_sync(lines_after, gateway, resume["journal_seq"], head)
            for each in (back, witness):
                await each.until(lambda one: one.numbers[-1] >= written[-1])
            last = {symbol: ticks[-1]["seq"] for symbol, ticks in back.ticks.items()}
            await witness.until(lambda one: all(one.ticks[symbol][-1]["seq"] >= last[symbol] for symbol in SYMBOLS))
            assert back.snapshots == []
            for symbol in SYMBOLS:
                seen = resume["seq"][symbol]
                published = [tick for tick in witness.ticks[symbol] if seen < tick["seq"] <= last[symbol]]
                missed = [tick for tick in published if tick["seq"] <= until[symbol]]
                assert [tick["seq"] for tick in missed] == list(range(seen + 1, until[symbol] + 1))
                assert back.ticks[symbol][: len(missed)] == missed
                # What came since may be conflated, as for every client that has not read everything yet.
                assert [tick for tick in published if tick in back.ticks[symbol]] == back.ticks[symbol]
            assert [number for number in back.numbers if number <= head] == written
            assert [line for line in witness.told if line["journal_seq"] in written] == back.told[: len(written)]
            # Nothing between what it had heard before and what it was given.
            begun = before[0]["journal_seq"]
            assert [line["journal_seq"] for line in before] + written == [
                number for number in witness.numbers if begun <= number <= head
            ]
            return {"ticks": sum(len(ticks) for ticks in back.ticks.values()), "lines": len(back.told)}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, {"demo": DEMO}, poll_interval_ms=20)


async def test_what_was_missed_while_away(config: Path, record_property: Any) -> None:
    """Away for 3 s: every tick and every line that was missed comes first, once and in order, and then what is new."""
    with running(config) as gateway:
        record_property("missed", str(await away(gateway, 3.0)))


@pytest.mark.long
async def test_what_was_missed_in_a_minute(config: Path, record_property: Any) -> None:
    """The same, away for 60 s."""
    with running(config) as gateway:
        record_property("missed", str(await away(gateway, 60.0)))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM"])
async def test_over_a_restart(config: Path, end: str) -> None:
    """Channels go on where they were though the gateway was killed; ticks of an ended epoch begin with snapshots."""
    with running(config) as gateway:
        await wait_ready(gateway)
        async with follower(gateway, symbols=SYMBOLS, channels=CHANNELS) as client:
            await trio.to_thread.run_sync(trade, gateway, 1)
            await client.until(lambda one: len(one.ticks) == len(SYMBOLS) and len(one.told) >= TRADED_LINES)
            resume = client.resume()
        await trio.to_thread.run_sync(trade, gateway)
        await trio.to_thread.run_sync(gateway.stop, signal.Signals[end])
    with running(config) as gateway:
        await wait_ready(gateway)
        await trio.to_thread.run_sync(trade, gateway)
        head = await settled(gateway)
        lines = {"journal_seq": resume["journal_seq"]}
        async with follower(gateway, channels=CHANNELS, resume=lines) as back:
            assert back.answer["recovered"] is True
            written = await trio.to_thread.run_sync(lines_after, gateway, resume["journal_seq"], head)
            await back.until(lambda one: one.told and one.numbers[-1] >= written[-1])
            assert [number for number in back.numbers if number <= head] == written
            assert back.snapshots == []
            assert len(written) > 2 * TRADED_LINES
        async with follower(gateway, symbols=SYMBOLS, channels=CHANNELS, resume=resume) as both:
            assert both.answer["recovered"] is False, "never a part of it"
            await both.until(lambda one: len(one.ticks) == len(SYMBOLS))
            kinds = [message["type"] for message in both.snapshots]
            assert kinds.count("tick") == len(SYMBOLS)
            assert kinds.count("position") == len((await trio.to_thread.run_sync(gateway.get, "/positions"))["items"])
            assert all(line["journal_seq"] > both.answer["journal_seq"] for line in both.told)
        ahead = {"journal_seq": head + 1000}
        async with follower(gateway, channels=CHANNELS, resume=ahead) as wrong:
            assert wrong.answer["recovered"] is False
