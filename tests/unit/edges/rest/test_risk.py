"""GET /risk: what is said of an account, also where little is known; what the routes do when the governor is silent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest
from unit.edges.rest.harness import FIRM, HEADERS, JSON, NOW, World, open_world

from actors.halts import UNKNOWN_ORDER, Halt
from actors.risk_board import Flattening
from quantmind.domain.risk import Policy, TradingState
from quantmind.domain.risk.policy import Allowances, Base, DailyLoss, MaxLoss, Rules, Tiers, Trailing
from quantmind.domain.risk.worst import WorstCase
from quantmind.edges.rest import risk
from quantmind.wire.problems import trade_problem

BASELINE = b'{"balance":10000,"reason":"seen"}'


async def shown(world: World, query: str = "") -> dict[str, Any]:
    """The one account."""
    response = await world.app.test_client().get(f"/risk{query}", headers=HEADERS)
    assert response.status_code == 200
    (item,) = json.loads(await response.get_data(), parse_float=Decimal)["items"]
    return dict(item)


async def test_the_smallest_room_binds_now_or_at_the_reset() -> None:
    """Profits that stops lock in may be cash before the reset, so over it they don't count."""
    async with open_world() as world:
        world.put_tick()
        world.put_risk(equity="9990.00", worst=WorstCase(Decimal(9990), Decimal(-40), Decimal(-50)))
        room = (await shown(world))["room"]
        assert (room["money"], room["binds"], room["binds_from"]) == (400, "daily_loss", "now")
        world.put_risk(
            balance="10060.00", equity="10060.00", worst=WorstCase(Decimal(10_060), Decimal(90), Decimal(-50))
        )
        room = (await shown(world))["room"]
        assert (room["money"], room["binds"], room["binds_from"]) == (10_010 - 9_560, "daily_loss", "reset")


async def test_a_room_is_never_said_to_be_more_than_it_is() -> None:
    """Down to the cent; and never less than nothing."""
    async with open_world() as world:
        world.put_tick()
        world.put_risk(worst=WorstCase(Decimal("9600.009")))
        assert (await shown(world))["room"]["money"] == Decimal("50.00")
        world.put_risk(worst=WorstCase(Decimal(9000)))
        room = (await shown(world))["room"]
        assert (room["money"], set(room["lots"]["symbols"].values())) == (0, {0})


@pytest.mark.parametrize(
    "unknown",
    [
        {"worst": WorstCase(Decimal(10_000), unknown=("ticket 7 has no stop",))},
        {"promised": None},
        {"day_known": False},
        {"policy": Policy()},
    ],
)
async def test_without_all_that_it_is_made_of_there_is_no_room(unknown: dict[str, Any]) -> None:
    """A position without a stop, an order on its way, an unknown day, no floor: null, and no lots."""
    async with open_world() as world:
        world.put_tick()
        world.put_risk(**unknown)
        found = await shown(world)
        assert found["room"] == {
            "money": None,
            "percent_of_equity": None,
            "binds": None,
            "binds_from": None,
            "lots": None,
        }
        if "worst" in unknown:
            assert (found["worst_case"]["equity"], found["worst_case"]["unknown"]) == (None, ["ticket 7 has no stop"])
        if "day_known" in unknown:
            assert found["lacks"] == "what the account had when the day began"
            assert (found["day"]["balance"], found["day"]["made"], found["day"]["highest_balance"]) == (None,) * 3
            assert [each["rule"] for each in found["floors"]] == ["max_loss"]


async def test_a_reset_that_would_break_a_floor_is_foreseen() -> None:
    """A loss that floats is legal now, and below the floor of the next day, which counts from a higher balance."""
    async with open_world() as world:
        world.put_risk(balance="10400.00", equity="9800.00")
        (daily, overall) = (await shown(world))["floors"]
        assert (daily["floor"], daily["next_floor"]) == (9550, 9900)
        assert (daily["broken"], daily["broken_by_reset"], overall["broken_by_reset"]) == (False, True, False)
        world.put_risk(balance="9500.00", equity="9500.00")
        (daily, _) = (await shown(world))["floors"]
        assert (daily["broken"], daily["broken_by_reset"], daily["room"]) == (True, False, -50)
        assert daily["used_percent"] == 110


async def test_lots_are_those_of_the_stop_and_on_the_grid() -> None:
    """By the percent that was asked for, else the policy's, else 1; only of symbols with a price."""
    async with open_world() as world:
        world.put_tick()
        world.put_risk()
        assert (await shown(world))["room"]["lots"] == {"stop_percent": 1, "symbols": {"EURUSD": Decimal("0.41")}}
        narrow = (await shown(world, "?stop_percent=0.1"))["room"]["lots"]
        assert narrow == {
            "stop_percent": Decimal("0.1"),
            "symbols": {"EURUSD": Decimal("1.00")},
        }  # no order may be larger
        assumed = attrs.evolve(FIRM, allowances=Allowances(assumed_stop_percent=Decimal(2)))
        world.put_risk(policy=assumed)
        assert (await shown(world))["room"]["lots"] == {"stop_percent": 2, "symbols": {"EURUSD": Decimal("0.20")}}


async def test_every_cause_is_shown() -> None:
    """An operator, a rule and an unknown order, in /risk and in /status; the strictest is the state."""
    async with open_world() as world:
        halts = world.boards.halts
        halts.set("demo", Halt(TradingState.REDUCE_ONLY, "lunch (by owner)", NOW))
        halts.hold("demo", "daily_loss", Halt(TradingState.HALTED, "daily_loss: below", NOW))
        halts.cloud("demo", UNKNOWN_ORDER, Halt(TradingState.REDUCE_ONLY, "order a1 is not known", NOW))
        trading = (await shown(world))["trading"]
        assert (trading["state"], trading["cause"]) == ("halted", "daily_loss: below")
        assert [(each["rule"], each["state"]) for each in trading["holds"]] == [
            ("operator", "reduce_only"),
            ("daily_loss", "halted"),
            ("no_unknown", "reduce_only"),
        ]
        response = await world.app.test_client().get("/status", headers=HEADERS)
        assert json.loads(await response.get_data())["brokers"][0]["trading"] == trading


async def test_an_account_that_nobody_set_yet() -> None:
    """Halted, and by no operator."""
    async with open_world() as world:
        world.boards.halts._states.clear()
        (hold,) = (await shown(world))["trading"]["holds"]
        assert (hold["rule"], hold["state"], hold["since"]) == ("not_started", "halted", None)


async def test_what_is_being_flattened() -> None:
    """All of an account, or what is of one magic."""
    async with open_world() as world:
        world.boards.risk.flattening("demo", Flattening("demo", "enough", NOW))
        world.boards.risk.flattening("demo:7", Flattening("demo", "EA alpha is silent", NOW, magic=7, positions=False))
        world.boards.risk.flattening("live", Flattening("live", "another", NOW))
        assert [(item["magic"], item["positions"]) for item in (await shown(world))["flattening"]] == [
            (None, True),
            (7, False),
        ]


async def test_other_limits() -> None:
    """A trailing floor by its mark, a tier by the equity, no goals where no rule has any."""
    rules = Rules(
        daily_loss=DailyLoss(amount=Decimal(400), base=Base.MAX, inclusive=True),
        max_loss=MaxLoss(percent=Decimal(4), trailing=Trailing.INTRADAY),
        tiers=Tiers(scaling=Decimal(5000), guardian=Decimal(50_000)),
    )
    async with open_world() as world:
        world.put_risk(policy=Policy(initial_capital=Decimal(10_000), rules=rules))
        found = await shown(world)
        assert found["tier"] == "scaling"
        assert found["goals"] == {"profit_target": None, "trading_days": None, "best_day": None}
        assert [(each["floor"], each["inclusive"]) for each in found["floors"]] == [(9650, True), (9650, False)]
        assert found["room"]["money"] == Decimal("349.99")  # at an inclusive floor it is broken


async def test_several_accounts() -> None:
    """Each by itself, or the one that is named."""
    async with open_world(brokers=("demo", "live")) as world:
        world.put_risk("live")
        response = await world.app.test_client().get("/risk", headers=HEADERS)
        items = json.loads(await response.get_data())["items"]
        assert [(item["broker"], item["at"] is None) for item in items] == [("demo", True), ("live", False)]
        assert (await shown(world, "?broker=live"))["currency"] == "USD"


# --- what is asked of the governor -----------------------------------------------------------------------------------


async def test_a_baseline_goes_to_the_governor_as_it_was_said() -> None:
    """To the cent, with whose token it was."""
    async with open_world(brokers=("demo", "live")) as world:
        body = b'{"broker":"live","balance":10050.10,"highest_equity":10100,"reason":" the page "}'
        response = await world.app.test_client().put("/risk/baseline", headers=JSON, data=body)
        assert response.status_code == 200
        (said,) = world.baselines
        assert (said.broker, str(said.balance), said.equity, said.highest_equity) == ("live", "10050.10", None, 10100)
        assert (said.reason, said.by) == ("the page", "owner")


@pytest.mark.parametrize("path", ["/risk/baseline", "/risk/state"])
async def test_a_governor_that_says_nothing_is_504(path: str, autojump_clock: Any) -> None:
    """Whether it was taken is not known, and that is what is said."""
    async with open_world() as world:
        world.baseline_reply = world.state_reply = lambda _: None
        client = world.app.test_client()
        if path == "/risk/state":
            response = await client.post(path, headers=JSON, data=b'{"state":"halted","reason":"x","flatten":true}')
        else:
            response = await client.put(path, headers=JSON, data=BASELINE)
        problem = json.loads(await response.get_data())
        assert (response.status_code, problem["code"]) == (504, "unknown")
        assert risk.SET_WITHIN_S == 5


async def test_a_flattening_is_asked_for_with_its_reason() -> None:
    """And is there to be seen at once."""
    async with open_world() as world:
        body = b'{"state":"reduce_only","reason":"enough","flatten":true}'
        response = await world.app.test_client().post("/risk/state", headers=JSON, data=body)
        assert response.status_code == 200
        assert [(each.state, each.flatten) for each in world.states] == [(TradingState.REDUCE_ONLY, True)]
        assert [item["cause"] for item in (await shown(world))["flattening"]] == ["enough (by owner)"]


def test_two_rules_that_say_the_same_say_it_once() -> None:
    """Both floors refuse an order without a stop in the same words; each has its own entry all the same."""
    reasons = [{"rule": rule, "message": "the order has no stop"} for rule in ("daily_loss", "max_loss")]
    problem = trade_problem({"status": "rejected", "approved": False, "reasons": reasons})

    assert problem is not None
    assert (problem.detail, problem.fields["reasons"]) == ("the order has no stop", reasons)
