"""A little account that only trades what `judge` approves, and the firm's own view of it: its true floors.

Hedging or netting, in USD, with EURUSD and a JPY cross. Profits are reckoned here by hand and not by `worth`. Stops
fill at their price or worse by the whole allowance; USDJPY stands still.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import strategies as st

from quantmind.domain.accounts import Account, Cause, Deal, Entry, PendingOrder, Position, Sample
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Origin, Proposal, Side
from quantmind.domain.risk import Approved, Market, Policy, Reservation, Situation, TradingState, judge
from quantmind.domain.risk.book import Baseline, RiskBook, Seen, advance, begin
from quantmind.domain.risk.floors import floors
from quantmind.domain.risk.policy import Allowances, Base, DailyLoss, MaxLoss, Measure, Rules, Trailing
from quantmind.domain.risk.resets import Reset
from quantmind.domain.risk.rules.cost import cost_of
from quantmind.domain.risk.state import StopChange
from quantmind.domain.risk.stops import at_stop
from quantmind.domain.risk.worst import Ledger
from quantmind.domain.risk.worth import Worth, pairs_of, worth_of
from quantmind.domain.symbols import SymbolSpec, usual_spec

D = Decimal
ZERO = D(0)
ORIGIN = Origin("alpha", 7)
SPECS: dict[str, SymbolSpec] = {name: usual_spec(name) for name in ("EURUSD", "EURJPY", "USDJPY")}
USDJPY = (D("139.38"), D("139.42"))
SYMBOLS = ("EURUSD", "EURJPY")
INITIAL = D(10_000)
SIDES = (Side.BUY, Side.SELL)
START = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
DAY = 86_400


def plain(book: RiskBook) -> RiskBook:
    """The book as a journal would store it and read it back: plain values, by JSON."""

    def text(value: Any) -> Any:
        if isinstance(value, Decimal):
            return {"d": str(value)}
        if attrs.has(type(value)):
            return {each.name: text(getattr(value, each.name)) for each in attrs.fields(type(value))}
        return value

    def back(value: Any) -> Any:
        return D(value["d"]) if isinstance(value, dict) and set(value) == {"d"} else value

    read = json.loads(json.dumps(text(book)), object_hook=back)
    read["seen"] = Seen(**read["seen"])
    read["baseline"] = None if read["baseline"] is None else Baseline(**read["baseline"])
    return RiskBook(**read)


@attrs.define
class World:
    """The account at its broker, the gateway's view of it, and what the firm will judge it by."""

    policy: Policy
    netting: bool
    at: float = START
    balance: Decimal = INITIAL
    positions: dict[int, Position] = attrs.field(factory=dict)
    orders: dict[int, PendingOrder] = attrs.field(factory=dict)
    promised: list[tuple[Reservation, Proposal]] = attrs.field(factory=list)
    prices: dict[str, Decimal] = attrs.field(factory=lambda: {"EURUSD": D("1.10000"), "EURJPY": D("160.000")})
    deals: list[Deal] = attrs.field(factory=list)
    ticket: int = 0
    slips: bool = False
    """Stops fill worse by what is allowed."""
    book: RiskBook = attrs.field(init=False)
    last: Seen = attrs.field(init=False)
    ledger: Ledger = attrs.field(init=False)
    base: Decimal = INITIAL
    """What the firm counts the day from."""
    high: Decimal = INITIAL
    """What the firm counts the whole account from."""
    agreed: list[Decimal] = attrs.field(factory=list)
    """The floors when something was last approved."""
    excused: bool = False
    """An open profit has lifted a floor, which nobody can foresee."""
    approvals: int = 0

    def __attrs_post_init__(self) -> None:
        self.last = self.seen()
        self.book = begin(self.last, self.policy)
        self.ledger = Ledger(self.policy.allowances)
        self.firm()

    # --- the broker -------------------------------------------------------------------------------------------------

    def price(self, symbol: str, side: Side, *, to_close: bool = False) -> Decimal:
        """2 pips of spread: the ask of a buy, the bid of a sell."""
        spread = 20 * SPECS[symbol].point
        return self.prices[symbol] + (spread if (side is Side.BUY) is not to_close else ZERO)

    def money(self, symbol: str, volume: Decimal, change: Decimal) -> Decimal:
        made = volume * 100_000 * change
        if symbol == "EURUSD":
            return made
        return made / (USDJPY[0] if made < 0 else USDJPY[1])

    def marked(self, item: Position) -> Position:
        now = self.price(item.symbol, item.side, to_close=True)
        profit = self.money(item.symbol, item.volume, (now - item.price_open) * item.side.sign)
        return attrs.evolve(item, price_current=now, profit=profit)

    @property
    def equity(self) -> Decimal:
        return self.balance + sum((self.marked(item).profit for item in self.positions.values()), ZERO)

    def booked(self, made: Decimal, entry: Entry, item: Position, volume: Decimal) -> None:
        commission = -self.policy.allowances.commission_per_lot * volume / 2
        self.balance += made + commission
        self.deals.append(
            Deal(
                len(self.deals) + 1,
                0,
                item.ticket,
                item.symbol,
                item.side,
                entry,
                volume,
                item.price_open,
                made,
                Cause.CLIENT,
                int(self.at * 1000),
                commission=commission,
            )
        )

    def closed(self, item: Position, price: Decimal, volume: Decimal | None = None) -> None:
        """At any price that its stop allows."""
        volume = item.volume if volume is None else min(volume, item.volume)
        made = self.money(item.symbol, volume, (price - item.price_open) * item.side.sign)
        self.booked(made, Entry.OUT, item, volume)
        self.positions.pop(item.ticket)
        if volume < item.volume:
            self.positions[item.ticket] = attrs.evolve(item, volume=item.volume - volume)

    def hit(self, item: Position) -> None:
        """Its stop fills, by a price that nobody else saw."""
        if item.sl is not None:
            worse = self.policy.allowances.slippage_points * SPECS[item.symbol].point if self.slips else ZERO
            self.closed(item, item.sl - worse * item.side.sign)

    def filled(self, order: Open | PendingOrder, price: Decimal) -> None:
        assert order.side is not None
        self.ticket += 1
        new = Position(self.ticket, order.symbol, order.side, order.volume, price, price, ZERO, 0, sl=order.sl)
        held = next((item for item in self.positions.values() if item.symbol == order.symbol), None)
        if self.netting and held is not None and held.sl is not None and (price - held.sl) * held.side.sign < 0:
            # On its way to this price the position was stopped.
            self.hit(held)
            held = None
        if not self.netting or held is None:
            self.positions[new.ticket] = new
        elif held.side is new.side:
            whole = held.volume + new.volume
            mean = (held.price_open * held.volume + new.price_open * new.volume) / whole
            self.positions[held.ticket] = attrs.evolve(held, volume=whole, price_open=mean, sl=new.sl)
        else:
            self.closed(held, price, new.volume)
            if new.volume > held.volume:
                self.positions[new.ticket] = attrs.evolve(new, volume=new.volume - held.volume)
        self.booked(ZERO, Entry.IN, new, new.volume)
        self.settle()

    def settle(self) -> None:
        """Whatever the price has passed is stopped."""
        for item in list(self.positions.values()):
            now = self.price(item.symbol, item.side, to_close=True)
            if item.sl is not None and (now - item.sl) * item.side.sign <= 0:
                self.hit(item)

    # --- the gateway ------------------------------------------------------------------------------------------------

    def seen(self, at: float | None = None) -> Seen:
        return Seen(self.at if at is None else at, self.balance, self.equity, not self.positions)

    def look(self, at: float | None = None, *, known: bool = True) -> None:
        seen = self.seen(at)
        since = [deal for deal in self.deals if self.last.at * 1000 < deal.time_msc <= seen.at * 1000]
        self.book = advance(self.book, self.last, seen, self.policy, since if known else None)
        self.last = seen

    def restart(self) -> None:
        """The book as it was written, nothing else."""
        self.book = plain(self.book)
        self.last = self.book.seen
        self.ledger = Ledger(self.policy.allowances)

    def worth(self, symbol: str) -> Worth | None:
        def priced(name: str) -> tuple[Decimal, Decimal, float]:
            if name == "USDJPY":
                return (*USDJPY, 0.5)
            return self.price(name, Side.SELL), self.price(name, Side.BUY), 0.1

        return worth_of(SPECS[symbol], "USD", pairs_of(SPECS.values()), priced)

    def situation(self, symbol: str) -> Situation:
        positions = {ticket: self.marked(item) for ticket, item in self.positions.items()}
        equity = self.equity
        self.ledger.keep(positions, self.orders, equity, self.worth, netting=self.netting)
        mode = "netting" if self.netting else "hedging"
        account = Account(1, "s", "USD", 100, mode, self.balance, equity, ZERO, equity, equity - self.balance)
        return Situation(
            now=100.0,
            incarnation=1,
            policy=self.policy,
            state=TradingState.ACTIVE,
            state_cause="as configured",
            sample=Sample("demo", account, tuple(positions.values()), tuple(self.orders.values()), 99.9),
            positions=positions,
            orders=dict(self.orders),
            market=Market(
                SPECS[symbol], self.price(symbol, Side.SELL), self.price(symbol, Side.BUY), 0.1, self.worth(symbol)
            ),
            reservations=tuple(item for item, _ in self.promised),
            wall=self.at,
            book=self.book,
            worst=self.ledger.worst,
        )

    def asked(self, proposal: Proposal, symbol: str) -> Approved | None:
        at = self.situation(symbol)
        verdict = judge(proposal, at, approval_id="x", deadline=105.0)
        if not isinstance(verdict, Approved):
            return None
        if not verdict.reduces and not isinstance(proposal, Close) and _adds(at, proposal):
            self.agreed = [each.least for each in self.floors()]
            self.approvals += 1
        return verdict

    def promise(self, verdict: Approved, symbol: str) -> None:
        """As the governor reserves it."""
        proposal = verdict.proposal
        assert isinstance(proposal, Open | Modify)
        cost = cost_of(self.situation(symbol), proposal)
        worst: Decimal | None = ZERO
        if not verdict.reduces:
            assert not isinstance(cost, str), cost
            worst = -cost.fixed - (cost.a_lot * proposal.volume if isinstance(proposal, Open) else ZERO)
        side, volume, sl, change = None, ZERO, None, None
        if isinstance(proposal, Open):
            side, volume, sl = proposal.side, proposal.volume, proposal.sl
        elif proposal.ticket in self.positions or proposal.ticket in self.orders:
            item = self.positions.get(proposal.ticket) or self.orders[proposal.ticket]
            side, sl, worst = item.side, proposal.new_sl, ZERO
            change = StopChange(proposal.ticket, proposal.new_sl)
        held = Reservation(
            "r",
            "demo",
            "alpha",
            7,
            symbol,
            side,
            volume,
            0.0,
            0.0,
            executed=False,
            worst=worst,
            sl=sl,
            change=change,
            worth=self.worth(symbol),
        )
        self.promised.append((held, proposal))

    def execute(self, proposal: Proposal, symbol: str) -> None:
        if isinstance(proposal, Open) and proposal.order_type is not OrderType.MARKET:
            assert proposal.side is not None
            assert proposal.price is not None
            self.ticket += 1
            self.orders[self.ticket] = PendingOrder(
                self.ticket,
                symbol,
                proposal.side,
                proposal.order_type,
                proposal.volume,
                proposal.price,
                0,
                sl=proposal.sl,
            )
        elif isinstance(proposal, Open):
            assert proposal.price is not None
            self.filled(proposal, proposal.price)
        elif isinstance(proposal, Modify):
            position, order = self.positions.get(proposal.ticket), self.orders.get(proposal.ticket)
            if position is not None:
                self.positions[proposal.ticket] = attrs.evolve(position, sl=proposal.new_sl)
            elif order is not None:
                self.orders[proposal.ticket] = attrs.evolve(order, sl=proposal.new_sl)
            self.settle()
        elif isinstance(proposal, Close) and proposal.ticket in self.positions:
            item = self.positions[proposal.ticket]
            self.closed(item, self.price(item.symbol, item.side, to_close=True), proposal.volume)
        elif isinstance(proposal, Cancel):
            self.orders.pop(proposal.ticket, None)

    # --- the firm ---------------------------------------------------------------------------------------------------

    def firm(self) -> None:
        """What the firm's clock makes of the account at a reset."""
        daily, overall = self.policy.rules.daily_loss, self.policy.rules.max_loss
        lifted = self.equity > self.balance
        if daily is not None and daily.base in (Base.EQUITY, Base.MAX):
            self.excused |= lifted
            self.base = self.equity if daily.base is Base.EQUITY else max(self.balance, self.equity)
        elif daily is not None and daily.base is Base.BALANCE:
            self.base = self.balance
        if overall is not None and overall.trailing is Trailing.END_OF_DAY:
            self.high = max(self.high, self.balance)

    def passes(self, seconds: float) -> None:
        self.at += seconds
        self.settle()

    def floors(self) -> list[Any]:
        return list(floors(self.policy, self.book, self.balance, self.equity))

    def check(self) -> None:
        """Nothing that was approved has taken the account through a floor of the firm's."""
        daily, overall = self.policy.rules.daily_loss, self.policy.rules.max_loss
        for rule, start in ((daily, self.base), (overall, self.high)):
            if rule is None or (isinstance(rule, DailyLoss) and self.excused):
                continue
            whole = start if isinstance(rule, DailyLoss) and rule.percent_of_base else INITIAL
            amount = rule.amount if rule.amount is not None else whole * (rule.percent or ZERO) / 100
            floor = start - amount
            if isinstance(rule, MaxLoss):
                if rule.trailing is Trailing.INTRADAY:
                    floor = self.agreed[-1] if self.agreed else ZERO
                elif rule.lock_at is not None:
                    floor = min(floor, INITIAL * rule.lock_at / 100)
            value = self.balance if rule.measure is Measure.BALANCE else self.equity
            broken = value <= floor if rule.inclusive and rule is not overall else value < floor
            assert not broken, f"{value} is through {floor} of {rule}"


def _adds(situation: Situation, proposal: Proposal) -> bool:
    """Whether more may be lost by it: a change that costs nothing passes under a floor that was lifted, too."""
    if not isinstance(proposal, Modify):
        return True
    cost = cost_of(situation, proposal)
    return isinstance(cost, str) or cost.fixed > 0


def at_stops(world: World) -> Decimal:
    """What `at_stop` says the positions come to: for tests of one formula."""
    worths = {name: world.worth(name) for name in SYMBOLS}
    found = ZERO
    for item in world.positions.values():
        worth = worths[item.symbol]
        assert worth is not None
        found += at_stop(world.marked(item), item.sl, worth, world.policy.allowances) or ZERO
    return found


percents = st.sampled_from([D(1), D(3), D(5)])
daily_losses = st.none() | st.builds(
    DailyLoss,
    percent=percents,
    amount=st.none() | st.just(D(250)),
    percent_of_base=st.booleans(),
    base=st.sampled_from(Base),
    measure=st.sampled_from(Measure),
    inclusive=st.booleans(),
)
max_losses = st.none() | st.builds(
    MaxLoss,
    percent=percents,
    trailing=st.sampled_from(Trailing),
    lock_at=st.none() | st.just(D(100)),
    measure=st.sampled_from(Measure),
)
allowances = st.builds(
    Allowances, slippage_points=st.sampled_from([D(0), D(5)]), commission_per_lot=st.sampled_from([D(0), D(7)])
)
policies = st.builds(
    lambda daily, overall, allowance, zone: Policy(
        max_volume=D(5),
        max_open_positions=100,
        initial_capital=INITIAL,
        reset=Reset(0, zone),
        rules=Rules(daily_loss=daily, max_loss=overall),
        allowances=allowance,
    ),
    daily_losses,
    max_losses,
    allowances,
    st.sampled_from(["UTC", "Europe/Prague"]),
)
worlds = st.builds(World, policies, st.booleans(), slips=st.booleans())
