"""Bars: what ticks make of them, whatever the ticks, and how much is kept."""

from __future__ import annotations

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.domain.bars import KEPT, RESTART_AFTER, Bar, BarSeries, Timeframe, aggregate, points

MANY = settings(max_examples=examples(1_000, 200), deadline=None)
MINUTE = 60_000
T0 = 1_795_392_000_000
"""A midnight."""

PRICES = st.floats(0.00001, 1e6, allow_nan=False)
TICKS = st.lists(
    st.tuples(st.sampled_from([0, 1, 250, 59_999, MINUTE, 17 * MINUTE, 300 * MINUTE]), PRICES, st.floats(0, 10)),
    min_size=1,
    max_size=120,
)
ANY_TICKS = st.lists(st.tuples(st.integers(-(10**7), 10**7), PRICES, st.floats(0, 10)), max_size=80)


def in_order(steps: list[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """Ticks from steps of time."""
    ticks, now = [], T0
    for step, bid, spread in steps:
        now += step
        ticks.append((now, bid, bid + spread))
    return ticks


def series_of(ticks: list[tuple[int, float, float]]) -> BarSeries:
    series = BarSeries()
    for tick in ticks:
        series.add(*tick)
    return series


def every(series: BarSeries, timeframe: Timeframe) -> list[Bar]:
    return series.read(timeframe, limit=10**9)[0]


def one_by_one(ticks: list[tuple[int, float, float]], timeframe: Timeframe) -> list[Bar]:
    """The bars of ticks in order, the plain way."""
    groups: dict[int, list[tuple[float, float]]] = {}
    for time, bid, ask in ticks:
        groups.setdefault(time - time % timeframe.msc, []).append((bid, ask - bid))
    bars = []
    for start, group in groups.items():
        bids = [bid for bid, _ in group]
        spread = min(spread for _, spread in group)
        last = start == list(groups)[-1]
        bars.append(Bar(start, bids[0], max(bids), min(bids), bids[-1], len(group), spread, complete=not last))
    return bars


@MANY
@given(TICKS)
def test_bars_are_those_of_their_ticks(steps):
    """Of every length: first, highest, lowest and last bid, how many ticks, and the smallest spread."""
    ticks = in_order(steps)
    series = series_of(ticks)
    for timeframe in Timeframe:
        assert every(series, timeframe) == one_by_one(ticks, timeframe)


@MANY
@given(TICKS)
def test_minutes_make_the_longer_bars(steps):
    """The bars of a minute aggregate exactly to those of every other length."""
    series = series_of(in_order(steps))
    minutes = every(series, Timeframe.M1)
    for timeframe in Timeframe:
        assert aggregate(minutes, timeframe) == every(series, timeframe)


@MANY
@given(ANY_TICKS)
def test_whatever_the_order_of_ticks_bars_stay_sound(ticks):
    """Each bar starts on its grid and later than the one before; the low is lowest, the high highest; none is empty."""
    series = series_of([(T0 + time, bid, bid + spread) for time, bid, spread in ticks])
    for timeframe in Timeframe:
        bars = every(series, timeframe)
        assert [bar.time_msc for bar in bars] == sorted({bar.time_msc for bar in bars})
        assert all(bar.complete for bar in bars[:-1])
        for bar in bars:
            assert bar.time_msc % timeframe.msc == 0
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.tick_volume > 0
            assert bar.spread >= 0
        volume = sum(bar.tick_volume for bar in bars)
        if series.restarts:
            assert volume <= len(ticks) - series.late
        else:
            assert volume == len(ticks) - series.late
    if ticks:
        assert aggregate(every(series, Timeframe.M1), Timeframe.H1)[-1] == every(series, Timeframe.H1)[-1]


@MANY
@given(TICKS, st.integers(1, 5), st.sampled_from(Timeframe))
def test_pages_give_each_bar_once(steps, limit, timeframe):
    """Following `after` from the oldest gives all of them; without it come the newest."""
    series = series_of(in_order(steps))
    whole = every(series, timeframe)
    found, after, more = [], -1, True
    while more:
        bars, more = series.read(timeframe, after=after, limit=limit)
        found += bars
        after = bars[-1].time_msc if bars else after
    assert found == whole
    assert series.read(timeframe, limit=limit) == (whole[-limit:], False)
    assert series.read(timeframe, after=whole[-1].time_msc, limit=limit) == ([], False)


def test_a_series_is_bounded():
    """Of each length at least as many as promised are kept, and hardly more."""
    series = BarSeries()
    for minute in range(KEPT[Timeframe.M1] * 2):
        series.add(T0 + minute * MINUTE, 1.0, 1.1)
    minutes = every(series, Timeframe.M1)
    assert KEPT[Timeframe.M1] <= len(minutes) <= KEPT[Timeframe.M1] * 5 // 4 + 1
    assert minutes[-1].time_msc == T0 + (KEPT[Timeframe.M1] * 2 - 1) * MINUTE
    days = every(series, Timeframe.D1)
    assert [bar.tick_volume for bar in days] == [1440] * 4


def test_a_latecomer_changes_no_finished_bar():
    """A tick of an earlier minute is left out and counted; one of the running minute counts, in the order it came."""
    series = series_of([(T0, 1.0, 1.1), (T0 + MINUTE + 500, 2.0, 2.1)])
    finished = every(series, Timeframe.M1)[0]
    series.add(T0 + 59_999, 9.0, 9.1)
    series.add(T0 + MINUTE, 3.0, 3.1)
    first, running = every(series, Timeframe.M1)
    assert first == finished
    assert (running.close, running.tick_volume, series.late) == (3.0, 2, 1)


def test_a_replay_that_starts_anew_is_not_counted_twice():
    """The bars that the first run made from there on go, and come out the same the second time."""
    ticks = [(T0 + second * 1000, 1.0 + second % 7, 1.5 + second % 7) for second in range(0, 7200, 5)]
    series = series_of(ticks)
    once = {timeframe: every(series, timeframe) for timeframe in Timeframe}
    for tick in ticks:
        series.add(*tick)
    assert {timeframe: every(series, timeframe) for timeframe in Timeframe} == once
    assert (series.restarts, series.late) == (1, 0)


def test_a_tick_of_the_future_costs_nothing_but_itself():
    """After one false time the series goes back to the present, and keeps what came before."""
    series = series_of([(T0 + minute * MINUTE, 1.0, 1.1) for minute in range(100)])
    before = every(series, Timeframe.M1)[:-1]
    series.add(T0 + 365 * 1440 * MINUTE, 5.0, 5.1)
    for number in range(RESTART_AFTER):
        series.add(T0 + 100 * MINUTE + number, 2.0, 2.1)
    assert every(series, Timeframe.M1)[: len(before)] == before
    assert every(series, Timeframe.M1)[-1] == Bar(
        T0 + 100 * MINUTE, 2.0, 2.0, 2.0, 2.0, RESTART_AFTER, 2.1 - 2.0, False
    )
    assert every(series, Timeframe.D1)[-1].high == 2.0


def test_before_the_first_tick_there_is_no_bar():
    """An empty answer, and no more to come."""
    assert BarSeries().read(Timeframe.H1, limit=10) == ([], False)
    assert BarSeries().read(Timeframe.H1, after=0, limit=10) == ([], False)


@pytest.mark.parametrize(("spread", "digits", "wanted"), [(0.00012, 5, 12), (0.3, 2, 30), (0.0, 5, 0), (1.0, 0, 1)])
def test_spreads_are_in_points(spread, digits, wanted):
    """As MqlRates has them."""
    assert points(spread, digits) == wanted
