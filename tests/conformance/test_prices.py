"""BC-010 to BC-015: what a feed gives."""

from __future__ import annotations

from conformance.desk import SPREAD, Desk
from conformance.subject import Capability, needs

from quantmind.domain.quotes import Quote


async def say(desk: Desk, ticks: int, symbol: str | None = None) -> None:
    """Let the market say a price; nobody has polled it yet."""
    symbol = symbol or desk.symbol
    await desk.subject.pass_time(0.5)
    await desk.subject.move(symbol, desk.level(ticks, symbol), desk.level(ticks + SPREAD, symbol))


async def poll(desk: Desk) -> list[Quote]:
    """What a poll gives of the symbol."""
    return [quote for quote in (await desk.broker.poll()).quotes if quote.symbol == desk.symbol]


async def test_bc_010_ticks_come_in_order(desk: Desk) -> None:
    """Ticks come out of poll in order of time, and no old price comes after a new one, over symbols and reconnects."""
    seen: list[Quote] = []
    levels = [1, 2, 3, 2, 4]
    for ticks in levels:
        for symbol in (desk.symbol, desk.other_symbol):
            await say(desk, ticks, symbol)
            seen += (await desk.broker.poll()).quotes
        await desk.broker.connect()
    times = [quote.time_msc for quote in seen]
    assert times == sorted(times)
    for symbol in (desk.symbol, desk.other_symbol):
        bids = [quote.bid for quote in seen if quote.symbol == symbol]
        changed = [bid for bid, before in zip(bids, [None, *bids], strict=False) if bid != before]
        assert changed[-len(levels) :] == [float(desk.level(ticks, symbol)) for ticks in levels]


async def test_bc_011_an_unchanged_price_confirms(desk: Desk) -> None:
    """A price that the broker says again comes out of poll again, with its new time."""
    await say(desk, 5)
    first = (await poll(desk))[-1]
    await say(desk, 5)
    again = (await poll(desk))[-1]
    assert again.same_prices(first)
    assert again.time_msc > first.time_msc


async def test_bc_012_nobody_is_given_a_crossed_price(desk: Desk) -> None:
    """A quote whose bid is above its ask never comes out of poll, and does not hold up the next one."""
    await desk.subject.move(desk.symbol, desk.level(20), desk.level(10))
    await say(desk, 7)
    quotes = await poll(desk)
    assert not any(quote.crossed for quote in quotes)
    assert quotes[-1].bid == float(desk.level(7))


async def test_bc_013_prices_are_exact_and_times_are_utc(desk: Desk) -> None:
    """A tick has the symbol's digits, to the last bit of the double, and the UTC time at which the broker said it."""
    for ticks in range(30, 90, 7):
        await say(desk, ticks)
        quote = (await poll(desk))[-1]
        assert (quote.bid, quote.ask) == (float(desk.level(ticks)), float(desk.level(ticks + SPREAD)))
        assert abs(quote.time_msc - desk.subject.wall() * 1000) <= 1000


async def test_bc_014_silence_is_no_tick(desk: Desk) -> None:
    """While the market is silent poll gives nothing new, does not raise, and does not say that it has ended."""
    await desk.price(3)
    for _ in range(3):
        await desk.subject.pass_time(1)
        given = await desk.broker.poll()
        assert not given.ended
        assert given.crossed == 0
        assert all(quote.bid == float(desk.level(3)) for quote in given.quotes if quote.symbol == desk.symbol)


@needs(Capability.EVERY_TICK)
async def test_bc_015_no_tick_is_left_out(desk: Desk) -> None:
    """All that the market said between two polls comes out, each once."""
    levels = [3, 4, 3, 5, 2, 6]
    for ticks in levels:
        await say(desk, ticks)
    assert [quote.bid for quote in await poll(desk)] == [float(desk.level(ticks)) for ticks in levels]
    assert [quote.bid for quote in await poll(desk)] == []
