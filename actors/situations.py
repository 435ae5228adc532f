"""What a decision is made from: the governor's own state and the boards, put together for one proposal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import attrs

from actors.boards import Boards
from actors.halts import Halt
from actors.promises import Promises
from actors.risk_books import RiskBooks
from actors.valuer import Valuer
from quantmind.domain.orders import Close, Open, Proposal
from quantmind.domain.risk import EaLimits, Market, Policy, Situation, TradingState
from quantmind.domain.risk.news import Impact, NewsView, currencies_of
from quantmind.domain.risk.policy import DeadMan
from quantmind.domain.risk.state import Counts, Group
from quantmind.domain.risk.worst import NO_SPAN, Span

MINUTE_S = 60.0


@attrs.define(eq=False)
class Situations:
    """Makes situations. `since`: when this governor began; an older sample may lack what was executed before it."""

    boards: Boards
    promises: Promises
    books: RiskBooks
    valuer: Valuer
    policies: Mapping[str, Policy]
    ea_limits: Callable[[str], EaLimits]
    incarnation: int = 0
    since: float = 0.0
    began: float = 0.0
    """The process, in monotonic seconds: before it no EA could be heard."""
    unwatched: dict[str, str] = attrs.field(factory=dict, init=False)
    """Accounts whose limits could not be looked at last, and why."""
    _latest: dict[str, Situation] = attrs.field(factory=dict, init=False)
    """By broker: what was reckoned of an account holds for all decisions until it is read again."""
    _approved: dict[str, deque[float]] = attrs.field(factory=dict, init=False)
    """When orders were approved (monotonic seconds), by broker; the last minute's."""

    def approved(self, broker: str, now: float) -> None:
        """An order of this account was approved."""
        self._approved.setdefault(broker, deque(maxlen=100_000)).append(now)

    def restore(self, lately: Mapping[str, Sequence[float]]) -> None:
        """When orders of each account were approved lately, by the record (monotonic seconds)."""
        for broker, times in lately.items():
            self._approved[broker] = deque(sorted(times), maxlen=100_000)

    def of(self, proposal: Proposal, *, now: float, wall: float, blocked: str | None) -> Situation:
        """The situation of a proposal. `now` is monotonic seconds, `wall` Unix seconds."""
        broker = proposal.broker
        policy, holdings = self.policies[broker], self.promises.holdings(broker)
        symbol = proposal.symbol if isinstance(proposal, Open | Close) else holdings.symbol(proposal.ticket)
        halt = self._halt(broker, proposal.origin.magic)
        ea_name = proposal.origin.ea_name
        limits, multiplier = self.ea_limits(ea_name), self.boards.multipliers.read(ea_name)
        sample = holdings.sample
        if sample is not None and sample.taken_at < self.since:
            sample = None
        exposed = self.promises.exposed(broker)
        link = self.boards.links.of(broker)
        market = self._market(broker, symbol, None if sample is None else sample.account.currency)
        situation = Situation(
            now=now,
            wall=wall,
            incarnation=self.incarnation,
            policy=policy,
            state=halt.state,
            state_cause=halt.cause,
            sample=sample,
            positions=holdings.positions,
            orders=holdings.orders,
            market=market,
            reservations=self.promises.reservations(broker),
            closings=self.promises.closings(broker),
            unknowns=self.promises.unknowns(broker),
            ea=limits if limits.multiplier == multiplier else attrs.evolve(limits, multiplier=multiplier),
            mandate=self.boards.router.mandate,
            book=self.books.of(broker),
            worst=self.promises.worst(broker),
            symbol_counts=exposed.counts,
            group=None if policy.rules.exposure is None else self._group(broker),
            counts=self._counts(broker, policy, now, wall),
            news=self._news(policy, market, wall),
            ea_silent_s=self._silent(ea_name, limits, now),
            unwatched=self.unwatched.get(broker),
            unread=link.account_error,
            broken=link.breaker.refusal(now),
            blocked=blocked,
        )
        before = self._latest.get(broker)
        if before is not None:
            situation.carry_over(before)
        self._latest[broker] = situation
        return situation

    def _halt(self, broker: str, magic: int) -> Halt:
        """What the account may do; where it is free, nothing is added to what is being closed."""
        halt = self.boards.halts.read(broker)
        if halt.state is TradingState.ACTIVE:
            for each in self.boards.risk.flattenings(broker).values():
                if each.magic in (None, magic):
                    return Halt(TradingState.REDUCE_ONLY, f"{each.cause}; what is open is closed first", each.since)
        return halt

    def _market(self, broker: str, symbol: str, currency: str | None) -> Market:
        spec = self.boards.catalog.spec(broker, symbol)
        price = self.valuer.price(broker, symbol)
        worth = None if currency is None else self.valuer.worth(broker, symbol, currency)
        return Market(spec, worth=worth) if price is None else Market(spec, *price, worth)

    def _counts(self, broker: str, policy: Policy, now: float, wall: float) -> Counts:
        lately = self._approved.get(broker)
        count = 0
        if lately:
            while lately and lately[0] <= now - MINUTE_S:
                lately.popleft()
            count = len(lately)
        trades = None
        if policy.rules.max_trades_per_day is not None:
            held = self.promises.holdings(broker).positions.values()
            trades = self.books.trades_since(broker, policy.reset.last(wall), held)
        return Counts(trades, count)

    def _silent(self, ea_name: str, limits: EaLimits, now: float) -> float | None:
        if limits.dead_man_s is None or limits.on_dead_man is DeadMan.NONE:
            return None
        last = self.boards.eas.silent_since(ea_name)
        return max(0.0, now - (self.began if last is None else last))

    def _news(self, policy: Policy, market: Market, wall: float) -> NewsView | None:
        rule = policy.rules.news
        if rule is None or market.spec is None:
            return None
        return self.boards.news.view(
            currencies_of(market.spec), wall, rule.before_min * 60.0, rule.after_min * 60.0, Impact(rule.impact)
        )

    # --- groups --------------------------------------------------------------------------------------------------

    def _group(self, broker: str) -> Group | None:
        mine = self.promises.holdings(broker).sample
        if mine is None:
            return None
        group = self.policies[broker].group
        others = (name for name, other in self.policies.items() if name != broker and other.group == group)
        members = [broker] if group is None else [broker, *others]
        equity, unknown = Decimal(0), []
        currencies: dict[str, Span] = {}
        symbols: dict[str, Span] = {}
        for name in members:
            sample, exposed = self.promises.holdings(name).sample, self.promises.exposed(name)
            if sample is None:
                unknown.append(f"{name} has not been read")
                continue
            rate = self._rate_between(name, broker, sample.account.currency, mine.account.currency)
            if rate is None:
                unknown.append(f"no rate from {sample.account.currency} to {mine.account.currency}")
                continue
            unknown += [f"{name}: {symbol} has no rate" for symbol in exposed.unknown]
            equity += sample.account.equity * rate
            _add(currencies, exposed.currencies, rate)
            _add(symbols, exposed.symbols, rate)
            for item in self.promises.reservations(name):
                if item.moves is None:
                    unknown.append(f"{name}: what order {item.approval_id} moves")
                    continue
                _add(currencies, {currency: _both(amount, item.side is None) for currency, amount in item.moves}, rate)
                if item.moves:
                    _add(symbols, {item.symbol: _both(item.moves[0][1], item.side is None)}, rate)
        return Group(equity, currencies, symbols, tuple(unknown[:8]))

    def _rate_between(self, name: str, broker: str, of: str, to: str) -> Decimal | None:
        found = self.valuer.rate(name, of, to) or self.valuer.rate(broker, of, to)
        return None if found is None else found.middle


def _both(amount: Decimal, either: bool) -> Span:
    """What an order that is not filled may add; `either`: it may be in both directions."""
    up, down = max(amount, Decimal(0)), min(amount, Decimal(0))
    return Span(Decimal(0), max(up, -down), min(down, -up)) if either else Span(Decimal(0), up, down)


def _add(to: dict[str, Span], what: Mapping[str, Span], rate: Decimal) -> None:
    for name, span in what.items():
        to[name] = to.get(name, NO_SPAN).plus(span if rate == 1 else span.times(rate))
