"""BC-090 to BC-094: `place` cancelled at each of its checkpoints, for each kind of request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from conformance.cutting import Cut, at_each_checkpoint
from conformance.desk import ORIGIN, Desk, approved, new_tag
from conformance.subject import Capability, needs

from quantmind.domain.orders import Absent, Cancel, Modify, Placed, Proposal


async def check_cuts(desk: Desk, prepare: Callable[[Desk], Awaitable[Proposal]]) -> None:
    """Cancel the request at its first checkpoint, its second and so on: nothing was done, or find tells of it."""
    tags: dict[int, str] = {}
    proposals: list[Proposal] = [await prepare(desk)]

    async def request(at: int) -> object:
        tags[at] = new_tag()
        return await desk.broker.place(approved(proposals[-1], tags[at]), tags[at])

    fates: dict[str, Placed | Absent] = {}

    async def check(cut: Cut[object]) -> None:
        fates[tags[cut.at]] = found = await desk.check_tag(tags[cut.at])
        if cut.result is not None:
            assert found == cut.result
        proposals.append(await prepare(desk))

    await at_each_checkpoint(request, check)
    assert isinstance(fates[tags[len(tags)]], Placed), "the one that nobody cancelled"
    # What was said stays true: what is absent does not come after all.
    for tag, fate in fates.items():
        assert isinstance(await desk.check_tag(tag), type(fate))
    assert len(await desk.truth()) == len({each.tag for each in await desk.truth()})


async def test_bc_090_a_cancelled_market_order(desk: Desk) -> None:
    """A market order that is cancelled at any checkpoint was not sent, or is found as it was filled."""

    async def prepare(desk: Desk) -> Proposal:
        return desk.order(lots=desk.spec.volume_min)

    await check_cuts(desk, prepare)


@needs(Capability.PENDING)
async def test_bc_091_a_cancelled_limit_order(desk: Desk) -> None:
    """A limit order that is cancelled at any checkpoint was not sent, or is found as it waits."""

    async def prepare(desk: Desk) -> Proposal:
        return desk.limit(-500, lots=desk.spec.volume_min)

    await check_cuts(desk, prepare)


@needs(Capability.FINDS_CHANGES)
async def test_bc_092_a_cancelled_close(desk: Desk) -> None:
    """A close that is cancelled at any checkpoint was not sent, or is found as it was filled."""

    async def prepare(desk: Desk) -> Proposal:
        open_now = await desk.positions()
        opened = open_now[0].ticket if open_now else (await desk.placed(desk.order())).ticket
        return desk.closing(opened)

    await check_cuts(desk, prepare)


@needs(Capability.FINDS_CHANGES, Capability.STOPS)
async def test_bc_093_a_cancelled_change(desk: Desk) -> None:
    """A change of stops that is cancelled at any checkpoint was not sent, or is found."""
    opened = await desk.placed(desk.order())
    levels = iter(range(-300, -900, -1))

    async def prepare(desk: Desk) -> Proposal:
        return Modify(ORIGIN, desk.broker.name, opened.ticket, new_sl=desk.level(next(levels)))

    await check_cuts(desk, prepare)


@needs(Capability.FINDS_CHANGES, Capability.PENDING)
async def test_bc_094_a_cancelled_cancellation(desk: Desk) -> None:
    """A cancellation that is cancelled at any checkpoint was not sent, or is found, and the order is gone."""

    async def prepare(desk: Desk) -> Proposal:
        waiting = await desk.orders()
        ticket = waiting[0].ticket if waiting else (await desk.placed(desk.limit(-500))).ticket
        return Cancel(ORIGIN, desk.broker.name, ticket)

    await check_cuts(desk, prepare)
