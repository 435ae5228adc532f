"""BC-070 to BC-079: what a broker refuses. Each is refused with a code, in plain words, with nothing done."""

from __future__ import annotations

from decimal import Decimal

import pytest
from conformance.desk import Desk, approved, new_tag

from quantmind.domain.orders import Absent, Placed, Side
from quantmind.domain.retcodes import Retcode


async def test_bc_070_volumes_off_the_grid(desk: Desk) -> None:
    """Volumes between two steps, below the minimum, above the maximum, of 0, below 0 and not a number are refused."""
    spec = desk.spec
    wrong = [spec.volume_min + spec.volume_step / 2, spec.volume_min - spec.volume_step, spec.volume_max * 2]
    for lots in (*wrong, Decimal(0), -spec.volume_min, Decimal("NaN"), Decimal("Infinity")):
        await desk.refused(desk.order(lots=lots), Retcode.INVALID_VOLUME)


async def test_bc_071_an_unknown_symbol(desk: Desk) -> None:
    """A symbol that is not traded is refused."""
    await desk.refused(desk.order(lots=desk.lots, symbol="NOSUCH"), Retcode.INVALID, Retcode.INVALID_ORDER)


async def test_bc_072_more_than_the_account_can_carry(desk: Desk) -> None:
    """An order that the account has no money for is refused."""
    await desk.refused(desk.order(lots=desk.spec.floor_volume(desk.spec.volume_max)), Retcode.NO_MONEY)


async def test_bc_073_an_order_without_a_side(desk: Desk) -> None:
    """An order that is neither a buy nor a sell is refused."""
    await desk.refused(desk.order(side=None), Retcode.INVALID, Retcode.INVALID_ORDER)  # type: ignore[arg-type]


async def test_bc_074_a_refusal_leaves_the_next_order_alone(desk: Desk) -> None:
    """After refusals the next order is carried out, under a tag that was refused before, too."""
    tag = new_tag()
    outcome = await desk.place(desk.order(lots=desk.spec.volume_min / 2), tag)
    assert not isinstance(outcome, Placed)
    placed = await desk.placed(desk.order(), tag)
    assert await desk.find(tag) == placed


@pytest.mark.parametrize("tag", ["", "x" * 17])
async def test_bc_075_a_tag_that_no_broker_keeps(desk: Desk, tag: str) -> None:
    """A tag that is empty or longer than 16 characters is a mistake of ours: ValueError, and nothing is sent."""
    before = await desk.holdings()
    with pytest.raises(ValueError, match="16"):
        await desk.broker.place(approved(desk.order()), tag)
    assert await desk.holdings() == before


async def test_bc_076_a_tag_of_full_length(desk: Desk) -> None:
    """All 16 characters of a tag count: two tags that differ in the last one alone are two."""
    stem = new_tag()[:15]
    placed = await desk.placed(desk.order(), stem + "0")
    assert await desk.find(stem + "0") == placed
    assert await desk.find(stem + "1") == Absent()
    assert await desk.find(stem) == Absent()


async def test_bc_077_an_order_that_may_be_made_smaller(desk: Desk) -> None:
    """One of which less would do (`reduce`) opens like any other, and adds, and has its own direction."""
    sides = [Side.BUY, Side.BUY, *([Side.SELL] if desk.shorts else [])]
    for number, side in enumerate(sides, 1):
        outcome = await desk.placed(desk.order(side, reduce=True))
        assert outcome.volume == desk.lots
        made = [(each.side, each.volume) for each in await desk.deals()]
        assert made == [(each, desk.lots) for each in sides[:number]]
