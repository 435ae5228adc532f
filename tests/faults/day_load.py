"""Who a gateway meets on a day: a slow reader, clients who come and go, and somebody who asks over REST."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from collections import Counter
from typing import Any

import attrs
import trio
from faults.generated_day import SYMBOLS, Day
from faults.health import Footprint, ask, footprint, newest_tick, nodes_of
from faults.watching import Watcher
from gateway_process import GatewayProcess
from raw_ws import RawClient

from quantmind.client import open_ticks
from quantmind.client.rest import RestClient

SLOW_BYTES, SLOW_PAUSE_S = 256, 0.02
VISIT_WITHIN_S = 60.0


class SlowReader(RawClient):
    """Reads a little now and then, until it is told to hurry. It answers pings, as late as it reads them."""

    def __init__(self, port: int) -> None:
        super().__init__(port, receive_buffer=4096)
        self.hurry = threading.Event()
        self.ticks: list[dict[str, Any]] = []
        self._rest = bytearray(self._chunks[0])

    @property
    def address(self) -> str:
        """As the gateway sees it."""
        host, port = self.socket.getsockname()
        return f"{host}:{port}"

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the connection has ended; what is missing then is seen in the ticks
            while chunk := self.socket.recv(1 << 16 if self.hurry.is_set() else SLOW_BYTES):
                self._rest += chunk
                while (frame := self._next_frame()) is not None:
                    self._take(*frame)
                if not self.hurry.is_set():
                    time.sleep(SLOW_PAUSE_S)

    def _next_frame(self) -> tuple[int, bytes] | None:
        data, start = self._rest, 2
        if len(data) < start:
            return None
        size = data[1] & 127
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            return None
        opcode, payload = data[0] & 15, bytes(data[start : start + size])
        del data[: start + size]
        return opcode, payload

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            # Masked by zeros: the protocol asks for a mask and not for a secret one.
            self.socket.sendall(bytes((0x8A, 0x80 | len(payload))) + bytes(4) + payload)
        elif opcode == 1:
            message = json.loads(payload)
            if message["type"] == "tick":
                self.ticks.append(message["data"])

    def leave(self) -> None:
        """End the connection, and the thread that reads it: closing alone would not wake that one."""
        with contextlib.suppress(OSError):  # the gateway has ended it
            self.socket.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(60)
        self.socket.close()


async def come_and_go(gateway: GatewayProcess, day: Day, rng: random.Random, stopping: trio.Event) -> Counter[str]:
    """Subscribe to something, take a few true ticks, leave one way or another, and again; how often which."""
    visits: Counter[str] = Counter()
    while not stopping.is_set():
        how = rng.choice(("leaves", "unsubscribes", "vanishes"))
        symbols = rng.sample(SYMBOLS, rng.randint(2, len(SYMBOLS)))
        with trio.fail_after(VISIT_WITHIN_S):
            if how == "vanishes":
                await trio.to_thread.run_sync(_vanish, gateway.port("websocket"), symbols)
            else:
                await _visit(gateway, day, symbols, leave_first=how == "unsubscribes")
        visits[how] += 1
        await trio.sleep(rng.uniform(0, 0.1))
    return visits


async def _visit(gateway: GatewayProcess, day: Day, symbols: list[str], *, leave_first: bool) -> None:
    watcher = Watcher(day.check)
    async with open_ticks(gateway.addresses["websocket"], symbols) as feed:
        async for event in feed:
            watcher.take(event)
            if watcher.ticks == len(symbols) and leave_first:
                feed.remove(*symbols[:-1])
            if watcher.ticks >= 2 * len(symbols) or day.count(symbols[-1]) in _last_seqs(watcher):
                return


def _last_seqs(watcher: Watcher) -> set[int]:
    return {tick.seq for tick in watcher.newest.values()}


# Without a word of goodbye, and with ticks unread: that is a reset.
def _vanish(port: int, symbols: list[str]) -> None:
    client = RawClient(port)
    client.send({"type": "subscribe", "symbols": symbols})
    client.socket.recv(100)
    client.socket.close()


@attrs.define(eq=False)
class Prober:
    """Asks everything over REST again and again, and notes what the gateway takes."""

    gateway: GatewayProcess
    rest: RestClient
    rng: random.Random
    answers: Counter[str] = attrs.field(factory=Counter)
    footprints: list[Footprint] = attrs.field(factory=list)
    peak_bytes_waiting: int = 0
    not_running: list[dict[str, Any]] = attrs.field(factory=list)

    async def run(self, stopping: trio.Event) -> None:
        """Ask until told to stop. Every answer must be a good one."""
        while not stopping.is_set():
            symbol = self.rng.choice(SYMBOLS)
            for path in ("/account", "/positions", f"/bars/{symbol}", "/symbols", "/eas", "/deals"):
                await ask(self.rest, path)
                self.answers[path.split("/")[1]] += 1
            await newest_tick(self.rest, symbol)
            self.footprints.append(await footprint(self.gateway, self.rest))
            for client in (await ask(self.rest, "/clients"))["items"]:
                self.peak_bytes_waiting = max(self.peak_bytes_waiting, client["bytes_waiting"])
            # A session that comes or goes is not running for a moment; nobody else may.
            nodes = nodes_of(await ask(self.rest, "/actors"))
            self.not_running += [
                node for node in nodes if node["state"] != "running" and "sessions/" not in node["name"]
            ]
            self.answers.update(("ticks", "status", "clients", "actors"))
            await trio.sleep(self.rng.uniform(0.05, 0.15))
