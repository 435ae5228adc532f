"""A USD-M futures account. In one-way mode a symbol has one position, in hedge mode one of each side.

Money is that of one margin asset, `currency`: wallets of other assets do not count. A position is worth what closing it
now would bring (Binance's own equity goes by the mark price); its margin is reckoned from its value and leverage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import attrs

from quantmind.adapters.binance.book import Book, balance_of
from quantmind.adapters.binance.names import Role, name_of
from quantmind.adapters.binance.records import NOUGHT, BalancesSaid, Fill, FuturesAccount, Holding, Order, SpotAccount
from quantmind.adapters.binance.walk import Walk
from quantmind.adapters.binance.wishes import Slot
from quantmind.domain.accounts import Account, Position
from quantmind.domain.orders import Side
from quantmind.domain.symbols import SymbolSpec

KEYS = ("BOTH", "LONG", "SHORT")
_TRADED = ("ORDER", "ADL")
"""Reasons of an event whose change of the wallet comes from trades, which are told, too; ADL: the exchange's own."""


@attrs.define(eq=False)
class FuturesBook(Book):
    """The account of a futures broker."""

    hedges: bool = False
    """Whether it is in hedge mode."""
    holdings: dict[Slot, Holding] = attrs.field(factory=dict, init=False)
    cash_msc: int = attrs.field(default=0, init=False)
    other_wallets: tuple[str, ...] = attrs.field(default=(), init=False)
    """Margin assets that are held and count for nothing here."""

    def trades(self, specs: Mapping[str, SymbolSpec]) -> None:
        """These are the symbols. Whatever the position mode is now, it may be changed by hand."""
        walks = {
            (name, key): self.walks.get((name, key)) or Walk(name, key, spec.volume_step, self._charge)
            for name, spec in specs.items()
            for key in KEYS
        }
        self._follow(specs, walks)

    def install(
        self,
        account: FuturesAccount,
        orders: Sequence[Order],
        fills: Mapping[str, Sequence[Fill]],
        symbols: Sequence[str],
    ) -> None:
        """A snapshot. `orders` are the open ones, conditional ones too, and `fills` the newest trades of `symbols`."""
        self.holdings = {(each.symbol, each.position_side): each for each in account.holdings}
        wallet = balance_of(account.balances, self.currency)
        self.cash = NOUGHT if wallet is None else wallet.free
        self.cash_msc = account.updated_msc
        self.other_wallets = tuple(
            sorted(each.asset for each in account.balances if each.free and each.asset != self.currency)
        )
        self._see_mode(account.holdings)
        self._begin(orders, fills, symbols)

    @property
    def not_counted(self) -> tuple[str, ...]:
        """Wallets of other assets, and symbols of which a position is open and that are not followed."""
        strange = {symbol for (symbol, _), held in self.holdings.items() if held.amount and symbol not in self.specs}
        return (*self.other_wallets, *sorted(strange))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _held(self) -> Mapping[Slot, Decimal]:
        return {slot: self.holdings[slot].amount if slot in self.holdings else NOUGHT for slot in self.walks}

    def _said(self, account: SpotAccount | FuturesAccount) -> tuple[Decimal, dict[Slot, Decimal]]:
        assert isinstance(account, FuturesAccount)
        amounts = {(each.symbol, each.position_side): each.amount for each in account.holdings}
        wallet = balance_of(account.balances, self.currency)
        held = {slot: amounts.get(slot, NOUGHT) for slot in self.walks}
        return NOUGHT if wallet is None else wallet.free, held

    def _price_held(self, slot: Slot) -> Decimal:
        return self.holdings[slot].entry_price if slot in self.holdings else NOUGHT

    def _take_balances(self, said: BalancesSaid) -> None:
        for each in said.holdings:
            slot = (each.symbol, each.position_side)
            known = self.holdings.get(slot)
            if known is None or said.event_msc >= known.updated_msc:
                self.holdings[slot] = attrs.evolve(each, updated_msc=said.event_msc)
        self._see_mode(said.holdings)
        wallet = balance_of(said.balances, self.currency)
        if wallet is None or said.event_msc < self.cash_msc:
            return
        before, self.cash, self.cash_msc = self.cash, wallet.free, said.event_msc
        if said.reason not in _TRADED or self._is_elsewhere(said.holdings):
            self.expected_cash += self.cash - before

    # Trades of symbols that are not followed are not gone through; what they bring is as if it was paid in.
    def _is_elsewhere(self, holdings: Collection[Holding]) -> bool:
        return bool(holdings) and all(each.symbol not in self.specs for each in holdings)

    # The mode can't be changed while anything is open.
    def _see_mode(self, holdings: Iterable[Holding]) -> None:
        for each in holdings:
            if each.amount:
                self.hedges = each.position_side != "BOTH"

    def _cash_of(self, fill: Fill) -> Decimal:
        return fill.realized - self._charge(fill)

    def _charge(self, fill: Fill) -> Decimal:
        return fill.commission if fill.commission_asset == self.currency else NOUGHT

    def _is_exit(self, order: Order, slot: Slot) -> bool:
        if order.position_side != slot[1]:
            return False
        name = name_of(order.client_id)
        if name is not None:
            return name.role in (Role.STOP_LOSS, Role.TAKE_PROFIT)
        # One that its trader set in Binance's own application.
        walk = self.walks[slot]
        return order.closes_position and (order.side is Side.SELL) == (walk.lot.amount > 0)

    def _account(self, positions: Sequence[Position]) -> Account:
        profit = sum((each.profit for each in positions), NOUGHT)
        margin = sum(
            (each.volume * each.price_current / self.leverages.get(each.symbol, 1) for each in positions), NOUGHT
        )
        equity = self.cash + profit
        return Account(
            login=self.login,
            server=self.server,
            currency=self.currency,
            leverage=max((self.leverages.get(symbol, 1) for symbol in self.specs), default=1),
            margin_mode="hedging" if self.hedges else "netting",
            balance=self.cash,
            equity=equity,
            margin=margin,
            margin_free=equity - margin,
            profit=profit,
            trade_allowed=self.can_trade,
        )
