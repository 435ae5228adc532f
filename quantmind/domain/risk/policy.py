"""What is set for an account and for an EA: limits, and the rules of a firm with their parameters.

Everything is off until it is set: a rule whose parameters are None says nothing. Percents are of 100.
Source of the rules and their parameters: docs/risk.md.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import attrs

from quantmind.domain.risk.resets import Reset

MIDNIGHT_UTC = Reset()


class Base(enum.Enum):
    """What a day's loss is counted from: what the account had at its reset, or what it began with."""

    BALANCE = "balance"
    EQUITY = "equity"
    MAX = "max"
    """The higher of balance and equity."""
    INITIAL = "initial"


class Measure(enum.Enum):
    """What is compared with a floor."""

    EQUITY = "equity"
    BALANCE = "balance"


class Trailing(enum.Enum):
    """What lifts the floor of the overall loss."""

    NONE = "none"
    END_OF_DAY = "end_of_day"
    """The highest balance at a reset."""
    INTRADAY = "intraday"
    """The highest equity at any time: an open profit that is given back counts as lost, which nobody can foresee."""


class OnBreach(enum.Enum):
    """What a broken floor does beside refusing whatever adds exposure."""

    HALT = "halt"
    FLATTEN = "flatten"


class OnTarget(enum.Enum):
    """What a reached profit target does."""

    HALT = "halt"
    PRESERVE = "preserve"
    """Only trades with a high score pass, with a smaller multiplier."""


@attrs.frozen(kw_only=True)
class DailyLoss:
    """The most that may be lost between two resets: the floor is `base` at the reset less the amount.

    The amount is `amount` in the account's currency, or `percent` of the initial capital (`percent_of_base`: of the
    base itself). `inclusive`: at the floor it is broken already, else only below it.
    """

    percent: Decimal | None = None
    amount: Decimal | None = None
    percent_of_base: bool = False
    base: Base = Base.BALANCE
    measure: Measure = Measure.EQUITY
    inclusive: bool = False


@attrs.frozen(kw_only=True)
class MaxLoss:
    """The most that may be lost at all: the floor is the initial capital, or what `trailing` makes it, less an amount.

    The amount is `amount` in the account's currency, or `percent` of the initial capital. `lock_at` is the level (in
    percent of the initial capital) above which the floor is never lifted.
    """

    percent: Decimal | None = None
    amount: Decimal | None = None
    trailing: Trailing = Trailing.NONE
    lock_at: Decimal | None = None
    measure: Measure = Measure.EQUITY
    inclusive: bool = False


@attrs.frozen(kw_only=True)
class ProfitTarget:
    """A profit (percent of the initial capital) after which there is something to lose."""

    percent: Decimal
    on_target: OnTarget = OnTarget.PRESERVE
    min_score: float = 0.0
    multiplier: Decimal = Decimal("0.5")


@attrs.frozen(kw_only=True)
class MinTradingDays:
    """How many days must have been traded on before a target counts. Informs, and refuses nothing."""

    days: int


@attrs.frozen(kw_only=True)
class BestDay:
    """How much of all profit (percent) the best day may have made. Informs, or refuses while a day is above it."""

    percent: Decimal
    refuse: bool = False


@attrs.frozen(kw_only=True)
class Exposure:
    """Net exposure, in percent of equity: of one symbol, and of one currency, over the accounts of a group."""

    symbol_percent: Decimal | None = None
    currency_percent: Decimal | None = None


@attrs.frozen(kw_only=True)
class Margin:
    """How much of the equity (percent) must stay free of margin."""

    free_percent: Decimal


@attrs.frozen(kw_only=True)
class Symbols:
    """Which symbols may be traded. A name may end in `*`. An empty `allow` allows all that `deny` does not name."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Sessions:
    """When positions may be opened: `HH:MM-HH:MM` of a day in a zone, over midnight where the end is earlier."""

    hours: tuple[tuple[int, int], ...]
    """(begin, end) in minutes of the day."""
    zone: str = "UTC"


@attrs.frozen(kw_only=True)
class Weekend:
    """No position is opened that would stay open over the weekend: from some time before the close to the opening."""

    close_day: int = 4
    """0 is Monday."""
    close_minute: int = 22 * 60
    open_day: int = 6
    open_minute: int = 22 * 60
    before_min: int = 60
    flatten: bool = False
    """Close what is open then."""
    zone: str = "UTC"


@attrs.frozen(kw_only=True)
class News:
    """No position is opened so many minutes before and after an event of the symbol's currencies."""

    before_min: int = 2
    after_min: int = 2
    impact: str = "high"
    """The least impact that counts: low, medium or high."""
    stale_h: float = 24.0
    """A calendar that was last refreshed so many hours ago refuses everything."""


@attrs.frozen(kw_only=True)
class QuadraticThrottle:
    """The multiplier falls with the square of what was lost of a day's limit (less `hard_stop_buffer`, money)."""

    hard_stop_buffer: Decimal = Decimal(0)


@attrs.frozen(kw_only=True)
class Tiers:
    """By equity (money of the account): growth below `scaling`, scaling below `guardian`, then guardian.

    Throttles apply from `throttle_from` on.
    """

    scaling: Decimal
    guardian: Decimal
    throttle_from: str = "guardian"


@attrs.frozen(kw_only=True)
class Rules:
    """The rules that are set, each with its parameters; None: it is not."""

    daily_loss: DailyLoss | None = None
    max_loss: MaxLoss | None = None
    profit_target: ProfitTarget | None = None
    min_trading_days: MinTradingDays | None = None
    best_day: BestDay | None = None
    max_open_per_symbol: int | None = None
    max_trades_per_day: int | None = None
    max_orders_per_minute: int | None = None
    exposure: Exposure | None = None
    margin: Margin | None = None
    symbols: Symbols | None = None
    sessions: Sessions | None = None
    weekend: Weekend | None = None
    news: News | None = None
    stop_required: bool = False
    min_stop_distance: bool = False
    """A stop must be as far from the price as the broker asks for."""
    quadratic_throttle: QuadraticThrottle | None = None
    tiers: Tiers | None = None


NO_RULES = Rules()


@attrs.frozen(kw_only=True)
class Allowances:
    """What a stop may cost beyond its price, and what a position without one is taken to lose."""

    slippage_points: Decimal = Decimal(0)
    """By which a stop may fill worse."""
    commission_per_lot: Decimal = Decimal(0)
    """Money of the account, of a lot for entry and exit together."""
    assumed_stop_percent: Decimal | None = None
    """How far from its price a position without a stop is taken to be closed, in percent of the price. None: where a
    floor is set, an order without a stop is refused, and a position without one leaves no room at all."""


NO_ALLOWANCES = Allowances()


@attrs.frozen
class Policy:
    """Limits of one account. Volumes in lots, ages in seconds, money in the account's currency."""

    max_volume: Decimal = Decimal(1)
    max_open_positions: int = 10
    equity_fresh_s: float = 2.0
    price_fresh_s: float = 5.0
    unknown_grace_s: float = 30.0
    """How long an unknown order blocks only its own EA, magic and symbol before it blocks its account."""
    preset: str = "none"
    initial_capital: Decimal | None = None
    group: str | None = None
    on_breach: OnBreach = OnBreach.HALT
    reset: Reset = MIDNIGHT_UTC
    """When a day ends."""
    rules: Rules = NO_RULES
    allowances: Allowances = NO_ALLOWANCES
    observe_only: bool = False
    """Limits are judged and recorded, and refuse nothing."""

    @property
    def counts_money(self) -> bool:
        """Whether a floor is set: then the worst case must be known."""
        return self.rules.daily_loss is not None or self.rules.max_loss is not None

    @property
    def keeps_book(self) -> bool:
        """Whether a rule counts from what the account was before: its book is then kept on record."""
        rules = self.rules
        needs = (rules.quadratic_throttle, rules.profit_target, rules.min_trading_days, rules.best_day)
        return self.counts_money or any(rule is not None for rule in needs)


class DeadMan(enum.Enum):
    """What an EA's silence does."""

    NONE = "none"
    BLOCK = "block"
    CANCEL = "cancel"
    FLATTEN = "flatten"


@attrs.frozen
class EaLimits:
    """What is set for one EA: its share of volume, of positions and of the day's room, and its own multiplier (0 to 1).

    `room_percent`: how much of the room that the floors leave may be risked by one of its orders. After `dead_man_s`
    seconds without a heartbeat `on_dead_man` is done.
    """

    max_volume: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    max_open_positions: int | None = None
    room_percent: Decimal | None = None
    dead_man_s: float | None = None
    on_dead_man: DeadMan = DeadMan.NONE


NO_EA_LIMITS = EaLimits()
