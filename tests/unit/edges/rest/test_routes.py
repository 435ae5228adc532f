"""What routes do beyond their golden files: pages, outcomes without an answer, parts that break."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import trio
from unit.edges.rest.harness import HEADERS, JSON, ORDER, make_world, open_world

from actors.router import MAILBOX
from actors.runtime import NotDelivered
from quantmind.edges.rest import lookups, risk, writes
from quantmind.wire.commands import Trade


async def pages(client, path: str, limit: int) -> list[list]:
    """Every page of a list, by following `next`."""
    found, after = [], None
    while True:
        query = f"{path}{'&' if '?' in path else '?'}limit={limit}" + (f"&after={after}" if after else "")
        body = json.loads(await (await client.get(query, headers=HEADERS)).get_data())
        found.append(body["items"])
        after = body["next"]
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1000])
async def test_pages_of_positions(limit):
    """Each item once and in order, whatever the size of a page."""
    async with open_world() as world:
        world.put_sample(positions=7)
        found = await pages(world.app.test_client(), "/positions", limit)
        assert [item["ticket"] for page in found for item in page] == list(range(100, 107))
        assert all(len(page) == limit for page in found[:-1])
        found = await pages(world.app.test_client(), "/positions?symbol=EURUSD", limit)
        assert [item["ticket"] for page in found for item in page] == [100, 102, 104, 106]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_pages_of_symbols(limit):
    """By name and broker; of all brokers where none is named."""
    async with open_world(brokers=("demo", "live")) as world:
        found = await pages(world.app.test_client(), "/symbols", limit)
        names = [(item["symbol"], item["broker"]) for page in found for item in page]
        assert names == [("EURUSD", "demo"), ("EURUSD", "live"), ("XAUUSD", "demo"), ("XAUUSD", "live")]
        found = await pages(world.app.test_client(), "/symbols?broker=live&match=*usd", limit)
        assert [item["broker"] for page in found for item in page] == ["live", "live"]


async def test_a_page_goes_on_where_the_last_ended_though_positions_close():
    """What closes in between makes no later item appear twice or not at all."""
    async with open_world() as world:
        world.put_sample(positions=6)
        client = world.app.test_client()
        first = json.loads(await (await client.get("/positions?limit=3", headers=HEADERS)).get_data())
        link = world.boards.links.of("demo")
        link.sample.positions.pop(0)
        rest = json.loads(await (await client.get(f"/positions?after={first['next']}", headers=HEADERS)).get_data())
        assert [item["ticket"] for item in rest["items"]] == [103, 104, 105]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1000])
async def test_pages_of_orders_deals_eas_and_clients(limit):
    """Each item once and in order, whatever the size of a page."""
    async with open_world() as world:
        world.put_sample(orders=7)
        world.put_deals(deals=7)
        world.put_eas()
        for _ in range(3):
            world.put_client()
        client = world.app.test_client()

        async def all_of(path: str, *names: str) -> list:
            return [tuple(item[name] for name in names) for page in await pages(client, path, limit) for item in page]

        assert await all_of("/orders", "ticket") == [(ticket,) for ticket in range(200, 207)]
        assert await all_of("/orders?symbol=XAUUSD", "ticket") == [(201,), (203,), (205,)]
        assert await all_of("/deals", "ticket") == [(ticket,) for ticket in range(300, 307)]
        assert await all_of("/eas", "ea_name", "magic") == [("alpha", 8), ("alpha", 9), ("beta", 7)]
        assert await all_of("/clients", "id") == [(1,), (2,), (3,)]


async def test_bars_by_pages():
    """Following `next` from the start gives each bar once."""
    async with open_world() as world:
        world.put_bars(minutes=7)
        found = await pages(world.app.test_client(), "/bars/EURUSD?after=0", 1000)
        whole = [item["time_msc"] for page in found for item in page]
        client, after, seen = world.app.test_client(), "0", []
        while after is not None:
            answer = await client.get(f"/bars/EURUSD?limit=2&after={after}", headers=HEADERS)
            body = json.loads(await answer.get_data())
            seen += [item["time_msc"] for item in body["items"]]
            after = body["next"]
        assert seen == whole
        assert len(whole) == 7


async def test_a_ticket_younger_than_the_last_sample_is_waited_for(autojump_clock):
    """What was opened a moment ago can be closed at once, and so can a waiting order be cancelled."""
    async with open_world() as world:
        world.put_sample(positions=0)
        client = world.app.test_client()
        for method, path in (("POST", "/brokers/demo/positions/100/close"), ("DELETE", "/brokers/demo/orders/200")):
            world.put_sample(positions=0)
            async with trio.open_nursery() as nursery:

                async def later() -> None:
                    await trio.sleep(0.4)
                    world.put_sample(positions=1, orders=1)

                nursery.start_soon(later)
                response = await client.open(path, method=method, headers=HEADERS)
                assert response.status_code == 200
        assert [request.command.kind for request in world.commands] == ["trade_close", "trade_cancel"]


async def test_a_ticket_that_no_sample_shows_is_404_in_bounded_time(autojump_clock):
    """Also when no further sample comes; nothing is sent."""
    async with open_world() as world:
        world.put_sample(positions=1)
        started = trio.current_time()
        response = await world.app.test_client().post("/brokers/demo/positions/9/close", headers=HEADERS)
        assert response.status_code == 404
        assert trio.current_time() - started == pytest.approx(lookups.SAMPLE_WITHIN_S, abs=0.2)
        assert world.commands == []


async def test_an_account_that_is_not_known_yet_is_503_and_not_404(autojump_clock):
    """A client must not take it for a position that is closed."""
    async with open_world() as world:
        response = await world.app.test_client().post("/brokers/demo/positions/100/close", headers=HEADERS)
        assert response.status_code == 503
        assert json.loads(await response.get_data())["code"] == "no_account"


async def test_numbers_reach_the_command_as_they_were_written():
    """No float on the way: twenty digits stay twenty digits."""
    async with open_world() as world:
        body = b'{"symbol":"EURUSD","action_type":"BUY","volume":0.12345678901234567890,"sl":1.1000000000000000001}'
        response = await world.app.test_client().post("/trade", headers=JSON, data=body)
        assert response.status_code == 200
        command = world.commands[0].command
        assert isinstance(command, Trade)
        assert command.volume == Decimal("0.12345678901234567890")
        assert command.sl == Decimal("1.1000000000000000001")
        assert command.envelope.ea_name == "rest:owner"
        assert command.execute
        assert world.commands[0].identity.name == "owner"
        assert world.commands[0].via == "http"


async def test_two_idempotency_keys_are_refused():
    """Which one counts would be a guess."""
    async with open_world() as world:
        headers = [*JSON.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        from werkzeug.datastructures import Headers

        response = await world.app.test_client().post("/trade", headers=Headers(headers), data=ORDER)
        assert response.status_code == 422
        assert world.commands == []


async def test_a_command_without_an_answer_is_429_in_bounded_time(autojump_clock):
    """Nothing was decided and nothing sent: the client may send it again, with the same key."""
    async with open_world() as world:
        world.reply = lambda _: None
        response = await world.app.test_client().post("/trade", headers={**JSON, "Idempotency-Key": "k"}, data=ORDER)
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "1"
        assert response.headers["Idempotency-Key"] == "k"


async def test_what_is_no_command_is_counted():
    """A body of /command that can't be understood is in /status, as it is over ZeroMQ."""
    async with open_world() as world:
        client = world.app.test_client()
        for body in (b"nonsense", b'{"type":"trade_open"}'):
            assert (await client.post("/command", headers=JSON, data=body)).status_code == 422
        beat = b'{"type":"heartbeat","ea_name":"alpha","magic":7}'
        assert (await client.post("/command", headers=JSON, data=beat)).status_code == 200
        commands = json.loads(await (await client.get("/status", headers=HEADERS)).get_data())["commands"]
        assert (commands["received"], commands["malformed"], commands["heartbeats"]) == (3, 2, 1)


CHANGE = b'{"mandate":{"mode":"none"},"reason":"enough"}'


async def test_a_router_that_crashes_at_a_change_is_504(autojump_clock):
    """Whether it was set is not known, and the answer says where to look and what holds now."""
    async with open_world() as world:
        world.store.hangs = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail_soon, world)
            response = await world.app.test_client().put("/state", headers=JSON, data=CHANGE)
        problem = json.loads(await response.get_data())
        assert (response.status_code, problem["code"], problem["mandate"]["mode"]) == (504, "unknown", "none")
        assert "GET /state" in problem["detail"]


async def _fail_soon(world) -> None:
    await trio.sleep(0.1)
    assert world.supervisor.fail("router", RuntimeError("planted"))


async def test_a_router_that_has_too_much_to_do_is_busy(autojump_clock):
    """Nothing was set, and the same request may be sent again."""
    async with open_world() as world:
        world.store.hangs = True
        statuses = []

        async def change() -> None:
            response = await world.app.test_client().put("/state", headers=JSON, data=CHANGE)
            statuses.append((response.status_code, response.headers.get("Retry-After")))

        async with trio.open_nursery() as nursery:
            for _ in range(MAILBOX.capacity + 10):
                nursery.start_soon(change)
        assert (429, "1") in statuses
        assert {status for status, _ in statuses} == {429, 503, 504}


async def test_a_governor_without_an_answer_is_504_in_bounded_time(autojump_clock):
    """Whether the state was set is not known; what it is now is said."""
    async with open_world() as world:
        world.state_reply = lambda _: None
        started = trio.current_time()
        body = b'{"state":"halted","reason":"news"}'
        response = await world.app.test_client().post("/risk/state", headers=JSON, data=body)
        assert response.status_code == 504
        assert trio.current_time() - started == pytest.approx(risk.SET_WITHIN_S, abs=0.2)
        assert json.loads(await response.get_data())["states"][0]["state"] == "active"


async def test_a_governor_that_is_not_there_is_429(monkeypatch):
    """Nothing was set."""

    class Gone:
        async def ask(self, request):
            raise NotDelivered("gone")

    async with open_world() as world:
        object.__setattr__(world.context, "governor", Gone())
        body = b'{"state":"halted","reason":"news"}'
        response = await world.app.test_client().post("/risk/state", headers=JSON, data=body)
        assert response.status_code == 429


async def test_the_gateway_too_busy_is_429():
    """Beyond the door's limit the answer comes at once."""
    async with open_world(max_in_flight=0) as world:
        response = await world.app.test_client().post("/trade", headers=JSON, data=ORDER)
        assert response.status_code == 429


async def test_a_bug_is_500_with_an_id_that_the_log_has_once(monkeypatch, caplog):
    """No traceback and no secret in the answer."""
    async with open_world() as world:

        def broken():
            raise RuntimeError("secret detail")

        object.__setattr__(world.context, "snapshot", broken)
        response = await world.app.test_client().get("/actors", headers=HEADERS)
        assert response.status_code == 500
        assert response.content_type == "application/problem+json"
        text = (await response.get_data()).decode()
        assert "secret" not in text
        assert "RuntimeError" not in text
        incident = json.loads(text)["id"]
        records = [record for record in caplog.records if incident in record.getMessage()]
        assert len(records) == 1
        assert records[0].exc_info is not None
        assert len(caplog.records) == 1


async def test_status_survives_a_part_that_breaks(caplog):
    """The page that people open when something is broken."""
    async with open_world() as world:

        def broken():
            raise RuntimeError("planted")

        world.context.parts["journal"] = broken
        response = await world.app.test_client().get("/status", headers=HEADERS)
        assert response.status_code == 200
        assert json.loads(await response.get_data())["journal"] == {"error": "RuntimeError"}


async def test_an_unconnected_broker_is_503_and_not_404():
    """Nobody knows yet whether it has the symbol."""
    async with open_world(brokers=("demo", "live")) as world:
        world.boards.catalog.set("live", [])
        client = world.app.test_client()
        for name, status in (("EURUSD@live", 503), ("GBPUSD", 503), ("GBPUSD@demo", 404)):
            response = await client.get(f"/ticks/{name}", headers=HEADERS)
            assert response.status_code == status


async def test_ticks_of_an_ended_replay_stay():
    """Its last prices stay confirmed."""
    async with open_world() as world:
        world.put_tick()
        world.boards.links.of("demo").feed = "ended"
        response = await world.app.test_client().get("/ticks/EURUSD", headers=HEADERS)
        assert response.status_code == 200


def test_ea_names_of_tokens():
    """Short enough for the protocol, and different for different tokens."""
    assert writes.ea_name_of("owner") == "rest:owner"
    long = writes.ea_name_of("t" * 64)
    assert len(long) == 64
    assert long != writes.ea_name_of("t" * 63 + "u")


def test_apps_are_independent():
    """Nothing is global: two gateways in one process do not meet."""
    first, second = make_world(), make_world()
    assert first.app is not second.app
    assert first.app.gate is not second.app.gate
