"""The simulator's REST: keys, signatures, times, limits, and what HTTP there is round them."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote, urlencode

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.signing_check import Keys, check_call, check_request, check_time

ACCOUNT = "/api/v3/account"


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


async def test_a_signed_order_is_carried_out(tools):
    """An order signed by the account's key trades at the quote, and is in the list of what was executed."""
    async with tools.open() as client:
        said = await client.ask("POST", "/api/v3/order", **tools.order, newClientOrderId="mine")
        assert (said.status_code, said.json()["status"]) == (200, "FILLED")
        assert [each.client_id for each in client.sim.executed()] == ["mine"]


async def test_parameters_may_come_as_a_form(tools):
    """POST may carry its parameters in the body, and the signature is that of query and body joined."""
    async with tools.open() as client:
        form = urlencode(tools.order | {"timestamp": client.sim.exchange.now_ms()})
        query = "newClientOrderId=a"
        headers = client.key | {"Content-Type": "application/x-www-form-urlencoded"}
        body = f"{form}&signature={tools.sign(query + form)}"
        said = await client.http.post(f"/api/v3/order?{query}", content=body, headers=headers)
        assert said.status_code == 200, said.text
        assert client.sim.executed()[0].client_id == "a"


async def test_a_request_must_show_its_key(tools):
    """No key is -2014, another one -2015; both are 401 and do nothing."""
    async with tools.open() as client:
        for key, code in (({}, -2014), ({"X-MBX-APIKEY": "another"}, -2015)):
            said = await client.http.post(f"/api/v3/order?{client.signed(**tools.order)}", headers=key)
            assert (said.status_code, said.json()["code"]) == (401, code)
        assert not client.sim.executed()


async def test_timestamp_and_signature_must_be_there(tools):
    """-1102 names the parameter that is missing."""
    async with tools.open() as client:
        query = "recvWindow=5000"
        for text, name in ((f"{query}&signature={tools.sign(query)}", "timestamp"), ("timestamp=1", "signature")):
            said = await client.http.get(f"{ACCOUNT}?{text}", headers=client.key)
            assert (said.status_code, said.json()["code"]) == (400, -1102)
            assert name in said.json()["msg"]


async def test_a_wrong_signature_is_refused(tools):
    """Any change of what was signed is -1022, and so is a signature of what was not percent-encoded."""
    async with tools.open() as client:
        good = client.signed(symbol="BTCUSDT")
        plain = f'symbols=["BTCUSDT"]&timestamp={client.sim.exchange.now_ms()}'
        encoded = plain.replace('["BTCUSDT"]', quote('["BTCUSDT"]'))
        for text in (
            good.replace("BTCUSDT", "ETHUSDT"),
            good + "&recvWindow=60000",
            f"{encoded}&signature={tools.sign(plain)}",
        ):
            said = await client.http.get(f"/api/v3/openOrders?{text}", headers=client.key)
            assert (said.status_code, said.json()["code"]) == (400, -1022)


async def test_what_is_not_percent_encoded_is_refused_though_its_signature_fits():
    """Since 2026-01-15 the text that is signed must be percent-encoded."""
    keys = Keys("key", "simulator-secret")
    text = 'symbols=["BTCUSDT"]'
    import hashlib
    import hmac

    signature = hmac.new(b"simulator-secret", text.encode(), hashlib.sha256).hexdigest()
    with pytest.raises(ApiFault) as raised:
        check_request(keys, f"{text}&signature={signature}", "")
    assert raised.value.code == -1022


@pytest.mark.parametrize(
    ("off_ms", "window", "code"),
    [
        (-4990, None, None),
        (-5100, None, -1021),
        (-5100, "6000", None),
        (-50, "10.5", -1021),
        (900, None, None),
        (1100, None, -1021),
        (1100, "60000", -1021),
        (0, "60000.1", -1131),
        (0, "x", -1131),
    ],
)
async def test_a_request_must_be_of_now(tools, off_ms, window, code):
    """Its time is below that of the exchange plus 1000 ms, and not older than recvWindow (5000 by default)."""
    at = time.time()
    async with tools.open(clock=lambda: at) as client:
        params = {"timestamp": client.sim.exchange.now_ms() + off_ms} | (
            {} if window is None else {"recvWindow": window}
        )
        said = await client.ask("GET", ACCOUNT, **params)
        assert said.json().get("code") == code


def test_a_time_may_be_in_microseconds():
    """16 digits are microseconds."""
    check_time({"timestamp": "1700000000000000"}, 1700000000000)


async def test_an_ed25519_key_signs(tools):
    """With a public key, the signature is Ed25519's in base64, percent-encoded; HMAC is not taken."""
    key = Ed25519PrivateKey.generate()
    async with tools.open(keys=Keys("key", public_key=pem(key))) as client:
        query = f"timestamp={client.sim.exchange.now_ms()}"
        signature = quote(base64.b64encode(key.sign(query.encode())), safe="")
        good = await client.http.get(f"{ACCOUNT}?{query}&signature={signature}", headers={"X-MBX-APIKEY": "key"})
        assert good.status_code == 200
        bad = await client.http.get(f"{ACCOUNT}?{client.signed()}", headers={"X-MBX-APIKEY": "key"})
        assert bad.json()["code"] == -1022


def test_keys_have_one_kind_of_secret():
    """A key has a secret or an Ed25519 key, and not both, none, or an RSA key."""
    public = pem(Ed25519PrivateKey.generate())
    for arguments in (
        {},
        {"secret": "s", "public_key": public},
        {"public_key": pem(generate_private_key(65537, 1024))},
    ):
        with pytest.raises(ValueError):
            Keys("key", **arguments)
    assert "hidden" not in repr(Keys("key", "hidden"))


async def test_parameters_come_once(tools):
    """A parameter that is sent twice is -1101; one in query and form counts as the query says."""
    async with tools.open() as client:
        said = await client.http.get("/api/v3/ticker/bookTicker?symbol=BTCUSDT&symbol=ETHUSDT")
        assert said.json()["code"] == -1101


async def test_an_unknown_path_is_404(tools):
    """Neither engine nor limits hear of a path that is not there."""
    async with tools.open() as client:
        assert (await client.http.get("/api/v1/account")).status_code == 404
        assert (await client.http.get("/fapi/v1/time")).status_code == 404
        assert client.sim.exchange.answered == 0


async def test_ping_and_time_need_no_key(tools):
    """Both kinds answer ping with {} and tell their time, which is the Date header's, too."""
    for kind, prefix in (("spot", "/api/v3"), ("futures", "/fapi/v1")):
        async with tools.open(kind, clock=lambda: 1_700_000_000.5) as client:
            assert (await client.http.get(f"{prefix}/ping")).json() == {}
            said = await client.http.get(f"{prefix}/time")
            assert said.json() == {"serverTime": 1_700_000_000_500}
            assert said.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"


async def test_weight_and_orders_are_counted(tools):
    """Answers tell the weight that was used; those of orders how many there were; spot's accepted orders weigh 0."""
    async with tools.open(clock=lambda: 1000.0) as client:
        said = await client.ask("GET", ACCOUNT)
        assert said.headers["x-mbx-used-weight-1m"] == "20"
        said = await client.ask("POST", "/api/v3/order", **tools.order)
        assert said.headers["x-mbx-used-weight-1m"] == "20"
        assert (said.headers["x-mbx-order-count-10s"], said.headers["x-mbx-order-count-1d"]) == ("1", "1")
        said = await client.ask("POST", "/api/v3/order", **(tools.order | {"symbol": "X"}))
        assert said.status_code == 400
        assert "x-mbx-order-count-10s" not in said.headers
        counts = await client.ask("GET", "/api/v3/rateLimit/order")
        assert [each["count"] for each in counts.json()] == [1, 1]
        limits = (await client.http.get("/api/v3/exchangeInfo")).json()["rateLimits"]
        assert [each["limit"] for each in limits] == [6000, 100, 200_000, 300_000]


async def test_futures_count_orders_by_10_s_and_minute(tools):
    """Their order weighs 0 and counts in other windows; a listen key needs the key alone."""
    async with tools.open("futures", clock=lambda: 1000.0) as client:
        said = await client.ask("POST", "/fapi/v1/order", **tools.order)
        assert said.status_code == 200, said.text
        assert (said.headers["x-mbx-order-count-10s"], said.headers["x-mbx-order-count-1m"]) == ("1", "1")
        assert said.headers["x-mbx-used-weight-1m"] == "0"
        assert (await client.http.post("/fapi/v1/listenKey")).status_code == 401
        assert (await client.http.post("/fapi/v1/listenKey", headers=client.key)).json() == {"listenKey": "k" * 64}


async def test_beyond_the_weight_429_tells_when_to_come_back(tools):
    """429 has Retry-After until the minute ends, and the next minute begins anew."""
    at = [1000.0]
    async with tools.open(clock=lambda: at[0], weight_1m=3) as client:
        for _ in range(3):
            assert (await client.http.get("/api/v3/time")).status_code == 200
        said = await client.http.get("/api/v3/time")
        assert (said.status_code, said.json()["code"], said.headers["retry-after"]) == (429, -1003, "20")
        assert client.sim.exchange.limits.throttled == 1
        at[0] = 1020.0
        assert (await client.http.get("/api/v3/time")).status_code == 200


async def test_who_ignores_429_is_banned(tools):
    """After some more requests 418 comes, for longer each time, and nothing is answered until it ends."""
    at = [1000.0]
    async with tools.open(clock=lambda: at[0], weight_1m=1, ignored_429s=2, first_ban_s=120) as client:

        async def ask():
            said = await client.http.get("/api/v3/time")
            return said.status_code, said.headers.get("retry-after")

        assert [(await ask())[0] for _ in range(3)] == [200, 429, 429]
        assert await ask() == (418, "120")
        at[0] = 1100.0
        assert await ask() == (418, "20")
        at[0] = 1120.0
        assert [(await ask())[0] for _ in range(3)] == [200, 429, 429]
        assert await ask() == (418, "240")
        assert client.sim.exchange.limits.bans == 2


async def test_too_many_orders_are_refused(tools):
    """-1015 names the window that is full; a refused order does not count."""
    async with tools.open(clock=lambda: 1000.0, orders=((10, 2),)) as client:
        assert (await client.ask("POST", "/api/v3/order", **(tools.order | {"symbol": "X"}))).status_code == 400
        for _ in range(2):
            assert (await client.ask("POST", "/api/v3/order", **tools.order)).status_code == 200
        said = await client.ask("POST", "/api/v3/order", **tools.order)
        assert (said.status_code, said.json()["code"]) == (429, -1015)
        assert len(client.sim.executed()) == 2


async def test_timers_run_by_themselves(tools, autojump_clock):
    """The engine's timers run once a second, and before each request."""
    engine = tools.tiny()
    async with tools.open("futures", engine=engine):
        before = engine.timers
        await trio.sleep(3.5)
        assert engine.timers == before + 3


async def test_there_is_no_such_setting(tools):
    """A setting that is misspelt is refused."""
    with pytest.raises(TypeError):
        async with tools.open(wait=1):
            pass


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_passes_for_a_signed_one(query, form):
    """Whatever is sent without the secret is refused as -1102 or -1022, and raises nothing else."""
    with pytest.raises(ApiFault) as raised:
        check_request(Keys("key", "secret"), query, form)
    assert raised.value.code in (-1102, -1022)


@given(st.dictionaries(st.sampled_from(["timestamp", "recvWindow", "signature", "x"]), st.text(max_size=20)))
def test_times_and_calls_of_any_text_are_refused_in_order(params):
    """Any text as time, window or signature is a refusal and nothing else."""
    for check in (lambda: check_time(params, 1e13), lambda: check_call(Keys("key", "secret"), params)):
        with pytest.raises(ApiFault):
            check()
