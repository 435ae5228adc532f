"""The circuit breaker: when it opens, what its probe decides, and that paths do not hide each other's failures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.domain.breaker import Breaker, BreakerState, Path

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def broken(path: Path = Path.ORDERS, now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(path, "no answer", now)
    return breaker


def test_five_failures_in_a_row_open_it_for_a_minute() -> None:
    """Four do not; the fifth does, and after 60 s a probe counts."""
    breaker = Breaker()
    for number in range(1, 5):
        breaker.failed(Path.ORDERS, "no answer", 1.0)
        assert (breaker.state(1.0), breaker.in_a_row(Path.ORDERS)) == (CLOSED, number)
        assert breaker.refusal(1.0) is None
    breaker.failed(Path.ORDERS, "no answer", 2.0)
    assert breaker.state(2.0) is breaker.state(61.999) is OPEN
    assert breaker.state(62.0) is HALF_OPEN
    assert (breaker.since, breaker.path, breaker.opened, breaker.probe_in_s(12.0)) == (2.0, Path.ORDERS, 1, 50.0)
    said = breaker.refusal(12.0)
    assert said is not None
    assert "5 calls in a row failed (no answer)" in said
    assert "tried in 50 s" in said
    assert "what reduces risk goes through" in said


def test_an_answer_in_between_begins_the_row_anew() -> None:
    """Failures that are not in a row do not open it."""
    breaker = Breaker()
    for _ in range(20):
        for _ in range(4):
            breaker.failed(Path.ACCOUNT, "x", 0.0)
        breaker.answered(Path.ACCOUNT, 0.0)
    assert breaker.state(0.0) is CLOSED
    assert breaker.failures == 80


def test_paths_do_not_hide_each_other() -> None:
    """Prices that come do not end a row of orders without an answer."""
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(Path.ORDERS, "no answer", 0.0)
        breaker.answered(Path.MARKET, 0.0)
        breaker.answered(Path.ACCOUNT, 0.0)
    assert breaker.state(0.0) is OPEN


def test_a_lesser_answer_ends_no_row() -> None:
    """A connection that is made and gives no prices, again and again, is no success."""
    breaker = Breaker()
    for _ in range(5):
        breaker.answered(Path.MARKET, 0.0, proof=False)
        breaker.failed(Path.MARKET, "silent", 0.0)
    assert breaker.state(0.0) is OPEN


def test_what_is_answered_while_it_is_open_does_not_close_it() -> None:
    """The time is waited out: a broker that comes and goes is left alone."""
    breaker = broken()
    breaker.answered(Path.ORDERS, 30.0)
    assert breaker.state(30.0) is OPEN


def test_a_probe_that_is_answered_closes_it() -> None:
    """And the row begins anew."""
    breaker = broken()
    breaker.answered(Path.ORDERS, 60.0)
    assert (breaker.state(60.0), breaker.in_a_row(Path.ORDERS), breaker.path, breaker.reason) == (CLOSED, 0, None, None)
    breaker.failed(Path.ORDERS, "again", 61.0)
    assert breaker.state(61.0) is CLOSED


def test_a_probe_that_fails_opens_it_for_another_minute() -> None:
    """One is enough, and it is said that it opened again."""
    breaker = broken()
    breaker.failed(Path.ORDERS, "still nothing", 70.0)
    assert (breaker.state(129.9), breaker.state(130.0), breaker.opened) == (OPEN, HALF_OPEN, 2)
    assert "still nothing" in str(breaker.refusal(100.0))


def test_a_lesser_probe_closes_it_on_probation() -> None:
    """A look-up that works lets orders be tried; the first one that fails opens it again, one that works ends that."""
    breaker = broken()
    breaker.answered(Path.ORDERS, 60.0, proof=False)
    assert breaker.state(60.0) is CLOSED
    breaker.failed(Path.ORDERS, "no answer", 61.0)
    assert breaker.state(61.0) is OPEN
    breaker.answered(Path.ORDERS, 130.0, proof=False)
    breaker.answered(Path.ORDERS, 131.0)
    breaker.failed(Path.ORDERS, "no answer", 132.0)
    assert breaker.state(132.0) is CLOSED


def test_only_the_path_that_failed_is_probed() -> None:
    """Prices that come say nothing of orders."""
    breaker = broken(Path.ORDERS)
    breaker.answered(Path.MARKET, 60.0)
    assert breaker.state(60.0) is HALF_OPEN
    assert breaker.wants_probe(Path.ORDERS, 60.0)
    assert not breaker.wants_probe(Path.MARKET, 60.0)


def test_another_path_that_fails_meanwhile_opens_it_again() -> None:
    """A row of its own, as ever."""
    breaker = broken(Path.ORDERS)
    for _ in range(5):
        breaker.failed(Path.MARKET, "gone", 65.0)
    assert (breaker.state(65.0), breaker.path) == (OPEN, Path.MARKET)
    breaker.answered(Path.MARKET, 130.0)
    assert breaker.state(130.0) is CLOSED
    breaker.failed(Path.ORDERS, "no answer", 131.0)
    assert (breaker.state(131.0), breaker.path) == (OPEN, Path.ORDERS)


@pytest.mark.parametrize(("field", "value"), [("most", 0), ("open_s", 0.0), ("open_s", -1.0)])
def test_numbers_that_make_no_breaker(field: str, value: float) -> None:
    """One that opens by itself, or never stays open, is refused."""
    with pytest.raises(ValueError, match=field):
        Breaker(**{field: value})  # type: ignore[arg-type]


STEPS = st.lists(
    st.tuples(st.sampled_from(Path), st.sampled_from(["fail", "proof", "lesser"]), st.floats(0, 40)), max_size=60
)


@given(STEPS)
def test_whatever_comes(steps: list[tuple[Path, str, float]]) -> None:
    """It opens by a full row or a failed probe only, says why exactly while it refuses, and closes by a probe only."""
    breaker, now = Breaker(), 0.0
    for path, what, later in steps:
        now += later
        before, probe, row = breaker.state(now), breaker.wants_probe(path, now), breaker.in_a_row(path)
        if what == "fail":
            breaker.failed(path, "x", now)
            opens = probe or (before is not OPEN and row + 1 >= 5)
            assert breaker.state(now) is (OPEN if opens else before)
        else:
            breaker.answered(path, now, proof=what == "proof")
            assert breaker.state(now) is (CLOSED if probe else before)
        refuses = breaker.state(now) is not CLOSED
        assert (breaker.refusal(now) is not None) == refuses == (breaker.path is not None)
        assert 0 <= breaker.probe_in_s(now) <= 60 + 1e-9


def test_what_is_answered_meanwhile_does_not_change_why_it_opened() -> None:
    """People read of the failures that opened it, also after a close was answered."""
    breaker = broken()
    breaker.answered(Path.ORDERS, 30.0)
    assert "5 calls in a row failed" in str(breaker.refusal(30.0))
    assert "5 calls in a row failed" in str(breaker.refusal(60.0))
