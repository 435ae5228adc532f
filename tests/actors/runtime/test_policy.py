"""Who restarts, when, and how often: rules without Trio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import Backoff, RestartWindow, Strategy, affected

names = st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=8, unique=True)
times = st.lists(st.floats(0, 1000), max_size=40).map(sorted)


@given(names, st.data())
def test_affected_keeps_start_order_and_includes_the_failed(order, data):
    """Whoever restarts together does so in start order, and the failed one is among them."""
    failed = data.draw(st.sampled_from(order))
    for strategy in Strategy:
        group = affected(strategy, order, failed)
        assert failed in group
        assert group == [name for name in order if name in group]


@given(names, st.data())
def test_affected_by_strategy(order, data):
    """One for one takes one, one for all takes all, rest for one takes the failed one and those after it."""
    failed = data.draw(st.sampled_from(order))
    assert affected(Strategy.ONE_FOR_ONE, order, failed) == [failed]
    assert affected(Strategy.ONE_FOR_ALL, order, failed) == order
    rest = affected(Strategy.REST_FOR_ONE, order, failed)
    assert order[len(order) - len(rest) :] == rest
    assert rest[0] == failed


def test_backoff_doubles_up_to_its_cap():
    """Each wait in a row is twice the one before, and none is above the cap."""
    steady = Backoff(first=1.0, cap=6.0, jitter=lambda: 1.0)
    assert [steady.delay(attempt) for attempt in range(5)] == [1, 2, 4, 6, 6]


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 100), st.floats(0, 1000))
def test_backoff_stays_between_half_and_all_of_its_ceiling(attempt, jitter, first, cap):
    """Jitter takes away at most half of the wait and never adds to it."""
    ceiling = Backoff(first, cap, jitter=lambda: 1.0).delay(attempt)
    assert ceiling / 2 <= Backoff(first, cap, jitter=lambda: jitter).delay(attempt) <= ceiling <= cap


@given(st.integers(-1, 100), st.floats(0, 200))
def test_backoff_starts_over_after_a_long_ready_time(previous, ready_for):
    """The row of restarts is broken by an incarnation that was ready for long enough, and by nothing else."""
    backoff = Backoff(reset_after=60)
    assert backoff.attempt(previous, ready_for) == (0 if ready_for >= 60 else previous + 1)


@given(times, st.integers(0, 5), st.floats(0.1, 100))
def test_window_admits_exactly_what_it_says(moments, most, within):
    """A restart is refused exactly when it would be more than `most` within `within` seconds."""
    window = RestartWindow(most, within)
    past: tuple[float, ...] = ()
    for now in moments:
        recent = [time for time in past if now - time <= within]
        admitted = window.admit(past, now)
        assert (admitted is None) == (len(recent) + 1 > most)
        if admitted is None:
            break
        assert list(admitted) == [*recent, now]
        past = admitted


@pytest.mark.parametrize("bad", [lambda: Backoff(first=-1), lambda: RestartWindow(-1), lambda: RestartWindow(1, 0)])
def test_nonsense_is_refused(bad):
    """A negative wait, a negative count or an empty window is a fault of the set-up."""
    with pytest.raises(ValueError, match="must be"):
        bad()
