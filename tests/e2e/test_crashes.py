"""Crash any actor: the tree recovers, no client hangs, no command is lost, and the snapshot says what happened."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from gateway_process import TOKEN, write_config

from actors.runtime import Snapshot, State
from quantmind.app import Gateway, open_gateway
from quantmind.config import load
from quantmind.net.errors import NetError, PeerGone
from quantmind.net.ws import ClientConnection, connect
from quantmind.net.zmq import DealerSocket, ZmqContext

WALK = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}
POLLER = "market/pollers/poller:demo"
ACTORS = (
    "journal",
    "state/router",
    "state/stop_file",
    "execution/brokers/executor:demo",
    "execution/brokers/closer:demo",
    "execution/governor",
    "execution/commands",
    "market/hub",
    "market/pollers/poller:demo",
    "edges/ws",
    "edges/zmq_commands",
    "edges/http",
    "reporter",
)


class Boom(Exception):
    """A planted crash."""


@contextlib.asynccontextmanager
async def gateway_at(folder: Path, brokers: dict[str, Any]) -> AsyncIterator[Gateway]:
    """A gateway inside this process, on real sockets."""
    config = load(write_config(folder, brokers, poll_interval_ms=20, account_interval_ms=50), {})
    with open_gateway(config, token=TOKEN) as gateway:
        async with trio.open_nursery() as nursery:
            await nursery.start(gateway.tree.root.run)
            yield gateway
            with trio.fail_after(30):
                await gateway.tree.root.stop()
            nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class Trader:
    """A DEALER that counts what it asked and what it was answered."""

    socket: DealerSocket
    asked: int = 0
    replies: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    doubled: int = 0

    def ask(self, **fields: Any) -> None:
        self.asked += 1
        request_id = f"r{self.asked}"
        message = {"ea_name": "T", "magic": 1, "request_id": request_id, **fields}
        if fields.get("execute"):
            message.update(token=TOKEN, expires_at=time.time() + 30)
        assert self.socket.send(json.dumps(message).encode())

    async def read(self) -> None:
        while True:
            for incoming in await self.socket.receive_batch():
                assert incoming.body is not None
                reply = json.loads(incoming.body)
                self.doubled += reply["request_id"] in self.replies
                self.replies[reply["request_id"]] = reply

    async def all_answered(self) -> None:
        with trio.fail_after(20):
            while len(self.replies) < self.asked:
                await trio.sleep(0.02)


@attrs.define(eq=False)
class Watcher:
    """A WebSocket client that checks the numbering of what it gets, and connects again when it is sent away."""

    url: str
    epochs: list[str] = attrs.field(factory=list)
    connections: int = 0
    ticks: int = 0
    last: int = 0

    async def read(self) -> None:
        while True:
            try:
                async with connect(self.url) as client:
                    self.connections += 1
                    await client.send(json.dumps({"type": "subscribe", "symbols": ["EURUSD"]}))
                    await self._follow(client)
            except (PeerGone, NetError):
                await trio.sleep(0.05)

    async def _follow(self, client: ClientConnection) -> None:
        while True:
            message = json.loads(await client.receive())
            if message["type"] == "subscribed":
                self.last = 0
                if message["symbols"]:
                    self.epochs.append(message["epoch"])
                else:  # the broker is not connected yet
                    await trio.sleep(0.05)
                    await client.send(json.dumps({"type": "subscribe", "symbols": ["EURUSD"]}))
            elif message["type"] == "tick":
                seq = message["data"]["seq"]
                if not message.get("snapshot"):
                    assert seq == self.last + 1 or self.last == 0, (seq, self.last)
                    self.ticks += 1
                self.last = seq

    async def more_ticks(self) -> None:
        seen = self.ticks
        with trio.fail_after(20):
            while self.ticks < seen + 3:
                await trio.sleep(0.02)


async def running_again(gateway: Gateway, path: str, restarts: int = 1) -> Snapshot:
    """Wait until the actor at `path` was restarted and everything runs."""
    with trio.fail_after(30):
        while True:
            nodes = {node.name: node for node in gateway.tree.snapshot().walk()}
            if nodes[path].restarts >= restarts and all(n.state is State.RUNNING for n in nodes.values()):
                return nodes[path]
            await trio.sleep(0.02)


@pytest.mark.parametrize("path", ACTORS)
async def test_any_actor_may_crash(path: str, tmp_path: Path) -> None:
    """After a crash of any actor every command has exactly one answer, ticks go on and the snapshot names the error."""
    async with gateway_at(tmp_path, {"demo": WALK}) as gateway:
        host, port = "127.0.0.1", int(gateway.addresses["commands"].rpartition(":")[2])
        with ZmqContext() as context:
            trader = Trader(DealerSocket.connect(context, host, port))
            watcher = Watcher(gateway.addresses["websocket"])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trader.read)
                nursery.start_soon(watcher.read)
                await watcher.more_ticks()
                for n in range(60):
                    trader.ask(type="heartbeat", symbol="EURUSD")
                    trader.ask(type="trade_open", symbol="EURUSD", volume=0.01, side="buy", execute=n % 3 == 0)
                    if n == 30:
                        gateway.tree.root.fail(path, Boom("planted"))
                    if n % 4 == 0:
                        await trio.sleep(0.005)
                node = await running_again(gateway, path)
                assert "planted" in (node.last_error or "")
                await trader.all_answered()
                await watcher.more_ticks()
                trader.ask(type="heartbeat", symbol="EURUSD")
                await trader.all_answered()
                assert trader.doubled == 0
                check_answers(trader, gateway)
                # The journal is the root of everything: its crash sends clients away with 1001, and they come back.
                expected = 2 if path in ("market/hub", "journal") else 1
                assert len(set(watcher.epochs)) == len(watcher.epochs) == expected
                assert watcher.connections == (2 if path == "journal" else 1)
                nursery.cancel_scope.cancel()


def check_answers(trader: Trader, gateway: Gateway) -> None:
    """Each answer is one that may be given, and as many positions are open as were said to be."""
    filled = 0
    for reply in trader.replies.values():
        assert reply["status"] in ("success", "rejected", "error", "unknown"), reply
        if reply["status"] == "error":
            assert reply["code"] in ("busy", "internal", "broker_unavailable", "expired"), reply
            assert reply["approved"] is False
        filled += reply["status"] == "success" and "ticket" in reply
    unknown = sum(reply["status"] == "unknown" for reply in trader.replies.values())
    broker: Any = gateway.brokers["demo"]
    assert filled <= len(broker.account.positions()) <= filled + unknown


async def test_a_broker_dead_at_start_holds_up_nothing_else(tmp_path: Path) -> None:
    """With one broker out of reach the gateway is ready, serves the other, and refuses the orders of the dead one."""
    brokers = {"dead": WALK, "demo": WALK}
    config = load(write_config(tmp_path, brokers, poll_interval_ms=20, account_interval_ms=50), {})
    with open_gateway(config, token=TOKEN) as gateway:
        dead: Any = gateway.brokers["dead"]
        dead.faults.connect_error = "nobody answers"
        async with trio.open_nursery() as nursery:
            with trio.fail_after(10):
                await nursery.start(gateway.tree.root.run)
            with ZmqContext() as context:
                port = int(gateway.addresses["commands"].rpartition(":")[2])
                trader = Trader(DealerSocket.connect(context, "127.0.0.1", port))
                watcher = Watcher(gateway.addresses["websocket"])
                async with trio.open_nursery() as inner:
                    inner.start_soon(trader.read)
                    inner.start_soon(watcher.read)
                    await watcher.more_ticks()
                    await trio.sleep(0.3)
                    for broker in ("demo", "dead"):
                        trader.ask(type="trade_open", symbol="EURUSD", volume=0.01, side="buy", broker=broker)
                    await trader.all_answered()
                    assert trader.replies["r1"]["approved"] is True
                    assert trader.replies["r2"]["approved"] is False
                    assert trader.replies["r2"]["status"] == "rejected"
                    inner.cancel_scope.cancel()
            link = gateway.tree.boards.links.of("dead")
            assert link.feed == "degraded"
            assert "nobody answers" in (link.feed_error or "")
            await gateway.tree.root.stop()


async def test_a_parked_poller_is_said_to_clients_and_in_the_status(tmp_path: Path) -> None:
    """After too many crashes nobody watches the feed for a minute: its clients know, and its link does."""
    async with gateway_at(tmp_path, {"demo": WALK}) as gateway, connect(gateway.addresses["websocket"]) as client:
        await client.send(json.dumps({"type": "subscribe", "symbols": ["EURUSD"]}))
        states: list[str] = []

        async def listen() -> None:
            while True:
                message = json.loads(await client.receive())
                if message["type"] == "status":
                    states.append(message["state"])

        def state() -> State:
            return next(node.state for node in gateway.tree.snapshot().walk() if node.name == POLLER)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            with trio.fail_after(60):
                while state() is not State.PARKED:
                    if state() is State.RUNNING:
                        gateway.tree.root.fail(POLLER, Boom("planted"))
                    await trio.sleep(0.02)
                while not states or states[-1] != "stale":
                    await trio.sleep(0.02)
            assert gateway.tree.boards.links.of("demo").feed == "failed"
            nursery.cancel_scope.cancel()
