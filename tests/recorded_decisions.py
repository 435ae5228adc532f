"""Decisions that a command path has recorded, judged again; and a policy that has every rule on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import attrs
import trio
from command_path import EA_TOKEN, EPOCH, PRICES, CommandPath, InlineJournal, opening

from actors.flattener import Flattener
from actors.messages import SetMultiplier
from quantmind.adapters.journal.pages import read_page
from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import EaLimits, Mandate, MandateMode, Policy
from quantmind.domain.risk.news import Calendar, Impact, NewsEvent
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
    OnTarget,
    ProfitTarget,
    QuadraticThrottle,
    Rules,
    Sessions,
    Symbols,
    Tiers,
    Trailing,
    Weekend,
)
from quantmind.domain.risk.replay import again
from quantmind.domain.risk.resets import Reset
from quantmind.domain.router_state import RouterState
from quantmind.ports import LogQuery
from quantmind.records import Decision
from quantmind.wire import replies
from quantmind.wire.decisions import Difference, Recorded, differences, recorded

CAPITAL = Decimal(1_000_000)
EVERY_RULE = Policy(
    max_volume=Decimal(3),
    max_open_positions=12,
    preset="none",
    initial_capital=CAPITAL,
    group="together",
    reset=Reset(0, "Europe/Prague"),
    rules=Rules(
        daily_loss=DailyLoss(percent=Decimal(3), base=Base.MAX, inclusive=True),
        max_loss=MaxLoss(percent=Decimal("3.5"), trailing=Trailing.INTRADAY, lock_at=Decimal(100)),
        profit_target=ProfitTarget(percent=Decimal("0.2"), on_target=OnTarget.PRESERVE, min_score=0.6),
        min_trading_days=MinTradingDays(days=4),
        best_day=BestDay(percent=Decimal(50), refuse=True),
        max_open_per_symbol=7,
        max_trades_per_day=400,
        max_orders_per_minute=40,
        exposure=Exposure(symbol_percent=Decimal(90), currency_percent=Decimal(120)),
        margin=Margin(free_percent=Decimal(98)),
        symbols=Symbols(allow=("EUR*", "GBPUSD"), deny=("EURCHF",)),
        sessions=Sessions(hours=((7 * 60, 18 * 60),), zone="Europe/London"),
        weekend=Weekend(flatten=True),
        news=News(before_min=2, after_min=2, impact="medium"),
        stop_required=True,
        min_stop_distance=True,
        quadratic_throttle=QuadraticThrottle(hard_stop_buffer=Decimal(100)),
        tiers=Tiers(scaling=Decimal(50_000), guardian=Decimal(100_000)),
    ),
    allowances=Allowances(
        slippage_points=Decimal(3), commission_per_lot=Decimal(7), assumed_stop_percent=Decimal("0.5")
    ),
)
LIMITS = EaLimits(
    max_volume=Decimal("2.5"),
    max_open_positions=9,
    room_percent=Decimal(80),
    dead_man_s=600.0,
    on_dead_man=DeadMan.BLOCK,
)
NEWS = (EPOCH + 400.0, "USD", Impact.HIGH, "Payrolls")


def recorded_in(journal: InlineJournal) -> list[Recorded]:
    """Every decision of the log, read back."""
    query = LogQuery(kinds=frozenset({"decision"}), limit=10_000)
    return [recorded(line) for line in read_page(journal.connection, query).entries]


async def written(path: CommandPath) -> list[Recorded]:
    """Every decision that was made; those that nothing waits for are written now, as the writer does."""
    noted = [record for record in path.journal.noted if isinstance(record, Decision)]
    path.journal.noted.clear()
    await path.journal.append(noted)
    return recorded_in(path.journal)


def differing(found: Sequence[Recorded]) -> list[tuple[int, list[Difference]]]:
    """What of all these comes out differently when it is judged again; nothing should."""
    out = []
    for was in found:
        assert was.situation is not None
        verdict = again(was.proposal, was.situation, flattens=was.flattens)
        if was.overtaken:
            continue
        left = differences(was, verdict)
        if left:
            out.append((was.line.seq, left))
    return out


def rules_of(found: Sequence[Recorded]) -> set[str]:
    """Every rule that spoke."""
    return {rule for was in found for rule in was.rules}


def with_calendar(path: CommandPath) -> None:
    """An event 400 s after the beginning, and a fresh calendar."""
    path.boards.news.file = "calendar.csv"
    at, currency, impact, title = NEWS
    path.boards.news.set(Calendar((NewsEvent(at, currency, impact, title),), EPOCH))


@attrs.define(eq=False)
class Driver:
    """Sends random commands of every kind, lets prices and time go on, and changes states in between."""

    path: CommandPath
    random: random.Random
    _count: int = 0

    async def drive(self, steps: int) -> None:
        account = self.path.broker.inner.account
        self.know_deals()
        for _ in range(steps):
            roll = self.random.random()
            if roll < 0.12:
                self.move()
                self.know_deals()
                await self.path.sample()
            elif roll < 0.18:
                await trio.sleep(self.random.choice([0.1, 1.0, 20.0, 90.0]))
            elif roll < 0.24:
                await self.change_something()
            elif roll < 0.28 and account.positions():
                await self.flatten()
            else:
                message = next(self.message())
                if self.random.random() < 0.3:
                    self.path.later(replies.encode(message))  # several are in flight at once
                else:
                    await self.path.ask(replies.encode(message))
        await trio.sleep(1.0)

    def move(self) -> None:
        """Prices go on by some points."""
        for symbol, (bid, ask) in PRICES.items():
            step = self.random.randint(-40, 40) / 1e5
            PRICES[symbol] = round(bid + step, 5), round(ask + step, 5)
            self.path.broker.inner.account.tick(Quote(symbol, *PRICES[symbol], 1))

    def know_deals(self) -> None:
        """The account's deals are read, as a poller does."""
        book = self.path.boards.deals.of("demo")
        book.add(self.path.broker.inner.account.deals)
        book.read_at = trio.current_time()

    async def change_something(self) -> None:
        path, roll = self.path, self.random.random()
        if roll < 0.4:
            state = self.random.choice(["active"] * 5 + ["reduce_only", "halted"])
            await path.set_state(state)
        elif roll < 0.6:
            value = Decimal(self.random.choice(["1", "0.75", "0.5", "0.333"]))
            await path.governor.ask(SetMultiplier("alpha", value, True, "tester"))
        elif roll < 0.8:
            mandate = self.random.choice(
                [Mandate(), Mandate(MandateMode.REDUCED, Decimal("0.6"), "tester", "a test"), Mandate()]
            )
            path.boards.router.set(RouterState(mandate=mandate))
        else:
            await path.ask({"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD"})

    async def flatten(self) -> None:
        """A step of the gateway's own."""
        account = self.path.broker.inner.account
        items: list[Position | PendingOrder] = [*account.positions(), *account.orders()]
        flattener = Flattener("demo", self.path.boards, self.path.governor, self.path.clock)
        await flattener._ask(self.random.choice(items))

    def message(self) -> Iterator[dict[str, Any]]:
        pick, account = self.random, self.path.broker.inner.account
        tickets = [item.ticket for item in account.positions()] or [1]
        orders = [item.ticket for item in account.orders()] or [2]
        kind = pick.choice(["open"] * 5 + ["close", "close", "modify", "modify", "cancel"])
        if kind == "open":
            yield self._open()
        elif kind == "close":
            volume: dict[str, Any] = pick.choice([{}, {"volume": Decimal("0.10")}])
            if len(tickets) > 1 and pick.random() < 0.3:
                volume = {"close_by": pick.choice(tickets)}
            ticket = pick.choice([one for one in tickets if one != volume.get("close_by")])
            yield self._sent({"type": "trade_close", "symbol": "EURUSD", "ticket": ticket, **volume})
        elif kind == "modify":
            ticket = pick.choice([*tickets, *orders])
            new: dict[str, Any] = {"new_sl": self._price("EURUSD", pick.randint(-600, 600))}
            if pick.random() < 0.2:
                new = {"new_sl": Decimal(0)}
            if ticket in orders and pick.random() < 0.5:
                new["new_price"] = self._price("EURUSD", -500)
            yield self._sent({"type": "trade_modify", "ticket": ticket, **new})
        else:
            yield self._sent({"type": "trade_cancel", "ticket": pick.choice(orders)})

    def _open(self) -> dict[str, Any]:
        pick = self.random
        symbol, side = pick.choice(["EURUSD", "EURUSD", "GBPUSD"]), pick.choice(["buy", "sell"])
        down = -1 if side == "buy" else 1
        volume = Decimal(pick.choice(["0.10", "0.5", "1.00", "2", "3", "0.015", "90"]))
        given: dict[str, Any] = {"symbol": symbol, "side": side, "volume": volume}
        known = symbol if symbol in PRICES else "EURUSD"
        if pick.random() < 0.8:
            given["sl"] = self._price(known, down * pick.choice([100, 300, 800, 2000]))
        if pick.random() < 0.3:
            given["tp"] = self._price(known, -down * 500)
        if pick.random() < 0.25:
            given.update(order_type="limit", price=self._price(known, down * 90))
        if pick.random() < 0.4:
            given["reduce"] = True
        if pick.random() < 0.4:
            given["score"] = pick.choice([0.2, 0.7])
        return self._sent({**opening(), **given})

    def _sent(self, message: dict[str, Any]) -> dict[str, Any]:
        """Executed, for a verdict that is remembered, or for one that is not."""
        self._count += 1
        # The EA's magic, or another one: what the EA may hold is counted by it.
        common = {"ea_name": "alpha", "magic": self.random.choice([7, 7, 8])}
        name = self.random.choice(["alpha", "alpha", "alpha", "beta"])
        roll = self.random.random()
        sent: dict[str, Any] = {**message, **common, "ea_name": name}
        if roll < 0.6:
            end = Decimal(repr(round(self.path.clock.now() + 30, 3)))
            sent.update(request_id=f"r{self._count}", execute=True, token=EA_TOKEN, expires_at=end)
        elif roll < 0.8:
            sent["request_id"] = f"r{self._count}"
        return sent

    def _price(self, symbol: str, points: int) -> Decimal:
        return (Decimal(repr(PRICES[symbol][0])) + Decimal(points) / 100_000).quantize(Decimal("0.00001"))
