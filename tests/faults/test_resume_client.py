"""The Python client over resets and restarts: what it holds of the channels is what the gateway holds, line by line."""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from gateway_process import TOKEN, GatewayProcess, running, write_config

from quantmind.client import (
    ChannelSnapshot,
    ChannelUpdate,
    Disconnected,
    Feed,
    FeedSettings,
    NewEpoch,
    Recovered,
    Tick,
    open_ticks,
    sync,
)
from quantmind.testing.proxy import open_proxy

SYMBOLS = ["EURUSD", "GBPUSD"]
CHANNELS = ["orders", "risk", "events", "account"]
QUICK = FeedSettings(quiet_s=2.0, answer_within_s=2.0, first_pause_s=0.05, most_pause_s=0.3)
DEMO = {
    "type": "mt5_mock",
    "persist": True,
    "symbols": {symbol: {} for symbol in SYMBOLS},
    "feed": {"type": "random_walk", "seed": 9},
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@attrs.define(eq=False)
class Told:
    """What a feed told, and that it was told in order."""

    lines: list[int] = attrs.field(factory=list)
    """Lines of the log that were told one by one."""
    snapshots: list[ChannelSnapshot] = attrs.field(factory=list)
    recovered: list[Recovered] = attrs.field(factory=list)
    outages: int = 0
    epochs: int = 0
    ticks: int = 0
    states: dict[str, Any] = attrs.field(factory=dict)
    """Trading states, and what is open at the broker, as they add up."""

    def take(self, event: Any) -> None:
        match event:
            case ChannelSnapshot(channel="risk" | "orders"):
                self.snapshots.append(event)
                prefix = "state:" if event.channel == "risk" else "position:"
                self.states = {key: value for key, value in self.states.items() if not key.startswith(prefix)}
                for item in event.items:
                    self._add(item)
            case ChannelUpdate() if event.channel != "account":
                assert not self.lines or event.journal_seq > self.lines[-1]
                self.lines.append(event.journal_seq)
                self._add(event)
            case Recovered():
                self.recovered.append(event)
            case Disconnected():
                self.outages += 1
            case NewEpoch():
                self.epochs += 1
            case Tick():
                self.ticks += 1

    def _add(self, update: ChannelUpdate) -> None:
        data = update.data
        if update.channel == "risk" and data["about"] == "state":
            self.states[f"state:{update.broker}"] = data["state"]
        elif "price_open" in data:
            self.states[f"position:{data['ticket']}"] = data["volume"]
        elif data.get("state") == "closed":
            self.states.pop(f"position:{data['ticket']}", None)

    async def follow(self, feed: Feed) -> None:
        async for event in feed:
            self.take(event)

    async def until(self, condition: Any) -> None:
        with trio.fail_after(60):
            while not condition(self):
                await trio.sleep(0.02)


async def ask(function: Any, *arguments: Any) -> Any:
    return await trio.to_thread.run_sync(function, *arguments)


async def trade(gateway: GatewayProcess) -> None:
    """Open two positions, close one; halt and go on."""
    with trio.fail_after(60):
        while True:
            (broker,) = (await ask(gateway.get, "/status"))["brokers"]
            if (broker["orders"], broker["feed"], broker["books"]["state"]) == ("ready", "live", "agreed"):
                break
            await trio.sleep(0.1)
    tickets = []
    for symbol in SYMBOLS:
        status, reply = await ask(gateway.post, "/trade", {"symbol": symbol, "action_type": "BUY", "volume": 0.1})
        assert status == 200, reply
        tickets.append(reply["ticket"])
    status, reply = await ask(gateway.post, f"/brokers/demo/positions/{tickets[0]}/close", {})
    assert status == 200, reply
    for state in ("reduce_only", "active"):
        status, reply = await ask(gateway.post, "/risk/state", {"state": state, "reason": "a test"})
        assert status == 200, reply


async def lines_of_channels(gateway: GatewayProcess, after: int, through: int) -> list[int]:
    """The numbers of the log's lines that are the channels'."""
    found: list[int] = []
    next_page: str | None = str(after)
    while next_page is not None:
        kinds = "order,position,deal,intent,outcome,event,setting"
        page = await ask(gateway.get, f"/journal?kind={kinds}&limit=1000&after={next_page}")
        for item in page["items"]:
            key = str(item["body"].get("key", ""))
            if item["kind"] != "setting" or key.startswith(("state:", "multiplier:")):
                found.append(item["seq"])
        next_page = page["next"]
    return [seq for seq in found if seq <= through]


async def check(gateway: GatewayProcess, told: Told, after: int) -> None:
    """Once nothing more is written: every line since `after` was told, once, and it adds up to what holds."""
    head = -1
    while True:
        now = (await ask(gateway.get, "/journal?limit=1&newest=true"))["head"]["seq"]
        if now == head:
            break
        head = now
        await trio.sleep(1.5)
    written = await lines_of_channels(gateway, after, head)
    await told.until(lambda one: one.lines and one.lines[-1] >= written[-1])
    assert [seq for seq in told.lines if after < seq <= head] == written
    positions = {f"position:{item['ticket']}" for item in (await ask(gateway.get, "/positions"))["items"]}
    assert {key for key in told.states if key.startswith("position:")} == positions
    assert told.states["state:demo"] == "active"


async def test_resets_are_not_noticed_in_what_is_told(tmp_path: Path) -> None:
    """Connections break while orders are placed: each time all that was missed comes, ticks and lines."""
    with running(write_config(tmp_path, {"demo": DEMO}, poll_interval_ms=20)) as gateway:
        told = Told()
        await trade(gateway)
        async with (
            open_proxy("127.0.0.1", gateway.port("websocket")) as proxy,
            open_ticks(
                f"ws://127.0.0.1:{proxy.port}/", SYMBOLS, token=TOKEN, settings=QUICK, channels=CHANNELS
            ) as feed,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(told.follow, feed)
            await told.until(lambda one: len(one.snapshots) == 2 and one.ticks > 10)
            began = told.snapshots[0].journal_seq
            for number in range(5):
                outages = told.outages
                proxy.reset_all()
                await told.until(lambda one, outages=outages: one.outages > outages)
                await trade(gateway)
                # One that is cut before it has its answers is none that recovers anything.
                await told.until(lambda one, number=number: min(recoveries(one)) > number)
            await check(gateway, told, began)
            nursery.cancel_scope.cancel()
        assert told.epochs == 1
        assert len(told.snapshots) == 2, "none but the first two"


def recoveries(told: Told) -> tuple[int, int]:
    """How often the channels, and how often the ticks, went on where they had ended."""
    return (
        sum("orders" in each.channels for each in told.recovered),
        sum(each.symbols == tuple(SYMBOLS) for each in told.recovered),
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
async def test_a_killed_gateway_is_gone_on_from(tmp_path: Path) -> None:
    """Three times, and once stopped in order: the channels go on, the ticks say that they began anew."""
    config = write_config(tmp_path, {"demo": DEMO}, poll_interval_ms=20, websocket={"port": free_port()})
    told = Told()
    began = 0
    async with trio.open_nursery() as nursery:
        url = f"ws://127.0.0.1:{port_of(config)}/"
        feed = await nursery.start(follow_for_ever, url, told)
        for number, end in enumerate((signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, None)):
            with running(config) as gateway:
                await trade(gateway)
                if number == 0:
                    await told.until(lambda one: len(one.snapshots) == 2)
                    began = told.snapshots[0].journal_seq
                    await trade(gateway)
                await told.until(lambda one, number=number: one.epochs > number)
                if end is None:
                    await check(gateway, told, began)
                else:
                    await ask(gateway.stop, end)
        assert feed.statistics().connections == 5
        nursery.cancel_scope.cancel()
    assert len(told.snapshots) == 2
    assert [each.channels for each in told.recovered] == [tuple(CHANNELS)] * 4


def port_of(config: Path) -> int:
    port: int = json.loads(config.read_text(encoding="utf-8"))["gateway"]["websocket"]["port"]
    return port


async def follow_for_ever(
    url: str, told: Told, *, task_status: trio.TaskStatus[Feed] = trio.TASK_STATUS_IGNORED
) -> None:
    async with open_ticks(url, SYMBOLS, token=TOKEN, settings=QUICK, channels=CHANNELS) as feed:
        task_status.started(feed)
        await told.follow(feed)


def test_without_async(tmp_path: Path) -> None:
    """The synchronous feed tells the same."""
    with (
        running(write_config(tmp_path, {"demo": DEMO}, poll_interval_ms=20)) as gateway,
        sync.open_ticks(gateway.addresses["websocket"], token=TOKEN, channels=["risk"]) as feed,
    ):
        seen: list[Any] = []
        while not isinstance(seen[-1:] and seen[-1], ChannelSnapshot):
            seen.append(feed.take(20))
            assert seen[-1] is not None
        gateway.post("/risk/state", {"state": "halted", "reason": "a test"})
        update = feed.take(20)
        assert isinstance(update, ChannelUpdate)
        assert update.data["state"] == "halted"
