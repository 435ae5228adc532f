"""A desk at a made-up spot exchange: requests in short, and all that it said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.spot_account import Commission
from quantmind.testing.binance.spot_engine import SpotEngine
from quantmind.testing.binance.symbols import SPOT_SYMBOLS

START = 1_700_000_000.0
BALANCES = {"USDT": Decimal(100000), "BTC": Decimal(2), "ETH": Decimal(20), "BNB": Decimal(10)}
BTC = "BTCUSDT"

OTOCO = {
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "59500",
    "workingQuantity": "0.1",
    "workingTimeInForce": "GTC",
    "pendingSide": "SELL",
    "pendingQuantity": "0.1",
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "61000",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "59000",
}
"""A buy of 0.1 at 59500; then a sell at 61000, or at the market at 59000."""


class SpotDesk:
    """An engine whose clock stands still until it is moved, with BTCUSDT at 60000 / 60001."""

    def __init__(self, commission: Commission | None = None, symbols: Any = SPOT_SYMBOLS) -> None:
        self.now_s = START
        self.events: list[dict[str, Any]] = []
        self.market: list[dict[str, Any]] = []
        self.engine = SpotEngine(symbols, BALANCES, commission or Commission(), clock=lambda: self.now_s)
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
        return self.engine.handle(
            method, f"/api/v3/{path}", {key: str(value) for key, value in said.items() if value is not None}
        )

    def order(self, side: str, kind: str, quantity: object, **params: object) -> Any:
        """A new order."""
        return self.ask("POST", "order", side=side, type=kind, quantity=quantity, **params)

    def limit(self, side: str, quantity: object, price: object, tif: str = "GTC", **params: object) -> Any:
        """A new limit order."""
        return self.order(side, "LIMIT", quantity, price=price, timeInForce=tif, **params)

    def oco(self, **params: object) -> Any:
        """Sell 0.1 at 61000, or at the market at 59000."""
        legs = {
            "side": "SELL",
            "quantity": "0.1",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "61000",
            "belowType": "STOP_LOSS",
            "belowStopPrice": "59000",
        }
        return self.ask("POST", "orderList/oco", **legs | params)

    def otoco(self, **params: object) -> Any:
        """Buy 0.1 at 59500; then sell it at 61000, or at the market at 59000."""
        return self.ask("POST", "orderList/otoco", **OTOCO | params)

    def status(self, order_id: int) -> str:
        """What became of an order."""
        return str(self.ask("GET", "order", orderId=order_id)["status"])

    def balance(self, asset: str) -> tuple[Decimal, Decimal]:
        """What is free and what is locked, as the account says it."""
        for each in self.ask("GET", "account", symbol=None)["balances"]:
            if each["asset"] == asset:
                return Decimal(each["free"]), Decimal(each["locked"])
        raise KeyError(asset)

    def reports(self) -> list[tuple[Any, ...]]:
        """Execution reports: id, execution, status."""
        return [(event["i"], event["x"], event["X"]) for event in self.events if event["e"] == "executionReport"]


def fault(call: Any) -> ApiFault:
    """The fault that a call raises."""
    try:
        call()
    except ApiFault as found:
        return found
    raise AssertionError("it was not refused")
