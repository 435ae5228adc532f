"""Ticks of a terminal: none is left out and none comes twice, however many share a millisecond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mt5.terminal import ticks as reading
from quantmind.adapters.mt5.terminal.calls import Calls, NoAnswer
from quantmind.adapters.mt5.terminal.server_clock import ServerClock, parse_server_zone
from quantmind.adapters.mt5.terminal.symbols import Named
from quantmind.adapters.mt5.terminal.ticks import TickReader
from quantmind.domain.symbols import usual_spec

BEGAN_MSC = 1_795_424_400_000
Row = dict[str, Any]


@attrs.define(slots=False)
class Terminal:
    """What a reader asks, answered from lists of rows."""

    rows: dict[str, list[Row]]
    error: tuple[int, str] = (1, "Success")
    fails: str = ""
    calls: int = 0

    def last_error(self) -> tuple[int, str]:
        return self.error

    def symbol_info_tick(self, name: str, /) -> Row | None:
        self.calls += 1
        if self.fails in ("symbol_info_tick", "all"):
            return None
        return self.rows[name][-1] if self.rows[name] else None

    def copy_ticks_from(self, name: str, since: int, count: int, flags: int, /) -> Sequence[Row] | None:
        assert flags == -1
        self.calls += 1
        if self.fails in ("copy_ticks_from", "all"):
            return None
        return [row for row in self.rows[name] if row["time"] >= since][:count]


def row(msc: int, bid: float, ask: float | None = None) -> Row:
    msc += BEGAN_MSC
    return {
        "time": msc // 1000,
        "time_msc": msc,
        "bid": bid,
        "ask": bid + 0.0001 if ask is None else ask,
        "last": 0.0,
        "volume": 0,
        "volume_real": 0.0,
        "flags": 6,
    }


def reader(terminal: Terminal) -> TickReader:
    symbols = [Named(usual_spec(name), name) for name in terminal.rows]
    return TickReader(Calls(terminal), ServerClock(parse_server_zone("UTC")), symbols, lambda: BEGAN_MSC / 1000)


def bids(found: Any) -> list[float]:
    return [quote.bid for quote in found.quotes]


def test_the_first_look_gives_the_newest_alone() -> None:
    """And from then on everything."""
    terminal = Terminal({"EURUSD": [row(0, 1.1), row(1, 1.2)]})
    read = reader(terminal)
    assert bids(read.look()) == [1.2]
    terminal.rows["EURUSD"] += [row(2, 1.3), row(2, 1.4), row(3, 1.5)]
    assert bids(read.look()) == [1.3, 1.4, 1.5]
    assert bids(read.look()) == []


def test_what_comes_later_in_the_same_millisecond() -> None:
    """Also when it has the same prices as one that was given out."""
    terminal = Terminal({"EURUSD": [row(0, 1.1)]})
    read = reader(terminal)
    read.look()
    for bid in (1.2, 1.1, 1.1, 1.3):
        terminal.rows["EURUSD"].append(row(0, bid))
        assert bids(read.look()) == [bid]


def test_symbols_are_merged_by_time() -> None:
    """In the order in which the market said them."""
    terminal = Terminal({"EURUSD": [row(0, 1.0)], "GBPUSD": [row(0, 2.0)]})
    read = reader(terminal)
    read.look()
    terminal.rows["EURUSD"] += [row(5, 1.5), row(9, 1.9)]
    terminal.rows["GBPUSD"] += [row(4, 2.4), row(7, 2.7)]
    found = read.look()
    assert bids(found) == [2.4, 1.5, 2.7, 1.9]
    assert found.spoke == {"EURUSD", "GBPUSD"}


def test_nobody_is_given_a_crossed_price() -> None:
    """It is counted, and holds up nothing."""
    terminal = Terminal({"EURUSD": [row(0, 1.1)]})
    read = reader(terminal)
    read.look()
    terminal.rows["EURUSD"] += [row(1, 1.2, 1.1), row(2, 0.0, 0.0), row(3, 1.3)]
    found = read.look()
    assert (bids(found), found.crossed) == ([1.3], 2)


def test_prices_are_the_nearest_double() -> None:
    """1.6921300000000001 and 1.69213 are one price."""
    terminal = Terminal({"EURUSD": [row(0, 1.6921300000000001, 1.6922300000000001)]})
    (quote,) = reader(terminal).look().quotes
    assert (quote.bid, quote.ask) == (1.69213, 1.69223)
    assert Decimal(repr(quote.bid)) == Decimal("1.69213")


def test_without_its_history_a_symbol_has_its_last_tick() -> None:
    """It is counted, and tried again when that is asked for; a lost terminal is no such thing."""
    terminal = Terminal({"EURUSD": [row(0, 1.1)]})
    read = reader(terminal)
    read.look()
    terminal.fails, terminal.error = "copy_ticks_from", (-1, "no")
    terminal.rows["EURUSD"] += [row(1, 1.2), row(2, 1.3)]
    assert bids(read.look()) == [1.3]
    assert bids(read.look()) == []
    assert read.snapshots == 2
    terminal.fails = ""
    terminal.rows["EURUSD"] += [row(3, 1.4), row(4, 1.5)]
    assert bids(read.look()) == [1.5], "still its last one"
    read.begin_again(["EURUSD"])
    terminal.rows["EURUSD"] += [row(5, 1.6), row(6, 1.7)]
    assert bids(read.look()) == [1.6, 1.7]
    terminal.fails, terminal.error = "all", (-10005, "IPC timeout")
    with pytest.raises(NoAnswer) as raised:
        read.look()
    assert raised.value.lost


def test_a_look_that_failed_loses_nothing() -> None:
    """The second symbol's call fails: the first one's ticks come with the next look."""
    terminal = Terminal({"EURUSD": [row(0, 1.1)], "GBPUSD": [row(0, 2.1)]})
    read = reader(terminal)
    read.look()
    terminal.rows["EURUSD"].append(row(1, 1.2))
    real, terminal.error = terminal.copy_ticks_from, (-10002, "lost")
    terminal.copy_ticks_from = lambda name, *more: None if name == "GBPUSD" else real(name, *more)  # type: ignore[method-assign,misc]
    with pytest.raises(NoAnswer):
        read.look()
    terminal.copy_ticks_from = real  # type: ignore[method-assign]
    assert bids(read.look()) == [1.2]


def test_rows_that_are_no_ticks() -> None:
    """They are counted and passed over."""
    terminal = Terminal({"EURUSD": [row(0, 1.1)]})
    read = reader(terminal)
    read.look()
    wrong: list[Mapping[str, Any]] = [
        *({**row(1, 1.2), field: value} for field, value in (("bid", float("nan")), ("time_msc", -1), ("ask", None))),
        {"time": BEGAN_MSC // 1000},
    ]
    terminal.rows["EURUSD"] += [dict(each) for each in wrong] + [row(2, 1.3)]
    assert bids(read.look()) == [1.3]
    assert read.malformed == 4


@settings(max_examples=examples(500, 100), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=60),
    st.lists(st.integers(0, 6), min_size=1, max_size=40),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_all_come_once(steps: list[tuple[int, int]], pauses: list[int], at_once: int, reads: int) -> None:
    """However they are spread, looked at, and however few a call gives."""
    msc, rows = 0, []
    for step, price in steps:
        msc += step * 400
        rows.append(row(msc, price / 10))
    terminal = Terminal({"EURUSD": [row(0, 1.0)]})
    read = reader(terminal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "AT_ONCE", at_once)
        patch.setattr(reading, "MOST_READS", 60 + reads)
        assert bids(read.look()) == [1.0]
        given_out: list[float] = []
        left = list(rows)
        for pause in [*pauses, len(rows)]:
            now, left = left[:pause], left[pause:]
            terminal.rows["EURUSD"] += now
            given_out += bids(read.look())
        given_out += bids(read.look())
    assert given_out == [each["bid"] for each in rows]
