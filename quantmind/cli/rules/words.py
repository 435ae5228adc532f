"""Rules in plain sentences, with money where the initial capital is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.cli.output import counted
from quantmind.config.hours import WEEKDAYS, zone_of
from quantmind.config.strictness import clock, loss_of
from quantmind.domain.risk.policy import (
    Base,
    BestDay,
    DailyLoss,
    Exposure,
    Margin,
    MaxLoss,
    Measure,
    MinTradingDays,
    News,
    OnTarget,
    ProfitTarget,
    QuadraticThrottle,
    Sessions,
    Symbols,
    Tiers,
    Trailing,
    Weekend,
)
from quantmind.domain.risk.resets import Reset

_INITIAL: Final = "the initial capital"
_BASES: Final = {
    Base.BALANCE: "the balance at the last reset",
    Base.EQUITY: "the equity at the last reset",
    Base.MAX: "the higher of balance and equity at the last reset",
    Base.INITIAL: _INITIAL,
}
_MEASURES: Final = {Measure.EQUITY: "equity", Measure.BALANCE: "balance"}
_HIGHS: Final = {
    Trailing.END_OF_DAY: "the highest balance at any reset",
    Trailing.INTRADAY: "the highest equity at any time",
}


@attrs.frozen
class Money:
    """The initial capital, None where it is not known, and the currency; empty: the account's."""

    capital: Decimal | None
    currency: str = ""

    def show(self, amount: Decimal) -> str:
        """An amount with its currency."""
        return f"{amount:.2f} {self.currency}".rstrip()

    def percent(self, percent: Decimal) -> str:
        """A percent of the initial capital, in money too where that is known."""
        words = f"{percent:f} % of {_INITIAL}"
        return words if self.capital is None else f"{self.show(self.capital * percent / 100)} ({words})"


def sentences(name: str, rule: Any, money: Money) -> list[str]:
    """What a rule means, one sentence each."""
    return [f"{each[0].upper()}{each[1:]}." for each in _SAID[name](rule, money)]


def reset_words(reset: Reset, year: int | None = None) -> str:
    """When a day ends, with what the zone's clocks are ahead of UTC."""
    zone = zone_of(reset.zone)
    year = datetime.now(UTC).year if year is None else year
    winter, summer = (_offset(datetime(year, month, 15, tzinfo=zone)) for month in (1, 7))
    ahead = f"{winter} all year" if winter == summer else f"{winter} in January, {summer} in July"
    return f"{reset} ({ahead})"


def _offset(at: datetime) -> str:
    offset = at.utcoffset()
    minutes = 0 if offset is None else round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def _daily_loss(rule: DailyLoss, money: Money) -> list[str]:
    loss = f"{rule.percent:f} % of that" if rule.percent_of_base else _loss(rule, money)
    said = [f"the {_MEASURES[rule.measure]} must stay {_side(rule)} {_BASES[rule.base]} less {loss}"]
    if money.capital is not None:
        whole = loss_of(rule, money.capital)
        if whole is None and rule.percent is not None:
            whole = money.capital * rule.percent / 100
        floor = "" if whole is None else money.show(money.capital - whole)
        said.append(f"{'the floor' if rule.base is Base.INITIAL else 'on the first day the floor'} is {floor}")
    return [*said, _at_the_floor(rule)]


def _max_loss(rule: MaxLoss, money: Money) -> list[str]:
    loss = _loss(rule, money)
    measure = _MEASURES[rule.measure]
    whole = loss_of(rule, money.capital)
    first = "" if whole is None or money.capital is None else money.show(money.capital - whole)
    if rule.trailing is Trailing.NONE:
        said = [f"the {measure} must stay {_side(rule)} {_INITIAL} less {loss}"]
        said.append(f"the floor is {first} and never moves" if first else "the floor never moves")
    else:
        high = f"the higher of {_INITIAL} and {_HIGHS[rule.trailing]}"
        said = [f"the {measure} must stay {_side(rule)} {high}, less {loss}"]
        said.append(f"the floor is {first} at first and only rises" if first else "the floor only rises")
    if rule.lock_at is not None:
        said.append(f"it rises to {money.percent(rule.lock_at)} and no further")
    return [*said, _at_the_floor(rule)]


def _loss(rule: DailyLoss | MaxLoss, money: Money) -> str:
    if rule.amount is not None:
        return money.show(rule.amount)
    assert rule.percent is not None
    return money.percent(rule.percent)


def _side(rule: DailyLoss | MaxLoss) -> str:
    return "above" if rule.inclusive else "at or above"


def _at_the_floor(rule: DailyLoss | MaxLoss) -> str:
    return "exactly at the floor it is " + ("broken (inclusive)" if rule.inclusive else "not broken yet (strict)")


def _profit_target(rule: ProfitTarget, money: Money) -> list[str]:
    balance = "" if money.capital is None else f" a balance of {money.show(money.capital * (1 + rule.percent / 100))},"
    said = [f"the target is{balance} a profit of {money.percent(rule.percent)}"]
    if rule.on_target is OnTarget.HALT:
        return [*said, "once it is reached nothing new is opened"]
    score = f"only orders with a score of {rule.min_score:g} or more pass"
    none = "an order that names no score is refused, as all by `quantmind trade` and POST /trade"
    return [*said, f"once it is reached {score}, with volumes times {rule.multiplier:f}", none]


def _min_trading_days(rule: MinTradingDays, money: Money) -> list[str]:
    del money
    return [f"at least {counted(rule.days, 'day')} must be traded on", "this is told and refuses nothing"]


def _best_day(rule: BestDay, money: Money) -> list[str]:
    del money
    told = "while today is above that nothing new is opened" if rule.refuse else "this is told and refuses nothing"
    return [f"the best day may have made {rule.percent:f} % of all profit at most", told]


def _exposure(rule: Exposure, money: Money) -> list[str]:
    del money
    parts = (("symbol", rule.symbol_percent), ("currency", rule.currency_percent))
    return [
        f"net exposure of one {what} is at most {percent:f} % of the equity of the account's group"
        for what, percent in parts
        if percent is not None
    ]


def _margin(rule: Margin, money: Money) -> list[str]:
    del money
    return [f"after an order {rule.free_percent:f} % of the equity or more must be free of margin"]


def _symbols(rule: Symbols, money: Money) -> list[str]:
    del money
    said = [f"only {', '.join(rule.allow)} may be traded"] if rule.allow else []
    return [*said, f"{', '.join(rule.deny)} may not be traded"] if rule.deny else said


def _sessions(rule: Sessions, money: Money) -> list[str]:
    del money
    hours = ", ".join(f"{clock(begin)}-{clock(end)}" for begin, end in rule.hours)
    return [f"positions are opened only in the hours {hours} {rule.zone}"]


def _weekend(rule: Weekend, money: Money) -> list[str]:
    del money
    close = f"{WEEKDAYS[rule.close_day].capitalize()} {clock(rule.close_minute)}"
    opens = f"{WEEKDAYS[rule.open_day].capitalize()} {clock(rule.open_minute)}"
    span = f"from {rule.before_min} min before {close} until {opens} {rule.zone} nothing new is opened"
    return [span, "what is open then is closed" if rule.flatten else "what is open then stays"]


def _news(rule: News, money: Money) -> list[str]:
    del money
    events = f"an event of the symbol's currencies of {rule.impact} impact" + (
        "" if rule.impact == "high" else " or more"
    )
    return [
        f"nothing new is opened from {rule.before_min} min before until {rule.after_min} min after {events}",
        f"a calendar that was last refreshed more than {rule.stale_h:g} h ago refuses everything",
    ]


def _quadratic_throttle(rule: QuadraticThrottle, money: Money) -> list[str]:
    buffer = f" less {money.show(rule.hard_stop_buffer)}" if rule.hard_stop_buffer else ""
    return [f"volumes are multiplied by 1 - (loss / limit)², with the loss of the day and its limit{buffer}"]


def _tiers(rule: Tiers, money: Money) -> list[str]:
    levels = (
        f"below {money.show(rule.scaling)} is growth, from {money.show(rule.guardian)} on guardian, between scaling"
    )
    return [f"an equity {levels}", f"the throttle applies from the tier {rule.throttle_from} on"]


def _open_per_symbol(limit: int, money: Money) -> list[str]:
    del money
    return [f"at most {counted(limit, 'position')} of one symbol, with orders that wait or are on their way"]


def _trades_per_day(limit: int, money: Money) -> list[str]:
    del money
    return [f"between two resets at most {counted(limit, 'position')} may be opened"]


def _orders_per_minute(limit: int, money: Money) -> list[str]:
    del money
    return [f"within a minute at most {counted(limit, 'order')} may be approved"]


_SAID: Final[Mapping[str, Callable[[Any, Money], list[str]]]] = {
    "daily_loss": _daily_loss,
    "max_loss": _max_loss,
    "profit_target": _profit_target,
    "min_trading_days": _min_trading_days,
    "best_day": _best_day,
    "max_open_per_symbol": _open_per_symbol,
    "max_trades_per_day": _trades_per_day,
    "max_orders_per_minute": _orders_per_minute,
    "exposure": _exposure,
    "margin": _margin,
    "symbols": _symbols,
    "sessions": _sessions,
    "weekend": _weekend,
    "news": _news,
    "stop_required": lambda _rule, _money: ["an order must have a stop, and keep it"],
    "min_stop_distance": lambda _rule, _money: ["a stop must be as far from the price as the broker asks for"],
    "quadratic_throttle": _quadratic_throttle,
    "tiers": _tiers,
}
