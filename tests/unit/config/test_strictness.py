"""Which of two rules allows more."""

from decimal import Decimal

import pytest

from quantmind.config.strictness import Strictness, compare
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
    Rules,
    Sessions,
    Symbols,
    Tiers,
    Trailing,
    Weekend,
)

FIVE, TEN = Decimal(5), Decimal(10)
OPPOSITE = {Strictness.STRICTER: Strictness.LOOSER, Strictness.LOOSER: Strictness.STRICTER}

STRICTER = [
    ("daily_loss", DailyLoss(percent=TEN), DailyLoss(percent=FIVE)),
    ("daily_loss", DailyLoss(amount=TEN), DailyLoss(amount=FIVE)),
    ("daily_loss", DailyLoss(percent=FIVE), DailyLoss(percent=FIVE, inclusive=True)),
    ("daily_loss", DailyLoss(percent=FIVE), DailyLoss(percent=FIVE, base=Base.MAX)),
    ("daily_loss", DailyLoss(percent=FIVE), DailyLoss(amount=Decimal(499))),
    ("max_loss", MaxLoss(percent=TEN), MaxLoss(percent=FIVE)),
    ("max_loss", MaxLoss(percent=TEN), MaxLoss(percent=TEN, trailing=Trailing.END_OF_DAY)),
    ("max_loss", MaxLoss(percent=TEN), MaxLoss(percent=TEN, trailing=Trailing.END_OF_DAY, lock_at=Decimal(100))),
    (
        "max_loss",
        MaxLoss(percent=TEN, trailing=Trailing.INTRADAY, lock_at=Decimal(100)),
        MaxLoss(percent=TEN, trailing=Trailing.INTRADAY),
    ),
    ("profit_target", ProfitTarget(percent=TEN), ProfitTarget(percent=TEN, on_target=OnTarget.HALT)),
    ("profit_target", ProfitTarget(percent=TEN), ProfitTarget(percent=TEN, min_score=1.0, multiplier=Decimal(0))),
    ("min_trading_days", MinTradingDays(days=3), MinTradingDays(days=4)),
    ("best_day", BestDay(percent=FIVE), BestDay(percent=FIVE, refuse=True)),
    ("max_open_per_symbol", 3, 2),
    ("max_trades_per_day", None, 2),
    ("exposure", Exposure(symbol_percent=TEN), Exposure(symbol_percent=TEN, currency_percent=TEN)),
    ("margin", Margin(free_percent=FIVE), Margin(free_percent=TEN)),
    ("symbols", Symbols(deny=("A",)), Symbols(deny=("A", "B"))),
    ("symbols", Symbols(allow=("A", "B")), Symbols(allow=("A",))),
    ("symbols", Symbols(deny=("A",)), Symbols(allow=("B",), deny=("A",))),
    ("sessions", Sessions(hours=((480, 1020),)), Sessions(hours=((540, 720), (780, 1020)))),
    ("sessions", Sessions(hours=((1320, 120),)), Sessions(hours=((0, 60),))),
    ("weekend", Weekend(), Weekend(before_min=90, flatten=True)),
    ("news", News(), News(before_min=5, impact="medium", stale_h=12)),
    ("stop_required", False, True),
    ("news", None, News()),
    ("daily_loss", None, DailyLoss(percent=FIVE)),
    ("quadratic_throttle", QuadraticThrottle(), QuadraticThrottle(hard_stop_buffer=FIVE)),
]


@pytest.mark.parametrize(("name", "loose", "strict"), STRICTER)
def test_one_rule_is_stricter_and_the_other_looser(name, loose, strict):
    """Told alike from both sides."""
    before, after = Rules(**{name: loose}), Rules(**{name: strict})

    (change,) = compare(before, after, Decimal(10000))
    (back,) = compare(after, before, Decimal(10000))

    assert (change.rule, change.strictness) == (name, Strictness.STRICTER)
    assert back.strictness is Strictness.LOOSER
    assert all(
        OPPOSITE.get(one.strictness, one.strictness) is other.strictness
        for one, other in zip(change.differences, back.differences, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("daily_loss", DailyLoss(percent=FIVE), DailyLoss(percent=FIVE, percent_of_base=True)),
        ("daily_loss", DailyLoss(percent=FIVE), DailyLoss(percent=FIVE, measure=Measure.BALANCE)),
        ("daily_loss", DailyLoss(percent=FIVE), DailyLoss(percent=FIVE, base=Base.INITIAL)),
        ("daily_loss", DailyLoss(percent=FIVE, base=Base.EQUITY), DailyLoss(percent=FIVE)),
        ("daily_loss", DailyLoss(percent=FIVE), DailyLoss(percent=TEN, inclusive=True)),
        ("sessions", Sessions(hours=((480, 1020),)), Sessions(hours=((540, 1080),))),
        ("sessions", Sessions(hours=((480, 1020),)), Sessions(hours=((480, 1020),), zone="Europe/London")),
        ("symbols", Symbols(allow=("A",)), Symbols(allow=("B",))),
        ("weekend", Weekend(), Weekend(close_day=5)),
    ],
)
def test_what_cannot_be_told_is_not_told(name, one, other):
    """A change that may go either way is never called stricter."""
    for before, after in ((one, other), (other, one)):
        (change,) = compare(Rules(**{name: before}), Rules(**{name: after}), Decimal(10000))
        assert change.strictness is Strictness.OTHER


def test_amount_and_percent_need_the_capital():
    """Without it none is known to be more."""
    before, after = Rules(daily_loss=DailyLoss(percent=FIVE)), Rules(daily_loss=DailyLoss(amount=FIVE))

    assert compare(before, after)[0].strictness is Strictness.OTHER
    assert compare(before, after, Decimal(100))[0].differences[0].strictness is Strictness.SAME


def test_tiers_loosen_the_throttle_and_nothing_else():
    """They say from which equity on it applies; without it they do nothing."""
    tiers, throttle = Tiers(scaling=FIVE, guardian=TEN), QuadraticThrottle()

    (change,) = compare(Rules(quadratic_throttle=throttle), Rules(quadratic_throttle=throttle, tiers=tiers))
    assert change.strictness is Strictness.LOOSER
    (change,) = compare(Rules(), Rules(tiers=tiers))
    assert change.strictness is Strictness.SAME


def test_equal_rules_have_no_difference():
    """Also where nothing is set."""
    assert compare(Rules(), Rules()) == ()
    assert compare(Rules(news=News()), Rules(news=News())) == ()


def test_a_difference_is_called_as_in_a_configuration():
    """Day and time are one key there, and whoever reads the warning looks for that one."""
    (change,) = compare(Rules(weekend=Weekend()), Rules(weekend=Weekend(close_day=3, close_minute=960)))

    assert {each.parameter for each in change.differences} == {"close"}
