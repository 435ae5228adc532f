"""REST requests against a server of a few lines: each comes to an answer, not sent, refused or unknown."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import hmac
import json
import logging
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import attrs
import pytest
import trio
from certificates import Authority, needs_openssl
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.binance import http
from quantmind.adapters.binance.budget import SPOT, Budget
from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.errors import NotSent, OutcomeUnknown, Refusal
from quantmind.adapters.binance.http import Api
from quantmind.adapters.binance.signing import HmacSigner, text_of
from quantmind.adapters.binance.unpacked import MOST_BYTES
from quantmind.adapters.binance.unreachable import why_unreachable

KEY, SECRET = "TheApiKey1234567890", "TheSecret"
SLOW_S = 10.0
"""A bound for a wait that has to end; nothing waits for so long."""


@attrs.frozen
class Asked:
    method: str
    target: str
    headers: dict[str, str]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


Answer = bytes | Callable[[trio.abc.Stream], Awaitable[None]]


def answer(body: object, status: int = 200, **headers: str) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} Words", f"Content-Length: {len(raw)}", *lines, "", ""])
    return head.encode() + raw


async def drop(stream: trio.abc.Stream) -> None:
    """Close the connection."""
    await stream.aclose()


async def hang(stream: trio.abc.Stream) -> None:
    """Never answer."""
    await trio.sleep_forever()


def then_drop(raw: bytes) -> Answer:
    async def send(stream: trio.abc.Stream) -> None:
        await stream.send_all(raw)
        await stream.aclose()

    return send


@attrs.define
class Exchange:
    """Gives one answer after the other, the last one again and again."""

    answers: list[Answer]
    asked: list[Asked] = attrs.Factory(list)
    connections: int = 0
    port: int = 0

    async def handle(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        data = b""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                while b"\r\n\r\n" not in data:
                    more = await stream.receive_some()
                    if not more:
                        return
                    data += bytes(more)
                head, _, data = data.partition(b"\r\n\r\n")
                first, *lines = head.decode().split("\r\n")
                method, target, _ = first.split(" ")
                headers = dict(line.split(": ", 1) for line in lines)
                self.asked.append(Asked(method, target, {name.lower(): value for name, value in headers.items()}))
                now = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(now, bytes):
                    await stream.send_all(now)
                else:
                    await now(stream)


@contextlib.asynccontextmanager
async def world(
    *answers: Answer, served: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Exchange, Api]]:
    """A server with these answers, over TLS if `served`, and the requests to it."""
    exchange = Exchange(list(answers))
    clock = ServerClock()

    async def handle(stream: trio.SocketStream) -> None:
        await exchange.handle(stream if served is None else trio.SSLStream(stream, served, server_side=True))

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        exchange.port = listener.socket.getsockname()[1]
        base = f"http{'' if served is None else 's'}://127.0.0.1:{exchange.port}"
        with trio.fail_after(SLOW_S):
            async with Api(base, HmacSigner(KEY, SECRET), clock, Budget(SPOT, clock.now), tls=tls) as api:
                yield exchange, api
        nursery.cancel_scope.cancel()


async def test_answer() -> None:
    """An answer comes as it was sent; parameters go out in their order, with no key where none is needed."""
    async with world(answer({"a": 1})) as (exchange, api):
        got = await api.call("GET", "/api/v3/depth", {"symbol": "BTCUSDT", "limit": 5, "x": Decimal("1E-8")})
        assert got == b'{"a":1}'
        (asked,) = exchange.asked
        assert (asked.method, asked.target) == ("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5&x=0.00000001")
        assert "x-mbx-apikey" not in asked.headers
        assert asked.headers["accept-encoding"] == "gzip"
        await api.call("GET", "/api/v3/time", {})
        assert exchange.asked[1].target == "/api/v3/time"
        assert exchange.connections == 1


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
PARAMS = st.dictionaries(
    TEXTS.filter(lambda name: name and name not in {"timestamp", "recvWindow", "signature", "apiKey"}),
    st.one_of(TEXTS, st.booleans(), st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=4)),
    max_size=5,
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["GET", "POST", "PUT", "DELETE"]), PARAMS), min_size=1, max_size=8))
async def test_what_goes_out_is_signed(requests: list) -> None:
    """Over the wire: the signature is of the query string before it, and the parameters read back as they were."""
    async with world(answer({})) as (exchange, api):
        for method, params in requests:
            before = time.time() * 1000
            await api.call(method, "/api/v3/order", params, signed=True)
            asked = exchange.asked[-1]
            payload, _, signature = asked.query.rpartition("&signature=")
            payload = payload or asked.query.partition("signature=")[0]
            expected = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
            assert (asked.method, unquote(signature)) == (method, expected)
            assert asked.headers["x-mbx-apikey"] == KEY
            read = parse_qsl(payload, keep_blank_values=True)
            assert read[:-2] == [(name, text_of(value)) for name, value in params.items()]
            assert read[-1] == ("recvWindow", "5000")
            assert read[-2][0] == "timestamp"
            assert abs(int(read[-2][1]) - before) < 5000


async def test_keyed() -> None:
    """A keyed request has the key and no signature; without a signer it is a fault of whoever asks."""
    async with world(answer({})) as (exchange, api):
        await api.call("POST", "/fapi/v1/listenKey", {}, keyed=True)
        assert exchange.asked[0].headers["x-mbx-apikey"] == KEY
        assert exchange.asked[0].target == "/fapi/v1/listenKey"
        api.signer = None
        with pytest.raises(ValueError, match="needs an API key"):
            await api.call("POST", "/fapi/v1/listenKey", {}, keyed=True)


async def test_packed() -> None:
    """An answer packed by gzip is unpacked."""
    body = json.dumps(list(range(1000))).encode()
    async with world(answer(gzip.compress(body), Content_Encoding="gzip")) as (_, api):
        assert await api.call("GET", "/x", {}) == body


HUGE = b"[" + b"1," * (MOST_BYTES // 2) + b"1]"
UNREADABLE: dict[str, Answer] = {
    "not JSON": answer(b"<html>"),
    "empty": answer(b""),
    "no UTF-8": answer(b'{"a":"\x80"}'),
    "too many brackets": answer(b"[" * 1_000_000),
    "no UTF-8 in an error": answer(b'{"code":-1,"msg":"\x80"}'),
    "half an answer": then_drop(answer({"a": 1})[:-3]),
    "half a head": then_drop(b"HTTP/1.1 200 OK\r\nContent-"),
    "no HTTP": then_drop(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "nothing": drop,
    "too long": answer(HUGE),
    "too long when unpacked": answer(gzip.compress(b" " * (MOST_BYTES * 4)), Content_Encoding="gzip"),
    "badly packed": answer(b'{"a":1}', Content_Encoding="gzip"),
    "half packed": answer(gzip.compress(b'{"a":1}')[:-9], Content_Encoding="gzip"),
    "packed strangely": answer(b'{"a":1}', Content_Encoding="br"),
    "5xx": answer({"code": -1000, "msg": "An unknown error occurred."}, 500),
    "502 of a proxy": answer(b"<html>Bad gateway</html>", 502),
    "503 that says it failed": answer({"code": -1008, "msg": "Service Unavailable."}, 503),
    "half a 503": then_drop(answer({"code": -1000, "msg": "x"}, 503)[:-3]),
    "-1007": answer({"code": -1007, "msg": "Timeout waiting for response from backend server."}, 408),
    "-1006": answer({"code": -1006, "msg": "An unexpected response was received."}, 400),
    "200 with an error that can't be read": answer(b'{"code":-x'),
}


@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_unknown(case: str, method: str) -> None:
    """What went out and has no answer that says what became of it is unknown, and never goes out again."""
    async with world(UNREADABLE[case]) as (exchange, api):
        with pytest.raises(OutcomeUnknown, match="it may have been done") as raised:
            await api.call(method, "/api/v3/order", {"symbol": "X"}, signed=True, order=True)
        assert len(exchange.asked) == 1
        assert f"{method} /api/v3/order went out to 127.0.0.1:{exchange.port}" in str(raised.value)
        assert api.snapshot() == {"requests": 1, "resent": 0, "unknown": 1, "refusals": 0}


@pytest.mark.parametrize("case", ["nothing", "half a head", "no HTTP"])
async def test_question_is_asked_once_more(case: str) -> None:
    """A question that a closing connection has swallowed is asked once more, and once only; it is counted each time."""
    async with world(answer({}), UNREADABLE[case], answer({"b": 2})) as (exchange, api):
        await api.call("GET", "/a", {})
        assert await api.call("GET", "/b", {}, weight=5) == b'{"b":2}'
        assert [asked.target for asked in exchange.asked] == ["/a", "/b", "/b"]
        assert api.budget.snapshot()["used"]["REQUEST_WEIGHT 1M"]["used"] == 11
    async with world(UNREADABLE[case]) as (exchange, api):
        with pytest.raises(OutcomeUnknown):
            await api.call("GET", "/b", {})
        assert len(exchange.asked) == 2
        assert api.snapshot()["resent"] == 1


async def test_connection_closed_while_idle() -> None:
    """A connection that the exchange closed while it was idle is not used for an order."""
    async with world(then_drop(answer({})), answer({"b": 2})) as (exchange, api):
        await api.call("GET", "/a", {})
        await trio.sleep(0.02)
        assert await api.call("POST", "/b", {}, order=True) == b'{"b":2}'
        assert (len(exchange.asked), exchange.connections) == (2, 2)


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (400, {"code": -2010, "msg": "Market is closed."}, -2010, "Market is closed."),
        (401, {"code": -2015, "msg": "Invalid API-key."}, -2015, "Invalid API-key."),
        (403, b"<html>Forbidden</html>", 0, "HTTP 403 and without words"),
        (404, b"<html>Not Found</html>", 0, "HTTP 404 and without words; check base_url: spot and futures"),
        (404, b"", 0, "HTTP 404"),
        (301, b"", 0, "HTTP 301"),
        (400, {"code": "-1", "msg": 7}, 0, "HTTP 400"),
        (400, {"code": -1, "msg": "line\nline\x00" + "x" * 5000}, -1, "line?line?xxx"),
        (200, {"code": -2011, "msg": "Unknown order sent."}, -2011, "Unknown order sent."),
    ],
)
async def test_refused(status: int, body: object, code: int, said: str) -> None:
    """What the exchange answered with an error was not done, and has its code, its words and the status."""
    async with world(answer(body, status)) as (exchange, api):
        with pytest.raises(Refusal) as raised:
            await api.call("POST", "/api/v3/order", {}, signed=True, order=True)
        refusal = raised.value
        assert (refusal.code, refusal.status) == (code, status)
        assert said in refusal.said
        assert len(refusal.said) <= 1000
        assert refusal.said.isprintable()
        assert len(exchange.asked) == 1
        assert is_clean(api)


def is_clean(api: Api) -> bool:
    """Whether no connection was left in the middle of an answer."""
    return all(
        connection.is_idle() or connection.is_closed() for connection in api._pool.client._transport._pool.connections
    )


async def test_half_done() -> None:
    """A 409 has what was done and what was not."""
    data = {"cancelResult": "SUCCESS", "newOrderResult": "FAILURE"}
    body = {"code": -2021, "msg": "Order cancel-replace partially failed.", "data": data}
    async with world(answer(body, 409)) as (_, api):
        with pytest.raises(Refusal) as raised:
            await api.call("POST", "/api/v3/order/cancelReplace", {}, signed=True, order=True)
        assert (raised.value.status, json.loads(raised.value.data)) == (409, data)


async def test_half_a_refusal() -> None:
    """A 4xx whose body breaks off was a refusal all the same."""
    async with world(then_drop(answer({"code": -2010, "msg": "x"}, 400)[:-3])) as (_, api):
        with pytest.raises(Refusal, match="HTTP 400"):
            await api.call("POST", "/x", {})


async def test_banned(caplog: pytest.LogCaptureFixture) -> None:
    """After a 418 nothing goes out for as long as it says, and it is logged."""
    body = {"code": -1003, "msg": "Way too many requests."}
    async with world(answer(body, 418, Retry_After="300")) as (exchange, api):
        with pytest.raises(Refusal) as raised:
            await api.call("GET", "/x", {})
        assert (raised.value.code, raised.value.status) == (-1003, 418)
        with pytest.raises(NotSent, match="nothing is sent for another"):
            await api.call("DELETE", "/x", {}, reserve=True)
        assert len(exchange.asked) == 1
        assert "pause.requests" in caplog.text


async def test_too_many_orders() -> None:
    """After too many orders, orders wait and questions do not."""
    body = {"code": -1015, "msg": "Too many new orders; current limit is 1 orders per 10 SECOND."}
    async with world(answer(body, 429, Retry_After="9"), answer({})) as (_, api):
        with pytest.raises(Refusal, match="-1015"):
            await api.call("POST", "/x", {}, order=True)
        with pytest.raises(NotSent, match="no new orders"):
            await api.call("POST", "/x", {}, order=True)
        await api.call("DELETE", "/x", {})


async def test_budget_hears_headers() -> None:
    """What each answer says was used is counted, also an error's."""
    body = {"code": -1121, "msg": "Invalid symbol."}
    async with world(answer(body, 400, X_MBX_USED_WEIGHT_1M="321", X_MBX_ORDER_COUNT_1D="7")) as (_, api):
        with pytest.raises(Refusal):
            await api.call("GET", "/x", {})
        used = api.budget.snapshot()["used"]
        assert (used["REQUEST_WEIGHT 1M"]["used"], used["ORDERS 1D"]["used"]) == (321, 7)


async def test_clock_is_measured() -> None:
    """The exchange's clock is measured by its answers; a refused time makes it due again."""
    ahead = 5000

    async def say_time(stream: trio.abc.Stream) -> None:
        await stream.send_all(answer({"serverTime": int(time.time() * 1000) + ahead}))

    refusal = answer({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400)
    async with world(say_time, say_time, say_time, answer({}), refusal) as (exchange, api):
        await api.measure("/api/v3/time")
        assert api.clock.offset_ms == pytest.approx(ahead, abs=50)
        assert not api.clock.due(time.monotonic())
        await api.call("GET", "/x", {}, signed=True)
        signed_at = int(dict(parse_qsl(exchange.asked[-1].query))["timestamp"])
        assert signed_at == pytest.approx(time.time() * 1000 + ahead, abs=500)
        with pytest.raises(Refusal, match="-1021"):
            await api.call("GET", "/x", {}, signed=True)
        assert api.clock.due(time.monotonic())
        with pytest.raises(Refusal, match="-1021"):
            await api.measure("/api/v3/time")
    async with world(answer({"time": 1})) as (_, api):
        with pytest.raises(Refusal, match="without a serverTime"):
            await api.measure("/api/v3/time")
        assert not api.clock.is_measured


async def test_cancelled() -> None:
    """A slow answer is waited for until the caller's cancel scope ends, and what comes late disturbs nobody."""
    async with world(hang, answer({"b": 2})) as (exchange, api):
        with trio.move_on_after(0.05) as scope:
            await api.call("POST", "/a", {}, order=True)
        assert scope.cancelled_caught
        assert len(exchange.asked) == 1
        assert await api.call("GET", "/b", {}) == b'{"b":2}'
        assert exchange.connections == 2
        assert is_clean(api)


async def test_cancelled_in_the_body() -> None:
    """Cancelled in the middle of an answer, its connection is not used again."""

    async def half(stream: trio.abc.Stream) -> None:
        await stream.send_all(answer({"a": 1})[:-3])
        await trio.sleep_forever()

    async with world(half, answer({"b": 2})) as (exchange, api):
        with trio.move_on_after(0.05):
            await api.call("GET", "/a", {})
        assert await api.call("GET", "/b", {}) == b'{"b":2}'
        assert exchange.connections == 2


async def test_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are bounded; a request that gets none in time was not sent."""
    monkeypatch.setattr(http, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(http, "CONNECT_S", 0.05)
    async with world(hang) as (exchange, api), trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(api.call, "GET", "/a", {})
        while len(exchange.asked) < 2:
            await trio.sleep(0.001)
        with pytest.raises(NotSent, match=r"all 2 connections .* are busy"):
            await api.call("POST", "/b", {}, order=True)
        assert len(exchange.asked) == 2
        nursery.cancel_scope.cancel()


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def test_refused_connection() -> None:
    """Nothing listens there: nothing was sent, and host, port and what to check are named."""
    port = closed_port()
    async with Api(f"http://127.0.0.1:{port}", None, ServerClock(), Budget(SPOT)) as api:
        with pytest.raises(NotSent, match=f"127.0.0.1:{port} refuses connections; check base_url"):
            await api.call("POST", "/x", {}, order=True)


async def test_no_such_name() -> None:
    """A name that is not found is told from one that does not answer."""
    async with Api("http://no-such-host.invalid", None, ServerClock(), Budget(SPOT)) as api:
        with pytest.raises(NotSent, match=r"no address is found for no-such-host\.invalid"):
            await api.call("POST", "/x", {}, order=True)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ExceptionGroup("all", [OSError(1, "x"), ConnectionRefusedError(111, "y")]), "refuses connections"),
        (OSError(101, "Network is unreachable"), r"no connection to h:1 \(Network is unreachable\)"),
        (ssl.SSLError(1, "odd"), "no TLS with h:1;"),
        (socket.gaierror(-2, "Name or service not known"), "no address is found for h;"),
    ],
)
def test_why_unreachable(error: Exception, why: str) -> None:
    """The cause is found behind what libraries raise, however deep."""
    outer = RuntimeError("outer")
    outer.__cause__ = RuntimeError("inner")
    outer.__cause__.__context__ = error
    error.__context__ = outer
    assert re.search(why, why_unreachable(outer, "h", "h:1") or "")
    assert why_unreachable(RuntimeError("other"), "h", "h:1") is None


async def test_connection_that_never_opens(monkeypatch: pytest.MonkeyPatch, autojump_clock: object) -> None:
    """A connection that does not open in time was not sent."""

    async def never(*_: object, **__: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", never)
    async with Api("http://192.0.2.1:81", None, ServerClock(), Budget(SPOT)) as api:
        with pytest.raises(NotSent, match=r"no connection to 192\.0\.2\.1:81 within 4 s"):
            await api.call("POST", "/x", {}, order=True)


@needs_openssl
async def test_tls(tmp_path: Path) -> None:
    """Over TLS the certificate counts: whom nobody vouches for gets nothing."""
    authority = Authority.make(tmp_path)
    issued = authority.issue()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(issued.certificate, issued.key)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    async with world(answer({"a": 1}), served=server, tls=trusting) as (_, api):
        assert await api.call("GET", "/x", {}) == b'{"a":1}'
    async with world(answer({"a": 1}), served=server) as (exchange, api):
        with pytest.raises(NotSent, match=r"certificate of 127\.0\.0\.1:[0-9]+ is not trusted.*QUANTMIND_CA"):
            await api.call("POST", "/x", {}, order=True)
        assert exchange.asked == []


async def test_no_tls_there(nursery: trio.Nursery) -> None:
    """What answers speaks no TLS: nothing was sent."""
    handle = then_drop(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
    port = listener.socket.getsockname()[1]
    async with Api(f"https://127.0.0.1:{port}", None, ServerClock(), Budget(SPOT)) as api:
        with pytest.raises(NotSent, match=f"no TLS with 127.0.0.1:{port} .*http:// or https://"):
            await api.call("POST", "/x", {}, order=True)


@pytest.mark.parametrize(
    "base_url",
    ["", "api.binance.com", "ftp://x", "https://", "https://x/api", "https://x?y=1", "https://u:p@x", "http://["],
)
def test_base_url(base_url: str) -> None:
    """A base URL has scheme, host and port, and nothing else."""
    with pytest.raises(ValueError, match="no base URL"):
        Api(base_url, None, ServerClock(), Budget(SPOT))


@pytest.mark.parametrize("key", ["", "with space", "line\nline", "ключ"])
def test_key_that_is_none(key: str) -> None:
    """A key that can't be a header is named a fault of copying, and is not shown."""
    with pytest.raises(ValueError, match="copy it once more") as raised:
        Api("https://api.binance.com", HmacSigner(key, "x"), ServerClock(), Budget(SPOT))
    assert not key or key not in str(raised.value)


async def test_key_of_any_kind() -> None:
    """Keys of testnets and simulators have other characters than Binance's own."""
    async with Api("https://api.binance.com", HmacSigner("simulator-key.1", "x"), ServerClock(), Budget(SPOT)) as api:
        assert api.where == "api.binance.com:443"


async def test_nothing_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither key nor signature get into a log, a repr or an error, even when the exchange repeats them."""
    caplog.set_level(logging.DEBUG)
    body = {"code": -1022, "msg": f"Signature for {KEY} is not valid."}
    errors = []
    async with world(answer(body, 400), answer({}), drop) as (exchange, api):
        for _ in range(3):
            with contextlib.suppress(Refusal, OutcomeUnknown):
                try:
                    await api.call("POST", "/x", {"a": 1}, signed=True)
                except (Refusal, OutcomeUnknown) as error:
                    errors.append(f"{error!r} {error}")
                    raise
        shown = " ".join([*errors, repr(api), caplog.text])
        assert len(errors) == 2
        assert KEY not in shown
        for asked in exchange.asked:
            assert asked.query.partition("signature=")[2] not in shown


async def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is not used, and cookies are not kept."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{closed_port()}")
    async with world(answer({}, Set_Cookie="a=b; Path=/")) as (exchange, api):
        await api.call("GET", "/a", {})
        await api.call("GET", "/b", {})
        assert "cookie" not in exchange.asked[1].headers


@settings(max_examples=60)
@given(st.binary(max_size=200))
async def test_any_bytes(raw: bytes) -> None:
    """Whatever comes back, an order comes to one of the four ends."""
    async with world(then_drop(raw)) as (_, api):
        with contextlib.suppress(Refusal, OutcomeUnknown):
            await api.call("POST", "/x", {}, order=True)


@settings(max_examples=60)
@given(st.integers(200, 599), st.binary(max_size=100) | st.from_regex(rb'\{"code":-?[0-9]{1,4},"msg":".{0,9}"\}'))
async def test_any_answer(status: int, body: bytes) -> None:
    """Whatever an answer says, an order comes to one of the four ends, and no 2xx is taken for done without JSON."""
    async with world(then_drop(answer(body, status))) as (_, api):
        try:
            got = await api.call("POST", "/x", {}, order=True)
        except Refusal:
            assert status < 500
        except OutcomeUnknown:
            assert status >= 500 or status == 408 or 200 <= status < 300 or b'"code":-1' in body
        else:
            assert 200 <= status < 300
            assert json.loads(got) is not NotImplemented
