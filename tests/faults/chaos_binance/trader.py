"""What the clients trade on spot: buys, sells of what is held, orders that wait, changes and cancellations."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import attrs
from faults.chaos.answers import Reply, Said, said
from faults.chaos.clients import Request
from faults.chaos_binance.exchange import SYMBOL

MOST_HELD: Final = Decimal("0.5")
"""Above it sells are preferred."""
MOST_WAITING: Final = 10
"""Of one EA."""
SHORTEST_S, LONGEST_S = 1.5, 5.0
"""How far ahead an order expires."""


@attrs.define
class Shared:
    """What all know of the account, which has one position of the symbol: its number, and what waits."""

    bid: Callable[[], Decimal]
    held: Callable[[], Decimal]
    ticket: int = 0


@attrs.define(eq=False)
class SpotDesk:
    """One EA, as `faults.chaos.traders.Desk` is one of a hedging account: it is given to `traders.trade`."""

    ea_name: str
    rng: random.Random
    shared: Shared
    requests: list[Request] = attrs.field(factory=list)
    waiting: list[int] = attrs.field(factory=list)
    """Orders that it believes to wait."""
    _made: int = 0

    def next(self) -> Request:
        """The next request."""
        drawn = self.rng.random()
        if len(self.waiting) > MOST_WAITING or (self.waiting and drawn < 0.12):
            return self._made_of({**self._of("trade_cancel"), "ticket": self.rng.choice(self.waiting)})
        if self.waiting and drawn < 0.2:
            # Lower, so that it is no new risk.
            change = {"ticket": self.rng.choice(self.waiting), "new_price": self._far()}
            return self._made_of({**self._of("trade_modify"), **change})
        if drawn < 0.35:
            return self._made_of(self._limit())
        if self.shared.ticket and drawn < 0.5:
            change = {"ticket": self.shared.ticket, **self._stops("new_")}
            return self._made_of({**self._of("trade_modify"), **change})
        sells = 0.75 if self.shared.held() < MOST_HELD else 0.95
        if drawn < (1.25 - sells):
            return self._made_of(self._open("buy", **(self._stops("") if self.rng.random() < 0.3 else {})))
        if self.shared.ticket and self.rng.random() < 0.6:
            return self._made_of(self._close())
        if self.shared.held() > Decimal("0.01"):
            return self._made_of(self._open("sell", reduce=True))
        return self._made_of(self._open("buy"))

    def opens(self, request: Request) -> bool:
        """Whether it is an order at the market."""
        return request.body["type"] == "trade_open" and "price" not in request.body

    def like(self, request: Request) -> Request:
        """Another one of the same EA, magic, symbol and so on."""
        return self._made_of(dict(request.body))

    def learn(self, request: Request, reply: Reply | None) -> None:
        """What became of a request, as far as it is known."""
        body = request.body
        done = reply is not None and said(reply) is Said.DONE
        ticket = body.get("ticket")
        if body["type"] == "trade_open" and done:
            assert reply is not None
            if reply.get("pending"):
                self.waiting.append(reply["ticket"])
            elif body["side"] == "buy":
                self.shared.ticket = reply["ticket"]
        elif body["type"] == "trade_cancel" and ticket in self.waiting:
            self.waiting.remove(ticket)  # what could not be taken back is left alone
        elif ticket in self.waiting and not done:
            self.waiting.remove(ticket)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _made_of(self, body: dict[str, Any]) -> Request:
        self._made += 1
        expires_at = round(time.time() + self.rng.uniform(SHORTEST_S, LONGEST_S), 3)
        request = Request(self.ea_name, f"{self.ea_name}-{self._made}", body, expires_at)
        self.requests.append(request)
        return request

    def _open(self, side: str, **more: Any) -> dict[str, Any]:
        volume = self.rng.randint(20, 900) / 100_000
        return {**self._of("trade_open"), "symbol": SYMBOL, "side": side, "volume": volume, **more}

    def _limit(self) -> dict[str, Any]:
        # A few are near enough to be filled.
        near = float(self.shared.bid()) - self.rng.randint(1, 60) / 100
        price = round(near, 2) if self.rng.random() < 0.2 else self._far()
        stops = self._stops("") if self.rng.random() < 0.3 else {}
        return self._open("buy", order_type="limit", price=price, **stops)

    def _close(self) -> dict[str, Any]:
        part = {} if self.rng.random() < 0.15 else {"volume": self.rng.randint(20, 900) / 100_000}
        return {**self._of("trade_close"), "symbol": SYMBOL, "ticket": self.shared.ticket, **part}

    def _far(self) -> float:
        return round(float(self.shared.bid()) * self.rng.uniform(0.6, 0.8), 2)

    # Each at a price of its own: it tells whose it is.
    def _stops(self, prefix: str) -> dict[str, Any]:
        at = float(self.shared.bid())
        levels = {"sl": at * self.rng.uniform(0.55, 0.59), "tp": at * self.rng.uniform(1.2, 1.4)}
        if self.rng.random() < 0.1:  # near enough to be set off
            levels = {"sl": at - self.rng.uniform(0.5, 5), "tp": at + self.rng.uniform(0.5, 5)}
        names = self.rng.choice((("sl",), ("tp",), ("sl", "tp")))
        return {f"{prefix}{name}": round(levels[name], 2) for name in names}

    def _of(self, kind: str) -> dict[str, Any]:
        return {"type": kind, "magic": self.rng.randint(1, 4), "execute": True}
