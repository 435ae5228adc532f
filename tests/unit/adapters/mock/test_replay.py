"""The pace of a replay: each tick once, in order, when it is due."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock import Replay, ReplayError
from quantmind.domain.symbols import usual_spec

NAME = "20140508_eurusd_tick_quote.csv"
MIDNIGHT = 1_399_507_200_000
SPECS = {"EURUSD": usual_spec("EURUSD")}


def recording(folder, times, name=NAME):
    path = folder / name
    path.write_text("".join(f"{ms},1.1,1.2\n" for ms in times))
    return path


FEEDS = []
SEEN = []


@pytest.fixture(autouse=True)
def closed_feeds():
    """A feed that a test leaves in the middle of its file lets go of it."""
    yield
    SEEN.clear()
    while FEEDS:
        FEEDS.pop().close()


def opened(path, specs=SPECS, **more):
    feed = Replay(path, specs=specs, **more)
    FEEDS.append(feed)
    feed.open()
    return feed


def all_times(steps):
    return [ms for step in steps for ms in times(step)]


def times(step):
    """The times of new ticks; the last one is given again, as the same object, while nothing is due."""
    new = [quote for quote in step.quotes if not any(quote is seen for seen in SEEN[-1:])]
    SEEN.extend(new)
    return [quote.time_msc - MIDNIGHT for quote in new]


def test_real_time_keeps_the_recorded_gaps(tmp_path):
    """The first tick comes at once, the others as long after it as they were recorded; then it has ended."""
    feed = opened(recording(tmp_path, [5000, 5100, 5100, 5400, 9000]))
    assert times(feed.advance(50.0)) == [5000]
    assert times(feed.advance(50.099)) == []
    assert times(feed.advance(50.1)) == [5100, 5100]
    assert times(feed.advance(50.41)) == [5400]
    step = feed.advance(60.0)
    assert (times(step), step.ended, feed.paced) == ([9000], True, True)
    step = feed.advance(61.0)
    assert (times(step), step.ended) == ([], True)


def test_the_last_tick_is_given_again_in_a_quiet_stretch(tmp_path):
    """It confirms the price, as a terminal does; not before the first tick and not after the end."""
    feed = opened(recording(tmp_path, [0, 60_000]), waits=True)
    assert feed.advance(0.0).quotes == ()
    feed.start()
    (first,) = feed.advance(1.0).quotes
    assert feed.advance(1.1).quotes == (first,)
    assert feed.advance(60.9).quotes == (first,)
    (second,) = feed.advance(61.0).quotes
    assert second is not first
    assert not feed.advance(61.1).quotes


def test_ten_times_as_fast(tmp_path):
    """Gaps are a tenth."""
    feed = opened(recording(tmp_path, [0, 1000, 2000]), speed=10.0)
    assert times(feed.advance(1.0)) == [0]
    assert times(feed.advance(1.09)) == []
    assert times(feed.advance(1.1)) == [1000]
    assert times(feed.advance(2.0)) == [2000]


def test_a_late_poll_gets_all_that_is_due_in_bounded_steps(tmp_path):
    """None is skipped, none is doubled, none comes early."""
    feed = opened(recording(tmp_path, range(10_000)))
    assert times(feed.advance(0.0)) == [0]
    steps = [times(feed.advance(5.0)) for _ in range(4)]
    assert [len(step) for step in steps] == [2048, 2048, 904, 0]
    assert [ms for step in steps for ms in step] == list(range(1, 5001))


def test_as_fast_as_it_is_taken(tmp_path):
    """Each step gives the next lines, whatever the clock says, until the end; then it is like a quiet feed."""
    feed = opened(recording(tmp_path, range(600)), speed=0.0)
    steps = []
    while not feed.paced:
        steps.append(feed.advance(0.0))
    assert all_times(steps) == list(range(600))
    assert max(len(step.quotes) for step in steps) == 256
    assert [step.ended for step in steps] == [False, False, True]
    assert feed.advance(0.0).ended


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_it_waits_for_its_start_when_asked_to(tmp_path, speed):
    """Paced and empty before; the gaps are counted from the first step after it."""
    feed = opened(recording(tmp_path, [0, 1000]), speed=speed, waits=True)
    for now in (1.0, 5.0):
        assert times(feed.advance(now)) == []
        assert feed.paced
    feed.start()
    feed.start()
    assert feed.paced is (speed > 0)
    assert times(feed.advance(100.0))[0] == 0
    if speed:
        assert times(feed.advance(100.9)) == []
        assert times(feed.advance(101.0)) == [1000]


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_crossed_quotes_are_counted_in_their_step_and_said_once_and_at_the_end(tmp_path, caplog, speed):
    """Not once for each of them."""
    caplog.set_level(logging.INFO, "quantmind.adapters.mock.replay")
    path = tmp_path / NAME
    path.write_text("".join(f"{n},{1.3 if n % 2 else 1.1},1.2\n" for n in range(2000)))
    feed = opened(path, speed=speed)
    steps = [feed.advance(now) for now in range(20)]
    assert sum(step.crossed for step in steps) == 1000
    assert all_times(steps) == list(range(0, 2000, 2))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_a_long_crossed_stretch_does_not_stop_it(tmp_path, speed):
    """At any speed the next sound tick comes in the end."""
    path = tmp_path / NAME
    path.write_text("0,1.1,1.2\n" + "1,1.3,1.2\n" * 5000 + "2,1.1,1.2\n")
    feed = opened(path, speed=speed)
    steps = [feed.advance(1.0 + n) for n in range(40)]
    assert all_times(steps) == [0, 2]
    assert steps[-1].ended


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_a_bad_line_stops_it_for_good_after_what_stood_before(tmp_path, speed):
    """Every later step and every new opening say the same error."""
    path = tmp_path / NAME
    path.write_text("0,1.1,1.2\n1,1.1,1.2\nhello\n2,1.1,1.2\n")
    feed = opened(path, speed=speed)
    seen = times(feed.advance(1.0))
    if speed:
        seen += times(feed.advance(2.0))
    assert seen == [0, 1]
    for _ in range(2):
        with pytest.raises(ReplayError, match="line 3"):
            feed.advance(3.0)
        with pytest.raises(ReplayError, match="line 3"):
            feed.open()
    assert feed.paced


def test_the_symbol_of_the_file_is_found_in_any_case(tmp_path):
    """LEAN writes small letters, brokers capitals and some small suffixes."""
    path = recording(tmp_path, [0], "20140508_eurusd.r_tick_quote.csv")
    feed = opened(path, {"EURUSD.r": usual_spec("EURUSD.r")})
    assert feed.advance(0.0).quotes[0].symbol == "EURUSD.r"


def test_a_recording_of_a_symbol_that_is_not_traded_is_refused(tmp_path):
    """It names both, so that one of them can be put right."""
    with pytest.raises(ReplayError, match=r"NZDUSD.*EURUSD"):
        opened(recording(tmp_path, [0], "20140508_nzdusd_tick_quote.csv"))
    with pytest.raises(ReplayError, match=r"GBPUSD.*EURUSD"):
        opened(recording(tmp_path, [0]), symbol="GBPUSD")


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(tmp_path, speed):
    """Below 0, or not a number."""
    with pytest.raises(ValueError, match="pace"):
        Replay(tmp_path, specs=SPECS, speed=speed)


def test_a_step_before_it_is_open_is_refused(tmp_path):
    """It would look like a quiet market."""
    with pytest.raises(ReplayError, match="not open"):
        Replay(tmp_path / NAME, specs=SPECS).advance(0.0)


@given(
    gaps=st.lists(st.sampled_from([0, 0, 1, 10, 500, 3000]), min_size=1, max_size=400),
    polls=st.lists(st.floats(0, 5), min_size=1, max_size=30),
    speed=st.sampled_from([0.5, 1.0, 7.0, 1000.0]),
)
@settings(max_examples=100, deadline=None)
def test_whenever_it_is_polled_each_tick_comes_once_in_order_and_never_early(tmp_path_factory, gaps, polls, speed):
    """And what is due has come by the second poll after it."""
    at = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    feed = opened(recording(tmp_path_factory.mktemp("r"), at), speed=speed)
    now, seen = 0.0, []
    began = None
    for wait in polls:
        now += wait
        began = now if began is None else began
        seen += times(feed.advance(now))
        due = [ms for ms in at if began + (ms - at[0]) / 1000 / speed <= now]
        assert seen == due
