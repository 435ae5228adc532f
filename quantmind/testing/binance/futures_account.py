"""The account of the made-up futures exchange: wallets, positions, margin, and where money came from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.futures_orders import NOUGHT, QUOTE, FuturesOrder, FuturesTrade, exact, worded
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.symbols import plain

_EIGHT: Final = Decimal("1E-8")


@attrs.define(eq=False)
class FuturesPosition:
    """`amount` is below 0 for a short one; `cost` is price times amount without its sign."""

    symbol: str
    side: str
    amount: Decimal = NOUGHT
    cost: Decimal = NOUGHT
    realized: Decimal = NOUGHT
    updated: int = 0

    @property
    def entry(self) -> Decimal:
        return self.cost / abs(self.amount) if self.amount else NOUGHT

    def against(self, sign: int) -> Decimal:
        """How much of it an order of this sign (1: a buy) could close."""
        return max(NOUGHT, -self.amount * sign)

    def trade(self, signed: Decimal, price: Decimal) -> Decimal:
        """Take in a fill; returns what it realised."""
        if not self.amount or (signed > 0) == (self.amount > 0):
            self.amount += signed
            self.cost += abs(signed) * price
            return NOUGHT
        closed = min(abs(signed), abs(self.amount))
        sign = 1 if self.amount > 0 else -1
        part = self.cost if closed == abs(self.amount) else self.entry * closed
        realized = exact((closed * price - part) * sign)
        self.amount += signed
        self.cost -= part
        if abs(signed) > closed:
            self.cost = abs(self.amount) * price
        self.realized += realized
        return realized

    def worth(self, price: Decimal) -> Decimal:
        """What it would realise at a price."""
        return (abs(self.amount) * price - self.cost) * (1 if self.amount > 0 else -1)


@attrs.define(eq=False)
class FuturesAccount:
    """One account with crossed margin. The last price stands for the mark price."""

    wallets: dict[str, Decimal]
    markets: Mapping[str, Market]
    leverages: dict[str, int]
    hedges: bool = False
    margin_types: dict[str, str] = attrs.field(factory=dict)
    positions: dict[tuple[str, str], FuturesPosition] = attrs.field(factory=dict)
    income: list[Payload] = attrs.field(factory=list, init=False)
    _income_ids: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    def position(self, symbol: str, side: str) -> FuturesPosition:
        """The position of a side; one of nothing where there is none."""
        return self.positions.setdefault((symbol, side), FuturesPosition(symbol, side))

    def is_held(self, symbol: str) -> bool:
        """Whether any position of a symbol is open."""
        return any(each.symbol == symbol and each.amount for each in self.positions.values())

    def unrealized(self, position: FuturesPosition | None = None) -> Decimal:
        """Of one position, or of all."""
        if position is None:
            return sum((self.unrealized(each) for each in self.positions.values()), NOUGHT)
        return position.worth(self.markets[position.symbol].last) if position.amount else NOUGHT

    def margin_of(self, position: FuturesPosition) -> Decimal:
        """Its initial margin."""
        return abs(position.amount) * self.markets[position.symbol].last / self.leverages[position.symbol]

    def margin(self, orders: Iterable[FuturesOrder]) -> Decimal:
        """Initial margin of positions and orders: of each position the larger of what it came to if all its buys were
        filled and if all its sells were; orders that only reduce need none.
        """
        waits: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        for order in orders:
            if order.reduces:
                continue
            key = (order.symbol, order.position_side)
            buys, sells = waits.get(key, (NOUGHT, NOUGHT))
            worth = order.left * (order.price or self.markets[order.symbol].price_for(order.side))
            waits[key] = (buys + worth, sells) if order.side == "BUY" else (buys, sells + worth)
        needed = NOUGHT
        for key in {*waits, *self.positions}:
            position = self.positions.get(key)
            held = NOUGHT if position is None else position.amount * self.markets[key[0]].last
            buys, sells = waits.get(key, (NOUGHT, NOUGHT))
            needed += max(abs(held + buys), abs(held - sells)) / self.leverages[key[0]]
        return needed

    def available(self, orders: Iterable[FuturesOrder]) -> Decimal:
        """What may be put into new positions; below 0: too much is in them already."""
        return self.wallets.get(QUOTE, NOUGHT) + self.unrealized() - self.margin(orders)

    def book(self, trade: FuturesTrade) -> None:
        """What a trade realised and cost goes to the wallet."""
        self.wallets[QUOTE] = self.wallets.get(QUOTE, NOUGHT) + trade.realized - trade.commission
        for kind, amount in (("REALIZED_PNL", trade.realized), ("COMMISSION", -trade.commission)):
            if amount:
                self._note(kind, amount, trade.order.symbol, trade.time, str(trade.trade_id))

    def pay(self, kind: str, amount: Decimal, now: int, symbol: str = "") -> None:
        """A change of the wallet that is no trade: TRANSFER, FUNDING_FEE."""
        self.wallets[QUOTE] = self.wallets.get(QUOTE, NOUGHT) + amount
        self._note(kind, amount, symbol, now, "")

    def event(
        self, now: int, reason: str, positions: Iterable[FuturesPosition] = (), changed: Decimal = NOUGHT
    ) -> Payload:
        """ACCOUNT_UPDATE with the positions that have changed; `changed`: the wallet, by what is no trade."""
        wallet = plain(self.wallets.get(QUOTE, NOUGHT))
        balances = [{"a": QUOTE, "wb": wallet, "cw": wallet, "bc": plain(changed)}]
        said = [
            {
                "s": each.symbol,
                "pa": plain(each.amount),
                "ep": worded(each.entry),
                "bep": worded(each.entry),
                "cr": plain(each.realized),
                "up": worded(self.unrealized(each)),
                "mt": "cross",
                "iw": "0",
                "ps": each.side,
                "ma": QUOTE,
            }
            for each in positions
        ]
        return {"e": "ACCOUNT_UPDATE", "E": now, "T": now, "a": {"m": reason, "B": balances, "P": said}}

    def _note(self, kind: str, amount: Decimal, symbol: str, time: int, trade_id: str) -> None:
        self.income.append(
            {
                "symbol": symbol,
                "incomeType": kind,
                "income": plain(amount),
                "asset": QUOTE,
                "info": trade_id or kind,
                "time": time,
                "tranId": next(self._income_ids),
                "tradeId": trade_id,
            }
        )


def _eight(amount: Decimal) -> str:
    return plain(amount.quantize(_EIGHT))
