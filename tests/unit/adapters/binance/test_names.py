"""Client order ids and the gateway's numbers."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.names import Name, Role, client_id, name_of, number, order_number, tag_number

TAGS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=16)
ALLOWED = re.compile(r"[a-zA-Z0-9_-]{1,36}\Z")


@given(st.sampled_from(Role), TAGS, st.one_of(st.just(""), TAGS))
def test_a_name_is_read_as_it_was_made(role: Role, tag: str, by: str) -> None:
    """Role and tags come back, and the exchange takes the id, whatever the tags are."""
    said = client_id(role, tag, by)
    assert ALLOWED.match(said)
    assert name_of(said) == Name(role, tag, by)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_none(said: str) -> None:
    """What somebody else called an order never raises, and what is read as ours is written the same."""
    name = name_of(said)
    assert name is None or str(name) == said


@pytest.mark.parametrize(
    "said", ["", "Q", "Qo", "Qo1", "Qx1a", "Qo0a", "QoH" + "a" * 17, "Qo2a", "web_abc", "Qo1a" + "b" * 17]
)
def test_what_is_none_of_ours(said: str) -> None:
    """An id of another program, one that was cut, or one with too long a tag."""
    assert name_of(said) is None


@pytest.mark.parametrize(("tag", "by"), [("", ""), ("a" * 17, ""), ("a", "b" * 17)])
def test_a_tag_that_does_not_fit(tag: str, by: str) -> None:
    """One that the exchange would not keep whole is a mistake of ours."""
    with pytest.raises(ValueError, match="16"):
        client_id(Role.ORDER, tag, by)


def test_numbers_are_the_same_wherever_they_are_made() -> None:
    """They are made of words alone: these have to stay, since journals have them."""
    assert number("tag", "0123456789abcdef") == 6180315030810683
    assert number("deal", "BTCUSDT", 1) == 8076252491105000


@given(st.lists(st.one_of(TAGS, st.integers(0, 2**63)), min_size=1, max_size=3))
def test_a_number_fits_everywhere(words: list[str | int]) -> None:
    """From 1 to what a JSON number holds exactly in JavaScript."""
    assert 1 <= number(*words) < 2**53


def test_an_order_keeps_its_number_when_it_is_moved() -> None:
    """It goes by the request that placed it; of somebody else's by symbol and id, which two symbols may share."""
    moved = order_number("BTCUSDT", 8, client_id(Role.ORDER, "first", "second"))
    assert moved == order_number("BTCUSDT", 7, client_id(Role.ORDER, "first")) == tag_number("first")
    assert order_number("BTCUSDT", 7, "web_1") != order_number("ETHUSDT", 7, "web_1")
    assert order_number("BTCUSDT", 7, "web_1") != order_number("BTCUSDT", 7, "web_1", conditional=True)
