"""BC-060 to BC-069: orders that wait."""

from __future__ import annotations

import pytest
from conformance.desk import COMMENT, ORIGIN, SPREAD, Desk, new_tag
from conformance.subject import Capability, needs

from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Cancel, OrderType, Side
from quantmind.domain.retcodes import Retcode

NOT_WAITING = (Retcode.INVALID, Retcode.ORDER_CHANGED)


def cancelling(desk: Desk, ticket: int) -> Cancel:
    return Cancel(ORIGIN, desk.broker.name, ticket)


@needs(Capability.PENDING)
async def test_bc_060_a_limit_order_waits(desk: Desk) -> None:
    """A limit order is answered as waiting, without price or deal, listed as it was asked for, and trades nothing."""
    placed = await desk.placed(desk.limit(-500, sl=desk.level(-900)))
    assert placed.pending
    assert placed.ticket == placed.order > 0
    assert (placed.deal, placed.price, placed.volume) == (0, None, desk.lots)
    (order,) = await desk.orders()
    assert (order.ticket, order.symbol, order.side) == (placed.ticket, desk.symbol, Side.BUY)
    assert (order.order_type, order.volume, order.price) == (OrderType.LIMIT, desk.lots, desk.level(-500))
    assert (order.sl, order.tp, order.expiration_msc) == (desk.level(-900), None, None)
    assert abs(order.time_msc - desk.subject.wall() * 1000) <= 2000
    assert (list(await desk.positions()), list(await desk.deals())) == ([], [])


@needs(Capability.PENDING)
@pytest.mark.parametrize("side", list(Side))
async def test_bc_061_a_limit_order_fills(desk: Desk, side: Side) -> None:
    """A limit order that the market reaches fills once, at its price or better, and is a position and no order."""
    away = -500 if side is Side.BUY else 500
    tag = new_tag()
    placed = await desk.placed(desk.limit(away, side), tag)
    await desk.price(away // 2)
    assert await desk.waiting(placed.ticket) is not None
    bid, ask = await desk.price(away + (-30 if side is Side.BUY else 30))
    assert await desk.waiting(placed.ticket) is None
    (position,) = await desk.positions()
    assert (position.side, position.volume) == (side, desk.lots)
    price = position.price_open
    assert ask <= price <= desk.level(away) if side is Side.BUY else desk.level(away) <= price <= bid
    (deal,) = await desk.deals()
    assert (deal.order, deal.entry, deal.cause) == (placed.order, Entry.IN, Cause.CLIENT)
    found = await desk.found(tag)
    assert (found.pending, found.price, found.volume) == (False, price, desk.lots)
    assert (found.ticket, found.deal) == (position.ticket, deal.ticket)
    assert len(await desk.truth(tag)) == 1


@needs(Capability.STOP_ORDERS)
@pytest.mark.parametrize("side", list(Side))
async def test_bc_062_a_stop_order_fills(desk: Desk, side: Side) -> None:
    """A stop order waits until the market has gone through its price, and fills once, at its price or worse."""
    away = 500 if side is Side.BUY else -500
    tag = new_tag()
    placed = await desk.placed(desk.order(side, order_type=OrderType.STOP, price=desk.level(away)), tag)
    assert placed.pending
    await desk.price(away // 2)
    assert [(each.ticket, each.order_type) for each in await desk.orders()] == [(placed.ticket, OrderType.STOP)]
    await desk.price(away + (30 if side is Side.BUY else -30 - SPREAD))
    (position,) = await desk.positions()
    assert (position.price_open - desk.level(away)) * side.sign >= 0
    found = await desk.found(tag)
    assert (found.pending, found.volume, found.ticket) == (False, desk.lots, position.ticket)
    assert list(await desk.orders()) == []


@needs(Capability.PENDING, Capability.MAGIC)
async def test_bc_063_a_waiting_order_says_whose_it_is(desk: Desk) -> None:
    """A waiting order has the magic number and the comment that it was placed with, and so has what it becomes."""
    await desk.placed(desk.limit(-500))
    (order,) = await desk.orders()
    await desk.price(-600)
    (position,), (deal,) = await desk.positions(), await desk.deals()
    for each in (order, position, deal):
        assert (each.magic, each.comment) == (ORIGIN.magic, COMMENT)


@needs(Capability.PENDING, Capability.TAGS)
async def test_bc_064_a_waiting_order_hands_its_tag_on(desk: Desk) -> None:
    """A waiting order has its tag, and so have the position and the deal that it becomes."""
    tag = new_tag()
    await desk.placed(desk.limit(-500), tag)
    (order,) = await desk.orders()
    await desk.price(-600)
    (position,), (deal,) = await desk.positions(), await desk.deals()
    assert [each.tag for each in (order, position, deal)] == [tag, tag, tag]


@needs(Capability.PENDING)
async def test_bc_065_a_cancelled_order_is_gone(desk: Desk) -> None:
    """A cancelled order never fills, and find says that it waits no more and that nothing of it was filled."""
    tag = new_tag()
    placed = await desk.placed(desk.limit(-500), tag)
    await desk.placed(cancelling(desk, placed.ticket))
    assert list(await desk.orders()) == []
    await desk.price(-900)
    assert (list(await desk.positions()), list(await desk.deals())) == ([], [])
    found = await desk.found(tag)
    assert (found.pending, found.volume, found.deal) == (False, 0, 0)


@needs(Capability.PENDING)
async def test_bc_066_cancelling_what_does_not_wait(desk: Desk) -> None:
    """Cancelling a number that never was, an order that was cancelled already, or one that has filled is refused."""
    await desk.refused(cancelling(desk, 987_654_321), *NOT_WAITING)
    placed = await desk.placed(desk.limit(-500))
    await desk.placed(cancelling(desk, placed.ticket))
    await desk.refused(cancelling(desk, placed.ticket), *NOT_WAITING)
    filled = await desk.placed(desk.limit(-500))
    await desk.price(-600)
    await desk.refused(cancelling(desk, filled.order), *NOT_WAITING)


@needs(Capability.EXPIRATION)
async def test_bc_067_an_order_ends_by_itself(desk: Desk) -> None:
    """An order with an end waits until then, fills no more afterwards, and find says that nothing of it was filled."""
    at = float(round(desk.subject.wall()) + 3600)
    tag = new_tag()
    placed = await desk.placed(desk.limit(-500, expiration=at), tag)
    (order,) = await desk.orders()
    assert order.expiration_msc == round(at * 1000)
    await desk.subject.pass_time(3000)
    await desk.price(0)
    assert await desk.waiting(placed.ticket) is not None
    await desk.subject.pass_time(700)
    await desk.price(-900)
    assert (list(await desk.orders()), list(await desk.positions()), list(await desk.deals())) == ([], [], [])
    found = await desk.found(tag)
    assert (found.pending, found.volume, found.deal) == (False, 0, 0)


@needs(Capability.EXPIRATION)
async def test_bc_068_an_end_that_is_over_is_refused(desk: Desk) -> None:
    """An order whose end lies in the past is refused."""
    for at in (desk.subject.wall() - 3600, -1.0):
        await desk.refused(desk.limit(-500, expiration=at), Retcode.INVALID_EXPIRATION, Retcode.INVALID)


@needs(Capability.PENDING)
async def test_bc_069_a_limit_order_needs_a_price(desk: Desk) -> None:
    """A limit order without a price, or with one between two ticks, is refused."""
    codes = (Retcode.INVALID_PRICE, Retcode.INVALID)
    await desk.refused(desk.order(order_type=OrderType.LIMIT), *codes)
    between = desk.level(-500) + desk.spec.tick_size / 2
    await desk.refused(desk.order(order_type=OrderType.LIMIT, price=between), *codes)
