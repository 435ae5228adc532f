"""Checks between an account's preset, its rules and what they count from, and between an EA's silence and its end."""

from decimal import Decimal

import attrs

from quantmind.config.brokers import MockBrokerConfig
from quantmind.config.check import Checker
from quantmind.config.model import NO_PRESET, AccountRisk, Config
from quantmind.config.policies import account_policy
from quantmind.config.presets import Preset, preset, preset_names
from quantmind.config.rules import (
    ABSENT,
    DailyLossRule,
    ExposureRule,
    MaxLossRule,
    RulesConfig,
    SessionsRule,
    SymbolsRule,
    TiersRule,
    WeekendRule,
)
from quantmind.config.settings import settings_of
from quantmind.config.show import show_path
from quantmind.config.strictness import loss_of
from quantmind.config.suggest import suggestion
from quantmind.domain.risk.policy import Base, Policy

Path = tuple[str, ...]


def check_risk(config: Config, checker: Checker) -> None:
    """Report limits that contradict each other, that lack what they count from, or that could never speak."""
    for name, account in config.risk.accounts.items():
        _Account(("risk", "accounts", name), account, config, checker).check()
    for name, ea in config.eas.items():
        here = ("eas", name)
        silence, action = checker.marks.get((*here, "dead_man_s")), checker.marks.get((*here, "on_dead_man"))
        if _faulty(here, checker):
            continue
        if action is not None and ea.dead_man_s is None and ea.on_dead_man != "none":
            message = f"{action.shown} is never done without dead_man_s; write after how many seconds, or none"
            checker.fault(action.line, (*here, "on_dead_man"), message)
        if silence is not None and ea.dead_man_s is not None and ea.on_dead_man == "none":
            message = (
                f"after {silence.shown} s nothing is done: on_dead_man is none; write block, cancel or flatten there"
            )
            checker.fault(silence.line, (*here, "dead_man_s"), message)


def _faulty(path: Path, checker: Checker) -> bool:
    # What is not as it was meant would only give a second fault of the same mistake.
    shown = show_path(path)
    return any(fault.key == shown or fault.key.startswith(f"{shown}.") for fault in checker.faults)


@attrs.frozen
class _Account:
    path: Path
    account: AccountRisk
    config: Config
    checker: Checker

    def check(self) -> None:
        for name in settings_of(RulesConfig):
            rule = getattr(self.account.rules, name)
            if rule is not ABSENT and not self._faulty("rules", name):
                self._rule(name, rule)
        firm = self._preset()
        if firm is not None:
            self._fits(firm)
        if not any(self._faulty(key) for key in ("preset", "initial_capital", "rules")):
            self._together(account_policy(self.account))

    def _preset(self) -> Preset | None:
        name = self.account.preset
        if name == NO_PRESET or self._faulty("preset"):
            return None
        if name not in preset_names():
            shown = self.checker.marks[*self.path, "preset"].shown
            way_out = suggestion(name, [*preset_names(), NO_PRESET], "presets")
            self._fault(f"there is no preset {shown}; {way_out}", "preset")
            return None
        return preset(name)

    def _fits(self, firm: Preset) -> None:
        capital = self.account.initial_capital
        if self._faulty("initial_capital"):
            return
        if capital is None:
            example = Decimal(10000) if firm.capital is None else firm.capital
            message = f'{firm.name} counts from the initial capital; write it, as in "initial_capital: {example:f}"'
            self._fault(message, "preset")
        elif firm.capital is not None and capital != firm.capital:
            message = (
                f"must be {firm.capital:f}, which {firm.name} is for, was {self._shown('initial_capital')}; correct it"
            )
            self._fault(f"{message}, or take another preset", "initial_capital")
        for name, broker in self.config.enabled_brokers.items():
            mine = self.config.risk.account_for(name) is self.account
            if not mine or not isinstance(broker, MockBrokerConfig) or firm.currency in (None, broker.currency):
                continue
            message = f"{firm.name} has amounts in {firm.currency}, and broker {name} an account in {broker.currency}"
            self._fault(f"{message}; take another preset, or set the broker's currency", "preset")

    def _rule(self, name: str, rule: object) -> None:
        match rule:
            case DailyLossRule() | MaxLossRule():
                self._loss(name, rule)
            case ExposureRule(symbol_percent=None, currency_percent=None):
                self._fault("limits nothing; write symbol_percent, currency_percent or both", "rules", name)
            case SymbolsRule(allow=(), deny=()):
                self._fault("limits nothing; write allow, deny or both", "rules", name)
            case SymbolsRule() if both := sorted(set(rule.allow) & set(rule.deny)):
                self._fault(f"{both[0]} stands in allow and in deny; take it out of one", "rules", name)
            case SessionsRule(hours=()):
                self._fault("without hours nothing could ever be opened; write some, or null", "rules", name, "hours")
            case WeekendRule() if rule.close == rule.open:
                self._fault(f"close and open are both {rule.close}; correct one of them", "rules", name)
            case TiersRule() if rule.scaling >= rule.guardian:
                message = f"scaling ({rule.scaling:f}) must be below guardian ({rule.guardian:f}); correct one of them"
                self._fault(message, "rules", name)

    def _loss(self, name: str, rule: DailyLossRule | MaxLossRule) -> None:
        if (rule.percent is None) == (rule.amount is None):
            both = "percent and amount cannot both hold; keep one"
            self._fault(
                "neither percent nor amount is written; write one of them" if rule.percent is None else both,
                "rules",
                name,
            )
        elif isinstance(rule, DailyLossRule) and rule.percent_of_base and rule.amount is not None:
            message = "says what percent is of, and an amount is written; remove it, or write percent"
            self._fault(message, "rules", name, "percent_of_base")
        elif isinstance(rule, MaxLossRule) and rule.lock_at is not None and rule.trailing == "none":
            message = "is the level above which the floor is not lifted, and trailing is none, so nothing lifts it"
            self._fault(f"{message}; write trailing, or remove it", "rules", name, "lock_at")

    def _together(self, policy: Policy) -> None:
        """What holds of the preset's rules and the account's own together."""
        self._counted_from(policy)
        if policy.initial_capital is not None:
            self._sizes(policy, policy.initial_capital)
        if policy.rules.news is not None and self.config.risk.news_file is None and not self._other_fault("news_file"):
            way_out = "set risk.news_file to the calendar's file"
            off = "" if self._owns("news") else ', or turn the rule off by "rules: {news: null}"'
            self._of_rule("news", f"needs a calendar of events; {way_out}{off}")
        self._throttle(policy)

    def _counted_from(self, policy: Policy) -> None:
        if policy.initial_capital is not None or self.account.preset != NO_PRESET:  # for a preset it was asked already
            return
        daily = policy.rules.daily_loss
        of_initial = daily is not None and daily.percent is not None and not daily.percent_of_base
        for name, counts in (
            ("daily_loss", of_initial or (daily is not None and daily.base is Base.INITIAL)),
            ("max_loss", policy.rules.max_loss is not None),
            ("profit_target", policy.rules.profit_target is not None),
        ):
            if counts:
                message = "counts from the initial capital; write it beside rules, as in"
                self._of_rule(name, f'{message} "initial_capital: 10000"')

    def _sizes(self, policy: Policy, capital: Decimal) -> None:
        for name in ("daily_loss", "max_loss"):
            rule = getattr(policy.rules, name)
            if rule is not None and rule.amount is not None and rule.amount >= capital:
                message = f"amount ({rule.amount:f}) must be below initial_capital ({capital:f}); correct one of them"
                self._of_rule(name, message)
        overall = policy.rules.max_loss
        loss = None if overall is None else loss_of(overall, capital)
        if overall is None or loss is None or overall.lock_at is None:
            return
        least = (capital - loss) / capital * 100
        if overall.lock_at < least:
            message = (
                f"must be at least {least.normalize():f}, where the floor begins, was {overall.lock_at:f}; raise it"
            )
            self._of_rule("max_loss", message, "lock_at")

    def _throttle(self, policy: Policy) -> None:
        throttle, daily = policy.rules.quadratic_throttle, policy.rules.daily_loss
        if throttle is None:
            return
        if daily is None:
            self._of_rule("quadratic_throttle", "needs a day's limit; write daily_loss too")
            return
        limit = loss_of(daily, policy.initial_capital)
        if limit is not None and throttle.hard_stop_buffer >= limit:
            message = f"must be below the day's limit of {limit.normalize():f}, was {throttle.hard_stop_buffer:f}"
            self._of_rule("quadratic_throttle", f"{message}; nothing could ever be opened", "hard_stop_buffer")

    def _of_rule(self, name: str, message: str, *parameter: str) -> None:
        if self._owns(name):
            self._fault(message, "rules", name, *parameter)
        else:
            self._fault(f"its rule {'.'.join((name, *parameter))}: {message}", "preset")

    def _owns(self, name: str) -> bool:
        return getattr(self.account.rules, name) is not ABSENT

    def _other_fault(self, key: str) -> bool:
        return _faulty(("risk", key), self.checker)

    def _faulty(self, *key: str) -> bool:
        return _faulty((*self.path, *key), self.checker)

    def _shown(self, key: str) -> str:
        return self.checker.marks[*self.path, key].shown

    def _fault(self, message: str, *key: str) -> None:
        path = (*self.path, *key)
        line = next(
            self.checker.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.checker.lines
        )
        self.checker.fault(line, path, message)
