"""BC-040 to BC-049: closing by ticket."""

from __future__ import annotations

from decimal import Decimal

import pytest
from conformance.desk import Desk, new_tag
from conformance.subject import Capability, needs

from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Side
from quantmind.domain.retcodes import Retcode

NOT_OPEN = (Retcode.POSITION_CLOSED, Retcode.INVALID)


@pytest.mark.parametrize("side", list(Side))
async def test_bc_040_closing_whole(desk: Desk, side: Side) -> None:
    """A close without a volume closes all, at the bid for a buy and at the ask for a sell, and says what it made."""
    symbol = desk.symbol if side is Side.BUY else desk.other_symbol
    opened = await desk.placed(desk.order(side, symbol=symbol))
    bid, ask = await desk.price(25, symbol)
    closed = await desk.placed(desk.closing(opened.ticket, symbol=symbol))
    assert closed.ticket == opened.ticket
    assert (closed.price, closed.volume) == (bid if side is Side.BUY else ask, desk.lots)
    assert await desk.position(opened.ticket) is None
    deal = (await desk.deals())[-1]
    assert (deal.ticket, deal.position, deal.entry) == (closed.deal, opened.ticket, Entry.OUT)
    assert (deal.side, deal.cause, deal.profit) == (side.opposite, Cause.CLIENT, closed.profit)
    assert closed.profit is not None
    assert (closed.profit > 0) == (side is Side.BUY)
    assert list(await desk.positions()) == []


async def test_bc_041_closing_a_part(desk: Desk) -> None:
    """A close with a volume closes that much, the rest stays as it was, and the parts make up the whole."""
    opened = await desk.placed(desk.order())
    before = await desk.position(opened.ticket)
    part = await desk.placed(desk.closing(opened.ticket, desk.spec.volume_min * 3))
    assert part.volume == desk.spec.volume_min * 3
    rest = await desk.position(opened.ticket)
    assert before is not None
    assert rest is not None
    assert rest.volume == desk.lots - desk.spec.volume_min * 3
    assert (rest.side, rest.price_open, rest.time_msc) == (before.side, before.price_open, before.time_msc)
    assert (rest.tag, rest.magic, rest.comment) == (before.tag, before.magic, before.comment)
    closed = await desk.placed(desk.closing(opened.ticket))
    assert closed.volume == rest.volume
    volumes = [deal.volume for deal in await desk.deals()]
    assert volumes == [desk.lots, part.volume, closed.volume]


async def test_bc_042_closing_more_than_there_is(desk: Desk) -> None:
    """A close of more than the position has is refused and closes nothing."""
    opened = await desk.placed(desk.order())
    await desk.refused(
        desk.closing(opened.ticket, desk.lots + desk.spec.volume_step),
        Retcode.INVALID_CLOSE_VOLUME,
        Retcode.INVALID_VOLUME,
    )


async def test_bc_043_closing_off_the_grid(desk: Desk) -> None:
    """A close of half a step, of nothing or of less than nothing is refused and closes nothing."""
    opened = await desk.placed(desk.order())
    step = desk.spec.volume_step
    for lots in (desk.spec.volume_min + step / 2, Decimal(0), -step):
        await desk.refused(desk.closing(opened.ticket, lots), Retcode.INVALID_VOLUME, Retcode.INVALID_CLOSE_VOLUME)


async def test_bc_044_closing_what_is_not_open(desk: Desk) -> None:
    """Closing a ticket that never was, or one that is closed already, is refused."""
    await desk.refused(desk.closing(987_654_321), *NOT_OPEN)
    opened = await desk.placed(desk.order())
    await desk.placed(desk.closing(opened.ticket))
    await desk.refused(desk.closing(opened.ticket), *NOT_OPEN)


async def test_bc_045_closing_another_symbol(desk: Desk) -> None:
    """Closing a ticket of another symbol than the one that is named is refused, and it stays open."""
    opened = await desk.placed(desk.order())
    await desk.refused(desk.closing(opened.ticket, symbol=desk.other_symbol), Retcode.INVALID)


@needs(Capability.TAGS)
async def test_bc_046_each_close_has_its_own_tag(desk: Desk) -> None:
    """Deals of partial closes each have the tag of their own request."""
    tags = [new_tag() for _ in range(3)]
    opened = await desk.placed(desk.order(), tags[0])
    await desk.placed(desk.closing(opened.ticket, desk.spec.volume_min), tags[1])
    await desk.placed(desk.closing(opened.ticket), tags[2])
    assert [deal.tag for deal in await desk.deals()] == tags


@needs(Capability.CLOSE_BY)
async def test_bc_047_closing_by_an_opposite_one(desk: Desk) -> None:
    """Two opposite positions close against each other by the smaller volume, without a spread, in two deals."""
    long = await desk.placed(desk.order())
    short = await desk.placed(desk.order(Side.SELL, desk.spec.volume_min * 4))
    tag = new_tag()
    closed = await desk.placed(desk.closing(long.ticket, by=short.ticket), tag)
    assert (closed.ticket, closed.volume) == (long.ticket, desk.spec.volume_min * 4)
    (rest,) = await desk.positions()
    assert (rest.ticket, rest.volume) == (long.ticket, desk.spec.volume_min * 6)
    deals = (await desk.deals())[2:]
    assert [deal.entry for deal in deals] == [Entry.OUT_BY, Entry.OUT_BY]
    assert {deal.position for deal in deals} == {long.ticket, short.ticket}
    assert sum(deal.profit for deal in deals) == closed.profit
    assert len(await desk.truth(tag)) == 1


@needs(Capability.CLOSE_BY)
async def test_bc_048_closing_by_what_does_not_fit(desk: Desk) -> None:
    """Closing by a position of the same side, of another symbol, by itself, or by one that is not open is refused."""
    long = await desk.placed(desk.order())
    same = await desk.placed(desk.order())
    other = await desk.placed(desk.order(Side.SELL, symbol=desk.other_symbol))
    for ticket in (same.ticket, other.ticket, long.ticket, 987_654_321):
        await desk.refused(desk.closing(long.ticket, by=ticket), *NOT_OPEN, Retcode.INVALID_ORDER)
