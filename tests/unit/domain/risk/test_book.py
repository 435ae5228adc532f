"""What outlives a restart: a baseline is taken once, at its reset, or is not known."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk_world import D, plain

from quantmind.domain.accounts import Cause, Deal, Entry
from quantmind.domain.orders import Side
from quantmind.domain.risk import Policy
from quantmind.domain.risk.book import Baseline, RiskBook, Seen, advance, begin, supplied

DAY = 86_400.0
POLICY = Policy(initial_capital=D(10_000))


def seen(at: float, balance: Any, equity: Any = None, *, flat: bool = True) -> Seen:
    return Seen(at, D(balance), D(balance if equity is None else equity), flat)


def deal(at: float, profit: Any, entry: Entry = Entry.OUT, **more: Any) -> Deal:
    made = {"commission": D(0), **more}
    return Deal(1, 1, 1, "EURUSD", Side.BUY, entry, D(1), D(1), D(profit), Cause.CLIENT, int(at * 1000), **made)


def started(at: float = DAY + 100) -> RiskBook:
    return begin(seen(at, 10_000), POLICY)


def after(book: RiskBook, last: Seen, now: Seen, deals: list[Deal] | None) -> RiskBook:
    return advance(book, last, now, POLICY, deals)


def test_an_account_at_its_beginning_has_its_initial_capital() -> None:
    """Nothing open, exactly the capital: the day began with it."""
    book = started()
    assert book.baseline == Baseline(DAY, D(10_000), D(10_000), "it begins with the initial capital")
    assert (book.highest_balance, book.highest_equity, book.known) == (10_000, 10_000, True)


@pytest.mark.parametrize("now", [seen(DAY, 10_001), seen(DAY, 10_000, flat=False), seen(DAY, 10_000, 9_999)])
def test_of_any_other_account_the_past_is_not_known(now: Seen) -> None:
    """Somebody must supply it."""
    book = begin(now, POLICY)
    assert (book.known, book.highest_balance, book.highest_equity) == (False, None, None)


def test_who_is_there_sees_the_baseline() -> None:
    """Of the looks before and after the reset the higher counts, of balance and equity each."""
    before, now = seen(2 * DAY - 1, 10_200, 10_100, flat=False), seen(2 * DAY + 1, 10_150, 10_180, flat=False)
    book = after(started(), before, now, [])
    assert book.baseline == Baseline(2 * DAY, D(10_200), D(10_180), "seen at the reset")
    assert book.highest_balance == 10_200


DOWN = seen(DAY + 1000, 10_000)


@pytest.mark.parametrize(
    ("days", "deals", "balance", "baseline", "highest"),
    [
        # one reset
        (1, [], 10_000, "10000", "10000"),
        (1, [deal(DAY + 5000, 300)], 10_300, "10300", "10300"),
        (1, [deal(2 * DAY + 5000, 300)], 10_300, "10000", "10000"),
        (1, [deal(2 * DAY + 500, -80), deal(DAY + 5000, 300)], 10_220, "10300", "10300"),
        # three
        (3, [], 10_000, "10000", "10000"),
        (3, [deal(DAY + 9000, 300), deal(2 * DAY + 9000, -200), deal(3 * DAY + 9000, 50)], 10_150, "10150", "10300"),
        (3, [deal(3 * DAY + 9000, 50), deal(4 * DAY + 9000, 7)], 10_057, "10050", "10050"),
        # what does not explain the balance
        (1, [], 10_001, None, None),
        (1, [deal(DAY + 5000, 300)], 10_000, None, None),
        (3, [deal(DAY + 5000, 300)], 10_299, None, None),
        (1, [deal(DAY + 5000, "NaN")], 10_000, None, None),
        # what is not known
        (1, None, 10_000, None, None),
        (3, None, 10_000, None, None),
    ],
)
def test_down_over_resets(
    days: int, deals: list[Deal] | None, balance: int, baseline: str | None, highest: str | None
) -> None:
    """The broker's deals tell what there was at each reset, if they lead to the balance to the cent."""
    now = seen((days + 1) * DAY + 20_000, balance)
    book = after(started(), DOWN, now, deals)
    assert book.day == (days + 1) * DAY
    assert book.known is (baseline is not None)
    if baseline is not None and book.baseline is not None:
        assert (book.baseline.balance, book.highest_balance) == (D(baseline), D(highest or 0))
        assert book.baseline.source == "reckoned from the broker's deals"
    else:
        assert (book.baseline, book.highest_balance) == (None, None)


@pytest.mark.parametrize(
    ("at", "profit", "balance"),
    [
        (-70, 300, 10_300),
        (-50, 300, 10_300),
        (50, 300, 10_300),
        (70, 300, 10_000),
        (-70, -300, 9_700),
        (-50, -300, 10_000),
        (50, -300, 10_000),
        (70, -300, 10_000),
    ],
)
def test_deals_near_to_a_reset_count_on_the_safe_side(at: float, profit: int, balance: int) -> None:
    """Their times are those of the broker's clock, which may be a little off: the highest balance near to it counts."""
    book = after(started(), DOWN, seen(2 * DAY + 9000, 10_000 + profit), [deal(2 * DAY + at, profit)])
    assert book.baseline is not None
    assert book.baseline.balance == balance


def test_costs_are_part_of_what_deals_make() -> None:
    """Profit, commission and swap."""
    costs = deal(DAY + 5000, 300, commission=D(-7), swap=D("-1.5"))
    book = after(started(), DOWN, seen(2 * DAY + 9000, "10291.50"), [costs])
    assert book.baseline is not None
    assert book.baseline.balance == D("10291.50")


@pytest.mark.parametrize(
    ("last", "now", "deals", "equity"),
    [
        (DOWN, seen(2 * DAY + 9000, 10_000), [], 10_000),
        (attrs.evolve(DOWN, flat=False), seen(2 * DAY + 9000, 10_000), [], None),
        (DOWN, seen(2 * DAY + 9000, 10_000, 10_100, flat=False), [deal(2 * DAY + 8000, 0, Entry.IN)], None),
        (DOWN, seen(2 * DAY + 9000, 10_000), [deal(DAY + 5000, 0, Entry.IN), deal(2 * DAY + 5000, 0)], None),
    ],
)
def test_what_equity_there_was_at_a_reset_nobody_saw(
    last: Seen, now: Seen, deals: list[Deal], equity: int | None
) -> None:
    """It is known of an account that had nothing open and traded nothing, and of no other."""
    book = after(started(), last, now, deals)
    assert book.baseline is not None
    assert book.baseline.equity == equity


def test_a_clock_that_is_set_back_takes_no_second_baseline() -> None:
    """Over the reset, a day, or two: the baseline of the day stands, also when the reset comes again."""
    before, now = seen(2 * DAY - 1, 10_200), seen(2 * DAY + 1, 10_200)
    book = after(started(), before, now, [])
    for at in (2 * DAY - 30, DAY - 100, 10.0, 2 * DAY - 1, 2 * DAY + 2):
        was, now = now, seen(at, 9_900)
        moved = after(book, was, now, [])
        assert (moved.day, moved.baseline, moved.highest_balance) == (book.day, book.baseline, 10_200)
        book = moved
    book = after(book, seen(3 * DAY - 1, 9_900), seen(3 * DAY + 1, 9_900), [])
    assert book.baseline is not None
    assert (book.baseline.day, book.baseline.balance) == (3 * DAY, 9_900)


def test_the_highest_equity_is_not_known_of_a_time_when_nobody_looked() -> None:
    """Unless nothing was open, nothing was traded and nothing changed."""
    book, last = started(), seen(DAY + 100, 10_000)
    assert after(book, last, seen(DAY + 150, 10_000, 10_070, flat=False), []).highest_equity == 10_070
    assert after(book, last, seen(DAY + 900, 10_000, 10_070, flat=False), []).highest_equity is None
    assert after(book, last, seen(DAY + 900, 10_000), None).highest_equity is None
    assert after(book, last, seen(DAY + 900, 10_000), [deal(DAY + 500, 0)]).highest_equity is None
    assert after(book, last, seen(DAY + 900, 10_000), []).highest_equity == 10_000


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_change_nothing(text: str) -> None:
    """Neither by a look, nor by somebody who supplies them."""
    book, last = started(), seen(DAY + 100, 10_000)
    for now in (seen(2 * DAY + 1, text), seen(2 * DAY + 1, 10_000, text), Seen(float("nan"), D(1), D(1), True)):
        assert after(book, last, now, []) == book
    for name in ("balance", "equity", "highest_balance", "highest_equity"):
        numbers: dict[str, Any] = dict.fromkeys(("balance", "equity", "highest_balance", "highest_equity"), D(1))
        with pytest.raises(ValueError, match="can't be counted from"):
            supplied(book, POLICY, **{**numbers, name: D(text)}, by="an admin")


def test_what_is_supplied_fills_gaps_and_nothing_else() -> None:
    """A mark is at least the initial capital, a baseline that is known stays."""
    unknown = begin(seen(DAY, 10_500, flat=False), POLICY)
    said = {"balance": D(10_400), "equity": D(10_450), "highest_balance": D(9_000), "highest_equity": D(10_900)}
    book = supplied(unknown, POLICY, **said, by="an admin")
    assert book.baseline == Baseline(DAY, D(10_400), D(10_450), "an admin")
    assert (book.highest_balance, book.highest_equity) == (10_400, 10_900)
    again = supplied(book, POLICY, **dict.fromkeys(said, D(1)), by="somebody else")
    assert again == book


def test_days_and_what_they_made() -> None:
    """A day counts when a position was opened on it; a day's profit goes from reset to reset."""
    book = started()
    looks = [(2 * DAY, 10_000, 10_100), (3 * DAY, 10_100, 10_050), (4 * DAY, 10_050, 10_300)]
    for at, _, evening in looks:
        opened = deal(at - 5000, 0, Entry.IN)
        book = after(book, seen(at - 5001, evening), seen(at - 1, evening), [opened])
        book = after(book, seen(at - 1, evening), seen(at + 1, evening), [])
    assert (book.trading_days, book.best_day, book.profit_days) == (3, 250, 350)


money = st.integers(0, 2_000_000).map(lambda n: D(n) / 100)


@given(st.lists(st.tuples(st.floats(1, 3 * DAY), money, money, st.booleans(), st.booleans()), max_size=8))
def test_a_restart_reads_what_was_written(looks: list[tuple[float, Any, Any, bool, bool]]) -> None:
    """The book is the same after JSON, and high-water marks and known days never fall by a look."""
    last = seen(DAY + 100, 10_000)
    book = begin(last, POLICY)
    for later, balance, equity, flat, known in looks:
        now = Seen(last.at + later, balance, equity, flat)
        moved = after(book, last, now, [] if known else None)
        assert plain(moved) == moved
        for mark in ("highest_balance", "highest_equity"):
            was, value = getattr(book, mark), getattr(moved, mark)
            assert value is None or (was is not None and value >= was)
        assert moved.day >= book.day
        book, last = moved, now
