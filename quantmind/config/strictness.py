"""Whether one set of rules allows more than another: rule by rule, and parameter by parameter where that tells."""

import enum
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.config.hours import WEEKDAYS
from quantmind.domain.risk.policy import Base, DailyLoss, MaxLoss, Measure, OnTarget, Rules, Trailing
from quantmind.domain.risk.resets import Reset


class Strictness(enum.Enum):
    """What a second rule is beside a first."""

    SAME = "same"
    STRICTER = "stricter"
    LOOSER = "looser"
    OTHER = "other"
    """It differs, and which allows more depends on the account, or is not known."""


@attrs.frozen
class Difference:
    """A parameter that two rules have differently, in words."""

    parameter: str
    before: str
    after: str
    strictness: Strictness


@attrs.frozen
class RuleChange:
    """A rule that two sets have differently; without `differences` only one of them has it (`has`: the second)."""

    rule: str
    """Its name, or `reset`."""
    strictness: Strictness
    has: bool
    differences: tuple[Difference, ...] = ()


Judge = Callable[[Any, Any], Strictness]


def compare(before: Rules, after: Rules, capital: Decimal | None = None) -> tuple[RuleChange, ...]:
    """Return the rules that differ; `capital` (the initial one) makes amounts and percents comparable."""
    changes = []
    throttled = before.quadratic_throttle is not None and after.quadratic_throttle is not None
    for name in attrs.fields_dict(Rules):
        one, other = getattr(before, name), getattr(after, name)
        if one == other:
            continue
        change = _change(name, one, other, capital)
        if name == "tiers" and not throttled:  # they say where the throttle applies, and nothing else
            change = attrs.evolve(change, strictness=Strictness.SAME)
        changes.append(change)
    return tuple(changes)


def _change(name: str, one: Any, other: Any, capital: Decimal | None) -> RuleChange:
    if not one or not other:
        stricter = bool(other) is not (name == "tiers")  # without tiers the throttle applies everywhere
        return RuleChange(name, Strictness.STRICTER if stricter else Strictness.LOOSER, bool(other))
    if isinstance(one, int):
        found = [Difference("limit", str(one), str(other), _less(one, other))]
    else:
        found = list(_losses(one, other, capital))
        for parameter, judge in _JUDGES[name].items():
            had, has = getattr(one, parameter), getattr(other, parameter)
            if had != has:
                shown = _shown(parameter, had), _shown(parameter, has)
                found.append(Difference(_key(parameter), *shown, judge(had, has)))
    if isinstance(one, MaxLoss) and Trailing.NONE in (one.trailing, other.trailing):
        # A floor that nothing lifts has no use for a level; one that is lifted begins no higher than its level.
        found = [
            attrs.evolve(each, strictness=Strictness.SAME) if each.parameter == "lock_at" else each for each in found
        ]
    if name == "sessions":
        found = [attrs.evolve(each, strictness=_hours(one, other)) for each in found]
    return RuleChange(name, _together(each.strictness for each in found), True, tuple(found))


def _key(parameter: str) -> str:
    """Its key in a configuration, where a moment of the week is day and time in one."""
    return parameter.removesuffix("_day").removesuffix("_minute")


def compare_resets(before: Reset, after: Reset) -> tuple[RuleChange, ...]:
    """Return the difference of two resets, if any: of neither can be told that it is stricter."""
    if before == after:
        return ()
    differences = (Difference("reset", str(before), str(after), Strictness.OTHER),)
    return (RuleChange("reset", Strictness.OTHER, True, differences),)


def _together(all_of_them: Iterable[Strictness]) -> Strictness:
    kinds = set(all_of_them) - {Strictness.SAME}
    if not kinds:
        return Strictness.SAME
    return kinds.pop() if len(kinds) == 1 else Strictness.OTHER


def _losses(one: Any, other: Any, capital: Decimal | None) -> Iterable[Difference]:
    if not isinstance(one, DailyLoss | MaxLoss):
        return
    had, has = (_loss_words(rule) for rule in (one, other))
    if had == has:
        return
    kinds = [(rule.amount is None, getattr(rule, "percent_of_base", False)) for rule in (one, other)]
    if kinds[0] == kinds[1]:
        strictness = _less(one.percent or one.amount, other.percent or other.amount)
    else:
        money = [loss_of(rule, capital) for rule in (one, other)]
        strictness = Strictness.OTHER if None in money else _less(*money)
    yield Difference("loss", had, has, strictness)


def loss_of(rule: DailyLoss | MaxLoss, capital: Decimal | None) -> Decimal | None:
    """Return what a floor lets be lost, in money; None where that depends on the account, or needs the capital."""
    if rule.amount is not None:
        return rule.amount
    if capital is None or rule.percent is None or getattr(rule, "percent_of_base", False):
        return None
    return capital * rule.percent / 100


def _loss_words(rule: Any) -> str:
    if rule.amount is not None:
        return f"{rule.amount:f} in money"
    return f"{rule.percent:f} % of the {'base' if getattr(rule, 'percent_of_base', False) else 'initial capital'}"


def _less(before: Any, after: Any) -> Strictness:
    """Less is stricter; None is without limit."""
    if before == after:
        return Strictness.SAME
    less = before is None or (after is not None and after < before)
    return Strictness.STRICTER if less else Strictness.LOOSER


def _more(before: Any, after: Any) -> Strictness:
    """More is stricter; None is without limit."""
    return _less(after, before)


def _ranked(*loosest_first: Any) -> Judge:
    return lambda before, after: _more(loosest_first.index(before), loosest_first.index(after))


def _other(before: Any, after: Any) -> Strictness:
    return Strictness.SAME if before == after else Strictness.OTHER


def _base(before: Base, after: Base) -> Strictness:
    snapshots = (Base.BALANCE, Base.EQUITY)
    if after is Base.MAX and before in snapshots:
        return Strictness.STRICTER
    if before is Base.MAX and after in snapshots:
        return Strictness.LOOSER
    return _other(before, after)


def _allowed(before: tuple[str, ...], after: tuple[str, ...]) -> Strictness:
    """Fewer names are stricter, and no names are all."""
    had, has = set(before), set(after)
    if had == has:
        return Strictness.SAME
    if not had or (has and has < had):
        return Strictness.STRICTER
    if not has or has > had:
        return Strictness.LOOSER
    return Strictness.OTHER


def _denied(before: tuple[str, ...], after: tuple[str, ...]) -> Strictness:
    had, has = set(before), set(after)
    if had == has:
        return Strictness.SAME
    if has > had:
        return Strictness.STRICTER
    return Strictness.LOOSER if has < had else Strictness.OTHER


def _hours(one: Any, other: Any) -> Strictness:
    if one.zone != other.zone:
        return Strictness.OTHER
    had, has = _minutes(one.hours), _minutes(other.hours)
    if had == has:
        return Strictness.SAME
    if has < had:
        return Strictness.STRICTER
    return Strictness.LOOSER if has > had else Strictness.OTHER


def _minutes(hours: Iterable[tuple[int, int]]) -> frozenset[int]:
    day = range(24 * 60)
    inside: set[int] = set()
    for begin, end in hours:
        inside.update(day[begin:end] if begin < end else [*day[begin:], *day[:end]])
    return frozenset(inside)


_JUDGES: Final[Mapping[str, Mapping[str, Judge]]] = {
    "daily_loss": {"base": _base, "measure": _other, "inclusive": _more},
    "max_loss": {
        "trailing": _ranked(Trailing.NONE, Trailing.END_OF_DAY, Trailing.INTRADAY),
        "lock_at": _more,
        "measure": _other,
        "inclusive": _more,
    },
    "profit_target": {
        "percent": _less,
        "on_target": _ranked(OnTarget.PRESERVE, OnTarget.HALT),
        "min_score": _more,
        "multiplier": _less,
    },
    "min_trading_days": {"days": _more},
    "best_day": {"percent": _less, "refuse": _more},
    "exposure": {"symbol_percent": _less, "currency_percent": _less},
    "margin": {"free_percent": _more},
    "symbols": {"allow": _allowed, "deny": _denied},
    "sessions": {"hours": _other, "zone": _other},
    "weekend": {
        "close_day": _other,
        "close_minute": _other,
        "open_day": _other,
        "open_minute": _other,
        "before_min": _more,
        "flatten": _more,
        "zone": _other,
    },
    "news": {"before_min": _more, "after_min": _more, "impact": _ranked("high", "medium", "low"), "stale_h": _less},
    "quadratic_throttle": {"hard_stop_buffer": _more},
    "tiers": {
        "scaling": _less,
        "guardian": _less,
        "throttle_from": _ranked("guardian", "scaling", "growth"),
    },
}


def _shown(parameter: str, value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return "none"
        case Base() | Measure() | Trailing() | OnTarget():
            return str(value.value)
        case Decimal():
            return f"{value:f}"
        case float():
            return f"{value:g}"
        case tuple() if parameter == "hours":
            return " ".join(f"{clock(begin)}-{clock(end)}" for begin, end in value) or "none"
        case tuple():
            return " ".join(map(str, value)) or "none"
    if parameter.endswith("_day"):
        return WEEKDAYS[value]
    return clock(value) if parameter.endswith("_minute") else str(value)


def clock(minute: int) -> str:
    """Return a minute of the day as a clock shows it."""
    return f"{minute // 60:02}:{minute % 60:02}"
