"""Accounts at Binance as their books have them: orders, trades and balances that the stream tells, in short."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

from quantmind.adapters.binance.carried import CarriedFile
from quantmind.adapters.binance.futures_book import FuturesBook
from quantmind.adapters.binance.names import Role, client_id
from quantmind.adapters.binance.records import Balance, BalancesSaid, Fill, Order, OrderSaid
from quantmind.adapters.binance.spot_book import SpotBook
from quantmind.domain.orders import Side
from quantmind.domain.symbols import SymbolSpec

D = Decimal
STEP: Final = D("0.001")
PRICES: Final = {"BTCUSDT": (D(100), D(101))}


def spec(name: str = "BTCUSDT", base: str = "BTC") -> SymbolSpec:
    """A symbol."""
    return SymbolSpec(name, 2, D("0.01"), D(1), D("0.001"), D(1000), D("0.001"), 0, base, "USDT", "USDT")


def spot(path: Path | None = None) -> SpotBook:
    """A spot account that follows BTCUSDT."""
    book = SpotBook("x", "USDT", CarriedFile.open(path), PRICES.get, lambda tag: (7, f"of {tag}"))
    book.trades({"BTCUSDT": spec()})
    return book


def futures(path: Path | None = None, *, hedges: bool = False) -> FuturesBook:
    """A futures account that follows BTCUSDT."""
    book = FuturesBook("x", "USDT", CarriedFile.open(path), PRICES.get, lambda tag: (7, f"of {tag}"), hedges=hedges)
    book.trades({"BTCUSDT": spec()})
    return book


def order(tag: str, amount: str, filled: str | None = None, status: str = "FILLED", **more: object) -> Order:
    """A market order of the request with this tag; below 0 it sells."""
    quantity = abs(D(amount))
    side = Side.BUY if D(amount) > 0 else Side.SELL
    done = quantity if filled is None else D(filled)
    values = {"symbol": "BTCUSDT", "order_id": sum(tag.encode()), "client_id": client_id(Role.ORDER, tag), **more}
    return Order(side=side, kind="MARKET", status=status, quantity=quantity, filled=done, **values)  # type: ignore[arg-type]


def traded(one: Order, trade: int, at: int = 10, price: str = "100", **more: object) -> OrderSaid:
    """All that an order has filled, in one trade."""
    values = {"commission": D(0), "commission_asset": "USDT", "time_msc": at, **more}
    fill = Fill(one.symbol, trade, one.order_id, one.side, D(price), one.filled, **values)  # type: ignore[arg-type]
    return OrderSaid(one, at, fill, "TRADE")


def has(book: SpotBook, cash: str, btc: str = "0", at: int = 10) -> BalancesSaid:
    """Balances."""
    return BalancesSaid([Balance("USDT", D(cash)), Balance("BTC", D(btc))], at)
