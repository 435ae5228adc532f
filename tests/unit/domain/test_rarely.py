"""How often what repeats is told."""

from __future__ import annotations

from quantmind.domain.rarely import Rarely


def test_the_first_is_told_and_then_one_in_a_while():
    """The first at once, then none before the time is over, and then all of them in one number."""
    rarely = Rarely(10.0)
    assert rarely.due("a", 100.0) == 1
    assert [rarely.due("a", at) for at in (100.0, 105.0, 109.9)] == [0, 0, 0]
    assert rarely.due("a", 110.0) == 4
    assert rarely.due("a", 119.9) == 0
    assert rarely.due("a", 500.0) == 2


def test_each_key_has_its_own_time():
    """What one thing said does not silence another."""
    rarely = Rarely(10.0)
    assert rarely.due("a", 0.0) == 1
    assert rarely.due("b", 1.0) == 1
    assert rarely.due("a", 1.0) == 0
