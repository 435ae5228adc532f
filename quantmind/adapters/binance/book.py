"""An account as its user stream tells it, from a snapshot on: what spot and futures have in common.

A snapshot is read after the stream has begun, and what the stream said meanwhile is taken in on top of it: everything
is said as it is now, so what is told twice, late or in another order changes nothing. What trades come to must be what
wallets and positions say (`unsettled`); while it is not, nobody is told how the account stands.
"""

from __future__ import annotations

import abc
import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import attrs

from quantmind.adapters.binance.carried import Carried, CarriedFile
from quantmind.adapters.binance.names import Role, name_of, number_of
from quantmind.adapters.binance.orders_kept import OrdersKept
from quantmind.adapters.binance.reading import Reading
from quantmind.adapters.binance.records import (
    NOUGHT,
    Balance,
    BalancesSaid,
    Fill,
    FuturesAccount,
    Order,
    OrderSaid,
    SpotAccount,
)
from quantmind.adapters.binance.walk import (
    MOST_DEALS,
    Walk,
    deals_of,
    in_order,
    mark_of,
    openers_of,
    side_of,
    told_of,
)
from quantmind.adapters.binance.wishes import Slot, Wishes
from quantmind.domain.accounts import Account, Deal, PendingOrder, Position, Sample
from quantmind.domain.orders import OrderType, Side
from quantmind.domain.symbols import SymbolSpec
from quantmind.net.bell import Bell

MOST_EARLY: Final = 10_000
"""Events that wait for the first snapshot; with more of them it is read again."""
MOST_BECAME: Final = 5000
CENTS: Final = Decimal("1E-8")
"""The exchange's money has eight decimals."""

Prices = Callable[[str], tuple[Decimal, Decimal] | None]
"""Bid and ask of a symbol; None: none is known yet."""
Origin = Callable[[str], tuple[int, str]]
"""Magic number and comment of the request with a tag."""
_LIMITS: Final = ("LIMIT", "LIMIT_MAKER", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TAKE_PROFIT_LIMIT")
"""Orders that wait for a better price; all others wait for a worse one."""


@attrs.frozen
class Exits:
    """The stop loss and the take profit of a position, as orders at the exchange."""

    stop_loss: Order | None = None
    take_profit: Order | None = None

    @property
    def sl(self) -> Decimal:
        """0: there is none."""
        return NOUGHT if self.stop_loss is None else level_of(self.stop_loss)

    @property
    def tp(self) -> Decimal:
        """0: there is none."""
        return NOUGHT if self.take_profit is None else level_of(self.take_profit)

    @property
    def orders(self) -> tuple[Order, ...]:
        return tuple(order for order in (self.stop_loss, self.take_profit) if order is not None)


@attrs.define(eq=False)
class Book(abc.ABC):
    """One account. Nothing here waits or asks anybody.

    Args:
        name: the broker's.
        currency: that of the account, an asset.
        carried: positions and wishes over a restart.
        prices: of a symbol.
        origin: of a tag.
    """

    name: str
    currency: str
    carried: CarriedFile
    prices: Prices
    origin: Origin
    server: str = "Binance"
    login: int = attrs.field(default=0, init=False)
    can_trade: bool = attrs.field(default=True, init=False)
    specs: dict[str, SymbolSpec] = attrs.field(factory=dict, init=False)
    orders: OrdersKept = attrs.field(factory=OrdersKept, init=False)
    walks: dict[Slot, Walk] = attrs.field(factory=dict, init=False)
    leverages: dict[str, int] = attrs.field(factory=dict, init=False)
    """Futures: by symbol."""
    synced: bool = attrs.field(default=False, init=False)
    """Whether a snapshot was read since the stream began."""
    begun: int = attrs.field(default=0, init=False)
    """How often it began anew. A reading of the account that was begun before counts for nothing."""
    overrun: bool = attrs.field(default=False, init=False)
    """Whether the account has to be read anew: events came that can't be taken in as they came, or some did not."""
    cash: Decimal = attrs.field(default=NOUGHT, init=False)
    """What the wallet of the account's currency holds, as it was said."""
    expected_cash: Decimal = attrs.field(default=NOUGHT, init=False)
    """What it holds by the trades."""
    wishes: Wishes = attrs.field(init=False)
    _became: dict[tuple[str, int], str] = attrs.field(factory=dict, init=False)
    """What an order is called that came of a conditional one, by symbol and id."""
    _owed: dict[tuple[str, int], Order] = attrs.field(factory=dict, init=False)
    """Orders of ours that have filled by their answers, until their trades are told."""
    _before: dict[tuple[str, int], Decimal] = attrs.field(factory=dict, init=False)
    """Of waiting orders: what of them had filled by trades that the exchange tells no more."""
    _early: list[OrderSaid | BalancesSaid] = attrs.field(factory=list, init=False)
    _news: Bell = attrs.field(factory=Bell, init=False)

    @wishes.default
    def _of_the_file(self) -> Wishes:
        return Wishes(self.carried)

    # --- what is told ------------------------------------------------------------------------------------------------

    def begin_stream(self) -> None:
        """From now on everything is told; a snapshot has to be read."""
        self.begun += 1
        self.synced = False
        self.overrun = False
        self._early.clear()
        self._news.ring()

    def take(self, event: OrderSaid | BalancesSaid) -> None:
        """Take in what the stream says."""
        if not self.synced:
            if len(self._early) >= MOST_EARLY:
                self.overrun = True
            else:
                self._early.append(event)
            return
        self._apply(event)
        self._carry()
        self._news.ring()

    def levered(self, symbol: str, leverage: int) -> None:
        """A symbol has another leverage (futures), be it by somebody's hand."""
        self.leverages[symbol] = leverage

    def answered(self, order: Order, fills: Iterable[Fill] = ()) -> None:
        """Take in the answer to a request of ours; what it told is told by the stream once more."""
        order = self._named(order)
        self.orders.take(order)
        self._take_fills(fills)
        if order.filled and not order.conditional:
            self._owed[order.symbol, order.order_id] = order
        self._carry()
        self._news.ring()

    def unsettled(self) -> str | None:
        """Why it is not to be believed yet, or None: what is told fits together."""
        if not self.synced:
            return "the account has not been read since its stream began"
        if self.overrun:
            return "the account has to be read anew, since events came that can't be taken in as they came"
        if self.cash != self.expected_cash:
            return f"the wallet has {self.cash} {self.currency}, and by its trades it has {self.expected_cash}"
        for key, order in list(self._owed.items()):
            told = self.told_of(order)
            if told < order.filled:
                return f"the order {number_of(order)} has filled {order.filled}, and its trades tell of {told}"
            del self._owed[key]
        for slot, held in self._held().items():
            walked = self.walks[slot].lot.amount
            if held != walked:
                return f"{slot[0]} is held {held}, and by its trades {walked}"
        return None

    def client_id_of(self, symbol: str, order_id: int) -> str | None:
        """What an order is called; None: nothing is known of it."""
        named = self._became.get((symbol, order_id))
        if named is not None:
            return named
        order = self.orders.get((False, symbol, order_id))
        return None if order is None else order.client_id

    def became(self, order: Order) -> None:
        """A conditional order was set off: the order in its place is called as it was, whatever the exchange calls it.

        A trade of that order that was taken in under another name makes the account be read anew.
        """
        key = (order.symbol, order.becomes)
        if not order.becomes or key in self._became:
            return
        self._became[key] = order.client_id
        while len(self._became) > MOST_BECAME:
            del self._became[next(iter(self._became))]
        known = self.orders.get((False, *key))
        if known is not None and known.client_id != order.client_id and known.filled:
            self.overrun = True

    def poke(self) -> None:
        """Let who waits for news look once more."""
        self._news.ring()

    @property
    def told(self) -> int:
        """How often something was told."""
        return self._news.rung

    async def news(self, since: int | None = None) -> None:
        """Wait until something is told; `since`: or was, after so often (`told`)."""
        await self._news.wait(since)

    # --- what there is -----------------------------------------------------------------------------------------------

    def sample(self, taken_at: float) -> Sample:
        """Account, positions and waiting orders as they are told."""
        positions = [self.position(slot) for slot in self.walks]
        shown = [position for position in positions if position is not None]
        return Sample(self.name, self._account(shown), shown, self._waiting(), taken_at)

    def position(self, slot: Slot) -> Position | None:
        """The open position of a symbol."""
        walk = self.walks[slot]
        if walk.is_flat:
            return None
        lot, spec = walk.lot, self.specs[walk.symbol]
        side, exits = side_of(lot.amount), self.exits(slot)
        magic, comment = self.origin(lot.tag) if lot.tag else (0, "")
        price = self.price_out(walk.symbol, side) or lot.price
        return Position(
            ticket=lot.ticket,
            symbol=walk.symbol,
            side=side,
            volume=self.volume_of(slot),
            price_open=_shown(lot.price, spec),
            price_current=price,
            profit=_money(price * lot.amount - lot.cost * side.sign),
            time_msc=lot.time_msc,
            sl=exits.sl or None,
            tp=exits.tp or None,
            magic=magic,
            comment=comment,
            tag=lot.tag,
        )

    def slot_of(self, ticket: int) -> Slot | None:
        """Where the position with this number is; None: it is not open."""
        found = (slot for slot, walk in self.walks.items() if walk.lot.ticket == ticket and not walk.is_flat)
        return next(found, None)

    def volume_of(self, slot: Slot) -> Decimal:
        """What of a position can be traded."""
        return abs(self.walks[slot].volume)

    def price_out(self, symbol: str, side: Side) -> Decimal | None:
        """The price at which a position of this side would close now."""
        prices = self.prices(symbol)
        return None if prices is None else prices[0] if side is Side.BUY else prices[1]

    def waiting(self, ticket: int) -> Order | None:
        """The waiting order with this number."""
        return next((order for order in self.orders if number_of(order) == ticket and self._is_waiting(order)), None)

    def deals(self, since_msc: int) -> Sequence[Deal]:
        """The deals made at or after a time, oldest first."""
        found = [deal for walk in self.walks.values() for deal in walk.deals if deal.time_msc >= since_msc]
        found.sort(key=lambda deal: deal.time_msc)
        openers = openers_of(self.walks.values())
        return [self._signed(deal, openers) for deal in found[-MOST_DEALS:]]

    def deals_of(self, order_number: int) -> Sequence[Deal]:
        """Those of one order, oldest first."""
        return deals_of(self.walks.values(), order_number)

    def told_of(self, order: Order) -> Decimal:
        """How much of one of the exchange's orders its trades tell of, or are too old to be told."""
        before = NOUGHT if order.conditional else self._before.get((order.symbol, order.order_id), NOUGHT)
        return before + told_of(self.walks.values(), order)

    def from_now(self, wish: Carried, sl: Decimal, tp: Decimal) -> Carried:
        """Other stops of a waiting order: they are for trades that come later."""
        return attrs.evolve(wish, sl=sl, tp=tp, last=max(wish.last, self.walks[wish.symbol, wish.key].last))

    def exits(self, slot: Slot) -> Exits:
        """Stop loss and take profit of a position, as they are in force."""
        stop_loss = take_profit = None
        for order in self.orders:
            if order.symbol != slot[0] or not self._is_exit(order, slot):
                continue
            if _is_stop(order):
                stop_loss = order
            else:
                take_profit = order
        return Exits(stop_loss, take_profit)

    # --- what is wanted ----------------------------------------------------------------------------------------------

    def wish(self, slot: Slot) -> Carried | None:
        """The open position of a symbol with the stops that are wanted for it; None: it is not open, or not followed
        any more.
        """
        walk = self.walks.get(slot)
        return None if walk is None or walk.is_flat else self.carried.items.get(walk.lot.ticket)

    @abc.abstractmethod
    def trades(self, specs: Mapping[str, SymbolSpec]) -> None:
        """These are the symbols that are followed."""

    @property
    @abc.abstractmethod
    def not_counted(self) -> tuple[str, ...]:
        """Assets, and positions of other symbols, that are held and count for nothing here."""

    def fits(self, account: SpotAccount | FuturesAccount) -> bool:
        """Whether cash and positions are what the exchange says when it is asked."""
        cash, held = self._said(account)
        return (cash, held) == (self.cash, dict(self._held()))

    # --- for the two kinds -------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _held(self) -> Mapping[Slot, Decimal]:
        """What wallets or positions say of each symbol, below 0 for a short position."""

    @abc.abstractmethod
    def _said(self, account: SpotAccount | FuturesAccount) -> tuple[Decimal, dict[Slot, Decimal]]:
        """Cash, and what is held of each symbol, of an account as the exchange says it."""

    @abc.abstractmethod
    def _account(self, positions: Sequence[Position]) -> Account: ...

    @abc.abstractmethod
    def _take_balances(self, said: BalancesSaid) -> None: ...

    @abc.abstractmethod
    def _cash_of(self, fill: Fill) -> Decimal:
        """By how much a trade changes the wallet of the account's currency."""

    @abc.abstractmethod
    def _is_exit(self, order: Order, slot: Slot) -> bool:
        """Whether an open order of this symbol is a stop of this position."""

    def _pass_by(self, fill: Fill) -> None:
        """A trade of a symbol that is not followed."""
        del fill

    def _price_held(self, slot: Slot) -> Decimal:
        """The mean price of what is held, as the exchange says it; 0: it does not."""
        del slot
        return NOUGHT

    # --- inside ------------------------------------------------------------------------------------------------------

    # Steps change while we run, and what is new was not read with what there was.
    def _follow(self, specs: Mapping[str, SymbolSpec], walks: dict[Slot, Walk]) -> None:
        if walks.keys() != self.walks.keys():
            self.begin_stream()
        self.specs, self.walks = dict(specs), walks
        for walk in walks.values():
            walk.step = specs[walk.symbol].volume_step

    def _begin(self, orders: Iterable[Order], fills: Mapping[str, Sequence[Fill]], symbols: Iterable[str]) -> None:
        """What snapshots share: open orders, and each symbol's trades from what was open before them."""
        self.carried.belongs_to(self.login)
        self.orders.begin(orders, symbols)
        held = self._held()
        unknown = [slot for slot in self.walks if self.carried.position(*slot) is None]
        traded: dict[Slot, list[Fill]] = defaultdict(list)
        paid: dict[str, list[Fill]] = defaultdict(list)
        for fill in itertools.chain.from_iterable(fills.values()):
            traded[fill.symbol, fill.position_side].append(fill)
            paid[fill.commission_asset].append(fill)
        for slot, walk in self.walks.items():
            by_others = (fill for fill in paid[walk.base] if walk.pays(fill) and not walk.trades(fill))
            trades = in_order([*traded[slot], *by_others])
            price = self.price_out(slot[0], Side.BUY) or NOUGHT
            reading = Reading(held[slot], trades, self.carried.position(*slot), price, self._price_held(slot))
            reading.go_through(walk, functools.partial(self._note, slot))
        self.expected_cash = self.cash
        self._owed.clear()
        self.synced = True
        early, self._early = self._early, []
        for event in early:
            self._apply(event)
        self._before = {}
        for order in self.orders:
            part = order.filled - told_of(self.walks.values(), order)
            if part > 0 and not order.conditional:
                self._before[order.symbol, order.order_id] = part
        self._carry()
        for slot in unknown:
            self._adopt(slot)
        self._news.ring()

    # A position of which nothing was written down: the file is lost, or its symbol was not followed for a while.
    def _adopt(self, slot: Slot) -> None:
        wish, exits = self.wish(slot), self.exits(slot)
        if wish is None or wish.sl or wish.tp or not exits.orders:
            return
        names = [name_of(order.client_id) for order in exits.orders]
        by = next((name.tag for name in names if name is not None), "")
        self.wishes.adopt(wish.ticket, exits.sl, exits.tp, by)

    def _apply(self, event: OrderSaid | BalancesSaid) -> None:
        if isinstance(event, BalancesSaid):
            self._take_balances(event)
            return
        order = self._named(event.order)
        self.orders.take(order)
        if event.fill is not None:
            self._take_fills([attrs.evolve(event.fill, client_id=order.client_id)])

    def _named(self, order: Order) -> Order:
        if order.conditional:
            self.became(order)
            return order
        said = self._became.get((order.symbol, order.order_id))
        return order if said is None else attrs.evolve(order, client_id=said)

    def _take_fills(self, fills: Iterable[Fill]) -> None:
        for fill in in_order(fills):
            if fill.symbol not in self.specs:
                self._pass_by(fill)
            for slot, walk in self.walks.items():
                late = mark_of(fill) < walk.last
                deal = walk.take(fill)
                if deal is None:
                    continue
                # A position that was closed meanwhile would have another number than when its trades are read in order.
                self.overrun = self.overrun or late
                self._note(slot, deal, fill)
                if walk.trades(fill):
                    self.expected_cash += self._cash_of(fill)

    def _note(self, slot: Slot, deal: Deal | None, fill: Fill) -> None:
        if deal is None:
            return
        self.wishes.traded(slot, deal, mark_of(fill))
        if self.walks[slot].is_flat:
            self.wishes.closed(slot, mark_of(fill))

    def _waiting(self) -> list[PendingOrder]:
        waiting = []
        for order in self.orders:
            if order.symbol not in self.specs or not self._is_waiting(order):
                continue
            name, ticket = name_of(order.client_id), number_of(order)
            tag = "" if name is None else name.tag
            magic, comment = self.origin(tag) if tag else (0, "")
            wish = self.carried.items.get(ticket)
            waiting.append(
                PendingOrder(
                    ticket=ticket,
                    symbol=order.symbol,
                    side=order.side,
                    order_type=OrderType.LIMIT if order.kind in _LIMITS else OrderType.STOP,
                    volume=order.quantity - order.filled,
                    price=level_of(order),
                    time_msc=order.time_msc if wish is None else wish.time_msc or order.time_msc,
                    sl=None if wish is None else wish.sl or None,
                    tp=None if wish is None else wish.tp or None,
                    expiration_msc=order.expires_msc or None,
                    magic=magic,
                    comment=comment,
                    tag=tag,
                )
            )
        return waiting

    def _is_waiting(self, order: Order) -> bool:
        name = name_of(order.client_id)
        if name is not None:
            return name.role is Role.ORDER
        return not any(self._is_exit(order, slot) for slot in self.walks if slot[0] == order.symbol)

    def _signed(self, deal: Deal, openers: Mapping[int, str]) -> Deal:
        tag = deal.tag
        if not tag:  # of a stop: whose position it was, or is
            opened = self.carried.items.get(deal.position)
            tag = openers.get(deal.position, "") if opened is None else opened.tag
        magic, comment = self.origin(tag) if tag else (0, "")
        return attrs.evolve(deal, magic=magic, comment=comment)

    def _carry(self) -> None:
        self.wishes.settle(self.walks, self.orders, self.told_of)


def level_of(order: Order) -> Decimal:
    """The price that an order waits for: the one that sets it off, or its own."""
    return order.trigger or order.price


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(CENTS)


def balance_of(balances: Iterable[Balance], asset: str) -> Balance | None:
    """What is said of an asset."""
    return next((each for each in balances if each.asset == asset), None)


def _is_stop(order: Order) -> bool:
    name = name_of(order.client_id)
    if name is not None and name.role in (Role.STOP_LOSS, Role.TAKE_PROFIT):
        return name.role is Role.STOP_LOSS
    return order.kind.startswith("STOP") or order.kind == "TRAILING_STOP_MARKET"


def _shown(price: Decimal, spec: SymbolSpec) -> Decimal:
    on_grid = price.quantize(spec.point)
    return on_grid if on_grid == price else price.quantize(spec.point.scaleb(-5))
