"""Watches each account against its limits: warns, halts, has things closed, and lets go what is over.

Plain state without I/O; the governor owns one and hands it every sample. Nothing is halted twice for the same reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from actors.boards import Boards
from actors.halts import Halt
from actors.kept import Kept
from actors.promises import Promises
from actors.risk_board import Flattening, RiskStatus
from actors.risk_books import RiskBooks
from quantmind.domain.accounts import Sample
from quantmind.domain.risk import EaLimits, Policy, TradingState
from quantmind.domain.risk.book import lacks
from quantmind.domain.risk.policy import DeadMan, OnBreach
from quantmind.domain.risk.rules.market import weekend_due
from quantmind.domain.risk.rules.throttles import account_multiplier
from quantmind.domain.risk.watch import Standing, before_reset, level, stand
from quantmind.records import Event, Record, Setting

logger = logging.getLogger("quantmind.governor")

ONE: Final = Decimal(1)
DAILY: Final = "daily_loss"
OVERALL: Final = "max_loss"


@attrs.define(eq=False)
class Watcher:
    """See the module. What is to be written is handed out; a hold and a flattening count at once."""

    boards: Boards
    promises: Promises
    books: RiskBooks
    kept: Kept
    policies: Mapping[str, Policy]
    ea_limits: Callable[[str], EaLimits]
    began: float = 0.0
    """The process, in monotonic seconds: before it no EA could be heard."""
    _warned: dict[tuple[str, str], tuple[float, int]] = attrs.field(factory=dict, init=False)
    """By broker and what was warned of: of which day, and how far."""
    _silent: set[tuple[str, int]] = attrs.field(factory=set, init=False)
    """EAs, by name and magic, whose silence has been acted on."""
    _begun: dict[str, dict[str, tuple[Flattening, float]]] = attrs.field(factory=dict, init=False)
    """By broker and name: what has to be closed, and the first sample that saw it wanted (monotonic seconds)."""

    def look(self, sample: Sample, wall: float, *, writable: bool = True) -> list[Record]:
        """After a sample was taken in: what is to be written. `wall` is the sample's time in Unix seconds.

        While the journal is not `writable` nothing is let go: that would count when it is on disk, and until then it
        would be handed out with each sample.
        """
        broker, policy = sample.broker, self.policies[sample.broker]
        standings = self._standings(sample, wall)
        records: list[Record] = []
        next_reset = policy.reset.next(wall)
        for standing in standings:
            records += self._warn(broker, standing, next_reset, wall)
            if standing.broken:
                records += self._broken(broker, policy, standing, wall)
        if writable:
            records += self._let_go(broker, policy, standings, wall)
        records += self._flatten_broken(sample, standings, wall)
        records += self._eas(sample, wall)
        if weekend_due(policy, wall) and not policy.observe_only and (sample.positions or sample.orders):
            records += self._close(Flattening(broker, "the weekend begins", wall))
        if writable:
            records += self._done(sample, wall)
        self.show(sample, wall)
        return records

    def _standings(self, sample: Sample, wall: float) -> tuple[Standing, ...]:
        """How an account stands to the floors that may be broken now, also while what they are counted from is on its
        way to disk: nothing is allowed by it yet. No day's floor is that of another day."""
        broker, policy = sample.broker, self.policies[sample.broker]
        book = self.books.newest(broker)
        if book is None:
            return ()
        standings = stand(policy, book, sample.account.balance, sample.account.equity)
        over = book.day < policy.reset.last(wall)
        return tuple(each for each in standings if not (over and each.floor.rule == DAILY))

    def show(self, sample: Sample, wall: float) -> None:
        """Put on the board how the account stands, by its newest sample and what counts by now."""
        broker, policy = sample.broker, self.policies[sample.broker]
        book = self.books.of(broker)
        held = sample.account
        self.boards.risk.put(
            broker,
            RiskStatus(
                policy=policy,
                book=book,
                standings=() if book is None else stand(policy, book, held.balance, held.equity),
                worst=self.promises.worst(broker),
                promised=self.promises.promised(broker),
                exposed=self.promises.exposed(broker),
                lacks=lacks(book, policy, wall) if policy.keeps_book else None,
                trades_today=self.books.trades_since(broker, policy.reset.last(wall)),
                next_reset=policy.reset.next(wall),
                multiplier=ONE if policy.observe_only else account_multiplier(policy, book, sample),
                at=wall,
                login=held.login,
                taken_at=sample.taken_at,
            ),
        )

    # --- limits --------------------------------------------------------------------------------------------------

    def _warn(self, broker: str, standing: Standing, next_reset: float, wall: float) -> Iterator[Record]:
        rule = standing.floor.rule
        reached = level(standing.used_percent)
        if self._is_news(broker, rule, next_reset, reached):
            yield self._event(
                "limit.warning",
                broker,
                wall,
                rule=rule,
                level=reached,
                used_percent=round(float(standing.used_percent), 1),
                floor=standing.floor.now,
                value=standing.value,
            )
        due = before_reset(next_reset - wall) if standing.broken_by_reset else 0
        if self._is_news(broker, f"{rule} at the reset", next_reset, due):
            yield self._event(
                "reset.warning",
                broker,
                wall,
                rule=rule,
                minutes=round((next_reset - wall) / 60),
                floor=standing.floor.next,
                value=standing.value,
                next_reset=next_reset,
            )

    def _is_news(self, broker: str, what: str, day: float, reached: int) -> bool:
        """Whether more is reached than was warned of this day."""
        before_day, before = self._warned.get((broker, what), (0.0, 0))
        if before_day != day:
            before = 0
        self._warned[broker, what] = (day, max(before, reached))
        return reached > before

    def _broken(self, broker: str, policy: Policy, standing: Standing, wall: float) -> Iterator[Record]:
        rule = standing.floor.rule
        held = self.boards.halts.holds(broker).get(rule)
        # A day's halt ends with its day, so that of an earlier one does not stand in for today's.
        if held is None or (rule == DAILY and policy.reset.last(held.since) < policy.reset.last(wall)):
            cause = (
                f"{rule}: {standing.floor.measure.value} {standing.value:.2f} is below the floor "
                f"{standing.floor.least:.2f}"
            )
            facts = {"rule": rule, "floor": standing.floor.now, "value": standing.value}
            if policy.observe_only:
                if self._is_news(broker, f"{rule} broken", policy.reset.next(wall), 1):
                    yield self._event("limit.broken", broker, wall, **facts, observed=True)
                return
            logger.critical("break.limit broker=%s cause=%s", broker, cause)
            yield self.kept.hold(broker, rule, Halt(TradingState.HALTED, cause, wall))
            yield self._event("limit.broken", broker, wall, **facts)

    def _flatten_broken(self, sample: Sample, standings: Sequence[Standing], wall: float) -> Iterator[Record]:
        """Where a broken limit holds an account all goes, also what is opened by hand meanwhile. A halt for the loss of
        a day that is over closes nothing of the new one, unless that is broken, too."""
        broker, policy = sample.broker, self.policies[sample.broker]
        if policy.on_breach is not OnBreach.FLATTEN or policy.observe_only or not (sample.positions or sample.orders):
            return
        today, broken = policy.reset.last(wall), {each.floor.rule for each in standings if each.broken}
        for rule, held in self.boards.halts.holds(broker).items():
            if rule != DAILY or rule in broken or policy.reset.last(held.since) >= today:
                yield from self._close(Flattening(broker, held.cause, wall))

    def _let_go(self, broker: str, policy: Policy, standings: Sequence[Standing], wall: float) -> Iterator[Record]:
        """A halt for a day's loss ends at a reset whose new floor holds; one for the overall loss by release alone."""
        held = self.boards.halts.holds(broker).get(DAILY)
        if held is None:
            return
        book, over = self.books.of(broker), False
        if policy.rules.daily_loss is None:  # somebody took the rule away: no floor of it can stand any more
            over = policy.reset.last(held.since) < policy.reset.last(wall)
        elif book is not None and policy.reset.last(held.since) < book.day and lacks(book, policy, wall) is None:
            over = any(each.floor.rule == DAILY and not each.broken for each in standings)
        if over:
            yield self.kept.hold(broker, DAILY, None)
            yield self._event("hold.over", broker, wall, rule=DAILY)

    def stands(self, broker: str) -> str | None:
        """Why an account may not be released: the cause of a hold stands, or ends by itself. None: it may be."""
        policy = self.policies[broker]
        set_by = {DAILY: policy.rules.daily_loss, OVERALL: policy.rules.max_loss}
        holds = {
            rule: halt
            for rule, halt in self.boards.halts.holds(broker).items()
            if set_by.get(rule) is not None and not policy.observe_only
        }
        if not holds:
            return None
        if DAILY in holds:
            status = self.boards.risk.read(broker)
            when = "" if status is None else f" ({status.policy.reset})"
            return f"{holds[DAILY].cause}; it ends at the next reset{when} whose floor holds"
        sample, book = self.promises.holdings(broker).sample, self.books.of(broker)
        if sample is None or book is None:
            return f"{holds[OVERALL].cause}; the account has not been read since"
        standings = stand(policy, book, sample.account.balance, sample.account.equity)
        standing = next((each for each in standings if each.floor.rule == OVERALL), None)
        if standing is None:
            return f"{holds[OVERALL].cause}; where the floor is by now is not known (see lacks in /risk)"
        now = f"{standing.value:.2f} by now, and the floor {standing.floor.least:.2f}"
        return f"{holds[OVERALL].cause}; it still is ({now})" if standing.broken else None

    # --- silent EAs ----------------------------------------------------------------------------------------------

    def _eas(self, sample: Sample, wall: float) -> Iterator[Record]:
        broker = sample.broker
        for name, magic in self._to_hear(sample):
            limits, key = self.ea_limits(name), (name, magic)
            if limits.dead_man_s is None or limits.on_dead_man is DeadMan.NONE:
                continue
            last = self.boards.eas.silent_since(name)
            silent = sample.taken_at - (self.began if last is None else last)
            if silent <= limits.dead_man_s:
                self._silent.discard(key)
            elif key not in self._silent:
                self._silent.add(key)
                action, observed = limits.on_dead_man, self.policies[broker].observe_only
                facts = {"silent_s": round(silent, 1), "limit_s": limits.dead_man_s, "action": action.value}
                facts |= {"observed": True} if observed else {}
                logger.warning("silent.ea ea=%s magic=%d silent_s=%.1f", name, magic, silent)
                yield attrs.evolve(self._event("ea.silent", broker, wall, **facts), ea_name=name)
                if action in (DeadMan.CANCEL, DeadMan.FLATTEN) and not observed:
                    cause = f"EA {name} has been silent for {silent:.0f} s"
                    yield from self._close(
                        Flattening(broker, cause, wall, magic=magic, positions=action is DeadMan.FLATTEN)
                    )

    def _to_hear(self, sample: Sample) -> Iterator[tuple[str, int]]:
        """EAs of an account, by name and magic: those heard since the start, and of those heard before it whoever has
        left something open."""
        heard = self.boards.eas.all()
        yield from ((item.ea_name, item.magic) for item in heard if item.broker == sample.broker)
        before = self.boards.router.eas.keys() - {(item.ea_name, item.magic) for item in heard}
        if before:
            magics = {item.magic for item in sample.positions} | {item.magic for item in sample.orders}
            of = self.boards.router.eas
            yield from (key for key in sorted(before) if key[1] in magics and of[key].broker == sample.broker)

    # --- what has to be closed -----------------------------------------------------------------------------------

    def _close(self, flattening: Flattening) -> Iterator[Record]:
        wanted = self.boards.risk.flattenings(flattening.broker).get(flattening.name)
        if wanted is None or (flattening.positions and not wanted.positions):
            yield from self.flatten(flattening)

    def flatten(self, flattening: Flattening) -> Iterator[Setting | Event]:
        """Have something closed from now on, whatever was wanted before."""
        yield self.kept.flattening(flattening.name, flattening)
        facts = {"cause": flattening.cause, "magic": flattening.magic}
        yield self._event("flatten.begin", flattening.broker, flattening.since, **facts)

    def _done(self, sample: Sample, wall: float) -> Iterator[Record]:
        """A flattening is over when a sample that was taken after it shows nothing of it."""
        wanted = self.boards.risk.flattenings(sample.broker)
        # By the clock of samples: one that is set back would have it go on for so long.
        before, begun = self._begun.get(sample.broker, {}), {}
        for name, each in wanted.items():
            first = before.get(name)
            begun[name] = first if first is not None and first[0] == each else (each, sample.taken_at)
        self._begun[sample.broker] = begun
        for name, flattening in wanted.items():
            if sample.taken_at <= begun[name][1] or flattening.of(sample.positions, sample.orders) != ((), ()):
                continue
            if self.promises.reserves(sample.broker, flattening.magic):
                continue  # something on its way may still be filled
            yield self.kept.flattening(name, None)
            yield self._event("flatten.done", sample.broker, wall, cause=flattening.cause, magic=flattening.magic)

    def _event(self, name: str, broker: str, wall: float, **data: Any) -> Event:
        plain = {key: str(value) if isinstance(value, Decimal) else value for key, value in data.items()}
        said = " ".join(f"{key}={value}" for key, value in plain.items())
        logger.warning("%s broker=%s %s", name, broker, said)  # who reads only the log must not miss it
        return Event(name, broker, plain, wall)
