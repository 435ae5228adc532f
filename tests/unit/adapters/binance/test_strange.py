"""Words that are new are counted, and there is a bound."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from quantmind.adapters.binance.market_wire import OtherMarket
from quantmind.adapters.binance.records import BalancesSaid, Fill, Holding, Order, OrderSaid, OtherSaid
from quantmind.adapters.binance.strange import FURTHER, LONGEST, MOST, Record, Strange
from quantmind.domain.orders import Side

ONE = Decimal(1)
ORDER = Order("BTCUSDT", 1, "a", Side.BUY, "LIMIT", "NEW", ONE)
FILL = Fill("BTCUSDT", 1, 1, Side.BUY, ONE, ONE, ONE, "BNB", 1)
HOLDING = Holding("BTCUSDT", "LONG", ONE, ONE)


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (ORDER, None),
        (attrs.evolve(ORDER, status="ZZ"), "status=ZZ"),
        (attrs.evolve(ORDER, kind="ZZ"), "type=ZZ"),
        (attrs.evolve(ORDER, position_side="ZZ"), "positionSide=ZZ"),
        (OrderSaid(ORDER, 1, execution="TRADE"), None),
        (OrderSaid(ORDER, 1, execution="ZZ"), "execution=ZZ"),
        (OrderSaid(attrs.evolve(ORDER, status="ZZ"), 1, execution="NEW"), "status=ZZ"),
        (BalancesSaid((), 1), None),
        (BalancesSaid((), 1, reason="FUNDING_FEE"), None),
        (BalancesSaid((), 1, reason="ZZ"), "reason=ZZ"),
        (BalancesSaid((), 1, (attrs.evolve(HOLDING, position_side="ZZ"),), "ORDER"), "positionSide=ZZ"),
        (OtherSaid("listStatus", True), None),
        (OtherSaid("ZZ", False), "event=ZZ"),
        (FILL, None),
        (attrs.evolve(FILL, position_side="ZZ"), "positionSide=ZZ"),
        (HOLDING, None),
        (OtherMarket("depthUpdate"), None),
        (OtherMarket("ZZ"), "market=ZZ"),
    ],
)
def test_what_is_new_is_counted(record: Record, key: str | None) -> None:
    """And what is known is not."""
    strange = Strange()
    assert strange.look(record) is (key is not None)
    assert strange.snapshot() == ({} if key is None else {key: 1})


def test_there_is_a_bound() -> None:
    """Of further words only their number is kept; those that are counted already go on."""
    strange = Strange()
    for number in range(MOST + 10):
        strange.note("status", str(number))
    strange.note("status", "3")
    counts = strange.snapshot()
    assert len(counts) == MOST + 1
    assert (counts[FURTHER], counts["status=3"]) == (10, 2)


def test_words_are_made_fit_to_be_shown() -> None:
    """Cut short, and without what a terminal would obey."""
    strange = Strange()
    strange.note("status", "\x1b[2J" + "x" * 200)
    (key,) = strange.snapshot()
    assert key.isprintable()
    assert len(key) == LONGEST
