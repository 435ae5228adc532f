"""A campaign on Binance: as `faults.chaos.campaign`, and the broker is a real one on the exchange that is made up."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs
import trio
from faults.chaos import campaign, http_once
from faults.chaos.campaign import Outcome
from faults.chaos.clients import ZmqClient
from faults.chaos.kill_switch import ROOT, Target
from faults.chaos.processes import TOKEN, Gateways, Program, environment, free_ports
from faults.chaos.records import Appender
from faults.chaos.traders import trade
from faults.chaos_binance import exchange
from faults.chaos_binance.aim import Aim
from faults.chaos_binance.trader import Shared, SpotDesk
from gateway_process import write_config

from quantmind.net.zmq import ZmqContext
from quantmind.testing.binance.simulator import KEYS, BinanceSimulator
from quantmind.testing.proxy import FaultProxy, open_proxy

BROKER: Final = "coins"
RECV_WINDOW_MS: Final = 500
DESKS: Final = 2
WORKERS: Final = 3
LOOK_WITHIN_S: Final = 40.0
"""Afterwards, until all that the gateway shows is what the exchange has."""
SETTLE_WITHIN_S: Final = 60.0
TICKET_EVERY_S: Final = 0.3


@attrs.define(eq=False)
class ExchangeCampaign(campaign.Campaign):
    """One run in a folder of its own, which keeps history, ledger, record and logs."""

    mischief: Counter[str] = attrs.field(factory=Counter, init=False)
    _shared: Shared = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.deck = Aim(random.Random(self.seed + 1))

    async def run(self) -> Outcome:
        """Everything, from the first gateway to the last answer."""
        began = time.monotonic()
        self.history.write("run", seed=self.seed, rounds=self.rounds)
        async with exchange.open_exchange(self.seed) as (sim, walking), self._traders(sim) as proxies:
            config = self._written(sim.url)
            async with _open_gateways(self.folder, config) as gateways:
                await self._trade(sim, gateways, proxies)
                walking.cancel()
                await self._ask_again()
                await self._look_at(sim)
                await gateways.kill()
            self._write_ledger(sim)
        await self._read_journal()
        self._sum_up(began)
        return self.outcome

    # --- setting up ----------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _traders(self, sim: BinanceSimulator) -> AsyncIterator[list[FaultProxy]]:
        commands, rest = free_ports(2, self.rng)
        self._ports = {"commands": commands, "rest": rest}
        shared = self._shared = Shared(lambda: exchange.bid(sim), lambda: exchange.held(sim))
        async with open_proxy("127.0.0.1", commands) as proxy, trio.open_nursery() as readers:
            with ZmqContext() as context:
                for number in range(DESKS):
                    rng = random.Random(self.seed + 10 + number)
                    client = ZmqClient(context, proxy.port, TOKEN, self.history, rng)
                    readers.start_soon(client.run)
                    self.desks.append((SpotDesk(f"ea{number}", rng, shared), client))  # type: ignore[arg-type]
                yield [proxy]
                readers.cancel_scope.cancel()

    def _written(self, url: str) -> Path:
        account = {
            "type": "binance_spot",
            "api_key": KEYS.api_key,
            "api_secret": KEYS.secret,
            "base_url": url,
            "symbols": [exchange.SYMBOL],
            "recv_window_ms": RECV_WINDOW_MS,
        }
        path = write_config(
            self.folder,
            {BROKER: account},
            poll_interval_ms=50,
            account_interval_ms=100,
            commands={"port": self._ports["commands"]},
            rest={"port": self._ports["rest"]},
        )
        whole = json.loads(path.read_text(encoding="utf-8"))
        limits = {"max_open_positions": 10_000, "price_fresh_s": 30, "equity_fresh_s": 30, "max_volume": 1000}
        whole["risk"] = {"accounts": {"default": limits}}
        path.write_text(json.dumps(whole), encoding="utf-8")
        return path

    # --- while it goes on ----------------------------------------------------------------------------------------

    async def _trade(self, sim: BinanceSimulator, gateways: Gateways, proxies: list[FaultProxy]) -> None:
        stopping = trio.Event()
        await self._first(gateways)
        async with trio.open_nursery() as workers:
            for desk, client in self.desks:
                for _ in range(WORKERS):
                    workers.start_soon(trade, desk, client, self.history, stopping)
            async with trio.open_nursery() as trouble:
                rng = random.Random(self.seed + 3)
                trouble.start_soon(exchange.misbehave, sim, rng, exchange.OF_REQUESTS, self.mischief)
                rng = random.Random(self.seed + 4)
                trouble.start_soon(exchange.misbehave, sim, rng, exchange.OF_EVENTS, self.mischief)
                trouble.start_soon(self._disturb, proxies)
                trouble.start_soon(self._tell_ticket)
                await self._survey(gateways)
                for number in range(1, self.rounds + 1):
                    await self._round(gateways, number)
                trouble.cancel_scope.cancel()
            self.history.round, self.history.site = self.rounds + 1, ""
            await gateways.begin(Target(watch=False))
            await gateways.ready()
            stopping.set()
            workers.cancel_scope.deadline = trio.current_time() + SETTLE_WITHIN_S

    async def _tell_ticket(self) -> NoReturn:
        """Let the clients know which position there is, as a screen would."""
        while True:
            await trio.sleep(TICKET_EVERY_S)
            with trio.move_on_after(TICKET_EVERY_S), contextlib.suppress(http_once.NoAnswer):
                path, headers = "/positions", {"X-Token": TOKEN}
                status, body = await http_once.ask(self._ports["rest"], "GET", path, headers)
                if status == 200:
                    self._shared.ticket = body["items"][0]["ticket"] if body["items"] else 0

    # --- afterwards ----------------------------------------------------------------------------------------------

    async def _look_at(self, sim: BinanceSimulator) -> None:
        """What the gateway says of the account, once it has had the time to read all of it."""
        view: dict[str, Any] = {}
        with trio.move_on_after(LOOK_WITHIN_S):
            while not self._is_whole(view, sim):
                await trio.sleep(0.5)
                status = await self._get("/status")
                view = {
                    "positions": await self._items("/positions"),
                    "orders": await self._items("/orders"),
                    "deals": await self._items("/deals"),
                    "account": await self._get("/account"),
                    "status": status["brokers"][0],
                    "exchange": status["exchanges"][BROKER],
                }
        self.history.write("view", **view)

    @staticmethod
    def _is_whole(view: dict[str, Any], sim: BinanceSimulator) -> bool:
        if len(view.get("deals", ())) < exchange.trades(sim) or view["exchange"]["stops"]["missing"]:
            return False
        if view["status"]["books"]["state"] != "agreed":  # what is in doubt for a moment is not compared yet
            return False
        shown = sum((Decimal(str(each["volume"])) for each in view["positions"]), Decimal(0))
        return abs(exchange.held(sim) - shown) < Decimal("0.00001")

    def _write_ledger(self, sim: BinanceSimulator) -> None:
        file = Appender(self.ledger)
        for record in exchange.ledger(sim):
            file.write(record)
        file.close()


@contextlib.asynccontextmanager
async def _open_gateways(folder: Path, config: Path) -> AsyncIterator[Gateways]:
    """What starts gateways, for the length of the block; the last one ends with it."""
    log = folder / "gateway.log"
    given = ("--config", str(config), "--broker-port", "0", "--folder", str(folder), "--token", TOKEN)
    with log.open("ab") as errors:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "faults.chaos_binance.gateway", *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env=environment(),
        )
    program = Program(process)
    gateways = Gateways(program, log)
    try:
        assert await program.hear() == {"loaded": True}, gateways.tail()
        yield gateways
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(10):
            await program.end()
