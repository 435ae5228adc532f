"""BC-050 to BC-059: stops of positions, and waiting orders that change."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from conformance.desk import ORIGIN, SPREAD, Desk, new_tag
from conformance.subject import Capability, needs

from quantmind.domain.accounts import Cause
from quantmind.domain.orders import Modify, Placed
from quantmind.domain.retcodes import Retcode

NOT_THERE = (Retcode.POSITION_CLOSED, Retcode.INVALID)


def change(desk: Desk, ticket: int, **new: Any) -> Modify:
    return Modify(ORIGIN, desk.broker.name, ticket, **new)


@needs(Capability.STOPS)
async def test_bc_050_an_order_brings_its_stops(desk: Desk) -> None:
    """The stops of a market order are the position's, and its answer names them."""
    opened = await desk.placed(desk.order(sl=desk.level(-300), tp=desk.level(300)))
    assert (opened.sl, opened.tp) == (desk.level(-300), desk.level(300))
    (position,) = await desk.positions()
    assert (position.sl, position.tp) == (opened.sl, opened.tp)


@needs(Capability.STOPS)
async def test_bc_051_what_is_not_named_stays(desk: Desk) -> None:
    """Changing one stop leaves the other, 0 removes one, and everything else of the position stays."""
    opened = await desk.placed(desk.order(sl=desk.level(-300), tp=desk.level(300)))
    before = await desk.position(opened.ticket)
    assert before is not None
    steps: list[tuple[dict[str, Any], Decimal | None, Decimal | None]] = [
        ({"new_sl": desk.level(-200)}, desk.level(-200), desk.level(300)),
        ({"new_tp": desk.level(400)}, desk.level(-200), desk.level(400)),
        ({"new_sl": Decimal(0)}, None, desk.level(400)),
        ({"new_tp": Decimal(0), "new_sl": desk.level(-150)}, desk.level(-150), None),
        ({"new_sl": Decimal(0)}, None, None),
    ]
    for new, sl, tp in steps:
        changed = await desk.placed(change(desk, opened.ticket, **new))
        assert (changed.ticket, changed.sl, changed.tp) == (opened.ticket, sl, tp)
        after = await desk.position(opened.ticket)
        assert after is not None
        assert (after.sl, after.tp) == (sl, tp)
        assert (after.volume, after.price_open, after.tag) == (before.volume, before.price_open, before.tag)
        assert (after.magic, after.comment, after.time_msc) == (before.magic, before.comment, before.time_msc)
    assert len(await desk.deals()) == 1


@needs(Capability.STOPS)
async def test_bc_052_a_stop_on_the_wrong_side_is_refused(desk: Desk) -> None:
    """A stop loss above the market of a buy, or a take profit below it, is refused, and the old stops stay."""
    opened = await desk.placed(desk.order(sl=desk.level(-300), tp=desk.level(300)))
    await desk.refused(change(desk, opened.ticket, new_sl=desk.level(200)), Retcode.INVALID_STOPS)
    await desk.refused(change(desk, opened.ticket, new_tp=desk.level(-200)), Retcode.INVALID_STOPS)
    await desk.refused(desk.order(sl=desk.level(200)), Retcode.INVALID_STOPS)


async def test_bc_053_changing_what_is_not_there(desk: Desk) -> None:
    """Changing a ticket that never was is refused."""
    await desk.refused(change(desk, 987_654_321, new_sl=desk.level(-300)), *NOT_THERE)


@needs(Capability.STOPS)
async def test_bc_054_a_stop_loss_closes(desk: Desk) -> None:
    """A stop that the market reaches closes the position in one deal, which names its cause and has no tag."""
    causes = []
    for ticks, new in ((-400, {"sl": desk.level(-300)}), (400, {"tp": desk.level(300)})):
        await desk.price(0)
        tag = new_tag()
        opened = await desk.placed(desk.order(**new), tag)
        bid, _ = await desk.price(ticks)
        assert await desk.position(opened.ticket) is None
        deal = (await desk.deals())[-1]
        assert (deal.position, deal.volume, deal.price, deal.tag) == (opened.ticket, desk.lots, bid, "")
        causes.append(deal.cause)
        assert len(await desk.truth()) == len(causes)
    assert causes == [Cause.SL, Cause.TP]


@needs(Capability.PENDING)
async def test_bc_055_a_waiting_order_changes(desk: Desk) -> None:
    """A new price leaves what is not named, a new stop leaves the price, 0 removes a stop, and the number stays."""
    placed = await desk.placed(desk.limit(-500, sl=desk.level(-900), tp=desk.level(500)))
    before = await desk.waiting(placed.ticket)
    assert before is not None
    steps: list[tuple[dict[str, Any], int, Decimal | None, Decimal | None]] = [
        ({"new_price": desk.level(-600)}, -600, desk.level(-900), desk.level(500)),
        ({"new_sl": desk.level(-950)}, -600, desk.level(-950), desk.level(500)),
        ({"new_sl": Decimal(0), "new_price": desk.level(-550)}, -550, None, desk.level(500)),
        ({"new_tp": Decimal(0)}, -550, None, None),
    ]
    for new, ticks, sl, tp in steps:
        changed = await desk.placed(change(desk, placed.ticket, **new))
        assert changed.pending
        assert changed.ticket == placed.ticket
        after = await desk.waiting(placed.ticket)
        assert after is not None
        assert (after.price, after.sl, after.tp) == (desk.level(ticks), sl, tp)
        assert (after.volume, after.side, after.order_type) == (before.volume, before.side, before.order_type)
        assert (after.tag, after.magic, after.comment) == (before.tag, before.magic, before.comment)
        assert after.expiration_msc == before.expiration_msc
    assert list(await desk.deals()) == []


@needs(Capability.EXPIRATION)
async def test_bc_056_an_end_changes(desk: Desk) -> None:
    """The end of a waiting order can be moved, stays when it is not named, and is removed by 0."""
    at = float(round(desk.subject.wall()) + 3600)
    placed = await desk.placed(desk.limit(-500, expiration=at))
    ends = []
    for new in ({"new_expiration": at + 60}, {"new_price": desk.level(-510)}, {"new_expiration": 0.0}):
        await desk.placed(change(desk, placed.ticket, **new))
        waiting = await desk.waiting(placed.ticket)
        assert waiting is not None
        ends.append(waiting.expiration_msc)
    assert ends == [round((at + 60) * 1000), round((at + 60) * 1000), None]


@needs(Capability.PENDING)
async def test_bc_057_a_changed_order_fills_at_its_new_price(desk: Desk) -> None:
    """A waiting order that was moved fills where it is now and not where it was, and keeps its tag."""
    tag = new_tag()
    placed = await desk.placed(desk.limit(-500), tag)
    await desk.placed(change(desk, placed.ticket, new_price=desk.level(-700)))
    await desk.price(-500 - SPREAD)
    assert await desk.waiting(placed.ticket) is not None
    await desk.price(-700 - SPREAD)
    found = await desk.find(tag)
    assert isinstance(found, Placed)
    assert (found.pending, found.price) == (False, desk.level(-700))
