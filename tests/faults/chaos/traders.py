"""What the clients trade: opens, closes of a part and of all, changes of stops, each a request of its own."""

from __future__ import annotations

import random
import time
from decimal import Decimal
from typing import Any

import attrs
import trio
from faults.chaos.answers import Reply, Said, said
from faults.chaos.book import BASES
from faults.chaos.clients import Client, Request
from faults.chaos.history import History

SYMBOLS = tuple(BASES)
MOST_OPEN = 12
"""Of one EA; above it closes are preferred, so that the account stays as small as a real one."""
SHORTEST_S, LONGEST_S = 2.0, 8.0
"""How far ahead an order expires."""


@attrs.define
class Lot:
    """A position that an EA believes to have."""

    ticket: int
    symbol: str
    volume: Decimal


@attrs.define(eq=False)
class Desk:
    """One EA: its positions, and what it asks for next. `http`: it asks over HTTP, and has no magic of its own."""

    ea_name: str
    rng: random.Random
    http: bool = False
    magics: tuple[int, ...] = (1, 2, 3, 4)
    requests: list[Request] = attrs.field(factory=list)
    lots: dict[int, Lot] = attrs.field(factory=dict)
    _made: int = 0

    def next(self) -> Request:
        """The next request."""
        drawn = self.rng.random() + (0.4 if len(self.lots) > MOST_OPEN else 0.0)
        lot = self.rng.choice(list(self.lots.values())) if self.lots else None
        if lot is None or drawn < 0.5:
            return self._made_of(self._open())
        if drawn < 0.58 and not self.http:
            return self._made_of(self._modify(lot))
        return self._made_of(self._close(lot))

    def opens(self, request: Request) -> bool:
        """Whether a request opens a position."""
        return request.body.get("type") == "trade_open" or request.body.get("path") == "/trade"

    def like(self, request: Request) -> Request:
        """Another one of the same EA, magic, symbol and so on."""
        return self._made_of(dict(request.body))

    def learn(self, request: Request, reply: Reply | None) -> None:
        """What became of a request, as far as it is known."""
        body = request.body
        done = reply is not None and said(reply) is Said.DONE
        ticket = body.get("ticket") or body.get("closes")
        if ticket is None and done:
            assert reply is not None
            opened = Lot(reply["ticket"], body["symbol"], Decimal(str(reply["volume"])))
            self.lots[opened.ticket] = opened
        elif ticket is not None and body.get("type") != "trade_modify":
            lot = self.lots.get(ticket)
            if lot is None:
                return
            if done:
                assert reply is not None
                lot.volume -= Decimal(str(reply["volume"]))
            if not done or lot.volume <= 0:
                self.lots.pop(ticket)  # what could not be closed is left alone

    def _made_of(self, body: dict[str, Any]) -> Request:
        self._made += 1
        expires_at = None if self.http else round(time.time() + self.rng.uniform(SHORTEST_S, LONGEST_S), 3)
        request = Request(self.ea_name, f"{self.ea_name}-{self._made}", body, expires_at)
        self.requests.append(request)
        return request

    def _open(self) -> dict[str, Any]:
        symbol, side = self.rng.choice(SYMBOLS), self.rng.choice(("buy", "sell"))
        volume = self.rng.randint(1, 20) / 100
        if self.http:
            return {"path": "/trade", "symbol": symbol, "action_type": side.upper(), "volume": volume}
        stops = {"sl": 0.5 if side == "buy" else 2.0} if self.rng.random() < 0.3 else {}
        return {**self._zmq("trade_open"), "symbol": symbol, "side": side, "volume": volume, **stops}

    def _close(self, lot: Lot) -> dict[str, Any]:
        part = {}
        if lot.volume > Decimal("0.02") and self.rng.random() < 0.5:
            part = {"volume": float(self.rng.randint(1, int(lot.volume * 100) - 1)) / 100}
        else:
            self.lots.pop(lot.ticket)
        if self.http:
            return {"path": f"/brokers/demo/positions/{lot.ticket}/close", "closes": lot.ticket, **part}
        return {**self._zmq("trade_close"), "symbol": lot.symbol, "ticket": lot.ticket, **part}

    def _modify(self, lot: Lot) -> dict[str, Any]:
        stop = self.rng.randint(100, 300) / 100
        return {**self._zmq("trade_modify"), "ticket": lot.ticket, "new_tp": stop}

    def _zmq(self, kind: str) -> dict[str, Any]:
        return {"type": kind, "magic": self.rng.choice(self.magics), "execute": True}


async def trade(desk: Desk, client: Client, history: History, stopping: trio.Event) -> None:
    """Ask for one thing after the other, each until it is known what became of it."""
    while not stopping.is_set():
        request = desk.next()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_ask_the_same, desk, client, history, request)
            await _settle(desk, client, history, request)
            if not request.doubt.is_set():
                nursery.cancel_scope.cancel()
        await trio.sleep(desk.rng.uniform(0.0, 0.1))


async def _settle(desk: Desk, client: Client, history: History, request: Request) -> None:
    reply = await client.settle(request)
    history.write("settled", request_id=request.request_id, reply=reply)
    desk.learn(request, reply)


async def _ask_the_same(desk: Desk, client: Client, history: History, request: Request) -> None:
    """As soon as an open is unknown, ask for another one like it, as an impatient EA would: it must be refused."""
    await request.doubt.wait()
    if desk.opens(request):
        await _settle(desk, client, history, desk.like(request))
