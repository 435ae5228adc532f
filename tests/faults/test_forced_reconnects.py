"""All connections cut at once, again and again: every subscription comes back, and nothing of the lost ones stays."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio
from faults.health import Footprint, ask, asking, footprint, items, nodes_of, serious, wait_until
from faults.watching import Watcher
from gateway_process import GatewayProcess, running, write_config

from quantmind.client import Feed, FeedSettings, open_ticks
from quantmind.client.rest import RestClient
from quantmind.testing.proxy import FaultProxy, open_proxy

SYMBOLS = ("EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "USDCAD", "USDCHF", "USDJPY", "EURGBP")
CLIENTS = 12
IMPATIENT = FeedSettings(quiet_s=0.5, answer_within_s=0.5, first_pause_s=0.02, most_pause_s=0.2, good_after_s=0.1)
WITHIN_S = 60.0
"""For a round to be over: far more than any takes, on a machine that does other things, too."""
KINDS = ("cut", "reset", "half_open")
MOST_GROWTH_KB = 16 * 1024
"""Of the gateway's memory, from all clients connected to all connected again at the end."""


@attrs.define(eq=False)
class Client:
    """One feed, what it wants, and what it was told."""

    feed: Feed
    wants: set[str]
    watcher: Watcher = attrs.field(factory=Watcher)
    seen: Counter[str] = attrs.field(factory=Counter)
    """Ticks of each symbol since the mark, those of a subscription's beginning not counted."""

    def __attrs_post_init__(self) -> None:
        self.watcher.check = lambda tick: self.seen.update(() if tick.snapshot else (tick.symbol,))

    def swap(self, rng: random.Random) -> None:
        """Give one symbol up and want another, as programs do whether there is a line or not."""
        others = sorted(set(SYMBOLS) - self.wants)
        if not others or self.feed.statistics().buffered:
            return
        old, new = rng.choice(sorted(self.wants)), rng.choice(others)
        self.wants ^= {old, new}
        self.watcher.forget(new)
        self.feed.remove(old)
        self.feed.add(new)


@attrs.define(eq=False)
class Crowd:
    """All clients behind one proxy."""

    proxy: FaultProxy
    clients: list[Client]

    async def lose_all(self, kind: str, rng: random.Random) -> None:
        """Break every connection, until every client has noticed; some change their minds meanwhile."""
        lost = [client.watcher.disconnected for client in self.clients]
        match kind:
            case "cut":
                self.proxy.cut_all()
            case "reset":
                self.proxy.reset_all()
            case "half_open":
                self.proxy.swallow_all()
        for client in rng.sample(self.clients, 3):
            client.swap(rng)
        await wait_until(
            lambda: all(
                client.watcher.disconnected > before for client, before in zip(self.clients, lost, strict=True)
            ),
            WITHIN_S,
            lambda: [client.feed.statistics() for client in self.clients],
        )

    async def wait_flowing(self) -> None:
        """Until each client is connected and has had a new tick of each symbol that it wants."""
        for client in self.clients:
            client.seen.clear()
        await wait_until(
            lambda: all(
                client.feed.statistics().connected and client.wants <= client.seen.keys() for client in self.clients
            ),
            WITHIN_S,
            lambda: [(client.feed.statistics(), client.wants - client.seen.keys()) for client in self.clients],
        )

    @property
    def subscriptions(self) -> list[tuple[int, tuple[str, ...]]]:
        return sorted((len(client.wants), tuple(sorted(client.wants))) for client in self.clients)


@contextlib.asynccontextmanager
async def crowd_at(port: int) -> AsyncIterator[Crowd]:
    """Clients with different subscriptions: two want everything, the others what chance gives them."""
    rng = random.Random(3)
    wants = [set(SYMBOLS if n < 2 else rng.sample(SYMBOLS, rng.randint(1, 6))) for n in range(CLIENTS)]
    async with contextlib.AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(open_proxy("127.0.0.1", port))
        followers = await stack.enter_async_context(trio.open_nursery())
        crowd = Crowd(proxy, [])
        for wanted in wants:
            url = f"ws://127.0.0.1:{proxy.port}/"
            client = Client(await stack.enter_async_context(open_ticks(url, wanted, settings=IMPATIENT)), wanted)
            crowd.clients.append(client)
            followers.start_soon(client.watcher.follow, client.feed)
        yield crowd


def configure(folder: Path, *, port: int = 0) -> Path:
    brokers = {
        "demo": {
            "type": "mt5_mock",
            "symbols": {name: {} for name in SYMBOLS},
            "feed": {"type": "random_walk", "seed": 5},
        }
    }
    # A half-open connection is noticed by its pings.
    websocket = {"port": port, "heartbeat_interval_s": 1}
    return write_config(folder, brokers, poll_interval_ms=20, websocket=websocket)


async def wait_restored(gateway: GatewayProcess, rest: RestClient, crowd: Crowd) -> Footprint:
    """Until the gateway has exactly the clients that there are, each with what it wants; what it then takes.

    A lost connection that the gateway still holds would be one more client, with subscriptions of its own.
    """
    found: list[tuple[int, tuple[str, ...]]] = []
    counted: tuple[int, ...] = ()
    with trio.move_on_after(WITHIN_S):
        while True:
            clients = await items(rest, "/clients")
            found = sorted((item["subscriptions"], tuple(sorted(item["symbols"]))) for item in clients)
            status = await ask(rest, "/status")
            counted = (status["websocket"]["clients"], status["hub"]["sinks"], status["hub"]["groups"])
            groups = len({wanted for _, wanted in crowd.subscriptions})
            if found == crowd.subscriptions and counted == (CLIENTS, CLIENTS, groups):
                assert all(item["bytes_waiting"] < 64 * 1024 for item in clients)
                return await footprint(gateway, rest)
            await trio.sleep(0.05)
    raise AssertionError(f"the gateway has {found}, counted {counted}; wanted is {crowd.subscriptions}")


async def wait_as_before(gateway: GatewayProcess, rest: RestClient, before: Footprint) -> None:
    """Until actors, clients and descriptors are again as many as they were."""
    now = before
    with trio.move_on_after(WITHIN_S):
        while True:
            now = await footprint(gateway, rest)
            descriptors = (now.descriptors or 0) - (before.descriptors or 0)
            if (now.actors, now.clients) == (before.actors, before.clients) and descriptors <= 0:
                return
            await trio.sleep(0.05)
    raise AssertionError(f"before {before}, and now {now}")


async def run_rounds(gateway: GatewayProcess, crowd: Crowd, rounds: int, rng: random.Random) -> Footprint:
    """Break everything `rounds` times; what the gateway takes with all clients back."""
    with asking(gateway) as rest:
        await crowd.wait_flowing()
        before = await wait_restored(gateway, rest, crowd)
        epoch = (await ask(rest, "/status"))["hub"]["epoch"]
        for number in range(rounds):
            await crowd.lose_all(KINDS[number % len(KINDS)], rng)
            await crowd.wait_flowing()
            await wait_restored(gateway, rest, crowd)
            await wait_as_before(gateway, rest, before)
        for client in crowd.clients:
            assert client.watcher.epochs[-1] == epoch
        for node in nodes_of(await ask(rest, "/actors")):
            assert (node["state"], node["restarts"], node["last_error"]) == ("running", 0, None), node
        after = await footprint(gateway, rest)
        assert (after.memory_kb or 0) - (before.memory_kb or 0) <= MOST_GROWTH_KB, f"{after}, and before {before}"
        return after


async def run_through(folder: Path, rounds: int, kills: int) -> None:
    rng = random.Random(11)
    with contextlib.ExitStack() as gateways:
        gateway = gateways.enter_context(running(configure(folder), "--json-log"))
        with asking(gateway) as rest:
            empty = await footprint(gateway, rest)
        port = gateway.port("websocket")
        async with crowd_at(port) as crowd:
            full = await run_rounds(gateway, crowd, rounds, rng)
            for _ in range(kills):
                lost = [client.watcher.disconnected for client in crowd.clients]
                gateway.process.kill()
                gateway.process.wait()
                assert serious(gateway.log[:-1]) == []  # a kill may tear the last line
                gateway = gateways.enter_context(running(configure(folder, port=port), "--json-log"))
                await run_rounds(gateway, crowd, 2, rng)
                assert all(
                    client.watcher.disconnected > before for client, before in zip(crowd.clients, lost, strict=True)
                )
            told = {tuple(client.watcher.epochs) for client in crowd.clients}
            assert len(told) == 1, "all were told of the same epochs"
            assert {len(set(epochs)) for epochs in told} == {len(epochs) for epochs in told} == {1 + kills}
        with asking(gateway) as rest:
            await wait_as_before(gateway, rest, empty)
        assert serious(gateway.log) == []
    watchers = [client.watcher for client in crowd.clients]
    print(f"rounds={rounds} kills={kills} with all clients={full} without={empty} {crowd.proxy.statistics()}")
    print(f"ticks={sum(each.ticks for each in watchers)} told missing={sum(each.missing for each in watchers)}")


async def test_all_clients_come_back_after_each_cut(tmp_path: Path) -> None:
    """After each cut of all connections, and after a kill, the gateway has every subscription and nothing else."""
    await run_through(tmp_path, rounds=5, kills=1)


@pytest.mark.long
async def test_all_clients_come_back_after_many_cuts(tmp_path: Path) -> None:
    """The same, ten times as long, with some more kills."""
    await run_through(tmp_path, rounds=50, kills=5)
