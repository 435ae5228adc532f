"""The simulator's WebSocket API: requests, sessions, and the user's events on spot."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.signing_check import Keys, check_call
from quantmind.testing.binance.ws_api import _decoded, _request_of

SPOT, FUTURES = "/ws-api/v3", "/ws-fapi/v1"


async def ask(tools, ws, text):
    await ws.send_message(text)
    return await tools.heard(ws)


async def test_requests_are_answered_by_their_id(tools):
    """Ids of every form come back, with status, result and limits; without limits where they are not wanted."""
    async with tools.open(clock=lambda: 1000.0) as client, client.socket(SPOT) as ws:
        said = await ask(tools, ws, '{"id": 7, "method": "time"}')
        assert (said["id"], said["status"], said["result"]) == (7, 200, {"serverTime": 1_000_000})
        assert said["rateLimits"][0]["count"] == 1
        said = await ask(tools, ws, '{"id": "x", "method": "ping", "params": {"returnRateLimits": false}}')
        assert said == {"id": "x", "status": 200, "result": {}}


async def test_an_order_is_placed_looked_up_and_canceled(tools):
    """order.place, order.status and order.cancel are the requests of REST; ORDERS are among the limits."""
    async with tools.open() as client, client.socket(SPOT) as ws:
        said = await ask(tools, ws, client.call(1, "order.place", **tools.limit, newClientOrderId="a"))
        assert (said["status"], said["result"]["clientOrderId"]) == (200, "a")
        assert {each["rateLimitType"] for each in said["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}
        said = await ask(tools, ws, client.call(2, "order.status", symbol="BTCUSDT", origClientOrderId="a"))
        assert said["result"]["status"] == "NEW"
        said = await ask(tools, ws, client.call(3, "order.cancel", symbol="BTCUSDT", origClientOrderId="a"))
        assert said["result"]["status"] == "CANCELED"
        said = await ask(tools, ws, client.call(4, "order.cancel", symbol="BTCUSDT", origClientOrderId="a"))
        assert (said["status"], said["error"]["code"]) == (400, -2011)
        assert (await ask(tools, ws, client.call(5, "account.status")))["status"] == 200


async def test_futures_have_listen_keys_there_too(tools):
    """userDataStream.start needs the key alone."""
    async with tools.open("futures") as client, client.socket(FUTURES) as ws:
        params = {"apiKey": client.key["X-MBX-APIKEY"]}
        said = await ask(tools, ws, json.dumps({"id": 1, "method": "userDataStream.start", "params": params}))
        assert said["result"]["listenKey"] in client.sim.exchange.listen_keys
        said = await ask(tools, ws, '{"id": 1, "method": "userDataStream.subscribe"}')
        assert said["status"] == 400


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x", -1135),
        ("[]", -1135),
        ('{"id": 1}', -1102),
        ('{"id": 1, "method": "time", "params": []}', -1135),
        ('{"id": 1, "method": "jump"}', -1000),
        ('{"id": 1, "method": "account.status"}', -2014),
        ('{"id": 1, "method": "account.status", "params": {"apiKey": "x"}}', -2015),
        ('{"id": 1, "method": "account.status", "params": {"apiKey": "simulator-key"}}', -1102),
        ('{"id": 1, "method": "account.status", "params": {"apiKey": "simulator-key", "signature": "x"}}', -1022),
        ('{"id": 1, "method": "userDataStream.subscribe"}', -2015),
        ('{"id": 1, "method": "userDataStream.unsubscribe"}', -2036),
    ],
)
async def test_a_wrong_request_is_answered_with_an_error(tools, text, code):
    """It has the code of REST, and the connection stays."""
    async with tools.open() as client, client.socket(SPOT) as ws:
        assert (await ask(tools, ws, text))["error"]["code"] == code
        assert (await ask(tools, ws, '{"id": 1, "method": "ping"}'))["status"] == 200


async def test_a_signed_subscription_gets_the_users_events(tools):
    """Events come wrapped with the id of the subscription, after its answer; a second one is refused."""
    async with tools.open() as client, client.socket(SPOT) as ws:
        said = await ask(tools, ws, client.call(1, "userDataStream.subscribe.signature"))
        assert said["result"] == {"subscriptionId": 0}
        await client.ask("POST", "/api/v3/order", **tools.order)
        said = await tools.heard(ws)
        assert (said["subscriptionId"], said["event"]["e"]) == (0, "executionReport")
        while (await tools.heard(ws))["event"]["e"] != "outboundAccountPosition":
            pass
        said = await ask(tools, ws, client.call(2, "userDataStream.subscribe.signature"))
        assert said["error"]["code"] == -2035
        said = await ask(tools, ws, '{"id": 3, "method": "session.subscriptions"}')
        assert said["result"] == [{"subscriptionId": 0}]
        assert client.sim.connections()[0].streams == ("user",)


async def test_the_end_of_a_subscription_is_told(tools):
    """Unsubscribing is answered, `eventStreamTerminated` follows, and events end; the next one has another id."""
    async with tools.open() as client, client.socket(SPOT) as ws:
        await ask(tools, ws, client.call(1, "userDataStream.subscribe.signature"))
        said = await ask(tools, ws, '{"id": 2, "method": "userDataStream.unsubscribe"}')
        assert said["result"] == {}
        assert (await tools.heard(ws))["event"]["e"] == "eventStreamTerminated"
        await client.ask("POST", "/api/v3/order", **tools.order)
        assert await tools.is_quiet(ws)
        said = await ask(tools, ws, client.call(3, "userDataStream.subscribe.signature"))
        assert said["result"] == {"subscriptionId": 1}


async def test_a_hmac_key_cannot_log_on(tools):
    """session.logon is for Ed25519 keys."""
    async with tools.open() as client, client.socket(SPOT) as ws:
        assert (await ask(tools, ws, client.call(1, "session.logon")))["error"]["code"] == -4056


async def test_a_session_needs_no_further_signatures(tools):
    """After session.logon with an Ed25519 key, requests need a time alone, until session.logout."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    async with tools.open(keys=Keys("key", public_key=public)) as client, client.socket(SPOT) as ws:

        def said(method, **params):
            return json.dumps({"id": method, "method": method, "params": params})

        now = client.sim.exchange.now_ms()
        signature = base64.b64encode(key.sign(f"apiKey=key&timestamp={now}".encode())).decode()
        answer = await ask(tools, ws, said("session.logon", apiKey="key", timestamp=now, signature=signature))
        assert answer["result"]["apiKey"] == "key"
        assert (await ask(tools, ws, said("account.status", timestamp=now)))["status"] == 200
        assert (await ask(tools, ws, said("account.status")))["error"]["code"] == -1102
        assert (await ask(tools, ws, said("userDataStream.subscribe")))["result"] == {"subscriptionId": 0}
        assert (await ask(tools, ws, said("session.status")))["result"]["userDataStream"] is True
        assert (await ask(tools, ws, said("session.logout")))["result"]["apiKey"] is None
        assert (await tools.heard(ws))["event"]["e"] == "eventStreamTerminated"
        assert (await ask(tools, ws, said("account.status", timestamp=now)))["error"]["code"] == -2014


async def test_limits_hold_for_both_doors(tools):
    """Weight is counted over REST and WebSocket API together; messages there have no limit by the second."""
    async with tools.open(weight_1m=12, clock=lambda: 1000.0) as client, client.socket(SPOT) as ws:
        await client.http.get("/api/v3/time")
        for _ in range(11):
            assert (await ask(tools, ws, '{"id": 1, "method": "ping"}'))["status"] == 200
        said = await ask(tools, ws, '{"id": 1, "method": "ping"}')
        assert (said["status"], said["error"]["code"]) == (429, -1003)


async def test_a_lost_answer_ends_the_connection(tools):
    """The faults of requests are the same at both doors."""
    async with tools.open() as client, client.socket(SPOT) as ws:
        client.sim.faults.hold_answers = True
        await ws.send_message(client.call(1, "order.place", **tools.order))
        assert await tools.is_quiet(ws)
        client.sim.faults.lose = "answer"
        with pytest.raises(ConnectionClosed):
            await ask(tools, ws, client.call(2, "order.place", **tools.order))
        assert len(client.sim.executed()) == 2


def test_the_documents_example_is_signed_rightly():
    """The example of Binance's documents: name=value by name, numbers as they are written."""
    params = {
        "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01000000",
        "price": "52000.00", "recvWindow": "100", "timestamp": "1645423376532",
        "apiKey": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        "signature": "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    }  # fmt: skip
    keys = Keys(params["apiKey"], "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j")
    check_call(keys, params)
    with pytest.raises(ApiFault):
        check_call(keys, params | {"price": "52000.01"})


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "method", "params", "x"]), inner, max_size=4)
    ),
)


@given(st.text(max_size=60) | VALUES.map(json.dumps))
def test_any_message_is_read_or_refused(text):
    """Whatever a client sends is a method with texts, or a refusal."""
    try:
        method, params = _request_of(_decoded(text))
    except ApiFault as fault:
        code = fault.code
    else:
        code = None
        assert isinstance(method, str)
        assert all(isinstance(value, str) for value in params.values())
    assert code in (None, -1102, -1135)
