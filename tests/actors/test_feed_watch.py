"""The watch over a feed: who is stale, who is only closed, and which step is tried when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.feed_watch import LONGEST_PAUSE_S, FeedWatch, Look
from quantmind.domain.sessions import ALWAYS, Sessions, weekly
from quantmind.ports import Recovery

RESUBSCRIBE, RECONNECT, RESTART = Recovery.RESUBSCRIBE, Recovery.RECONNECT, Recovery.RESTART
WEEKDAYS = weekly({"mon-thu": "00:05-23:55", "fri": "00:05-22:00"})
FRIDAY = int(datetime(2026, 11, 27, 21, 59, 0, tzinfo=UTC).timestamp() * 1000)
"""A minute before the close."""
MONDAY = int(datetime(2026, 11, 30, 0, 5, 0, tzinfo=UTC).timestamp() * 1000)


class Watched:
    """A watch with a clock: `at` seconds after its beginning."""

    def __init__(
        self, hours: dict[str, Sessions] | None = None, *, symbol_s: float = 10.0, begins_msc: int = FRIDAY
    ) -> None:
        self.watch = FeedWatch(10.0, symbol_s, 0.0)
        self.begins_msc = begins_msc
        self.watch.follow({"EURUSD": ALWAYS, "GBPUSD": ALWAYS} if hours is None else hours, 0.0)

    def look(self, at: float, *, act: bool = True) -> Look:
        return self.watch.look(at, self.begins_msc + round(at * 1000), act=act)

    def steps(self, until: float, *, every: float = 0.5) -> list[tuple[float, Recovery, tuple[str, ...]]]:
        """Every step up to a time, looked for each half second."""
        found, at = [], 0.0
        while at <= until:
            found += [(at, step.recovery, step.symbols) for step in self.look(at).steps]
            at += every
        return found


def test_a_silent_feed_is_taken_through_the_three_steps() -> None:
    """Subscribed to again at 10 s, connected again at 20, restarted at 30; then again and again, ever more rarely."""
    both = ("EURUSD", "GBPUSD")
    found = Watched().steps(200.0)
    assert found[:3] == [(10.0, RESUBSCRIBE, both), (20.0, RECONNECT, both), (30.0, RESTART, both)]
    assert [(at, recovery) for at, recovery, _ in found[3:]] == [
        (40.0, RESTART),
        (60.0, RESTART),
        (100.0, RESTART),
        (180.0, RESTART),
    ]


def test_pauses_do_not_grow_for_ever() -> None:
    """A feed that has been dead for a day is tried every ten minutes."""
    times = [at for at, _, _ in Watched().steps(86_400.0, every=5.0)]
    assert times[-1] - times[-2] == LONGEST_PAUSE_S


def test_a_feed_that_speaks_again_begins_with_the_mild_step() -> None:
    """What was tried is forgotten once a price comes."""
    watched = Watched()
    assert [recovery for _, recovery, _ in watched.steps(35.0)] == [RESUBSCRIBE, RECONNECT, RESTART]
    watched.watch.heard(["EURUSD", "GBPUSD"], 36.0)
    assert watched.look(36.0).silent_s == 0.0
    assert watched.look(45.9).steps == ()
    (step,) = watched.look(46.0).steps
    assert (step.recovery, step.silent_s) == (RESUBSCRIBE, 10.0)


def test_a_new_connection_is_given_time() -> None:
    """The next step waits until it should have spoken; a first connection delays nothing."""
    watched = Watched()
    assert len(watched.look(20.0).steps) == 1
    watched.watch.connected(29.0)
    assert watched.look(38.9).steps == ()
    assert [step.recovery for step in watched.look(39.0).steps] == [RECONNECT]


def test_nothing_is_tried_twice_at_once() -> None:
    """While a step is under way none is due, and the next look takes the same one."""
    watched = Watched()
    assert watched.look(15.0, act=False).steps == ()
    assert [step.recovery for step in watched.look(15.5).steps] == [RESUBSCRIBE]


def test_one_silent_symbol_never_costs_the_others_their_connection() -> None:
    """It is stale by itself and subscribed to again, ever more rarely; nothing harsher is done."""
    watched = Watched()
    found = []
    at = 0.0
    while at <= 2000.0:
        watched.watch.heard(["EURUSD"], at)
        look = watched.look(at)
        found += [(at, step.recovery, step.symbols) for step in look.steps]
        if at == 10.0:
            assert look.symbols == (("GBPUSD", "stale", 10.0),)
        elif at > 10.0:
            assert look.symbols == ()
        at += 5.0
    assert {recovery for _, recovery, _ in found} == {RESUBSCRIBE}
    assert {symbols for _, _, symbols in found} == {("GBPUSD",)}
    assert [at for at, _, _ in found] == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1240.0, 1840.0]


def test_a_symbol_that_comes_back_is_live_once() -> None:
    """And what it was asked for is forgotten."""
    watched = Watched()
    watched.watch.heard(["EURUSD"], 12.0)
    assert [name for name, state, _ in watched.look(12.0).symbols if state == "stale"] == ["GBPUSD"]
    watched.watch.heard(["GBPUSD"], 13.0)
    assert watched.look(13.0).symbols == (("GBPUSD", "live", 0.0),)
    assert watched.look(14.0).symbols == ()


def test_symbols_may_be_given_more_time_than_the_feed() -> None:
    """A rarely quoted symbol is not stale before its own time is over."""
    watched = Watched(symbol_s=60.0)
    watched.watch.heard(["EURUSD"], 59.5)
    assert watched.look(59.5).symbols == ()
    assert watched.look(60.0).symbols == (("GBPUSD", "stale", 60.0),)


def test_a_closed_market_is_quiet_and_not_dead() -> None:
    """From Friday's close to Monday's opening nothing is stale and nothing is tried; then it has its time again."""
    watched = Watched({"EURUSD": WEEKDAYS, "GBPUSD": WEEKDAYS})
    watched.watch.heard(["EURUSD", "GBPUSD"], 59.0)  # the last price comes a second before the close
    assert watched.look(65.0).closed is False  # ten seconds are not over yet
    look = watched.look(70.0)
    assert (look.closed, look.steps, look.silent_s) == (True, (), 0.0)
    assert look.symbols == (("EURUSD", "closed", 11.0), ("GBPUSD", "closed", 11.0))
    opens = (MONDAY - FRIDAY) / 1000
    for at in (70.5, 71.0, 3600.0, 3600.5, 86_400.0, opens - 0.5):
        assert watched.look(at) == Look(True, 0.0, (), ())
    look = watched.look(opens)
    assert (look.closed, look.steps) == (False, ())
    assert [state for _, state, _ in look.symbols] == ["live", "live"]
    assert watched.look(opens + 9.5).steps == ()
    assert [step.recovery for step in watched.look(opens + 10.0).steps] == [RESUBSCRIBE]


def test_a_feed_that_died_before_the_close_is_not_tried_over_the_weekend() -> None:
    """The steps begin anew at the opening."""
    watched = Watched({"EURUSD": WEEKDAYS})
    assert [recovery for _, recovery, _ in watched.steps(59.5)] == [RESUBSCRIBE, RECONNECT, RESTART, RESTART]
    assert watched.look(60.0).closed is True
    opens = (MONDAY - FRIDAY) / 1000
    assert watched.look(opens - 1.0).closed is True
    watched.look(opens)
    assert [step.recovery for step in watched.look(opens + 10.0).steps] == [RESUBSCRIBE]


def test_one_symbol_closes_and_others_trade_on() -> None:
    """Crypto on a weekend: forex is closed, bitcoin is dead, and only bitcoin is asked for."""
    watched = Watched({"EURUSD": WEEKDAYS, "BTCUSD": ALWAYS})
    watched.watch.heard(["EURUSD", "BTCUSD"], 59.0)
    look = watched.look(70.0)
    assert look.closed is False
    assert {name: state for name, state, _ in look.symbols} == {"EURUSD": "closed", "BTCUSD": "stale"}
    assert [(step.recovery, step.symbols) for step in look.steps] == [(RESUBSCRIBE, ("BTCUSD",))]


def test_prices_out_of_hours_count() -> None:
    """A broker that quotes while its market is closed is heard."""
    watched = Watched({"EURUSD": WEEKDAYS}, begins_msc=FRIDAY + 3_600_000)
    assert watched.look(10.0).closed is True
    watched.watch.heard(["EURUSD"], 11.0)
    look = watched.look(11.0)
    assert (look.closed, look.symbols) == (False, (("EURUSD", "live", 0.0),))


def test_before_any_symbol_is_known() -> None:
    """A broker that never connects is silent from the beginning."""
    watched = Watched({})
    assert watched.look(9.9).steps == ()
    (step,) = watched.look(10.0).steps
    assert (step.recovery, step.symbols, step.silent_s) == (RESUBSCRIBE, (), 10.0)


def test_who_waits_for_its_first_client_is_not_silent() -> None:
    """Time that nobody was to speak in does not count."""
    watched = Watched()
    for at in range(0, 100, 5):
        watched.watch.wait_anew(float(at))
        assert watched.look(float(at)).steps == ()
    assert watched.look(104.9).steps == ()
    assert len(watched.look(105.0).steps) == 1


def test_symbols_that_are_told_again_keep_their_times() -> None:
    """A new connection makes nobody look fresh; new symbols have their time, old ones are let go."""
    watched = Watched()
    watched.watch.follow({"GBPUSD": ALWAYS, "USDJPY": ALWAYS}, 8.0)
    watched.watch.heard(["EURUSD"], 8.0)
    look = watched.look(10.0)
    assert look.symbols == (("GBPUSD", "stale", 10.0),)
    assert watched.watch.silent_s("USDJPY", 10.0) == 2.0
    assert watched.watch.silent_s(None, 10.0) == 2.0


@pytest.mark.parametrize("late", [0.0, 1e6])
@given(
    heard=st.lists(st.tuples(st.floats(0.1, 30), st.sets(st.sampled_from(["EURUSD", "GBPUSD", "BTCUSD"]))), max_size=40)
)
def test_whatever_is_heard(late: float, heard: list[tuple[float, set[str]]]) -> None:
    """A symbol that spoke lately is never stale, one step at most is due at a time, and none while all are closed."""
    watched = Watched({"EURUSD": WEEKDAYS, "GBPUSD": WEEKDAYS, "BTCUSD": ALWAYS}, begins_msc=FRIDAY + round(late))
    at, spoke, shown = 0.0, dict.fromkeys(["EURUSD", "GBPUSD", "BTCUSD"], 0.0), {}
    for pause, names in heard:
        at += pause
        watched.watch.heard(names, at)
        spoke |= dict.fromkeys(names, at)
        look = watched.look(at)
        shown |= {name: state for name, state, _ in look.symbols}
        assert len(look.steps) <= 1
        assert not (look.closed and look.steps)
        for name, when in spoke.items():
            state = shown.get(name, "live")
            assert state == "live" or at - when >= 10.0
            assert name != "BTCUSD" or state != "closed"
            assert state != "stale" or name == "BTCUSD" or WEEKDAYS.is_open(watched.begins_msc + round(at * 1000))


def test_a_symbol_that_is_rarely_quoted_is_tried_ever_more_rarely() -> None:
    """It comes back by itself each time; only one that has spoken for twice as long as the pause begins anew."""
    watched, found, at = Watched(), [], 0.0
    while at <= 7200.0:
        watched.watch.heard(["EURUSD"], at)
        if at % 15.0 == 0.0:
            watched.watch.heard(["GBPUSD"], at)
        found += [at for step in watched.look(at).steps if step.symbols == ("GBPUSD",)]
        at += 0.5
    assert found[0] == 10.0
    assert len(found) <= 20
    while at <= 9000.0:
        watched.watch.heard(["EURUSD", "GBPUSD"], at)
        assert watched.look(at).steps == ()
        at += 0.5
    silent_from = at
    found = []
    while at <= silent_from + 25.0:
        watched.watch.heard(["EURUSD"], at)
        found += [at for _ in watched.look(at).steps]
        at += 0.5
    assert [each - silent_from for each in found] == [9.5, 19.5]


def test_a_clock_that_is_set_right_does_not_keep_a_market_closed() -> None:
    """Found closed by a clock that ran two days ahead, and dead by the right one: it is got going again."""
    watched = Watched({"EURUSD": WEEKDAYS}, begins_msc=FRIDAY + 3_600_000)
    assert watched.look(10.0).closed is True
    watched.begins_msc = FRIDAY - 2 * 86_400_000
    watched.look(10.5)
    assert [step.recovery for step in watched.look(21.0).steps] == [RESUBSCRIBE]
