"""The durable state of each account's risk: kept in step with what is seen, and handed out to be written.

Plain state without I/O; the governor owns one. What is to be written is handed out as settings, and counts when they
are on disk. Accounts without a rule that looks back have no book.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs

from actors.boards import DealBook
from quantmind.domain.accounts import Deal, Entry, Position, Sample
from quantmind.domain.risk.book import Baseline, RiskBook, Seen, advance, again, begin, jumped, overslept, under
from quantmind.domain.risk.policy import Policy
from quantmind.records import Setting

logger = logging.getLogger("quantmind.governor")

KEY: Final = "risk:"
"""Before the broker's name, in the record."""


JUMP_S: Final = 30.0
"""A step of the wall clock against the monotonic one beyond which it was set (or the machine slept)."""
DEALS_WITHIN_S: Final = 60.0
"""So long the deals are waited for that tell of a reset which nobody saw; without them it stays unknown."""


@attrs.frozen
class _Waiting:
    seen: Seen
    taken_at: float
    """Monotonic seconds."""


@attrs.frozen
class _Trades:
    """What the deals of one `version` tell of the time since then."""

    version: int
    since: float
    count: int
    opened: frozenset[int]
    """The tickets of the positions."""


@attrs.define(eq=False)
class _Account:
    whose: str | None = None
    """Which account the book is of; None: the record does not say."""
    book: RiskBook | None = None
    """What counts: it is on disk."""
    asked: RiskBook | None = None
    """What is on its way there."""
    handed: RiskBook | None = None
    """What was handed out last."""
    last: Seen | None = None
    offset: float | None = None
    """Of the wall clock to the monotonic one at the last look (s)."""
    waits: _Waiting | None = None
    """A look that can't be understood before the deals up to it are known."""
    trades: _Trades | None = None


@attrs.define(eq=False)
class RiskBooks:
    """The book of each account. Before `restored` nothing is known and nothing is begun.

    Args:
        policies: the limits of each account.
        deals: the broker's deals.
    """

    policies: Mapping[str, Policy]
    deals: Callable[[str], DealBook]
    _accounts: dict[str, _Account] = attrs.field(factory=dict, init=False)
    _restored: bool = attrs.field(default=False, init=False)

    def restored(self, stored: Mapping[str, Any]) -> None:
        """Take what the record has, by its keys. What can't be understood is not known."""
        for broker in self.policies:
            value = stored.get(f"{KEY}{broker}")
            if value is None:
                continue
            try:
                book = under(from_stored(value), self.policies[broker])
                account = self._of(broker)
                account.book = account.asked = book
                account.whose = value.get("account")
            except (KeyError, TypeError, ValueError, InvalidOperation) as exc:
                logger.error("fail.risk_book broker=%s reason=%r; supply its baseline", broker, exc)
        self._restored = True

    def recall(self, sample: Sample, book: RiskBook) -> None:
        """Take a book that counted before from elsewhere than the record, which comes later."""
        account = self._of(sample.broker)
        account.book = account.asked = book
        account.whose = _whose(sample)

    def of(self, broker: str) -> RiskBook | None:
        """The book that counts, or None."""
        return self._of(broker).book

    def newest(self, broker: str) -> RiskBook | None:
        """The book as it will count once it is on disk."""
        account = self._of(broker)
        return account.asked or account.book

    def sampled(self, sample: Sample, wall: float, *, writable: bool = True) -> Setting | None:
        """A look at the account at `wall` (Unix seconds); what is to be written, if anything.

        While the journal is not `writable` only what floors count from is handed out, once: it is kept aside.
        """
        policy = self.policies[sample.broker]
        if not self._restored or not policy.keeps_book:
            return None
        account = self._account_of(sample)
        flat = not sample.positions
        seen = Seen(wall, sample.account.balance, sample.account.equity, flat)
        if not (seen.balance.is_finite() and seen.equity.is_finite()):
            return None
        before, offset = account.asked or account.book, account.offset
        account.offset = wall - sample.taken_at
        if before is None:
            after = begin(seen, policy)
        else:
            last = before.seen if account.last is None or account.last.at < before.seen.at else account.last
            if offset is not None and abs(account.offset - offset) > JUMP_S:
                return self._jumped(sample.broker, before, seen)
            if account.last is not None:
                before = again(before, account.last, seen, policy)
            if overslept(before, last, seen, policy):
                first = account.waits or _Waiting(seen, sample.taken_at)
                read_at = self.deals(sample.broker).read_at
                if (read_at is None or read_at < first.taken_at) and sample.taken_at < first.taken_at + DEALS_WITHIN_S:
                    account.waits = first
                    return None
                seen = first.seen
            account.waits = None
            after = advance(before, last, seen, policy, self._deals_since(sample.broker, last.at))
        account.last = seen
        told = account.handed or account.book
        if not writable and told is not None and _told(after) == _told(told):
            account.asked = after
            return None
        return self._write(sample.broker, after)

    def _jumped(self, broker: str, before: RiskBook, seen: Seen) -> Setting | None:
        """The clock was set: which resets passed meanwhile it can't tell, so a new day's beginning is not known."""
        account, policy = self._of(broker), self.policies[broker]
        logger.warning("jump.clock broker=%s at=%.0f day=%.0f", broker, seen.at, before.day)
        last, account.last, account.waits = account.last or before.seen, seen, None
        return self._write(broker, jumped(before, last, seen, policy))

    def put(self, broker: str, book: RiskBook) -> Setting | None:
        """A book with what somebody supplied; what is to be written."""
        return self._write(broker, book)

    def written(self, setting: Setting) -> None:
        """A setting of ours is on disk: from now on it counts."""
        assert setting.value is not None
        account = self._of(setting.key.removeprefix(KEY))
        if setting.value.get("account") == account.whose:
            account.book = from_stored(setting.value)

    def trades_since(self, broker: str, since: float, held: Iterable[Position] = ()) -> int | None:
        """How many positions were opened since then (Unix seconds); None while the deals are not known.

        Deals are read after what they made, so of what is `held` by now those count, too, whose deals are not there.
        """
        book, account = self.deals(broker), self._of(broker)
        if book.read_at is None:
            return None
        trades = account.trades
        if trades is None or (trades.version, trades.since) != (book.version, since):
            opened = [deal.position for deal in book.since(since * 1000) if opens(deal)]
            trades = account.trades = _Trades(book.version, since, len(opened), frozenset(opened))
        return trades.count + sum(1 for item in held if _began(item, since) and item.ticket not in trades.opened)

    def _write(self, broker: str, book: RiskBook) -> Setting | None:
        account = self._of(broker)
        account.asked = book
        if book == account.book:
            return None
        account.handed = book
        # What changes all the time tells nothing in the log; the day and its baseline do.
        logged = account.book is None or _told(book) != _told(account.book)
        return Setting(f"{KEY}{broker}", {**to_stored(book), "account": account.whose}, book.seen.at, logged=logged)

    def _deals_since(self, broker: str, since: float) -> Sequence[Deal] | None:
        """The deals after that moment, and in any case those of the day that is counted."""
        deals, book = self.deals(broker), self._of(broker).asked
        if deals.read_at is None:
            return None
        day = 0.0 if book is None else book.day
        return deals.since(min(math.floor(since * 1000) + 1, day * 1000))

    def _account_of(self, sample: Sample) -> _Account:
        """What is kept of the account that is seen. Of another one than before nothing is known: it begins anew."""
        account, whose = self._of(sample.broker), _whose(sample)
        if account.whose is not None and account.whose != whose:
            logger.error("change.account broker=%s before=%s now=%s", sample.broker, account.whose, whose)
            account = self._accounts[sample.broker] = _Account()
        account.whose = whose
        return account

    def _of(self, broker: str) -> _Account:
        account = self._accounts.get(broker)
        if account is None:
            account = self._accounts[broker] = _Account()
        return account


def opens(deal: Deal) -> bool:
    """Whether a deal opened a position, or turned one round."""
    return deal.entry in (Entry.IN, Entry.INOUT)


def _whose(sample: Sample) -> str:
    held = sample.account
    return f"{held.login}@{held.server} in {held.currency}"


def _began(position: Position, since: float) -> bool:
    """Whether it was opened since then. One that was executed a moment ago has no time of the broker's yet."""
    return position.time_msc == 0 or position.time_msc >= since * 1000


def _told(book: RiskBook) -> tuple[Any, ...]:
    return book.day, book.baseline, book.highest_balance, book.trading_days


# --- as plain values ---------------------------------------------------------------------------------------------


def to_stored(book: RiskBook) -> dict[str, Any]:
    """A book as the record keeps it."""
    baseline, seen = book.baseline, book.seen
    return {
        "day": book.day,
        "baseline": None
        if baseline is None
        else {
            "day": baseline.day,
            "balance": str(baseline.balance),
            "equity": _text(baseline.equity),
            "source": baseline.source,
        },
        "seen": {"at": seen.at, "balance": str(seen.balance), "equity": str(seen.equity), "flat": seen.flat},
        "highest_balance": _text(book.highest_balance),
        "highest_equity": _text(book.highest_equity),
        "trading_days": book.trading_days,
        "last_traded": book.last_traded,
        "best_day": str(book.best_day),
        "profit_days": str(book.profit_days),
    }


def from_stored(value: Mapping[str, Any]) -> RiskBook:
    """Back. Raises KeyError, TypeError, ValueError or InvalidOperation for what is none."""
    baseline, seen = value["baseline"], value["seen"]
    return RiskBook(
        day=float(value["day"]),
        baseline=None
        if baseline is None
        else Baseline(
            float(baseline["day"]), _money(baseline["balance"]), _maybe(baseline["equity"]), str(baseline["source"])
        ),
        seen=Seen(float(seen["at"]), _money(seen["balance"]), _money(seen["equity"]), bool(seen["flat"])),
        highest_balance=_maybe(value["highest_balance"]),
        highest_equity=_maybe(value["highest_equity"]),
        trading_days=int(value["trading_days"]),
        last_traded=None if value["last_traded"] is None else float(value["last_traded"]),
        best_day=_money(value["best_day"]),
        profit_days=_money(value["profit_days"]),
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _maybe(value: Any) -> Decimal | None:
    return None if value is None else _money(value)


def _money(value: Any) -> Decimal:
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError(f"{value!r} is no amount of money")
    return number
