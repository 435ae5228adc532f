"""What the routes of the record do beyond their golden files: pages, memory, history, answers that do not come."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from unit.edges.rest.harness import HEADERS, JSON, World, open_world

from actors.known import Asked
from actors.runtime import NotDelivered
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.domain.tokens import digest_of
from quantmind.edges.rest import lookups, records
from quantmind.errors import JournalDown
from quantmind.records import Decision, Event, Holding, Intent, Released, Settled
from quantmind.wire.auth import Identity

BODY = {"type": "trade_open", "magic": 7, "symbol": "EURUSD", "execute": True}
SETTLE = b'{"outcome":"filled","ticket":5,"reason":"seen"}'


def intent(order_id: str, at: float = 1.0, ea_name: str = "alpha", broker: str = "demo", **more: Any) -> Intent:
    return Intent(order_id, broker, ea_name, 7, "EURUSD", more.get("request_id", order_id), "f", dict(BODY), at)


async def get(world: World, path: str) -> tuple[int, Any]:
    response = await world.app.test_client().get(path, headers=HEADERS)
    return response.status_code, json.loads(await response.get_data())


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
async def test_pages_of_open_orders(limit: int) -> None:
    """Each once, oldest first, however many came at the same time; what is final is in none."""
    async with open_world(brokers=("demo", "live")) as world:
        made = [intent(f"o{n}", at=1795424400.25 + n // 3, broker="live" if n % 4 == 0 else "demo") for n in range(8)]
        outcomes = [Settled(each.order_id, OrderState.UNKNOWN, {}, 2.0) for each in made[2:4]]
        outcomes += [Settled(each.order_id, OrderState.PLACED, {"status": "success"}, 2.0) for each in made[4:6]]
        outcomes += [Settled(made[6].order_id, OrderState.FILLED, {"status": "success"}, 2.0)]
        await world.context.journal.append([*made, *outcomes])

        async def all_of(query: str) -> list[tuple[str, str]]:
            found: list[tuple[str, str]] = []
            after = ""
            while True:
                status, page = await get(world, f"/commands?limit={limit}{query}{after}")
                assert status == 200
                assert len(page["items"]) <= limit
                found += [(item["order_id"], item["state"]) for item in page["items"]]
                if page["next"] is None:
                    return found
                after = f"&after={page['next']}"

        unknown = [("o0", "intent"), ("o1", "intent"), ("o2", "unknown"), ("o3", "unknown")]
        placed = [("o4", "placed"), ("o5", "placed")]
        assert await all_of("") == [*unknown, *placed, ("o7", "intent")]
        assert await all_of("&state=unknown") == [*unknown, ("o7", "intent")]
        assert await all_of("&state=placed") == placed
        assert await all_of("&broker=live") == [unknown[0], placed[0]]
        assert (await get(world, "/commands?broker=nope"))[0] == 404
        assert (await get(world, "/commands?after=5"))[0] == 422


async def test_a_command_that_is_only_in_memory() -> None:
    """Answered while the journal could not write: what was said is shown, and that it is not on record."""
    async with open_world() as world:
        known = world.context.known
        entry = known.begin(("alpha", "r"), "f", Asked("demo", dict(BODY), 1795424400.0))
        _, shown = await get(world, "/commands/r")
        assert (shown["kind"], shown["state"], shown["in_flight"]) == (None, "proposed", True)
        assert (shown["reply"], shown["command"], shown["magic"]) == (None, BODY, 7)
        known.finish(("alpha", "r"), entry, {"status": "success", "order_id": "o1", "ticket": 5})
        _, shown = await get(world, "/commands/r")
        assert (shown["state"], shown["in_flight"], shown["order_id"]) == (None, False, "o1")
        assert (shown["reply"]["ticket"], shown["command"]) == (5, None)
        # One whose answer was lost and that nobody wrote down never was.
        lost = known.begin(("alpha", "l"), "f", Asked("demo", dict(BODY), 1795424400.0))
        known.finish(("alpha", "l"), lost, NotDelivered("gone"))
        assert (await get(world, "/commands/l"))[0] == 404


async def test_an_id_of_one_ea_on_record_and_another_in_memory() -> None:
    """Both are named; each has its own."""
    async with open_world() as world:
        await world.context.journal.append([intent("o1", request_id="r")])
        world.context.known.begin(("beta", "r"), "f", Asked("demo", dict(BODY), 1795424400.0))
        status, problem = await get(world, "/commands/r")
        assert (status, problem["ea_names"]) == (422, ["alpha", "beta"])
        assert (await get(world, "/commands/r?ea_name=alpha"))[1]["order_id"] == "o1"
        assert (await get(world, "/commands/r?ea_name=beta"))[1]["in_flight"] is True
        status, problem = await get(world, "/commands/r?ea_name=gamma")
        assert (status, problem["ea_name"]) == (404, "gamma")


async def test_an_id_of_very_many_eas() -> None:
    """The problem names twenty of them."""
    async with open_world() as world:
        made = [intent(f"o{n}", ea_name=f"ea{n:03}", request_id="r") for n in range(50)]
        await world.context.journal.append(made)
        status, problem = await get(world, "/commands/r")
        assert status == 422
        assert problem["ea_names"] == [f"ea{n:03}" for n in range(20)]
        assert "and others" in problem["detail"]


async def test_nothing_was_sent_is_only_said_when_it_is_certain() -> None:
    """A journal that can't write may lack what went out meanwhile."""
    async with open_world() as world:
        assert "nothing was sent under it" in (await get(world, "/commands/r"))[1]["detail"]
        journal = world.context.journal

        class Down:
            down = "disk full"
            remembered = journal.remembered

        object.__setattr__(world.context, "journal", Down())
        status, problem = await get(world, "/commands/r")
        assert status == 404
        assert "nothing was sent" not in problem["detail"]


async def test_the_history_of_an_order() -> None:
    """Its decision, intent and outcomes, deals, events and what a person said, in order; no other order's."""
    async with open_world() as world:
        decision = Decision(
            "o1",
            "demo",
            "alpha",
            7,
            "EURUSD",
            None,
            "f",
            True,
            dict(BODY),
            {"status": "success"},
            1.0,
            remembered=False,
        )
        said = {"by": "owner", "reason": "seen"}
        await world.context.journal.append(
            [
                decision,
                intent("o1"),
                intent("o2"),
                Settled("o1", OrderState.UNKNOWN, {"status": "unknown"}, 2.0),
                Event("drift", "demo", {"what": "w"}, 2.5, order_id="o1"),
                Settled("o1", OrderState.FILLED, {"status": "success"}, 3.0, KnownBy.PERSON, said),
                Holding("demo", "position", 5, {"ticket": 5}, 3.5, "o1"),
                Holding("demo", "deal", 9, {"ticket": 9}, 3.5, "o1"),
                Released("o2", "over", 4.0),
            ]
        )
        _, shown = await get(world, "/orders/o1")
        assert [(line["kind"], line["state"]) for line in shown["history"]] == [
            ("decision", "approved"),
            ("intent", "intent"),
            ("outcome", "unknown"),
            ("event", None),
            ("outcome", "filled"),
            ("deal", None),
        ]
        assert shown["history"][3]["name"] == "drift"
        assert (shown["history"][4]["known_by"], shown["history"][4]["by"], shown["history"][4]["reason"]) == (
            "person",
            "owner",
            "seen",
        )
        assert shown["history"][5]["ticket"] == 9
        assert shown["history"][0]["time"] == "1970-01-01T00:00:01.000Z"


@pytest.mark.parametrize("trouble", ["down", "hangs"])
async def test_an_order_without_its_history(trouble: str, autojump_clock: Any) -> None:
    """A log that can't be read hides nothing of the order."""

    class Broken:
        async def entries(self, _: Any) -> Any:
            if trouble == "hangs":
                await trio.sleep_forever()
            raise JournalDown("disk full")

    async with open_world() as world:
        await world.context.journal.append([intent("o1")])
        object.__setattr__(world.context, "log", Broken())
        status, shown = await get(world, "/orders/o1")
        assert (status, shown["order_id"], shown["history"]) == (200, "o1", None)


async def test_a_journal_that_hangs_is_503_in_bounded_time(autojump_clock: Any) -> None:
    """Nobody waits for a disk for ever."""
    async with open_world() as world:
        world.context.journal.hangs = True
        for path in ("/commands/r", "/commands", "/orders/o1"):
            began = trio.current_time()
            status, problem = await get(world, path)
            assert (status, problem["code"]) == (503, "no_journal")
            assert trio.current_time() - began == pytest.approx(lookups.READ_WITHIN_S, abs=0.1)


async def test_an_executor_without_an_answer_is_504_in_bounded_time(autojump_clock: Any) -> None:
    """Whether the order was settled is not known; where it will be seen is said."""
    async with open_world() as world:
        await world.context.journal.append([intent("o1")])
        world.settle_reply = lambda _: None
        began = trio.current_time()
        response = await world.app.test_client().post("/orders/o1/settle", headers=JSON, data=SETTLE)
        assert response.status_code == 504
        assert trio.current_time() - began == pytest.approx(records.SETTLE_WITHIN_S, abs=0.2)
        assert "/orders/o1" in json.loads(await response.get_data())["detail"]
        (word,) = world.settlements
        assert (word.order_id, word.state, word.ticket, word.by, word.force) == (
            "o1",
            OrderState.FILLED,
            5,
            "owner",
            False,
        )


async def test_an_executor_that_is_not_there_is_429() -> None:
    """Nothing was settled, and it may be sent again."""

    class Gone:
        async def ask(self, request: Any) -> Any:
            raise NotDelivered("gone")

    async with open_world() as world:
        await world.context.journal.append([intent("o1")])
        object.__setattr__(world.context, "executors", {"demo": Gone()})
        response = await world.app.test_client().post("/orders/o1/settle", headers=JSON, data=SETTLE)
        assert response.status_code == 429
        assert "nothing was settled" in json.loads(await response.get_data())["detail"]


async def test_records_of_brokers_that_a_token_may_not_see() -> None:
    """An order of another broker is forbidden by every way to it, and in no list; one of its own is shown."""
    secret = "branch-token-0123456789"
    branch = Identity("branch", frozenset({"admin"}), brokers=frozenset({"live"}), digest=digest_of(secret))
    headers = {"X-Token": secret, "Content-Type": "application/json"}
    async with open_world(brokers=("demo", "live")) as world:
        world.context.authenticator.replace([branch])
        world.context.known.begin(("beta", "m"), "f", Asked("demo", dict(BODY), 1795424400.0))
        await world.context.journal.append([intent("o1"), intent("o2", broker="live")])
        client = world.app.test_client()
        for path in ("/orders/o1", "/commands/o1", "/commands/m", "/commands?broker=demo"):
            assert (await client.get(path, headers=headers)).status_code == 403, path
        assert (await client.post("/orders/o1/settle", headers=headers, data=SETTLE)).status_code == 403
        for path in ("/orders/o2", "/commands/o2"):
            assert (await client.get(path, headers=headers)).status_code == 200, path
        for path in ("/commands", "/commands?broker=live"):
            page = json.loads(await (await client.get(path, headers=headers)).get_data())
            assert [item["order_id"] for item in page["items"]] == ["o2"]
