"""Faults of the simulator: each does what it says, for as long as it stays, and the ledger tells the truth."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed

from quantmind.testing.binance.faults import Faults, changes_orders, is_under
from quantmind.testing.binance.symbols import SymbolSettings

ORDERS = "/api/v3/order"


@pytest.fixture
def jumping(autojump_clock):
    autojump_clock.autojump_threshold = 0.002
    return autojump_clock


async def events_of(tools, ws, count):
    return [(await tools.heard(ws))["event"] for _ in range(count)]


@pytest.mark.parametrize(("what", "executed"), [("request", 0), ("answer", 1)])
async def test_a_request_or_its_answer_is_lost(tools, what, executed):
    """The connection is closed without a word, before or after the order is carried out; other requests work."""
    async with tools.open() as client:
        client.sim.faults.lose = what
        with pytest.raises(httpx.RemoteProtocolError):
            await client.ask("POST", ORDERS, **tools.order)
        assert len(client.sim.executed()) == executed
        assert (await client.ask("GET", "/api/v3/account")).status_code == 200
        client.sim.faults.lose = None
        assert (await client.ask("POST", ORDERS, **tools.order)).status_code == 200
        assert len(client.sim.executed()) == executed + 1


@pytest.mark.parametrize(("later_s", "executed"), [(0.0, 1), (6.0, 0)])
async def test_a_request_may_arrive_late(tools, later_s, executed):
    """Its connection is gone by then; the exchange refuses it when its time is over."""
    at = [1000.0]
    async with tools.open(clock=lambda: at[0]) as client:
        client.sim.faults.lose, client.sim.faults.late_s = "late", 0.05
        with pytest.raises(httpx.RemoteProtocolError):
            await client.http.post(f"{ORDERS}?{client.signed(**tools.order)}", headers=client.key)
        client.sim.faults.lose = None
        assert not client.sim.executed()
        answered = client.sim.exchange.answered
        at[0] += later_s
        await tools.until(lambda: client.sim.exchange.answered > answered)
        assert len(client.sim.executed()) == executed


@pytest.mark.parametrize("executed_first", [False, True])
async def test_an_error_may_come_after_the_deed(tools, executed_first):
    """A 5xx says nothing about whether the order was carried out."""
    async with tools.open() as client:
        client.sim.faults.executed_first = executed_first
        client.sim.faults.error = (503, -1007, "Timeout waiting for response from backend server.")
        said = await client.ask("POST", ORDERS, **tools.order)
        assert (said.status_code, said.json()["code"]) == (503, -1007)
        assert len(client.sim.executed()) == executed_first
        assert (await client.http.get("/api/v3/time")).status_code == 200
        client.sim.faults.error_on = "all"
        assert (await client.http.get("/api/v3/time")).status_code == 503


async def test_an_answer_is_held(tools):
    """The order is carried out, its connection stays open, and nothing comes; other connections work."""
    async with tools.open() as client:
        client.sim.faults.hold_answers = True
        with pytest.raises(httpx.ReadTimeout):
            await client.http.post(f"{ORDERS}?{client.signed(**tools.order)}", headers=client.key, timeout=0.03)
        await tools.until(lambda: len(client.sim.executed()) == 1)
        assert (await client.http.get("/api/v3/time")).status_code == 200


async def test_a_ban_ends_when_it_says(tools):
    """Until then each request is answered with 418, its end is told, and no WebSocket opens."""
    at = [1000.0]
    async with tools.open(clock=lambda: at[0]) as client:
        client.sim.faults.banned_until = 1100.0
        said = await client.http.get("/api/v3/time")
        assert (said.status_code, said.headers["retry-after"]) == (418, "100")
        assert "banned until 1100000" in said.json()["msg"]
        assert await client.refusal("/ws") == 418
        at[0] = 1100.0
        assert (await client.http.get("/api/v3/time")).status_code == 200


async def test_a_cut_takes_every_connection(tools):
    """When it is set, connections are gone and new ones are refused; when it is taken back, the same port works."""
    async with tools.open() as client, client.socket("/ws/btcusdt@bookTicker") as ws:
        url = client.sim.url
        client.sim.faults.cut = True
        assert (client.sim.port.open_connections, client.sim.connections()) == (0, ())
        with pytest.raises(ConnectionClosed):
            await tools.heard(ws)
        with pytest.raises(httpx.ConnectError):
            await client.http.get("/api/v3/time")
        client.sim.faults.cut = False
        client.sim.faults.cut = False
        assert client.sim.url == url
        assert (await client.http.get("/api/v3/time")).status_code == 200


async def test_a_silent_path_says_nothing_but_pongs(tools):
    """Its connections stay, also those that come later; nothing that is missed is told afterwards."""
    async with tools.open() as client, client.socket("/stream?streams=btcusdt@bookTicker") as ws:
        client.sim.faults.silent_paths = {"/stream"}
        async with client.socket("/ws/btcusdt@bookTicker") as other:
            client.sim.quote("BTCUSDT", "1000", "1001")
            assert (await tools.heard(other))["u"]
        await ws.send_message('{"method": "LIST_SUBSCRIPTIONS", "id": 1}')
        assert await tools.is_quiet(ws)
        with trio.fail_after(1):
            await ws.ping()
        client.sim.faults.silent_paths.clear()
        client.sim.quote("BTCUSDT", "1000", "1002")
        assert float((await tools.heard(ws))["data"]["a"]) == 1002


async def test_pongs_can_be_missing(tools):
    """A half-open connection: what is sent arrives, and pings are not answered."""
    async with tools.open() as client, client.socket("/ws") as ws:
        client.sim.faults.no_pongs = True
        with trio.move_on_after(0.03) as patience:
            await ws.ping()
        assert patience.cancelled_caught
        await tools.until(lambda: client.sim.connections()[0].received == 1)


async def test_a_cancellation_may_be_late(tools):
    """Half of the order is filled before it is canceled, and the events of that come after the cancellation's."""
    async with tools.open() as client, client.socket("/ws-api/v3") as ws:
        await client.ask("POST", ORDERS, **tools.limit, newClientOrderId="a")
        await ws.send_message(client.call(1, "userDataStream.subscribe.signature"))
        await tools.heard(ws)
        client.sim.faults.late_fill_after_cancel = True
        said = await client.ask("DELETE", ORDERS, symbol="BTCUSDT", origClientOrderId="a")
        assert (said.json()["status"], float(said.json()["executedQty"])) == ("CANCELED", 0.005)
        reports = [each["x"] for each in await events_of(tools, ws, 4) if each["e"] == "executionReport"]
        assert reports == ["CANCELED", "TRADE"]
        said = await client.ask("GET", ORDERS, symbol="BTCUSDT", origClientOrderId="a")
        assert (said.json()["status"], float(said.json()["executedQty"])) == ("CANCELED", 0.005)


async def test_a_cancellation_of_the_smallest_order_is_too_late(tools):
    """What can't be halved is filled as a whole, and the cancellation is refused."""
    coarse = SymbolSettings("BTCUSDT", "BTC", "USDT", step=Decimal("0.01"), min_qty=Decimal("0.01"))
    async with tools.open(symbols=[coarse]) as client:
        await client.ask("POST", ORDERS, **tools.limit, newClientOrderId="a")
        client.sim.faults.late_fill_after_cancel = True
        said = await client.ask("DELETE", ORDERS, symbol="BTCUSDT", origClientOrderId="unknown")
        assert said.json()["code"] == -2011
        said = await client.ask("DELETE", ORDERS, symbol="BTCUSDT", origClientOrderId="a")
        assert said.json()["code"] == -2011
        said = await client.ask("GET", ORDERS, symbol="BTCUSDT", origClientOrderId="a")
        assert said.json()["status"] == "FILLED"


async def test_events_change_places(tools, jumping):
    """Each two events come the wrong way round; a lone one comes after a moment, or when the fault ends."""
    async with tools.open() as client:
        told = []
        client.sim.exchange.users.subscribe(told.append)
        client.sim.faults.events_out_of_order = True
        for number in range(5):
            client.sim.engine.on_event({"e": number})
        assert [each["e"] for each in told] == [1, 0, 3, 2]
        await trio.sleep(0.2)
        assert [each["e"] for each in told] == [1, 0, 3, 2, 4]
        client.sim.engine.on_event({"e": 5})
        client.sim.faults.events_out_of_order = False
        assert told[-1]["e"] == 5


async def test_events_come_late(tools, jumping):
    """They keep their order, and those that wait come at once when the fault ends."""
    async with tools.open() as client:
        told = []
        client.sim.exchange.users.subscribe(told.append)
        client.sim.faults.events_delayed_s = 2.0
        client.sim.engine.on_event({"e": 0})
        await trio.sleep(1)
        client.sim.engine.on_event({"e": 1})
        assert not told
        await trio.sleep(1.5)
        assert [each["e"] for each in told] == [0]
        client.sim.engine.on_event({"e": 2})
        client.sim.faults.events_delayed_s = 0.0
        assert [each["e"] for each in told] == [0, 1, 2]


async def test_events_are_lost_or_come_twice(tools):
    """Lost ones are counted and never told; doubled ones follow each other."""
    async with tools.open() as client:
        told = []
        client.sim.exchange.users.subscribe(told.append)
        client.sim.faults.events_lost = True
        client.sim.engine.on_event({"e": 0})
        client.sim.faults.events_lost = False
        client.sim.faults.duplicate_events = True
        client.sim.engine.on_event({"e": 1})
        assert [each["e"] for each in told] == [1, 1]
        assert (client.sim.exchange.users.told, client.sim.exchange.users.lost) == (2, 1)


@pytest.mark.parametrize(("how", "status", "body"), [("error", 503, True), ("empty", 200, False)])
async def test_there_is_no_data(tools, how, status, body):
    """Questions for account, orders and trades get 503 or nothing; orders are taken, and prices told."""
    async with tools.open() as client:
        client.sim.faults.no_data = how
        for path in ("/api/v3/account", "/api/v3/openOrders", "/api/v3/myTrades"):
            said = await client.ask("GET", path, symbol="BTCUSDT")
            assert (said.status_code, bool(said.content)) == (status, body)
        assert (await client.http.get("/api/v3/ticker/bookTicker")).json()
        assert (await client.ask("POST", ORDERS, **tools.order)).status_code == 200
    async with tools.open("futures") as client:
        client.sim.faults.no_data = how
        assert (await client.ask("GET", "/fapi/v3/account")).status_code == status


async def test_the_exchanges_clock_is_ahead(tools):
    """Its times, and the check of ours, are those of its clock."""
    async with tools.open(clock=lambda: 1000.0) as client:
        client.sim.faults.clock_ahead_s = 1.27
        assert (await client.http.get("/api/v3/time")).json() == {"serverTime": 1_001_270}
        assert (await client.ask("GET", "/api/v3/account", timestamp=996_000)).json()["code"] == -1021
        assert (await client.ask("GET", "/api/v3/account", timestamp=1_002_200)).status_code == 200


async def test_a_fault_of_the_websocket_api_is_the_same(tools):
    """`lose` closes that connection; `error` is an answer with its status."""
    async with tools.open() as client, client.socket("/ws-api/v3") as ws:
        client.sim.faults.error = (503, -1006, "x")
        await ws.send_message(client.call(1, "order.place", **tools.order))
        said = await tools.heard(ws)
        assert (said["status"], said["error"]) == (503, {"code": -1006, "msg": "x"})
        client.sim.faults.lose = "request"
        await ws.send_message(client.call(1, "order.place", **tools.order))
        with pytest.raises(ConnectionClosed):
            await tools.heard(ws)
        assert not client.sim.executed()


@pytest.mark.parametrize(
    ("path", "above", "is_so"),
    [
        ("/ws", "/ws", True),
        ("/ws/a", "/ws", True),
        ("/ws/a", "/ws/", True),
        ("/ws-api/v3", "/ws", False),
        ("/ws-api/v3", "/ws-api", True),
        ("/public/stream", "/public", True),
        ("/stream", "", True),
    ],
)
def test_what_is_under_a_path(path, above, is_so):
    """A path is meant as a whole, with all that is below it."""
    assert is_under(path, above) is is_so


def test_a_fault_has_its_values():
    """A value that a fault does not know is refused."""
    faults = Faults()
    for name, value in (("lose", "all"), ("no_data", True), ("events_delayed_s", -1), ("error_on", "")):
        with pytest.raises(ValueError):
            setattr(faults, name, value)
    with pytest.raises(AttributeError):
        faults.loose = "answer"


@pytest.mark.parametrize(
    ("method", "path", "changes"),
    [
        ("POST", "/api/v3/order", True),
        ("DELETE", "/api/v3/openOrders", True),
        ("POST", "/api/v3/order/cancelReplace", True),
        ("POST", "/api/v3/orderList/otoco", True),
        ("POST", "/api/v3/order/test", False),
        ("GET", "/api/v3/order", False),
        ("PUT", "/fapi/v1/order", True),
        ("POST", "/fapi/v1/algoOrder", True),
        ("DELETE", "/fapi/v1/algoOpenOrders", True),
        ("DELETE", "/fapi/v1/allOpenOrders", True),
        ("POST", "/fapi/v1/batchOrders", True),
        ("POST", "/fapi/v1/listenKey", False),
        ("POST", "/fapi/v1/leverage", False),
    ],
)
def test_which_requests_change_orders(method, path, changes):
    """Those that place, cancel or modify one, and nothing else."""
    assert changes_orders(method, path) is changes
