"""A campaign: clients trade, the gateway is killed round after round, and at the end everybody is asked again."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import trio
from faults.chaos import http_once, records
from faults.chaos.clients import Client, HttpClient, Request, ZmqClient
from faults.chaos.deck import Deck
from faults.chaos.gateway import KILLS, SITES
from faults.chaos.history import History
from faults.chaos.kill_switch import Target
from faults.chaos.mischief import Rates
from faults.chaos.processes import (
    TOKEN,
    BrokerControl,
    Gateways,
    free_ports,
    open_broker,
    open_gateways,
    run_quantmind,
)
from faults.chaos.traders import Desk, trade
from gateway_process import write_config

from quantmind.net.zmq import ZmqContext
from quantmind.testing.proxy import FaultProxy, Faults, open_proxy

RATES = Rates(
    lose=0.03,
    lose_and_close=0.01,
    hold=0.03,
    copy=0.05,
    requote=0.08,
    drop=0.04,
    drop_and_close=0.02,
    late=0.04,
    slow=0.2,
    twice=0.1,
    drop_read=0.005,
    events=0.5,
    settle_s=0.5,
)
SURVEY_S = 6.0
ROUND_S = 3.5
"""A round whose site was not reached by then is ended by a kill from outside."""
DOWN_S = 0.5
"""How long nobody is there after a kill, at most."""
SETTLE_WITHIN_S = 60.0
EACH_WITHIN_S = 0.1
"""For each request that is asked again at the end, far more than it takes."""
READ_WITHIN_S = 20.0
ZMQ_DESKS = 2
WORKERS = 4
"""Of each desk; what one waits for holds up no other one."""
FINAL_AT_ONCE = 40


@attrs.define(eq=False)
class Outcome:
    """What a campaign did; whether it was right is for the checker to say."""

    seed: int
    rounds: int
    kills: list[dict[str, Any]] = attrs.field(factory=list)
    """Each with its round, site and moment; the site is "clock" of those from outside."""
    requests: int = 0
    copies: int = 0
    reopened: int = 0
    network: Counter[str] = attrs.field(factory=Counter)
    broker: dict[str, int] = attrs.field(factory=dict)
    sites: int = 0
    """Sites that were seen, each with its moments."""
    took_s: float = 0.0


@attrs.define(eq=False)
class Campaign:
    """One run in a folder of its own, which keeps history, ledger and logs."""

    folder: Path
    rounds: int
    seed: int
    rng: random.Random = attrs.field(init=False)
    history: History = attrs.field(init=False)
    outcome: Outcome = attrs.field(init=False)
    deck: Deck = attrs.field(init=False)
    desks: list[tuple[Desk, Client]] = attrs.field(factory=list, init=False)
    _ports: dict[str, int] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.history = History(self.folder / "history.jsonl")
        self.outcome = Outcome(self.seed, self.rounds)
        self.deck = Deck(random.Random(self.seed + 1))

    async def run(self) -> Outcome:
        """Everything, from the first gateway to the last answer."""
        began = time.monotonic()
        self.history.write("run", seed=self.seed, rounds=self.rounds)
        async with (
            open_broker(self.folder, self.seed) as (broker_port, broker),
            self._clients() as proxies,
            open_gateways(self.folder, self._configure(), broker_port) as gateways,
        ):
            stopping = trio.Event()
            await self._first(gateways)
            async with trio.open_nursery() as workers:
                for desk, client in self.desks:
                    for _ in range(WORKERS):
                        workers.start_soon(trade, desk, client, self.history, stopping)
                await broker.ask("rates", rates=attrs.asdict(RATES))
                network = await workers.start(self._disturb, proxies)
                await self._survey(gateways)
                for number in range(1, self.rounds + 1):
                    await self._round(gateways, number)
                network.cancel()
                await self._calm(gateways, broker)
                stopping.set()
                workers.cancel_scope.deadline = trio.current_time() + SETTLE_WITHIN_S
            await self._ask_again()
            await self._look(broker)
            await gateways.kill()
        await self._read_journal()
        self._sum_up(began)
        return self.outcome

    # --- setting up ----------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _clients(self) -> AsyncIterator[list[FaultProxy]]:
        commands, rest = free_ports(2, self.rng)
        self._ports = {"commands": commands, "rest": rest}
        async with (
            open_proxy("127.0.0.1", commands) as zmq_proxy,
            open_proxy("127.0.0.1", rest) as http_proxy,
            trio.open_nursery() as readers,
        ):
            with ZmqContext() as context:
                for number in range(ZMQ_DESKS):
                    rng = random.Random(self.seed + 10 + number)
                    client = ZmqClient(context, zmq_proxy.port, TOKEN, self.history, rng)
                    readers.start_soon(client.run)
                    self.desks.append((Desk(f"ea{number}", rng), client))
                rng = random.Random(self.seed + 20)
                http = HttpClient(http_proxy.port, TOKEN, self.history, rng)
                self.desks.append((Desk("rest:owner", rng, http=True, magics=(0,)), http))
                yield [zmq_proxy, http_proxy]
                readers.cancel_scope.cancel()

    def _configure(self) -> Path:
        account = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}
        path = write_config(
            self.folder,
            {"demo": account},
            poll_interval_ms=100,
            account_interval_ms=200,
            commands={"port": self._ports["commands"]},
            rest={"port": self._ports["rest"]},
        )
        whole = json.loads(path.read_text(encoding="utf-8"))
        limits = {"max_open_positions": 10_000, "price_fresh_s": 30, "equity_fresh_s": 30}
        whole["risk"] = {"accounts": {"default": limits}}
        path.write_text(json.dumps(whole), encoding="utf-8")
        return path

    # --- rounds --------------------------------------------------------------------------------------------------

    async def _first(self, gateways: Gateways) -> None:
        """A gateway that has taken over the account, which is empty: what comes later has an order behind it."""
        await gateways.begin(Target())
        await gateways.ready()
        with trio.fail_after(READ_WITHIN_S):
            while (await self._get("/status"))["brokers"][0]["books"]["state"] != "agreed":
                await trio.sleep(0.1)

    async def _survey(self, gateways: Gateways) -> None:
        """Let it work, with everything going wrong but a kill, and learn where orders stand still."""
        await trio.sleep(SURVEY_S)
        await gateways.write_visits()
        self._note_end(await gateways.kill(), Target())

    async def _round(self, gateways: Gateways, number: int) -> None:
        self.deck.learn(records.read(self.folder / SITES))
        target = self.deck.draw(number)
        self.history.round, self.history.site = number, target.site
        self.history.write("start", moment=target.moment, visit=target.visit)
        await gateways.begin(target)
        code: int | None = None
        with trio.move_on_after(ROUND_S):
            code = await gateways.ended()
        self._note_end(await gateways.kill() if code is None else code, target)
        await trio.sleep(self.rng.uniform(0.0, DOWN_S))

    def _note_end(self, code: int, target: Target) -> None:
        assert code == -signal.SIGKILL, f"the gateway ended with {code}; see {self.folder / 'gateway.log'}"
        # What the process itself wrote as its last act is the proof that it was there.
        there = any(record["round"] == target.round for record in records.read(self.folder / KILLS))
        site, moment = (target.site, target.moment) if there else ("clock", "")
        self.history.write("kill", killed_at=site, moment=moment, visit=target.visit)
        self.outcome.kills.append({"round": target.round, "killed_at": site, "moment": moment})
        if target.site and not there:
            self.deck.missed(target)

    async def _disturb(
        self, proxies: list[FaultProxy], task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Break the clients' connections in every way, until cancelled."""
        rng = random.Random(self.seed + 2)
        with trio.CancelScope() as scope:
            task_status.started(scope)
            while True:
                await trio.sleep(rng.uniform(0.1, 0.6))
                proxy = rng.choice(proxies)
                kind = rng.choice(("cut", "reset", "half_open", "mid_frame", "refused", "slow"))
                self.outcome.network[kind] += 1
                _break(kind, proxy, rng)
                try:
                    await trio.sleep(rng.uniform(0.05, 0.4))
                finally:
                    proxy.restore()

    # --- afterwards ----------------------------------------------------------------------------------------------

    async def _calm(self, gateways: Gateways, broker: BrokerControl) -> None:
        """Nothing goes wrong any more: a gateway that lives on, and a broker that answers."""
        self.history.round, self.history.site = self.rounds + 1, ""
        await broker.ask("rates", rates={})
        await gateways.begin(Target(watch=False))
        await gateways.ready()

    async def _ask_again(self) -> None:
        """Every request once more, until its answer is definite; then what the record says of it."""
        limit = trio.CapacityLimiter(FINAL_AT_ONCE)

        async def one(client: Client, request: Request) -> None:
            async with limit:
                reply = await client.final(request)
                self.history.write("final", request_id=request.request_id, reply=reply)
                path = f"/commands/{request.request_id}?ea_name={request.ea_name}"
                status, body = await http_once.ask(self._ports["rest"], "GET", path, {"X-Token": TOKEN})
            told = {name: body.get(name) for name in ("code", "state", "order_id", "in_flight")}
            self.history.write("status", request_id=request.request_id, http=status, **told)

        count = sum(len(desk.requests) for desk, _ in self.desks)
        with trio.move_on_after(SETTLE_WITHIN_S + count * EACH_WITHIN_S):
            async with trio.open_nursery() as nursery:
                for desk, client in self.desks:
                    for request in desk.requests:
                        nursery.start_soon(one, client, request)

    async def _look(self, broker: BrokerControl) -> None:
        """What the gateway says of the account, once it has had the time to read all of it."""
        fills = sum(record["kind"] == "fill" and record["deal"] > 0 for record in records.read(self.ledger))
        view: dict[str, Any] = {}
        with trio.move_on_after(READ_WITHIN_S):
            while len(view.get("deals", ())) < fills:
                await trio.sleep(1.0)
                view = {
                    "positions": await self._items("/positions"),
                    "deals": await self._items("/deals"),
                    "account": await self._get("/account"),
                    "status": (await self._get("/status"))["brokers"][0],
                }
        self.history.write("view", **view)
        self.outcome.broker = (await broker.ask("state"))["counts"]

    async def _read_journal(self) -> None:
        """The record of the gateway that was killed last, by the programs that its user has for that."""
        journal = str(self.folder / "state" / "journal.sqlite3")
        await run_quantmind("journal", "export", "--file", journal, str(self.folder / "record.jsonl"))
        self.history.write(
            "verdict", **json.loads(await run_quantmind("journal", "verify", "--json", "--file", journal))
        )

    async def _items(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await self._get(f"{path}?limit=1000{after}")
            found += page["items"]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    async def _get(self, path: str) -> Any:
        status, body = await http_once.ask(self._ports["rest"], "GET", path, {"X-Token": TOKEN})
        assert status == 200, body
        return body

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    def _sum_up(self, began: float) -> None:
        clients = [client for _, client in self.desks]
        self.outcome.requests = sum(len(desk.requests) for desk, _ in self.desks)
        self.outcome.copies = sum(client.copies for client in clients if isinstance(client, ZmqClient | HttpClient))
        self.outcome.reopened = sum(client.reopened for client in clients if isinstance(client, ZmqClient))
        self.outcome.sites = len(self.deck.visits)
        self.outcome.took_s = time.monotonic() - began
        self.history.close()


def _break(kind: str, proxy: FaultProxy, rng: random.Random) -> None:
    match kind:
        case "cut":
            proxy.cut_all()
        case "reset":
            proxy.reset_all()
        case "half_open":
            proxy.swallow_all()
        case "mid_frame":
            cut = rng.randrange(100, 3000)
            proxy.restore(Faults(slice_bytes=5, cut_after_bytes=cut, cut_by_reset=rng.random() < 0.5))
        case "refused":
            proxy.set_faults(refuse=True)
            proxy.cut_all()
        case "slow":
            proxy.restore(Faults(latency_s=rng.uniform(0.01, 0.1), slice_bytes=7))


def where(outcome: Outcome) -> Iterator[str]:
    """How often each site was where the gateway ended, most often first."""
    for site, count in Counter(kill["killed_at"] for kill in outcome.kills).most_common():
        yield f"{count:4}  {site}"
