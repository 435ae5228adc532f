"""BC-001 to BC-009: reaching a broker, losing it, and reaching it again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio
from conformance.cutting import Cut, at_each_checkpoint
from conformance.desk import Desk, approved, new_tag
from conformance.subject import Subject

from quantmind.domain.orders import Absent, Placed
from quantmind.domain.symbols import VALID_NAME
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Broker, Recovery


def calls_of(broker: Broker, desk: Desk, tag: str) -> dict[str, Callable[[], Coroutine[Any, Any, Any]]]:
    """Every call that needs a connection."""
    return {
        "poll": broker.poll,
        "sample": broker.sample,
        "deals": lambda: broker.deals(0),
        "find": lambda: broker.find(tag),
        "place": lambda: broker.place(approved(desk.order(), tag), tag),
    }


async def check_unreachable(desk: Desk) -> None:
    """Each call says that the broker can't be reached, and nothing is done."""
    truth, tag = await desk.truth(), new_tag()
    for name, call in calls_of(desk.broker, desk, tag).items():
        with pytest.raises(BrokerUnavailable) as raised:
            await call()
        assert str(raised.value), name
    assert await desk.truth() == truth


async def test_bc_001_connecting_names_what_is_traded(subject: Subject) -> None:
    """Connecting names what is traded, each symbol once, and names the same when it is repeated."""
    specs = list(await subject.broker.connect())
    names = [spec.name for spec in specs]
    assert set(subject.starts) <= set(names)
    assert len(set(names)) == len(names)
    assert list(await subject.broker.connect()) == specs


async def test_bc_002_symbols_are_sane(subject: Subject) -> None:
    """A symbol's digits, steps, limits and currencies make sense by themselves and with each other."""
    for spec in await subject.broker.connect():
        assert VALID_NAME.match(spec.name), spec
        assert 0 <= spec.digits <= 12, spec
        assert spec.tick_size > 0, spec
        assert spec.tick_size % spec.point == 0, spec
        assert spec.contract_size > 0, spec
        assert 0 < spec.volume_min <= spec.volume_max, spec
        assert spec.volume_step > 0, spec
        assert spec.volume_min % spec.volume_step == 0, spec
        assert spec.on_volume_grid(spec.volume_min), spec
        assert spec.on_volume_grid(spec.floor_volume(spec.volume_max)), spec
        assert min(spec.stops_level, spec.freeze_level) >= 0, spec
        assert spec.currency_base, spec
        assert spec.currency_profit, spec
        assert spec.currency_margin, spec
        assert spec.fillings, spec


async def test_bc_003_nothing_works_before_connect(subject: Subject) -> None:
    """Before it is connected each call raises BrokerUnavailable, and nothing is done."""
    await check_unreachable(Desk(subject, {spec.name: spec for spec in await specs_of(subject)}))


async def specs_of(subject: Subject) -> Any:
    """What is traded, of an adapter that is closed afterwards."""
    specs = await subject.broker.connect()
    await subject.broker.aclose()
    return specs


async def test_bc_004_closing_lets_go_and_connecting_goes_on(desk: Desk) -> None:
    """After aclose, which may be repeated, each call raises BrokerUnavailable; connecting goes on as it was."""
    await desk.placed(desk.order())
    before = await desk.holdings()
    await desk.broker.aclose()
    await desk.broker.aclose()
    await check_unreachable(desk)
    await desk.broker.connect()
    assert await desk.holdings() == before
    await desk.price(1)
    await desk.placed(desk.order())


async def test_bc_005_a_lost_connection_is_said(desk: Desk) -> None:
    """While the broker can't be reached each call raises BrokerUnavailable, connecting too, and nothing is done."""
    await desk.placed(desk.order())
    before = await desk.holdings()
    await desk.subject.cut()
    await check_unreachable(desk)
    with pytest.raises(BrokerUnavailable):
        await desk.broker.connect()
    await desk.reconnect()
    assert await desk.holdings() == before


async def test_bc_006_what_was_not_sent_is_absent(desk: Desk) -> None:
    """An order that raised BrokerUnavailable is surely absent afterwards, and its tag may be used again."""
    tag = new_tag()
    await desk.subject.cut()
    with pytest.raises(BrokerUnavailable):
        await desk.place(desk.order(), tag)
    await desk.reconnect()
    assert await desk.find(tag) == Absent()
    assert isinstance(await desk.place(desk.order(), tag), Placed)
    assert len(await desk.truth(tag)) == 1


async def test_bc_007_its_name_stays(desk: Desk) -> None:
    """An adapter keeps its name, and its feed may be begun again and again."""
    name = desk.broker.name
    assert name
    for _ in range(2):
        desk.broker.start_feed()
    assert isinstance(desk.broker.paced, bool)
    assert (await desk.broker.sample()).broker == name
    await desk.broker.aclose()
    assert desk.broker.name == name


@pytest.mark.parametrize("call", ["connect", "poll", "sample", "deals", "find", "aclose"])
async def test_bc_008_a_cancelled_call_does_no_harm(desk: Desk, call: str) -> None:
    """Each call but place can be cancelled at any checkpoint: the adapter works on, and the account is as it was."""
    tag = new_tag()
    await desk.placed(desk.order(), tag)
    before = await desk.holdings()
    calls = {**calls_of(desk.broker, desk, tag), "connect": desk.broker.connect, "aclose": desk.broker.aclose}

    async def check(cut: Cut[Any]) -> None:
        await desk.broker.connect()
        assert await desk.holdings() == before, cut
        assert isinstance(await desk.find(tag), Placed), cut

    await at_each_checkpoint(lambda _: calls[call](), check)


async def test_bc_009_a_feed_is_got_going_again(desk: Desk) -> None:
    """Each step of recovery, also while orders go out, does no harm: after a connect all is there and prices come."""
    tag = new_tag()
    await desk.placed(desk.order(), tag)
    before = await desk.holdings()
    for step in Recovery:
        await desk.broker.recover(step, tuple(desk.subject.starts))
        await desk.broker.connect()
        assert await desk.holdings() == before, step
        assert isinstance(await desk.find(tag), Placed), step
        await desk.price(1)
    before_them = len(await desk.truth())
    tags = [new_tag() for _ in Recovery]
    async with trio.open_nursery() as nursery:
        for step, each in zip(Recovery, tags, strict=True):
            nursery.start_soon(_try_to_place, desk, each)
            nursery.start_soon(_try_to_recover, desk, step)
    await desk.broker.connect()
    found = [await desk.check_tag(each) for each in tags]
    assert len(await desk.truth()) - before_them == sum(isinstance(each, Placed) for each in found)


async def _try_to_recover(desk: Desk, step: Recovery) -> None:
    with contextlib.suppress(BrokerUnavailable):  # another step may have let the connection go
        await desk.broker.recover(step, tuple(desk.subject.starts))


async def _try_to_place(desk: Desk, tag: str) -> None:
    with contextlib.suppress(BrokerUnavailable):
        await desk.place(desk.order(), tag)
