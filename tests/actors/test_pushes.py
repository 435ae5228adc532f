"""What EAs hear on the PUB socket without asking: states, floors and multipliers, each when it changes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import trio
from command_path import CommandPath, WallClock, closing, make_broker, open_command_path, order
from trio.testing import MockClock

from actors.boards import Boards, Catalog
from actors.risk_board import RiskStatus
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Mandate, MandateMode, Policy
from quantmind.domain.risk.policy import DailyLoss, QuadraticThrottle, Rules
from quantmind.domain.risk.worst import Exposed
from quantmind.domain.router_state import RouterState
from quantmind.edges.pushes import Pushes


@attrs.define(eq=False)
class Heard:
    """A publisher that keeps what it is given."""

    pushed: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)

    def publish(self, topic: bytes, payload: bytes) -> None:
        self.pushed.append((topic.decode(), json.loads(payload, parse_float=Decimal, parse_int=Decimal)))

    def of(self, topic: str) -> list[dict[str, Any]]:
        return [each for name, each in self.pushed if name == topic]


def policy(**rules: Any) -> Policy:
    """A day's loss of 5 % of 10,000."""
    return Policy(
        initial_capital=Decimal(10_000),
        max_open_positions=1000,
        max_volume=Decimal(5),
        rules=Rules(daily_loss=DailyLoss(percent=Decimal(5)), **rules),
    )


async def hear(path: CommandPath) -> Heard:
    """From when the account's day is on record, and was looked at once more."""
    heard = Heard()
    for _ in range(3):
        await path.sample()
    Pushes(heard, path.boards).connect()
    return heard


async def open_one(path: CommandPath, volume: float = 0.1) -> int:
    reply = await path.ask(order(path.clock, volume=volume, sl=1.0805 if volume == 1 else 1.0800))
    assert reply["status"] == "success", reply
    await path.sample()
    return int(reply["ticket"])


async def close(path: CommandPath, ticket: int) -> Decimal:
    """What it made."""
    reply = await path.ask(closing(path.clock, ticket, "c1"))
    assert reply["status"] == "success", reply
    return Decimal(str(reply["profit"]))


def price(path: CommandPath, bid: float) -> None:
    path.broker.inner.account.tick(Quote("EURUSD", bid, round(bid + 0.0001, 5), 2))


async def test_an_account_without_rules_has_no_floors(autojump_clock: MockClock) -> None:
    """A state says null for them, and a sample pushes nothing."""
    async with open_command_path() as path:
        heard = await hear(path)
        await path.sample()
        assert heard.pushed == []
        await path.set_state("halted")
        (push,) = heard.of("state.demo")
        assert (push["trading_state"], push["cause"], push["seq"]) == ("halted", "a test (by tester)", 1)
        assert (push["floor"], push["next_floor"], push["next_reset"]) == (None, None, None)


async def test_floors_are_pushed_when_they_change_and_not_with_each_sample(autojump_clock: MockClock) -> None:
    """Once they are known, and after a loss that moves the next one; each with the state that holds."""
    async with open_command_path(broker=make_broker(balance=10_000), policy=policy()) as path:
        heard = await hear(path)
        for _ in range(5):
            await path.sample()
        assert heard.of("state.demo") == []  # they were known before anybody listened
        ticket = await open_one(path)
        price(path, 1.0840)
        for _ in range(5):
            await path.sample()
        assert heard.of("state.demo") == []  # what floats moves neither today's floor nor a balance
        made = await close(path, ticket)
        for _ in range(5):
            await path.sample()
        (push,) = heard.of("state.demo")
        assert (push["trading_state"], push["floor"], push["next_floor"]) == ("active", 9500, 9500 + made)
        assert push["next_reset"] == path.boards.risk.told("demo")["next_reset"]


async def test_a_new_day_is_pushed(autojump_clock: MockClock) -> None:
    """Its floor, and when it ends."""
    clock = WallClock()
    async with open_command_path(broker=make_broker(balance=10_000), policy=policy(), clock=clock) as path:
        heard = await hear(path)
        reset = path.boards.risk.told("demo")["next_reset"]
        clock.shift += reset - clock.now() - 20
        await trio.sleep(1)
        assert heard.of("state.demo") == []
        await trio.sleep(25)
        (push,) = heard.of("state.demo")
        assert (push["floor"], push["next_reset"]) == (9500, reset + 86_400)


async def test_a_halt_carries_the_floors(autojump_clock: MockClock) -> None:
    """Whoever hears that it is halted hears what it may lose, too."""
    async with open_command_path(broker=make_broker(balance=10_000), policy=policy()) as path:
        heard = await hear(path)
        await path.set_state("halted")
        (push,) = heard.of("state.demo")
        assert (push["trading_state"], push["floor"], push["next_floor"]) == ("halted", 9500, 9500)


async def test_a_throttle_is_pushed_to_the_eas_of_its_account(autojump_clock: MockClock) -> None:
    """From a change of 0.01 on, the EA's own multiplier times what the account leaves."""
    throttled = policy(quadratic_throttle=QuadraticThrottle())
    async with open_command_path(broker=make_broker(balance=10_000), policy=throttled) as path:
        heard = await hear(path)
        for name in ("alpha", "beta"):
            await path.ask({"type": "heartbeat", "ea_name": name, "symbol": "EURUSD", "magic": 7})
        await path.ask({"type": "risk_update", "ea_name": "beta", "risk_multiplier": 0.5})
        assert [each["risk_multiplier"] for each in heard.of("risk.beta")] == [Decimal("0.5")]
        await open_one(path, volume=1)
        price(path, 1.0847)
        await path.sample()
        assert heard.of("risk.alpha") == []  # 40 of 500: it counts for 0.9936
        price(path, 1.0801)  # 500 pips of a point: 10 for each
        await path.sample()
        await path.sample()
        (alpha,) = heard.of("risk.alpha")
        assert alpha["risk_multiplier"] == 0
        assert [each["risk_multiplier"] for each in heard.of("risk.beta")] == [Decimal("0.5"), 0]
        beat = await path.ask({"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7})
        assert beat["risk_multiplier"] == 0


async def test_a_mandate_is_pushed_to_those_whom_it_binds(autojump_clock: MockClock) -> None:
    """An EA whose own multiplier is less hears nothing."""
    async with open_command_path() as path:
        heard = await hear(path)
        for name in ("alpha", "beta"):
            await path.ask({"type": "heartbeat", "ea_name": name, "symbol": "EURUSD", "magic": 7})
        await path.ask({"type": "risk_update", "ea_name": "beta", "risk_multiplier": 0.3})
        path.boards.router.set(RouterState(mandate=Mandate(MandateMode.REDUCED, Decimal("0.5"))))
        assert [each["risk_multiplier"] for each in heard.of("risk.alpha")] == [Decimal("0.5")]
        assert [each["risk_multiplier"] for each in heard.of("risk.beta")] == [Decimal("0.3")]


async def test_an_ea_on_two_accounts_hears_the_least() -> None:
    """The topic names no account, and what is safe on each is."""
    boards, heard = Boards(Catalog(("demo", "live"))), Heard()
    boards.router.set(RouterState())
    Pushes(heard, boards).connect()
    for magic, broker in ((1, "demo"), (2, "live")):
        boards.eas.heard("alpha", magic, 0.0).broker = broker
    boards.risk.put("live", status(multiplier=Decimal("0.6")))
    boards.risk.put("demo", status(multiplier=Decimal("0.80001")))
    boards.risk.put("demo", status(multiplier=Decimal("0.795")))
    assert [each["risk_multiplier"] for each in heard.of("risk.alpha")] == [Decimal("0.6")] * 2


def status(multiplier: Decimal) -> RiskStatus:
    return RiskStatus(Policy(), None, (), None, None, Exposed(), None, None, 0.0, multiplier, 0.0)
