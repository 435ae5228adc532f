"""A door's places: nobody takes those of all others, and what reduces risk finds one for longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.edges.bulkheads import Bulkheads, Claim


def fill(bulkheads: Bulkheads, claim: Claim) -> str:
    """Take all the places there are for it; what has none left."""
    while (refusal := bulkheads.refusal(claim)) is None:
        bulkheads.take(claim)
    return refusal[0]


def test_a_sender_has_a_quarter() -> None:
    """One that floods is refused for itself, and others still have places."""
    bulkheads = Bulkheads(64)
    assert fill(bulkheads, Claim("flood")) == "sender"
    assert bulkheads.refusal(Claim("other")) is None
    assert bulkheads.refusal(Claim("flood", reduces=True)) is None


def test_a_broker_that_hangs_leaves_the_others_theirs() -> None:
    """However many wait for one broker, from however many senders, orders for another have their full part."""
    bulkheads = Bulkheads(64, brokers=2)
    number = 0
    while (refusal := bulkheads.refusal(Claim(number, "hangs"))) is None:
        bulkheads.take(Claim(number, "hangs"))
        number += 1
    assert (refusal[0], number) == ("broker", 28)
    for other in range(28):
        assert bulkheads.refusal(Claim(-1 - other, "works")) is None
        bulkheads.take(Claim(-1 - other, "works"))


def test_closes_find_a_place_where_opens_find_none() -> None:
    """An eighth of the door, and of each broker's part, is for what reduces risk."""
    bulkheads = Bulkheads(64)
    number = 0
    while bulkheads.refusal(Claim(number, "demo")) is None:
        bulkheads.take(Claim(number, "demo"))
        number += 1
    assert bulkheads.refusal(Claim("new", "demo")) == ("door", "56 commands are in flight already")
    for close in range(8):
        assert bulkheads.refusal(Claim(f"close{close}", "demo", reduces=True)) is None
        bulkheads.take(Claim(f"close{close}", "demo", reduces=True))
    assert bulkheads.refusal(Claim("close", "demo", reduces=True)) == ("door", "64 commands are in flight already")


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_a_small_door_still_takes_one_of_each(most: int) -> None:
    """No share is ever less than one place."""
    assert Bulkheads(most, brokers=3).refusal(Claim("ea", "demo")) is None


CLAIMS = st.builds(Claim, st.integers(0, 3), st.sampled_from(["a", "b", None]), st.booleans())


@given(st.lists(CLAIMS, max_size=200), st.integers(1, 40))
def test_what_is_given_back_is_free_again(claims: list[Claim], most: int) -> None:
    """Never more than all places are taken, and after the last has left the door is as it was."""
    bulkheads = Bulkheads(most, brokers=2)
    inside: list[Claim] = []
    for claim in claims:
        if bulkheads.refusal(claim) is None:
            bulkheads.take(claim)
            inside.append(claim)
        elif inside:
            bulkheads.leave(inside.pop(len(inside) // 2))
        assert len(inside) <= most
    for claim in inside:
        bulkheads.leave(claim)
    empty = Bulkheads(most, brokers=2)
    assert (bulkheads._taken, bulkheads._senders, bulkheads._brokers) == (empty._taken, empty._senders, empty._brokers)
