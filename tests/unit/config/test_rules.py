"""An account's rules: what each parameter becomes, and what an account makes of its preset."""

from decimal import Decimal

import pytest

from quantmind.config.hours import HourRange, WeekMoment, hour_range, week_moment
from quantmind.config.kinds import Refused
from quantmind.config.policies import ea_limits, overrides, policies, policy_of
from quantmind.config.rules import RulesConfig
from quantmind.config.settings import settings_of
from quantmind.config.strictness import Strictness
from quantmind.config.tree import Scalar
from quantmind.domain.risk import EaLimits, Policy
from quantmind.domain.risk.policy import (
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

ACCOUNT = "risk: {news_file: n.csv, accounts: {demo: {initial_capital: 10000, %s}}}"

EACH_RULE = [
    ("daily_loss", "{percent: 5}", DailyLoss(percent=Decimal(5))),
    (
        "daily_loss",
        "{percent: 4.5, percent_of_base: true, base: max, measure: balance, inclusive: true}",
        DailyLoss(percent=Decimal("4.5"), percent_of_base=True, base=Base.MAX, measure=Measure.BALANCE, inclusive=True),
    ),
    ("daily_loss", "{amount: 499.99, base: equity}", DailyLoss(amount=Decimal("499.99"), base=Base.EQUITY)),
    ("max_loss", "{percent: 10}", MaxLoss(percent=Decimal(10))),
    (
        "max_loss",
        "{amount: 2000, trailing: end_of_day, lock_at: 100, measure: balance, inclusive: true}",
        MaxLoss(
            amount=Decimal(2000),
            trailing=Trailing.END_OF_DAY,
            lock_at=Decimal(100),
            measure=Measure.BALANCE,
            inclusive=True,
        ),
    ),
    ("max_loss", "{percent: 3, trailing: intraday}", MaxLoss(percent=Decimal(3), trailing=Trailing.INTRADAY)),
    ("profit_target", "{percent: 10}", ProfitTarget(percent=Decimal(10))),
    (
        "profit_target",
        "{percent: 8, on_target: preserve, min_score: 0.7, multiplier: 0.25}",
        ProfitTarget(percent=Decimal(8), min_score=0.7, multiplier=Decimal("0.25")),
    ),
    (
        "profit_target",
        "{percent: 8, on_target: halt}",
        ProfitTarget(percent=Decimal(8), on_target=OnTarget.HALT),
    ),
    ("min_trading_days", "{days: 4}", MinTradingDays(days=4)),
    ("best_day", "{percent: 50, refuse: true}", BestDay(percent=Decimal(50), refuse=True)),
    ("max_open_per_symbol", "{limit: 2}", 2),
    ("max_trades_per_day", "{limit: 20}", 20),
    ("max_orders_per_minute", "{limit: 5}", 5),
    (
        "exposure",
        "{symbol_percent: 300, currency_percent: 500}",
        Exposure(symbol_percent=Decimal(300), currency_percent=Decimal(500)),
    ),
    ("exposure", "{currency_percent: 500}", Exposure(currency_percent=Decimal(500))),
    ("margin", "{free_percent: 50}", Margin(free_percent=Decimal(50))),
    ("symbols", '{allow: ["EUR*", XAUUSD], deny: [EURTRY]}', Symbols(allow=("EUR*", "XAUUSD"), deny=("EURTRY",))),
    (
        "sessions",
        '{hours: ["08:00-12:00", "22:00-02:00", "00:00-24:00"], zone: Europe/London}',
        Sessions(hours=((480, 720), (1320, 120), (0, 1440)), zone="Europe/London"),
    ),
    ("weekend", "{}", Weekend()),
    (
        "weekend",
        '{close: "Fri 16:45", open: "Mon 00:05", before_min: 30, flatten: true, zone: America/New_York}',
        Weekend(
            close_day=4,
            close_minute=1005,
            open_day=0,
            open_minute=5,
            before_min=30,
            flatten=True,
            zone="America/New_York",
        ),
    ),
    ("news", "{}", News()),
    (
        "news",
        "{before_min: 5, after_min: 0, impact: medium, stale_h: 48}",
        News(before_min=5, after_min=0, impact="medium", stale_h=48.0),
    ),
    ("stop_required", "true", True),
    ("min_stop_distance", "yes", True),
    (
        "tiers",
        "{scaling: 20000, guardian: 50000, throttle_from: scaling}",
        Tiers(scaling=Decimal(20000), guardian=Decimal(50000), throttle_from="scaling"),
    ),
]


@pytest.mark.parametrize(("name", "written", "expected"), EACH_RULE)
def test_each_rule_becomes_that_of_the_policy(read, name, written, expected):
    """What is written is what the governor goes by; what is left out has the default of the rule."""
    policy = policy_of(read(ACCOUNT % f"rules: {{{name}: {written}}}"), "demo")

    assert policy.rules == Rules(**{name: expected})


def test_a_throttle_comes_with_the_daily_loss_that_it_needs(read):
    """Its limit is that of the day."""
    text = ACCOUNT % "rules: {daily_loss: {percent: 5}, quadratic_throttle: {hard_stop_buffer: 50}}"

    assert policy_of(read(text), "demo").rules.quadratic_throttle == QuadraticThrottle(hard_stop_buffer=Decimal(50))


def test_each_rule_of_the_policy_can_be_written_and_is_tried_here():
    """A rule that is added to the policy needs its line in the table of keys."""
    names = set(attrs_names(Rules))

    assert set(settings_of(RulesConfig)) == names
    assert {name for name, _, _ in EACH_RULE} | {"quadratic_throttle"} == names


def attrs_names(model):
    return [field.name for field in model.__attrs_attrs__]


def test_the_further_keys_of_an_account(read):
    """Reset, allowances, group and what a broken limit does."""
    config = read(
        ACCOUNT % 'reset: {time: "17:00", zone: America/Chicago}, group: desk, on_breach: flatten, '
        "allowances: {slippage_points: 15, commission_per_lot: 7, assumed_stop_percent: 2.5}"
    )

    assert policies(config) == {
        "demo": Policy(
            initial_capital=Decimal(10000),
            group="desk",
            on_breach=OnBreach.FLATTEN,
            reset=Reset(17 * 60, "America/Chicago"),
            allowances=Allowances(
                slippage_points=Decimal(15), commission_per_lot=Decimal(7), assumed_stop_percent=Decimal("2.5")
            ),
        )
    }


def test_without_anything_the_policy_is_the_built_in_one(read):
    """A file with no limits has those of the code, which are the same."""
    assert policies(read("")) == {"demo": Policy()}


def test_observe_only_reaches_every_account(read):
    """It is one switch for all."""
    assert policy_of(read("risk: {observe_only: true}"), "demo").observe_only


def test_an_account_that_is_not_named_has_the_rules_of_default(read):
    """`default` is a whole account, not mixed into others."""
    config = read(
        "brokers: {a: {type: mt5_mock}, b: {type: mt5_mock}}\n"
        "risk: {accounts: {default: {rules: {stop_required: true}}, b: {}}}"
    )

    assert [policy.rules.stop_required for policy in policies(config).values()] == [True, False]


def test_the_limits_of_an_ea(read):
    """All keys of an EA that are limits; an EA that is not named has none."""
    config = read(
        "eas: {x: {max_volume: 0.5, max_open_positions: 3, room_percent: 25, dead_man_s: 30, on_dead_man: cancel}}"
    )

    assert ea_limits(config.eas["x"]) == EaLimits(
        max_volume=Decimal("0.5"),
        max_open_positions=3,
        room_percent=Decimal(25),
        dead_man_s=30.0,
        on_dead_man=DeadMan.CANCEL,
    )
    assert ea_limits(config.eas.get("y")) == EaLimits()


# --- over a preset -------------------------------------------------------------------------------------------------

FTMO = ACCOUNT % "preset: ftmo-2step-funded, %s"


def test_a_preset_sets_the_rules_and_the_reset(read):
    """Nothing else has to be written."""
    policy = policy_of(read(FTMO % ""), "demo")

    assert policy.preset == "ftmo-2step-funded"
    assert policy.reset == Reset(0, "Europe/Prague")
    assert policy.rules.daily_loss == DailyLoss(percent=Decimal(5))
    assert policy.rules.news == News()
    assert overrides(read(FTMO % "").risk.accounts["demo"]) == ()


def test_a_rule_of_the_account_replaces_the_whole_rule_of_the_preset(read):
    """What the account's rule leaves out has the rule's default, not the preset's value."""
    rules = policy_of(read(FTMO % "rules: {weekend: {before_min: 90}}"), "demo").rules

    assert rules.weekend == Weekend(before_min=90)
    assert rules.daily_loss == DailyLoss(percent=Decimal(5))


def test_null_turns_a_rule_of_the_preset_off(read):
    """As a Swing account, which is exempt from two rules."""
    config = read(FTMO % "rules: {news: null, weekend: null}")

    assert policy_of(config, "demo").rules.news is None
    assert [(change.rule, change.has, change.strictness) for change in overrides(config.risk.accounts["demo"])] == [
        ("weekend", False, Strictness.LOOSER),
        ("news", False, Strictness.LOOSER),
    ]


def test_news_that_is_turned_off_needs_no_calendar(report):
    """The way out that the message names works."""
    text = "risk: {accounts: {demo: {preset: ftmo-2step-funded, initial_capital: 10000, rules: {%s}}}}"

    (fault,) = report(text % "")
    assert fault == (
        "1: risk.accounts.demo.preset: its rule news: needs a calendar of events; set risk.news_file to the calendar's "
        'file, or turn the rule off by "rules: {news: null}"'
    )
    assert report(text % "news: null") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules: {daily_loss: {percent: 4}}", [("daily_loss", Strictness.STRICTER)]),
        ("rules: {daily_loss: {percent: 5.5}}", [("daily_loss", Strictness.LOOSER)]),
        ("rules: {daily_loss: {amount: 400}}", [("daily_loss", Strictness.STRICTER)]),
        ("rules: {daily_loss: {amount: 600}}", [("daily_loss", Strictness.LOOSER)]),
        ("rules: {daily_loss: {percent: 5}}", []),
        ('reset: {time: "01:00", zone: Europe/Prague}', [("reset", Strictness.OTHER)]),
        ("rules: {stop_required: true}", [("stop_required", Strictness.STRICTER)]),
        ("rules: {stop_required: false}", []),
        ("max_volume: 100", []),
    ],
)
def test_what_an_account_has_otherwise_than_its_preset(read, text, expected):
    """Amounts and percents are compared in money; what a preset says nothing about is no override."""
    changes = overrides(read(FTMO % text).risk.accounts["demo"])

    assert [(change.rule, change.strictness) for change in changes] == expected


def test_a_disabled_account_is_checked_too(report):
    """A typing error shows when it is made, not when the broker is enabled."""
    text = "brokers: {demo: {type: mt5_mock}, off: {type: mt5_mock, enabled: false}}\nrisk: {accounts: {off: {%s}}}"

    (fault,) = report(text % "preset: ftmo-2-steps")
    assert fault == ('2: risk.accounts.off.preset: there is no preset "ftmo-2-steps"; did you mean "ftmo-2step"?')


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{percent: 10, trailing: end_of_day, lock_at: 90}", []),
        (
            "{percent: 10, trailing: end_of_day, lock_at: 89.5}",
            ["lock_at: must be at least 90, where the floor begins, was 89.5; raise it"],
        ),
    ],
)
def test_a_floor_begins_no_higher_than_its_level(report, rule, expected):
    """A level below that would lower the floor instead of holding it."""
    found = report(f"risk: {{accounts: {{demo: {{initial_capital: 10000, rules: {{max_loss: {rule}}}}}}}}}")

    assert [line.partition("rules.max_loss.")[2] for line in found] == expected


# --- times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["fri 22:00", "Fri 24:00", "Fri 9:00", "Friday 22:00", "22:00", "Fri", "", "Fri  22:00"]
)
def test_a_moment_of_the_week_is_written_one_way(text):
    """So that what is read is what was meant."""
    with pytest.raises(Refused):
        WeekMoment().parse(Scalar(text, 1, plain=False))


@pytest.mark.parametrize(
    "text", ["8-17", "08:00", "08:00-08:00", "25:00-26:00", "08:00-09:00,10:00-11:00", "", "a" * 300]
)
def test_hours_are_one_range(text):
    """Several are several items of the list."""
    with pytest.raises(Refused):
        HourRange().parse(Scalar(text, 1, plain=False))


def test_times_become_minutes():
    """Midnight at the end of a day is its minute 1440."""
    assert [hour_range(text) for text in ("08:00-17:30", "22:00-02:00", "12:00-24:00")] == [
        (480, 1050),
        (1320, 120),
        (720, 1440),
    ]
    assert [week_moment(text) for text in ("Mon 00:00", "Sun 22:05")] == [(0, 0), (6, 1325)]
