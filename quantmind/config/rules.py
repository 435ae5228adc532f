"""The model of `rules:`, of an account and of a preset: one class for each rule, one line for each parameter."""

# ruff: noqa: RUF009 - `setting` gives an attrs field, as `attrs.field` does.

import enum
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import attrs

from quantmind.config.hours import ClockTime, HourRange, WeekMoment, ZoneName
from quantmind.config.kinds import Choice, Flag, Text
from quantmind.config.numbers import Amount, Number, Whole
from quantmind.config.settings import ListOf, Maybe, Section, setting


class Absent(enum.Enum):
    """What a rule is that is not written: as the preset has it. One that is written as null is off."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
NotWritten: TypeAlias = Literal[Absent.ABSENT]

_PERCENT: Final = Amount(above=0, most=100)
_MONEY: Final = Amount(above=0)
_COUNT: Final = Whole(1, 100_000)
_SHARE: Final = Amount(above=0, most=100_000)
_MEASURE: Final = Choice(("equity", "balance"))
_SYMBOLS: Final = ListOf(
    Text("a symbol, or how several begin with * at the end, as in EUR*", r"[A-Za-z0-9._#&-]{1,31}\*?|\*"), "symbols"
)
_AT_THE_FLOOR: Final = "Whether it is broken at the floor already; else only below it."
_UNSET: Final = "the preset's, or none"


@attrs.frozen(kw_only=True)
class ResetConfig:
    """When a day ends."""

    time: str = setting(ClockTime(), "Moment of the reset, on the clocks of `zone`.", default="00:00")
    zone: str = setting(ZoneName(), "Time zone of the reset; its summer time counts.", default="UTC")


@attrs.frozen(kw_only=True)
class DailyLossRule:
    """The most that may be lost between two resets."""

    percent: Decimal | None = setting(
        Maybe(_PERCENT), "How much, in percent of the initial capital; write this or `amount`.", default=None
    )
    amount: Decimal | None = setting(
        Maybe(_MONEY), "How much, in the account's currency; write this or `percent`.", default=None
    )
    percent_of_base: bool = setting(
        Flag(), "Whether `percent` is of the base instead of the initial capital.", default=False
    )
    base: str = setting(
        Choice(("balance", "equity", "max", "initial")),
        "What the loss is counted from: balance or equity at the reset, the higher of both, or the initial capital.",
        default="balance",
    )
    measure: str = setting(_MEASURE, "What must not fall below the floor.", default="equity")
    inclusive: bool = setting(Flag(), _AT_THE_FLOOR, default=False)


@attrs.frozen(kw_only=True)
class MaxLossRule:
    """The most that may be lost at all."""

    percent: Decimal | None = setting(
        Maybe(_PERCENT), "How much, in percent of the initial capital; write this or `amount`.", default=None
    )
    amount: Decimal | None = setting(
        Maybe(_MONEY), "How much, in the account's currency; write this or `percent`.", default=None
    )
    trailing: str = setting(
        Choice(("none", "end_of_day", "intraday")),
        "What lifts the floor: nothing, the highest balance at a reset, or the highest equity at any time.",
        default="none",
    )
    lock_at: Decimal | None = setting(
        Maybe(Amount(above=0, most=1000)),
        "Level above which the floor is not lifted, in percent of the initial capital; null: none.",
        default=None,
    )
    measure: str = setting(_MEASURE, "What must not fall below the floor.", default="equity")
    inclusive: bool = setting(Flag(), _AT_THE_FLOOR, default=False)


@attrs.frozen(kw_only=True)
class ProfitTargetRule:
    """A profit after which there is something to lose."""

    percent: Decimal = setting(Amount(above=0, most=1000), "Profit in percent of the initial capital.")
    on_target: str = setting(
        Choice(("halt", "preserve")),
        "What it does: open nothing more, or only orders with a high score and less volume.",
        default="preserve",
    )
    min_score: float = setting(
        Number(least=-100_000, most=100_000), "With `preserve`: the least score of an order that passes.", default=0.0
    )
    multiplier: Decimal = setting(
        Amount(least=0, most=1), "With `preserve`: what volumes are multiplied by.", default=Decimal("0.5")
    )


@attrs.frozen(kw_only=True)
class MinTradingDaysRule:
    """Days that must have been traded on; informs and refuses nothing."""

    days: int = setting(Whole(1, 366), "How many days.")


@attrs.frozen(kw_only=True)
class BestDayRule:
    """How much of all profit one day may have made."""

    percent: Decimal = setting(_PERCENT, "Share of the best day in all profit, in percent.")
    refuse: bool = setting(
        Flag(), "Whether nothing is opened while today is above it; else it is only told.", default=False
    )


@attrs.frozen(kw_only=True)
class MaxOpenPerSymbolRule:
    """How many positions of one symbol there may be."""

    limit: int = setting(_COUNT, "Positions of one symbol at a time, with orders that wait or are on their way.")


@attrs.frozen(kw_only=True)
class MaxTradesPerDayRule:
    """How many positions a day may open."""

    limit: int = setting(_COUNT, "Positions opened between two resets, with orders that wait or are on their way.")


@attrs.frozen(kw_only=True)
class MaxOrdersPerMinuteRule:
    """How many orders a minute may have."""

    limit: int = setting(_COUNT, "Orders that are approved within a minute.")


@attrs.frozen(kw_only=True)
class ExposureRule:
    """Net exposure over the accounts of a group; at least one of the two."""

    symbol_percent: Decimal | None = setting(
        Maybe(_SHARE), "Of one symbol, in percent of the group's equity; null: any.", default=None
    )
    currency_percent: Decimal | None = setting(
        Maybe(_SHARE), "Of one currency, in percent of the group's equity; null: any.", default=None
    )


@attrs.frozen(kw_only=True)
class MarginRule:
    """How much must stay free of margin."""

    free_percent: Decimal = setting(_PERCENT, "Free margin after the order, in percent of equity.")


@attrs.frozen(kw_only=True)
class SymbolsRule:
    """Which symbols may be traded."""

    allow: tuple[str, ...] = setting(_SYMBOLS, "Only these; []: all that `deny` does not name.", default=())
    deny: tuple[str, ...] = setting(_SYMBOLS, "Not these.", default=())


@attrs.frozen(kw_only=True)
class SessionsRule:
    """When positions may be opened."""

    hours: tuple[str, ...] = setting(ListOf(HourRange(), "hours"), 'Hours of each day, such as `["08:00-17:00"]`.')
    zone: str = setting(ZoneName(), "Time zone of `hours`; its summer time counts.", default="UTC")


@attrs.frozen(kw_only=True)
class WeekendRule:
    """Nothing is opened that would stay open over the weekend."""

    close: str = setting(WeekMoment(), "When the week ends.", default="Fri 22:00")
    open: str = setting(WeekMoment(), "When the next one begins.", default="Sun 22:00")
    before_min: int = setting(Whole(0, 2880), "So many minutes before the end nothing is opened any more.", default=60)
    flatten: bool = setting(Flag(), "Whether what is open then is closed.", default=False)
    zone: str = setting(ZoneName(), "Time zone of `close` and `open`; its summer time counts.", default="UTC")


@attrs.frozen(kw_only=True)
class NewsRule:
    """Nothing is opened near to an event of the symbol's currencies; needs `risk.news_file`."""

    before_min: int = setting(Whole(0, 1440), "So many minutes before it.", default=2)
    after_min: int = setting(Whole(0, 1440), "So many minutes after it.", default=2)
    impact: str = setting(Choice(("low", "medium", "high")), "The least impact that counts.", default="high")
    stale_h: float = setting(
        Number(above=0, most=720),
        "A calendar that was last refreshed so many hours ago refuses everything.",
        default=24.0,
    )


@attrs.frozen(kw_only=True)
class QuadraticThrottleRule:
    """Volumes fall with the square of what is lost of the day's limit; needs `daily_loss`."""

    hard_stop_buffer: Decimal = setting(
        Amount(least=0),
        "So much before the day's limit nothing is left, in the account's currency.",
        default=Decimal(0),
    )


@attrs.frozen(kw_only=True)
class TiersRule:
    """From which equity on the throttle applies: growth below `scaling`, then scaling, from `guardian` on guardian."""

    scaling: Decimal = setting(_MONEY, "Equity from which on the account is in the tier scaling.")
    guardian: Decimal = setting(_MONEY, "Equity from which on it is in the tier guardian.")
    throttle_from: str = setting(
        Choice(("growth", "scaling", "guardian")), "The lowest tier in which the throttle applies.", default="guardian"
    )


def _rule(builds: type, about: str) -> Any:
    return setting(Maybe(Section(builds)), about, default=ABSENT, default_text=_UNSET)


@attrs.frozen(kw_only=True)
class RulesConfig:
    """Rules with their parameters; a rule that is not written is the preset's, null turns it off."""

    daily_loss: DailyLossRule | NotWritten | None = _rule(
        DailyLossRule, "The most that may be lost between two resets."
    )
    max_loss: MaxLossRule | NotWritten | None = _rule(MaxLossRule, "The most that may be lost at all.")
    profit_target: ProfitTargetRule | NotWritten | None = _rule(
        ProfitTargetRule, "A profit after which there is something to lose."
    )
    min_trading_days: MinTradingDaysRule | NotWritten | None = _rule(
        MinTradingDaysRule, "Days that must have been traded on; informs and refuses nothing."
    )
    best_day: BestDayRule | NotWritten | None = _rule(BestDayRule, "How much of all profit one day may have made.")
    max_open_per_symbol: MaxOpenPerSymbolRule | NotWritten | None = _rule(
        MaxOpenPerSymbolRule, "How many positions of one symbol there may be."
    )
    max_trades_per_day: MaxTradesPerDayRule | NotWritten | None = _rule(
        MaxTradesPerDayRule, "How many positions a day may open."
    )
    max_orders_per_minute: MaxOrdersPerMinuteRule | NotWritten | None = _rule(
        MaxOrdersPerMinuteRule, "How many orders a minute may have."
    )
    exposure: ExposureRule | NotWritten | None = _rule(ExposureRule, "Net exposure over the accounts of a group.")
    margin: MarginRule | NotWritten | None = _rule(MarginRule, "How much must stay free of margin.")
    symbols: SymbolsRule | NotWritten | None = _rule(SymbolsRule, "Which symbols may be traded.")
    sessions: SessionsRule | NotWritten | None = _rule(SessionsRule, "When positions may be opened.")
    weekend: WeekendRule | NotWritten | None = _rule(
        WeekendRule, "Nothing is opened that would stay open over the weekend."
    )
    news: NewsRule | NotWritten | None = _rule(
        NewsRule, "Nothing is opened near to an event of the symbol's currencies; needs `risk.news_file`."
    )
    stop_required: bool | NotWritten = setting(
        Flag(),
        "Whether an order must have a stop, and keep it.",
        default=ABSENT,
        default_text="the preset's, or false",
    )
    min_stop_distance: bool | NotWritten = setting(
        Flag(),
        "Whether a stop must be as far from the price as the broker asks for.",
        default=ABSENT,
        default_text="the preset's, or false",
    )
    quadratic_throttle: QuadraticThrottleRule | NotWritten | None = _rule(
        QuadraticThrottleRule, "Volumes fall with the square of what is lost of the day's limit; needs `daily_loss`."
    )
    tiers: TiersRule | NotWritten | None = _rule(TiersRule, "From which equity on the throttle applies.")


@attrs.frozen(kw_only=True)
class AllowancesConfig:
    """What a stop may cost beyond its price, and what a position without one is taken to lose."""

    slippage_points: Decimal = setting(
        Amount(least=0, most=1_000_000), "By so many points a stop may fill worse.", default=Decimal(0)
    )
    commission_per_lot: Decimal = setting(
        Amount(least=0), "Commission of a lot, entry and exit together, in the account's currency.", default=Decimal(0)
    )
    assumed_stop_percent: Decimal | None = setting(
        Maybe(_PERCENT),
        "How far from its price a position without a stop is taken to be closed, in percent of it; null: where a "
        "floor is set, an order needs a stop.",
        default=None,
    )
