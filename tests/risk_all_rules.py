"""A situation in which every rule is set and nothing is missing: an open passes, until something is taken away."""

from __future__ import annotations

from decimal import Decimal

import attrs
from risk_world import D, World

from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import Open, OrderType, Origin, Side
from quantmind.domain.risk import EaLimits, Mandate, MandateMode, Policy, Reservation, Situation
from quantmind.domain.risk.news import NewsView
from quantmind.domain.risk.policy import (
    Allowances,
    Base,
    BestDay,
    DailyLoss,
    DeadMan,
    Exposure,
    Margin,
    MaxLoss,
    MinTradingDays,
    News,
    ProfitTarget,
    QuadraticThrottle,
    Rules,
    Sessions,
    Symbols,
    Tiers,
    Trailing,
    Weekend,
)
from quantmind.domain.risk.resets import Reset
from quantmind.domain.risk.state import Counts, Group
from quantmind.domain.risk.worst import Span

RULES = Rules(
    daily_loss=DailyLoss(percent=D(5), base=Base.MAX),
    max_loss=MaxLoss(percent=D(10), trailing=Trailing.END_OF_DAY, lock_at=D(100)),
    profit_target=ProfitTarget(percent=D(10), min_score=0.6),
    min_trading_days=MinTradingDays(days=4),
    best_day=BestDay(percent=D(90), refuse=True),
    max_open_per_symbol=60,
    max_trades_per_day=200,
    max_orders_per_minute=10,
    exposure=Exposure(symbol_percent=D(3000), currency_percent=D(4000)),
    margin=Margin(free_percent=D(10)),
    symbols=Symbols(deny=("XAU*",)),
    sessions=Sessions(hours=((0, 1440),)),
    weekend=Weekend(),
    news=News(),
    stop_required=True,
    min_stop_distance=True,
    quadratic_throttle=QuadraticThrottle(hard_stop_buffer=D(50)),
    tiers=Tiers(scaling=D(1000), guardian=D(5000)),
)
POLICY = Policy(
    max_volume=D(2),
    max_open_positions=200,
    initial_capital=D(10_000),
    group="mine",
    reset=Reset(0, "Europe/Prague"),
    rules=RULES,
    allowances=Allowances(slippage_points=D(5), commission_per_lot=D(7)),
)
PROPOSAL = Open(Origin("alpha", 7), "demo", "EURUSD", D("0.05"), Side.BUY, sl=D("1.09500"), score=0.7)


def everything(positions: int = 50, *, netting: bool = False) -> Situation:
    """Wednesday noon, an account with so many positions that have stops, an order that waits and one on its way."""
    world = World(POLICY, netting)
    world.passes(14 * 3600)
    world.look()
    for ticket in range(1, positions + 1):
        side = Side.BUY if ticket % 2 else Side.SELL
        symbol = ("EURUSD", "EURJPY")[(ticket % 2 if netting else ticket % 4 // 2)]
        price = world.price(symbol, side)
        away = price / 1000 * side.sign
        world.positions[ticket] = Position(ticket, symbol, side, D("0.01"), price, price, D(0), 0, sl=price - away)
    world.orders[900] = PendingOrder(
        900, "EURUSD", Side.BUY, OrderType.LIMIT, D("0.01"), D("1.09800"), 0, sl=D("1.09600")
    )
    at = world.situation("EURUSD")
    flight = Reservation(
        "r",
        "demo",
        "alpha",
        7,
        "EURUSD",
        Side.BUY,
        D("0.01"),
        0.0,
        200.0,
        executed=True,
        worst=D(-5),
        sl=D("1.09520"),
        margin=D(11),
        worth=at.market.worth,
    )
    exposed = world.ledger.exposed
    worth = at.market.worth
    assert worth is not None
    assert worth.base is not None
    symbols = {name: span.times(D(110_000)) for name, span in exposed.lots.items()}
    return attrs.evolve(
        at,
        reservations=(flight,),
        ea=EaLimits(
            D(1), D("0.9"), max_open_positions=200, room_percent=D(50), dead_man_s=30.0, on_dead_man=DeadMan.BLOCK
        ),
        mandate=Mandate(MandateMode.REDUCED, D("0.8"), "owner", "calm", 1.0),
        symbol_counts=exposed.counts,
        group=Group(D(20_000), exposed.currencies, symbols),
        counts=Counts(trades_today=3, orders_last_minute=1),
        news=NewsView(refreshed_at=world.at - 60),
        ea_silent_s=1.0,
    )


def spans(value: str) -> dict[str, Span]:
    number = Decimal(value)
    return {"EUR": Span(number), "USD": Span(number), "EURUSD": Span(number)}
