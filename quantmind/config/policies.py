"""What the governor goes by, made of the configuration: a policy for each account, limits for each EA."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import attrs

from quantmind.config.hours import hour_range, minute_of, week_moment
from quantmind.config.model import NO_PRESET, AccountRisk, Config, EaConfig
from quantmind.config.presets import Preset, preset
from quantmind.config.rules import ABSENT, AllowancesConfig, ResetConfig, RulesConfig, SessionsRule, WeekendRule
from quantmind.config.settings import settings_of
from quantmind.config.strictness import RuleChange, compare, compare_resets
from quantmind.domain.risk import EaLimits, Policy
from quantmind.domain.risk.policy import (
    MIDNIGHT_UTC,
    NO_EA_LIMITS,
    Allowances,
    Base,
    BestDay,
    DailyLoss,
    DeadMan,
    Exposure,
    Margin,
    MaxLoss,
    Measure,
    MinTradingDays,
    News,
    OnBreach,
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
from quantmind.domain.risk.resets import Reset

T = TypeVar("T")


def policies(config: Config) -> dict[str, Policy]:
    """Return the policy of each enabled broker, by its name."""
    return {name: policy_of(config, name) for name in config.enabled_brokers}


def policy_of(config: Config, broker: str) -> Policy:
    """Return the policy of a broker: its preset, and over that what its account sets."""
    return account_policy(config.risk.account_for(broker), observe_only=config.risk.observe_only)


def account_policy(account: AccountRisk, *, observe_only: bool = False) -> Policy:
    """Return the policy that the limits of an account make; its preset must exist."""
    firm = preset_of(account)
    reset = account.reset or (None if firm is None else firm.reset)
    return Policy(
        max_volume=account.max_volume,
        max_open_positions=account.max_open_positions,
        equity_fresh_s=account.equity_fresh_s,
        price_fresh_s=account.price_fresh_s,
        preset=account.preset,
        initial_capital=account.initial_capital,
        group=account.group,
        on_breach=OnBreach(account.on_breach),
        reset=MIDNIGHT_UTC if reset is None else reset_of(reset),
        rules=with_rules(Rules() if firm is None else firm_rules(firm), account.rules),
        allowances=_named(Allowances, AllowancesConfig, account.allowances),
        observe_only=observe_only,
    )


def preset_of(account: AccountRisk) -> Preset | None:
    """Return the preset that an account names; None where it names none."""
    return None if account.preset == NO_PRESET else preset(account.preset)


def firm_rules(firm: Preset) -> Rules:
    """Return the rules of a preset."""
    return with_rules(Rules(), firm.rules)


def overrides(account: AccountRisk) -> tuple[RuleChange, ...]:
    """Return what an account has otherwise than its preset says; nothing where it names none."""
    firm = preset_of(account)
    if firm is None:
        return ()
    policy = account_policy(account)
    changes = compare(firm_rules(firm), policy.rules, account.initial_capital)
    return (*compare_resets(reset_of(firm.reset), policy.reset), *changes)


def with_rules(rules: Rules, written: RulesConfig) -> Rules:
    """Return rules of which each that is written is replaced as a whole; null takes it away."""
    changes: dict[str, Any] = {}
    for name in settings_of(RulesConfig):
        rule = getattr(written, name)
        if rule is not ABSENT:
            changes[name] = None if rule is None else _MADE[name](rule)
    return attrs.evolve(rules, **changes)


def reset_of(reset: ResetConfig) -> Reset:
    """Return when a day ends."""
    return Reset(minute_of(reset.time), reset.zone)


def ea_limits(ea: EaConfig | None) -> EaLimits:
    """Return the limits of an EA; None: it is not named."""
    if ea is None:
        return NO_EA_LIMITS
    return EaLimits(
        max_volume=ea.max_volume,
        max_open_positions=ea.max_open_positions,
        room_percent=ea.room_percent,
        dead_man_s=ea.dead_man_s,
        on_dead_man=DeadMan(ea.on_dead_man),
    )


def _named(makes: Callable[..., T], model: type, rule: Any, **converted: Any) -> T:
    # The parameters have one name in the file and in the rule; those of another type come converted.
    return makes(**{name: getattr(rule, name) for name in settings_of(model)} | converted)


def _plain(makes: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda rule: _named(makes, type(rule), rule)


def _daily_loss(rule: Any) -> DailyLoss:
    return _named(DailyLoss, type(rule), rule, base=Base(rule.base), measure=Measure(rule.measure))


def _max_loss(rule: Any) -> MaxLoss:
    return _named(MaxLoss, type(rule), rule, trailing=Trailing(rule.trailing), measure=Measure(rule.measure))


def _profit_target(rule: Any) -> ProfitTarget:
    return _named(ProfitTarget, type(rule), rule, on_target=OnTarget(rule.on_target))


def _sessions(rule: SessionsRule) -> Sessions:
    return Sessions(hours=tuple(map(hour_range, rule.hours)), zone=rule.zone)


def _weekend(rule: WeekendRule) -> Weekend:
    close_day, close_minute = week_moment(rule.close)
    open_day, open_minute = week_moment(rule.open)
    return Weekend(
        close_day=close_day,
        close_minute=close_minute,
        open_day=open_day,
        open_minute=open_minute,
        before_min=rule.before_min,
        flatten=rule.flatten,
        zone=rule.zone,
    )


def _limit(rule: Any) -> int:
    return int(rule.limit)


_MADE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "daily_loss": _daily_loss,
    "max_loss": _max_loss,
    "profit_target": _profit_target,
    "min_trading_days": _plain(MinTradingDays),
    "best_day": _plain(BestDay),
    "max_open_per_symbol": _limit,
    "max_trades_per_day": _limit,
    "max_orders_per_minute": _limit,
    "exposure": _plain(Exposure),
    "margin": _plain(Margin),
    "symbols": _plain(Symbols),
    "sessions": _sessions,
    "weekend": _weekend,
    "news": _plain(News),
    "stop_required": bool,
    "min_stop_distance": bool,
    "quadratic_throttle": _plain(QuadraticThrottle),
    "tiers": _plain(Tiers),
}
