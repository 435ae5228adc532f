"""How fast a client may send."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quantmind.wire.ws_rate import FORGIVEN_AFTER_S, PATIENCE_S, Pace, RateLimit


def test_a_burst_of_a_second_is_fine() -> None:
    """As many messages as a second allows may come at once, one more may not."""
    rate = RateLimit(10, 0.0)
    assert [rate.take(0.0) for _ in range(11)] == [Pace.OK] * 10 + [Pace.LIMITED]


def test_the_allowed_rate_is_never_limited() -> None:
    """At exactly the rate nothing is refused, for ever."""
    rate = RateLimit(8, 0.0)
    assert all(rate.take(n * 0.125) is Pace.OK for n in range(1, 2000))


def test_twice_the_rate_is_closed_after_five_seconds() -> None:
    """Although every other message is accepted, the client is over its rate all the time."""
    rate = RateLimit(8, 0.0)
    paces = [(n / 16, rate.take(n / 16)) for n in range(200)]
    first = next(at for at, pace in paces if pace is Pace.LIMITED)
    closed = next(at for at, pace in paces if pace is Pace.EXCEEDED)
    assert PATIENCE_S < closed - first <= PATIENCE_S + 0.2


def test_being_over_now_and_then_is_forgiven() -> None:
    """Bursts that are too large, with pauses between, are limited and never closed."""
    rate = RateLimit(10, 0.0)
    for burst in range(20):
        at = burst * (FORGIVEN_AFTER_S + 0.5)
        paces = [rate.take(at) for _ in range(30)]
        assert paces[-1] is Pace.LIMITED


@given(st.lists(st.floats(min_value=0, max_value=0.5), max_size=200), st.integers(1, 50))
def test_never_more_than_the_rate(gaps: list[float], per_s: int) -> None:
    """In any span, no more pass than a burst and what the rate gives."""
    rate, now, passed = RateLimit(per_s, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        passed += rate.take(now) is Pace.OK
    assert passed <= per_s + now * per_s + 1e-6
