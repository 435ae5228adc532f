"""BC-020 to BC-029: account, positions and orders, true together."""

from __future__ import annotations

from decimal import Decimal

import pytest
from conformance.desk import Desk
from conformance.subject import Capability, Kind, needs

from quantmind.errors import BrokerUnavailable


async def test_bc_020_an_empty_account(desk: Desk) -> None:
    """An account that nothing was done with has no positions, orders and deals, and its equity is its balance."""
    sample = await desk.broker.sample()
    assert (list(sample.positions), list(sample.orders), list(await desk.deals())) == ([], [], [])
    account = sample.account
    assert account.balance > 0
    assert (account.equity, account.margin, account.profit) == (account.balance, 0, 0)
    assert (account.margin_free, account.margin_level) == (account.balance, None)
    assert account.trade_allowed


async def test_bc_021_account_and_mode(desk: Desk, kind: Kind) -> None:
    """A sample says whose account it is, in which currency, and whether it is hedging or netting."""
    sample = await desk.broker.sample()
    account = sample.account
    assert sample.broker == desk.broker.name
    assert account.login > 0
    assert len(account.currency) >= 3
    assert account.leverage >= 1
    # One with a position of each side is neither: its orders add up, and opposite ones stand side by side.
    if Capability.HEDGING in kind.capabilities:
        assert account.margin_mode == "hedging"
    if Capability.NETTING in kind.capabilities:
        assert account.margin_mode == "netting"
    assert account.margin_mode in ("hedging", "netting")


async def test_bc_022_a_sample_is_true_in_itself(desk: Desk) -> None:
    """Equity is balance and profit, free margin is equity without margin, and the positions' profits add up to the
    account's.
    """
    await desk.placed(desk.order())
    await desk.placed(desk.order(desk.second_side, symbol=desk.other_symbol))
    for ticks in (40, -40, 7):
        await desk.price(ticks)
        await desk.price(-ticks, desk.other_symbol)
        sample = await desk.broker.sample()
        account = sample.account
        assert account.equity == account.balance + account.profit
        assert account.margin_free == account.equity - account.margin
        assert account.margin > 0
        assert sum(each.profit + each.swap for each in sample.positions) == account.profit
        assert len({each.ticket for each in sample.positions}) == 2


async def test_bc_023_a_sample_follows_the_market(desk: Desk) -> None:
    """A position is valued at the price at which it would close, and gains as the market goes its way."""
    long = await desk.placed(desk.order())
    second = await desk.placed(desk.order(desk.second_side, symbol=desk.other_symbol))
    profits = []
    for ticks in (0, 50):
        bid, _ = await desk.price(ticks)
        prices = await desk.price(-ticks * (1 if desk.shorts else -1), desk.other_symbol)
        positions = {each.ticket: each for each in await desk.positions()}
        assert positions[long.ticket].price_current == bid
        assert positions[second.ticket].price_current == prices[1 if desk.shorts else 0]
        profits.append([positions[each.ticket].profit for each in (long, second)])
    assert all(after > before for before, after in zip(*profits, strict=True))


async def test_bc_024_a_sample_says_when_it_was_taken(desk: Desk) -> None:
    """The time of a sample is monotonic, lies within the call, and does not jump with the wall clock."""
    taken = []
    for back in (0, 3600, 3600):
        await desk.subject.pass_time(1)
        await desk.subject.set_wall_back(back)
        before = desk.subject.monotonic()
        sample = await desk.broker.sample()
        assert before <= sample.taken_at <= desk.subject.monotonic()
        taken.append(sample.taken_at)
    assert taken == sorted(taken)


@needs(Capability.NO_DATA)
async def test_bc_025_no_data_is_not_nothing(desk: Desk) -> None:
    """An answer without data raises BrokerUnavailable, from sample and from deals, and never is an empty list."""
    await desk.placed(desk.order())
    before = await desk.holdings()
    await desk.subject.withhold(True)
    with pytest.raises(BrokerUnavailable):
        await desk.broker.sample()
    with pytest.raises(BrokerUnavailable):
        await desk.deals()
    await desk.subject.withhold(False)
    assert await desk.holdings() == before


async def test_bc_026_what_was_answered_is_in_the_next_sample(desk: Desk) -> None:
    """A sample that is asked for after an order was answered shows what the order did."""
    for number in range(1, 4):
        await desk.placed(desk.order())
        assert sum(each.volume for each in await desk.positions()) == number * desk.lots
    for each in await desk.positions():
        await desk.placed(desk.closing(each.ticket))
    assert list(await desk.positions()) == []
    assert (await desk.broker.sample()).account.margin == Decimal(0)
