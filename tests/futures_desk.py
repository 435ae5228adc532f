"""A desk at a made-up futures exchange: requests in short, and all that it said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.futures_engine import FuturesEngine

START = 1_700_000_000.0
BTC = "BTCUSDT"


class FuturesDesk:
    """An engine whose clock stands still until it is moved, with BTCUSDT at 60000 / 60001."""

    def __init__(self, **settings: Any) -> None:
        self.now_s = START
        self.events: list[dict[str, Any]] = []
        self.market: list[dict[str, Any]] = []
        self.engine = FuturesEngine(clock=lambda: self.now_s, **settings)
        self.engine.on_event = self.events.append
        self.engine.on_market = self.market.append
        self.quote("60000", "60001")

    def quote(self, bid: str, ask: str, bid_qty: str | None = None, ask_qty: str | None = None) -> None:
        """Move BTCUSDT."""
        sizes = [None if size is None else Decimal(size) for size in (bid_qty, ask_qty)]
        self.engine.set_quote(BTC, Decimal(bid), Decimal(ask), *sizes)

    def ask(self, method: str, path: str, **params: object) -> Any:
        """A request; one with a symbol of its own, or none (`symbol=None`), or for BTCUSDT."""
        said = {"symbol": BTC} | params
        sent = {key: str(value) for key, value in said.items() if value is not None}
        return self.engine.handle(method, f"/fapi/{path if path[0] == 'v' else 'v1/' + path}", sent)

    def order(self, side: str, quantity: object, kind: str = "MARKET", **params: object) -> Any:
        """A new order, whose answer says what became of it."""
        said = {"newOrderRespType": "RESULT"} | params
        return self.ask("POST", "order", side=side, type=kind, quantity=quantity, **said)

    def limit(self, side: str, quantity: object, price: object, tif: str = "GTC", **params: object) -> Any:
        """A new limit order."""
        return self.order(side, quantity, "LIMIT", price=price, timeInForce=tif, **params)

    def algo(self, side: str, kind: str, trigger: object, **params: object) -> Any:
        """A new conditional order; it closes the position unless it has a quantity."""
        what = params if "quantity" in params else {"closePosition": "true", **params}
        return self.ask("POST", "algoOrder", algoType="CONDITIONAL", side=side, type=kind, triggerPrice=trigger, **what)

    @property
    def wallet(self) -> Decimal:
        return self.engine.account.wallets["USDT"]

    def held(self, side: str = "BOTH") -> Decimal:
        """The amount of the position in BTC."""
        return self.engine.account.position(BTC, side).amount

    def kinds(self) -> list[str]:
        """The events so far, each with its status, and forgotten; TRADE_LITE left out."""
        told = [each for each in self.events if each["e"] != "TRADE_LITE"]
        said = [f"{each['e']} {each['o']['X']}" if "o" in each else each["e"] for each in told]
        self.events.clear()
        return said


def fault(call: Any, *arguments: Any, **params: Any) -> int:
    """With which code a request is refused."""
    try:
        call(*arguments, **params)
    except ApiFault as refused:
        return refused.code
    raise AssertionError("it was not refused")
