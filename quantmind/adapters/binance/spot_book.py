"""A spot account. What is held of an asset is the position of the symbol that trades it; there are no short ones.

Money is that of one asset, `currency`. What is held of a followed symbol counts at its bid; other assets do not count,
and are named in /status. Everything that is held of a symbol's asset is its position, also what was there before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from quantmind.adapters.binance.book import CENTS, Book, balance_of
from quantmind.adapters.binance.names import Role, name_of
from quantmind.adapters.binance.records import (
    NOUGHT,
    Balance,
    BalancesSaid,
    Fill,
    FuturesAccount,
    Order,
    SpotAccount,
)
from quantmind.adapters.binance.walk import Walk
from quantmind.adapters.binance.wishes import Slot
from quantmind.domain.accounts import Account, Position
from quantmind.domain.orders import Side
from quantmind.domain.symbols import SymbolSpec

KEY = "BOTH"
MOST_PASSED_BY = 1000
"""Two connections overlap for seconds."""


@attrs.define(eq=False)
class SpotBook(Book):
    """The account of a spot broker."""

    balances: dict[str, Balance] = attrs.field(factory=dict, init=False)
    balances_msc: int = attrs.field(default=0, init=False)
    _passed_by: dict[tuple[str, int, int], None] = attrs.field(factory=dict, init=False)
    """Trades of symbols that are not followed, the newest."""

    def trades(self, specs: Mapping[str, SymbolSpec]) -> None:
        """These are the symbols."""
        walks = {
            (name, KEY): self.walks.get((name, KEY))
            or Walk(name, KEY, spec.volume_step, self._charge, base=spec.currency_base)
            for name, spec in specs.items()
        }
        self._follow(specs, walks)

    def install(
        self, account: SpotAccount, orders: Sequence[Order], fills: Mapping[str, Sequence[Fill]], symbols: Sequence[str]
    ) -> None:
        """A snapshot. `orders` are the open ones and `fills` the newest trades of `symbols`."""
        self.login, self.can_trade = account.uid, account.can_trade
        self.balances = {each.asset: each for each in account.balances}
        self.balances_msc = account.updated_msc
        self._read_cash()
        self._begin(orders, fills, symbols)

    @property
    def not_counted(self) -> tuple[str, ...]:
        """Assets that are held and count for nothing here."""
        counted = {self.currency, *(spec.currency_base for spec in self.specs.values())}
        return tuple(sorted(each.asset for each in self.balances.values() if each.total and each.asset not in counted))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _held(self) -> Mapping[Slot, Decimal]:
        return {slot: self._total(self.specs[slot[0]].currency_base) for slot in self.walks}

    def _said(self, account: SpotAccount | FuturesAccount) -> tuple[Decimal, dict[Slot, Decimal]]:
        totals = {each.asset: each.total for each in account.balances}
        held = {slot: totals.get(self.specs[slot[0]].currency_base, NOUGHT) for slot in self.walks}
        return totals.get(self.currency, NOUGHT), held

    def _total(self, asset: str) -> Decimal:
        balance = self.balances.get(asset)
        return NOUGHT if balance is None else balance.total

    def _read_cash(self) -> None:
        found = balance_of(self.balances.values(), self.currency)
        self.cash = NOUGHT if found is None else found.total

    def _take_balances(self, said: BalancesSaid) -> None:
        if said.event_msc < self.balances_msc:
            return
        self.balances_msc = said.event_msc
        for each in said.balances:
            self.balances[each.asset] = each
        self._read_cash()

    def _cash_of(self, fill: Fill) -> Decimal:
        change = -fill.side.sign * fill.price * fill.quantity
        return change - fill.commission if fill.commission_asset == self.currency else change

    # The money of symbols that are paid in the account's currency, which their names end with; each trade once.
    def _pass_by(self, fill: Fill) -> None:
        key = (fill.symbol, fill.trade_id, fill.order_id)
        if key in self._passed_by:
            return
        self._passed_by[key] = None
        while len(self._passed_by) > MOST_PASSED_BY:
            del self._passed_by[next(iter(self._passed_by))]
        if fill.symbol.endswith(self.currency):
            self.expected_cash += self._cash_of(fill)
        elif fill.commission_asset == self.currency:
            self.expected_cash -= fill.commission

    # In the account's currency. Of a third asset, such as BNB, its own position pays, if its symbol is followed.
    def _charge(self, fill: Fill) -> Decimal:
        if fill.commission_asset == self.currency:
            return fill.commission
        return (
            fill.commission * fill.price if fill.commission_asset == self.specs[fill.symbol].currency_base else NOUGHT
        )

    def _is_exit(self, order: Order, slot: Slot) -> bool:
        del slot  # a symbol has one
        name = name_of(order.client_id)
        return name is not None and name.role in (Role.STOP_LOSS, Role.TAKE_PROFIT) and order.side is Side.SELL

    # Equity is what all would be worth if it were sold now; the balance what was paid for it. What is too little to be
    # sold is worth what it would bring, in both.
    def _account(self, positions: Sequence[Position]) -> Account:
        worth = NOUGHT
        for (symbol, _), walk in self.walks.items():
            price = self.price_out(symbol, Side.BUY)
            worth += walk.lot.cost if price is None else walk.lot.amount * price
        worth = worth.quantize(CENTS)
        profit = sum((each.profit for each in positions), NOUGHT)
        equity = self.cash + worth
        return Account(
            login=self.login,
            server=self.server,
            currency=self.currency,
            leverage=1,
            margin_mode="netting",
            balance=equity - profit,
            equity=equity,
            margin=worth,
            margin_free=equity - worth,
            profit=profit,
            trade_allowed=self.can_trade,
        )
