"""The presets: that each file is whole, and that its values are those that the firm is known for."""

import datetime as dt
import zoneinfo
from decimal import Decimal
from importlib.resources import files

import pytest
import yaml

from quantmind.config.policies import firm_rules, reset_of
from quantmind.config.presets import FIRMS_PAGE, preset, preset_names
from quantmind.domain.risk.policy import (
    Base,
    BestDay,
    DailyLoss,
    MaxLoss,
    MinTradingDays,
    News,
    ProfitTarget,
    Rules,
    Trailing,
    Weekend,
)
from quantmind.domain.risk.resets import Reset

ALL = pytest.mark.parametrize("name", preset_names())
FTMO_DAILY = DailyLoss(percent=Decimal(5), base=Base.BALANCE)
FTMO_OVERALL = MaxLoss(percent=Decimal(10))
NEW_YORK = "America/New_York"


def stellar(daily, overall):
    """FundedNext's floors; where its pages don't say what holds at the floor, the stricter reading is taken."""
    return Rules(
        daily_loss=DailyLoss(percent=Decimal(daily), base=Base.BALANCE, inclusive=True),
        max_loss=MaxLoss(percent=Decimal(overall), inclusive=True),
    )


TABLE = {
    "ftmo-2step": (
        Reset(0, "Europe/Prague"),
        Rules(
            daily_loss=FTMO_DAILY,
            max_loss=FTMO_OVERALL,
            profit_target=ProfitTarget(percent=Decimal(10)),
            min_trading_days=MinTradingDays(days=4),
        ),
    ),
    "ftmo-2step-verification": (
        Reset(0, "Europe/Prague"),
        Rules(
            daily_loss=FTMO_DAILY,
            max_loss=FTMO_OVERALL,
            profit_target=ProfitTarget(percent=Decimal(5)),
            min_trading_days=MinTradingDays(days=4),
        ),
    ),
    "ftmo-2step-funded": (
        Reset(0, "Europe/Prague"),
        Rules(
            daily_loss=FTMO_DAILY,
            max_loss=FTMO_OVERALL,
            news=News(before_min=2, after_min=2),
            weekend=Weekend(close_minute=17 * 60, open_minute=17 * 60, flatten=True, zone=NEW_YORK),
        ),
    ),
    "ftmo-1step": (
        Reset(0, "Europe/Prague"),
        Rules(
            daily_loss=DailyLoss(percent=Decimal(3)),
            max_loss=MaxLoss(percent=Decimal(10), trailing=Trailing.END_OF_DAY),
            best_day=BestDay(percent=Decimal(50), refuse=False),
        ),
    ),
    "fundednext-stellar-2step": (Reset(0, "Europe/Athens"), stellar(5, 10)),
    "fundednext-stellar-1step": (Reset(0, "Europe/Athens"), stellar(3, 6)),
    "fundednext-stellar-lite": (Reset(0, "Europe/Athens"), stellar(4, 8)),
    "the5ers-high-stakes": (
        Reset(0, "Etc/GMT-3"),
        Rules(
            daily_loss=DailyLoss(percent=Decimal(5), percent_of_base=True, base=Base.MAX, inclusive=True),
            max_loss=MaxLoss(percent=Decimal(10), inclusive=True),
        ),
    ),
    "topstep-50k": (
        Reset(17 * 60, "America/Chicago"),
        Rules(
            daily_loss=DailyLoss(amount=Decimal(1000), inclusive=True),
            max_loss=MaxLoss(amount=Decimal(2000), trailing=Trailing.END_OF_DAY, lock_at=Decimal(100)),
        ),
    ),
    "alpha-capital": (
        Reset(0, "Etc/GMT-2"),
        Rules(daily_loss=DailyLoss(percent=Decimal(5), percent_of_base=True, inclusive=True)),
    ),
}


def test_each_preset_is_in_the_table():
    """A new file needs its values here too, read a second time."""
    assert set(TABLE) == set(preset_names())


@pytest.mark.parametrize(("name", "expected"), TABLE.items())
def test_the_values_of_a_preset(name, expected):
    """The table of docs/presets.md, value by value."""
    firm = preset(name)

    assert (reset_of(firm.reset), firm_rules(firm)) == expected


@ALL
def test_a_preset_says_whose_and_of_when_it_is(name):
    """Its name is the file's; date and sources stand in it, and the zone is one."""
    firm = preset(name)

    assert firm.name == name
    assert dt.date(2026, 1, 1) <= dt.date.fromisoformat(firm.date)
    assert firm.sources
    assert all(source.startswith(("https://", "second-hand: ")) for source in firm.sources)
    assert firm.reset.zone in zoneinfo.available_timezones()
    assert (firm.capital is None) == (firm.currency is None)


@ALL
def test_each_parameter_says_how_sure_it_is(name):
    """No value stands in a preset without its evidence, and no evidence without a value."""
    written = yaml.safe_load((files("quantmind") / "presets" / f"{name}.yaml").read_bytes())
    parameters = {f"reset.{key}" for key in written["reset"]}
    parameters |= {f"{rule}.{key}" for rule, keys in written["rules"].items() for key in keys}

    assert set(preset(name).evidence) == parameters


@ALL
def test_floors_leave_nothing_to_defaults(name):
    """What decides about a floor is written, so that a change of a default changes no firm's rules."""
    written = yaml.safe_load((files("quantmind") / "presets" / f"{name}.yaml").read_bytes())["rules"]

    for rule, keys in (
        ("daily_loss", {"base", "measure", "inclusive"}),
        ("max_loss", {"trailing", "measure", "inclusive"}),
    ):
        assert keys <= set(written.get(rule, keys))


@ALL
def test_each_preset_can_be_used(read, name):
    """One line and the capital make a configuration of it."""
    capital = preset(name).capital or 10000

    config = read(f"risk: {{news_file: n.csv, accounts: {{demo: {{preset: {name}, initial_capital: {capital}}}}}}}")

    assert config.risk.accounts["demo"].preset == name


def test_what_is_verified_and_what_is_not():
    """Only what was read on the firm's own pages counts."""
    assert preset("ftmo-2step").unverified == ()
    assert "daily_loss.percent" in preset("ftmo-1step").unverified
    assert preset("topstep-50k").evidence["daily_loss.amount"] == "second_hand"
    assert FIRMS_PAGE not in preset("alpha-capital").evidence.values()


def test_a_name_that_is_no_preset_reads_no_file():
    """Names are compared and never become a path."""
    for name in ("../brokers", "ftmo", "", "none"):
        with pytest.raises(KeyError):
            preset(name)
