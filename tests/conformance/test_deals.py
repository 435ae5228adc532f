"""BC-100 to BC-106: the record of what was done."""

from __future__ import annotations

from conformance.desk import COMMENT, ORIGIN, Desk, new_tag
from conformance.subject import Capability, needs

from quantmind.domain.orders import Placed, Side


async def trade(desk: Desk) -> list[Placed]:
    """Four openings and closes of two symbols, each at a time of its own."""
    done = []
    for side, symbol in ((Side.BUY, desk.symbol), (desk.second_side, desk.other_symbol)):
        for lots in (desk.lots, desk.spec.volume_min):
            await desk.subject.pass_time(2)
            await desk.price(len(done) * 10, symbol)
            opened = await desk.placed(desk.order(side, lots, symbol))
            await desk.subject.pass_time(2)
            await desk.price(len(done) * 10 + 7, symbol)
            done += [opened, await desk.placed(desk.closing(opened.ticket, symbol=symbol))]
    return done


async def test_bc_100_deals_are_complete_and_in_order(desk: Desk) -> None:
    """Each fill has one deal, none twice, oldest first, as its answer said it, and with an order of its own."""
    done = await trade(desk)
    deals = await desk.deals()
    assert [(each.deal, each.order, each.ticket) for each in done] == [
        (each.ticket, each.order, each.position) for each in deals
    ]
    assert [(each.price, each.volume) for each in done] == [(each.price, each.volume) for each in deals]
    assert len({each.ticket for each in deals}) == len(deals)
    assert len({each.order for each in deals}) == len(done)
    times = [each.time_msc for each in deals]
    assert times == sorted(times)


async def test_bc_101_a_time_includes_its_moment(desk: Desk) -> None:
    """Deals since a time have all that were made at it or later, and none that was made before."""
    await trade(desk)
    deals = list(await desk.deals())
    for at in sorted({each.time_msc for each in deals}):
        assert list(await desk.broker.deals(at)) == [each for each in deals if each.time_msc >= at]
        assert list(await desk.broker.deals(at + 1)) == [each for each in deals if each.time_msc > at]
    assert list(await desk.broker.deals(deals[-1].time_msc + 86_400_000)) == []


@needs(Capability.BALANCE)
async def test_bc_102_deals_add_up_to_the_balance(desk: Desk) -> None:
    """What profit, commission and swap of all deals come to is what the balance has changed by, to the last cent."""
    before = (await desk.broker.sample()).account.balance
    await trade(desk)
    await desk.placed(desk.order())
    deals = await desk.deals()
    made = sum(each.profit + each.commission + each.swap for each in deals)
    assert (await desk.broker.sample()).account.balance == before + made
    assert made != 0


async def test_bc_103_deals_net_to_the_positions(desk: Desk) -> None:
    """The lots of all deals, bought less sold, are those of the positions, symbol by symbol."""
    await trade(desk)
    await desk.placed(desk.order(desk.second_side))
    await desk.placed(desk.order(Side.BUY, desk.spec.volume_min * 3))
    await desk.placed(desk.order(Side.BUY, symbol=desk.other_symbol))
    deals, positions = await desk.deals(), await desk.positions()
    for symbol in (desk.symbol, desk.other_symbol):
        dealt = sum(each.volume * each.side.sign for each in deals if each.symbol == symbol)
        assert dealt == sum(each.volume * each.side.sign for each in positions if each.symbol == symbol)


@needs(Capability.MAGIC)
async def test_bc_104_deals_say_whose_they_are(desk: Desk) -> None:
    """Every deal of ours has our magic number and comment, the closing ones too."""
    await trade(desk)
    assert {(each.magic, each.comment) for each in await desk.deals()} == {(ORIGIN.magic, COMMENT)}


@needs(Capability.TAGS)
async def test_bc_105_every_deal_of_ours_has_a_tag_of_ours(desk: Desk) -> None:
    """The tags of the deals are those of the requests that were carried out, in their order."""
    tags = [new_tag() for _ in range(4)]
    first = await desk.placed(desk.order(), tags[0])
    second = await desk.placed(desk.order(symbol=desk.other_symbol), tags[1])
    await desk.placed(desk.closing(first.ticket), tags[2])
    await desk.placed(desk.closing(second.ticket, symbol=desk.other_symbol), tags[3])
    assert [each.tag for each in await desk.deals()] == tags
    assert [each.tag for each in await desk.truth()] == tags


@needs(Capability.SWAP, Capability.BALANCE)
async def test_bc_106_swap_is_realised_by_the_close(desk: Desk) -> None:
    """What a position was charged over night stands with it until it is closed, and is then in deal and balance."""
    before = (await desk.broker.sample()).account.balance
    opened = await desk.placed(desk.order())
    await desk.subject.pass_time(86_400)
    await desk.price(0)
    sample = await desk.broker.sample()
    (position,) = sample.positions
    assert position.swap != 0
    assert sample.account.equity == sample.account.balance + position.profit + position.swap
    await desk.placed(desk.closing(opened.ticket))
    deals = await desk.deals()
    assert [each.swap for each in deals] == [0, position.swap]
    made = sum(each.profit + each.commission + each.swap for each in deals)
    assert (await desk.broker.sample()).account.balance == before + made
