"""Orders as they are told: late, twice, and in another order."""

from __future__ import annotations

from decimal import Decimal

import attrs
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.orders_kept import MOST_ENDED, OrdersKept, key_of
from quantmind.adapters.binance.records import Life, Order
from quantmind.domain.orders import Side

D = Decimal
ORDER = Order("BTCUSDT", 1, "a", Side.BUY, "LIMIT", "NEW", D(4), price=D(100), time_msc=1, updated_msc=1)
LIFE = [
    ORDER,
    attrs.evolve(ORDER, status="PARTIALLY_FILLED", filled=D(1), updated_msc=2),
    attrs.evolve(ORDER, status="PARTIALLY_FILLED", filled=D(3), updated_msc=3),
    attrs.evolve(ORDER, status="FILLED", filled=D(4), updated_msc=4),
]


@given(st.permutations([*LIFE, *LIFE]))
def test_the_end_is_the_same_in_any_order(said: list[Order]) -> None:
    """News that are late or told twice change nothing."""
    kept = OrdersKept()
    for each in said:
        kept.take(each)
    assert list(kept) == []
    assert kept.named("BTCUSDT", "a") == LIFE[-1]


def test_an_order_that_is_over_does_not_come_back() -> None:
    """Its beginning, told after its end, is old."""
    kept = OrdersKept()
    kept.take(attrs.evolve(ORDER, status="CANCELED", updated_msc=5))
    assert not kept.take(attrs.evolve(ORDER, updated_msc=9))
    assert list(kept) == []


def test_a_fill_after_the_end_counts() -> None:
    """A cancellation and a fill may cross: more was filled than was said at first."""
    kept = OrdersKept()
    kept.take(attrs.evolve(ORDER, status="CANCELED", updated_msc=5))
    kept.take(attrs.evolve(ORDER, status="CANCELED", filled=D(1), updated_msc=5))
    order = kept.named("BTCUSDT", "a")
    assert order is not None
    assert (order.filled, order.life) == (D(1), Life.ENDED)


def test_a_snapshot_has_all_that_is_open() -> None:
    """What it does not have waits no more; orders of other symbols are not its."""
    kept = OrdersKept()
    other = attrs.evolve(ORDER, symbol="ETHUSDT")
    kept.take(ORDER)
    kept.take(other)
    new = attrs.evolve(ORDER, order_id=2, client_id="b")
    kept.begin([new], ["BTCUSDT"])
    assert {key_of(each) for each in kept} == {key_of(new), key_of(other)}


def test_ids_are_of_one_symbol_and_kind() -> None:
    """Two symbols may use one id, and conditional orders have ids of their own."""
    kept = OrdersKept()
    orders = [ORDER, attrs.evolve(ORDER, symbol="ETHUSDT"), attrs.evolve(ORDER, conditional=True)]
    for each in orders:
        kept.take(each)
    assert list(kept) == orders


def test_a_status_that_is_new_to_us_is_open_and_strange() -> None:
    """Nobody guesses what it means; the order is shown as long as nothing else is said."""
    kept = OrdersKept()
    kept.take(attrs.evolve(ORDER, status="HALF_ASLEEP"))
    (order,) = kept
    assert order.life is Life.STRANGE


def test_those_that_are_over_are_bounded() -> None:
    """The oldest are forgotten, by their names, too."""
    kept = OrdersKept()
    for number in range(MOST_ENDED + 10):
        kept.take(attrs.evolve(ORDER, order_id=number, client_id=f"c{number}", status="FILLED", filled=D(4)))
    assert kept.named("BTCUSDT", "c9") is None
    assert kept.named("BTCUSDT", "c10") is not None
