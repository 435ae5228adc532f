"""A decision in the journal holds all that it was made from: judged again, it gives the same verdict."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

import attrs
import command_path
import pytest
import trio
from command_path import CommandPath, closing, make_broker, open_command_path, opening, order
from recorded_decisions import (
    EVERY_RULE,
    LIMITS,
    Driver,
    differing,
    rules_of,
    with_calendar,
    written,
)
from trio.testing import MockClock

from quantmind.domain.orders import Cancel, Close, Modify, Open
from quantmind.wire import replies


@pytest.fixture(autouse=True)
def still_prices() -> Iterator[None]:
    """A test that moves prices moves them for itself alone."""
    before = dict(command_path.PRICES)
    yield
    command_path.PRICES.clear()
    command_path.PRICES.update(before)


async def test_every_decision_can_be_made_again(autojump_clock: MockClock) -> None:
    """Approved, denied, reduced, executed, closes and opens, halted or not: the record alone gives the same answer."""
    async with open_command_path(broker=make_broker(), policy=None) as path:
        messages = [
            opening("v1"),
            opening("v2", volume=500),
            opening("v3", volume=1.5, reduce=True),
            opening("v4", symbol="GBPUSD", sl=1.2, tp=1.3),
            order(path.clock, "x1"),
            order(path.clock, "x2", side="sell", volume=0.3),
        ]
        tickets = [(await path.ask(message)).get("ticket") for message in messages]
        await path.sample()
        await path.ask(closing(path.clock, tickets[4], "x3"))
        await path.set_state("halted")
        await path.ask(opening("v5"))
        await path.ask(opening())
        await path.sample()
        found = await written(path)
        assert len(found) == 9
        assert {was.approved for was in found} == {True, False}
        assert differing(found) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("margin_mode", ["hedging", "netting"])
@pytest.mark.parametrize("observe_only", [False, True])
async def test_hundreds_of_random_commands_can_be_judged_again(
    seed: int, margin_mode: str, observe_only: bool, autojump_clock: MockClock
) -> None:
    """Every rule on, every kind of command, several in flight: nothing that is recorded comes out differently."""
    policy = attrs.evolve(EVERY_RULE, observe_only=observe_only)
    broker = make_broker(margin_mode=margin_mode)
    async with open_command_path(broker=broker, policy=policy, ea_limits=lambda _: LIMITS) as path:
        await begun(path)
        await Driver(path, random.Random(seed)).drive(400)
        found = await written(path)
        assert differing(found) == []
        assert len(found) > 100
        if seed == 1 and margin_mode == "hedging":
            assert {type(was.proposal) for was in found} == {Open, Close, Modify, Cancel}
            assert any(was.flattens for was in found)
            assert any(was.volume for was in found)
            assert len(rules_of(found)) > 10
        observed = [reason for was in found for reason in was.reply["reasons"] if reason.get("observed")]
        assert bool(observed) is observe_only


async def begun(path: CommandPath) -> None:
    """The EAs were heard, the calendar is there, and so are the account's deals."""
    with_calendar(path)
    Driver(path, random.Random()).know_deals()
    for name in ("alpha", "beta"):
        await path.ask({"type": "heartbeat", "ea_name": name, "symbol": "EURUSD"})
    await path.sample()


async def test_a_score_and_a_volume_with_digits_come_back(autojump_clock: MockClock) -> None:
    """What was asked as 0.10 reads as 0.1 in the record: the same number, and the same verdict."""
    async with open_command_path(policy=EVERY_RULE, ea_limits=lambda _: LIMITS) as path:
        await begun(path)
        await path.ask(replies.encode({**opening("v1"), "volume": Decimal("9.10"), "score": 0.75, "sl": 1.08}))
        (was,) = await written(path)
        assert (was.proposal.score, was.proposal.volume) == (0.75, Decimal("9.1"))
        assert differing([was]) == []


async def test_a_decision_stays_small(autojump_clock: MockClock) -> None:
    """With 50 open positions and every rule on, a decision takes less than 12 KiB of the log."""
    rules = attrs.evolve(EVERY_RULE.rules, max_open_per_symbol=100, max_orders_per_minute=1000)
    policy = attrs.evolve(EVERY_RULE, max_open_positions=1000, rules=rules)
    async with open_command_path(policy=policy, approval_ttl_s=0.1) as path:
        await begun(path)
        for number in range(50):
            message = order(path.clock, f"a-request-{number}", sl=1.08, tp=1.09, volume=0.01)
            assert (await path.ask({**message, "comment": "a comment of its own"}))["approved"] is True
        await trio.sleep(1)
        await path.ask(opening("v1", sl=1.08))
        *_, last = await written(path)
        assert last.situation is not None
        assert len(last.situation.positions) == 50
        assert differing([last]) == []
        assert len(last.line.body) < 12 * 1024, len(last.line.body)


def test_numbers_come_back_exact() -> None:
    """A price and a volume keep their digits on the way through the record."""
    text = replies.encode({"price": Decimal("1.085000"), "volume": Decimal("0.10")})
    assert str(replies.from_store(text)["price"]) == "1.085000"
