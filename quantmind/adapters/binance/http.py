"""REST requests to the exchange, each with one of four ends: an answer, not sent, refused, or unknown.

Nothing that changes anything is ever sent twice. Proxies, .netrc and the like in the environment are not looked at:
keys are bound to addresses, and the streams would go another way.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Final, Self

import attrs
import httpx
import msgspec
import trio

from quantmind.adapters.binance.budget import Budget
from quantmind.adapters.binance.clock import SAMPLES, ServerClock
from quantmind.adapters.binance.errors import NotSent, OutcomeUnknown, Refusal
from quantmind.adapters.binance.faults import NOT_JSON
from quantmind.adapters.binance.refusals import is_ban, is_clock, is_unknown, printable
from quantmind.adapters.binance.signing import Signer, query, signed_query
from quantmind.adapters.binance.unpacked import Unpacked
from quantmind.adapters.binance.unreachable import why_unreachable
from quantmind.net.trust import client_context

logger: Final = logging.getLogger("quantmind.binance")

CONNECT_S: Final = 4.0
"""To open a connection, or for one to become free. Callers give a request longer, to learn that nothing went out."""
CLOSES_WITHIN_S: Final = 1.0
MOST_CONNECTIONS: Final = 16
"""At once; a request beyond them waits for one to become free. The gateway has a handful under way."""
IDLE_S: Final = 20.0
"""A connection that was idle for so long is not used again: a firewall may have forgotten it, which nobody is told."""
LONGEST_WORDS: Final = 1000
"""Characters of what the exchange says that are kept."""

_NO_SUCH_PATH: Final = 404
_IS_ERROR: Final = re.compile(rb'\s*\{\s*"code"\s*:\s*-')
"""An error that came with a 200."""
_KEY: Final = re.compile(r"[!-~]+")
_LABEL: Final = "[A-Za-z0-9_-]{1,63}"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
"""A name whose labels nobody could look up makes the look-up raise what no connection raises."""
_json: Final = msgspec.json.Decoder(msgspec.Raw)


class _Said(msgspec.Struct):
    code: int | str = 0
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815 - the exchange's name


_said: Final = msgspec.json.Decoder(_Said)
_time: Final = msgspec.json.Decoder(_Time)


# Its lines hold whole URLs, and so signatures.
def _without_urls(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL:
        url = httpx.URL()
    is_host = _HOST.fullmatch(url.raw_host.decode()) is not None
    if url.scheme not in ("http", "https") or not is_host or url.path != "/" or url.query or url.userinfo:
        raise ValueError(f"{base_url!r} is no base URL: write one as https://api.binance.com")
    return url


@attrs.define(eq=False)
class _Pool:
    """Connections, and how many requests use them. What is closed under a request leaves its socket open."""

    client: httpx.AsyncClient
    users: int = 0
    is_over: bool = False

    async def close_if_idle(self) -> None:
        if self.is_over and not self.users:
            with trio.move_on_after(CLOSES_WITHIN_S, shield=True):
                await self.client.aclose()


@attrs.define(eq=False)
class Api:
    """The REST API of one account, or of nobody's where `signer` is None. Leave it by `aclose` or `async with`; a
    request after that opens connections anew.

    Args:
        base_url: scheme, host and port.
        signer: of requests that need a key.
        clock: the exchange's time to sign with.
        budget: what may still be sent.
        recv_window_ms: so long after its time a request is still carried out.
        tls: whom to trust; None: the authorities of the system, or those of QUANTMIND_CA.

    Raises:
        ValueError: the base URL or the key is none.
        NetError: the file of QUANTMIND_CA can't be used.
    """

    base_url: httpx.URL = attrs.field(converter=_checked)
    signer: Signer | None
    clock: ServerClock
    budget: Budget
    recv_window_ms: int = 5000
    tls: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    requests: int = attrs.field(default=0, init=False)
    resent: int = attrs.field(default=0, init=False)
    unknown: int = attrs.field(default=0, init=False)
    refusals: int = attrs.field(default=0, init=False)
    _pool: _Pool = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.signer is not None and _KEY.fullmatch(self.signer.key) is None:
            raise ValueError("the API key is empty or has characters that no key has; copy it once more")
        logging.getLogger("httpx").addFilter(_without_urls)
        if self.tls is None and self.base_url.scheme == "https":
            self.tls = client_context()  # read once: whoever lets connections go must not fail for a file
        self._pool = _Pool(self._made())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let all connections go; one with a request under way goes when that has ended. Safe to repeat."""
        pool, self._pool = self._pool, _Pool(self._made())
        pool.is_over = True
        await pool.close_if_idle()

    @property
    def where(self) -> str:
        """Host and port."""
        port = self.base_url.port or (443 if self.base_url.scheme == "https" else 80)
        return f"[{self.base_url.host}]:{port}" if ":" in self.base_url.host else f"{self.base_url.host}:{port}"

    async def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        *,
        signed: bool = False,
        keyed: bool = False,
        weight: int = 1,
        order: bool = False,
        reserve: bool = False,
    ) -> bytes:
        """Send a request and return its answer, which is JSON.

        A question (GET) that a closing connection has swallowed is asked once more. Cancelled after it went out, nobody
        knows what became of it: look it up.

        Args:
            params: go into the query string in their order.
            signed: with key, time and signature.
            keyed: with the key alone.
            weight, order, reserve: see `Budget.admit`.

        Raises:
            NotSent: nothing went out.
            Refusal: it was answered that it was not done.
            OutcomeUnknown: it went out, and there is no answer to say what became of it.
        """
        what, again = f"{method} {path}", method == "GET" and not order
        while True:
            self.budget.admit(weight, order=order, reserve=reserve)
            request = self._request(method, path, params, signed=signed, keyed=keyed or signed)
            sent = self.budget.clock()
            pool = self._pool
            pool.users += 1
            try:
                response = await self._sent(pool, request, what, again=again)
                if response is None:
                    again = False
                    self.resent += 1
                    continue
                try:
                    self.budget.heard(response.headers, sent)
                    return self._judged(what, response, await self._body(what, response))
                finally:
                    await response.aclose()
            finally:
                self.requests += 1
                pool.users -= 1
                await pool.close_if_idle()

    async def measure(self, path: str) -> None:
        """Measure the exchange's clock by a few round trips. Raises as `call` does; what was measured before it stays.

        Args:
            path: of the exchange's time, as /api/v3/time.
        """
        for _ in range(SAMPLES):
            sent, jumps = self.clock.wall(), self.clock.jumps
            body = await self.call("GET", path, {}, reserve=True)
            received = self.clock.wall()
            try:
                server_ms = _time.decode(body).serverTime
            except NOT_JSON:
                raise Refusal(0, f"{self.where} answered GET {path} without a serverTime", 200) from None
            if self.clock.jumps == jumps:  # whoever signs meanwhile notices first that a clock was set
                self.clock.note(sent, received, server_ms)

    def snapshot(self) -> dict[str, Any]:
        """For /status: requests, and what came of them where it was no answer."""
        counts = ("requests", "resent", "unknown", "refusals")
        return {name: getattr(self, name) for name in counts}

    # None: it broke off, and may be sent again.
    async def _sent(self, pool: _Pool, request: httpx.Request, what: str, *, again: bool) -> httpx.Response | None:
        try:
            return await pool.client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(self._unreachable(error)) from None
        except httpx.TransportError as error:
            if again:
                return None
            raise self._unknown(what, f"broke off ({type(error).__name__})") from None

    # --- what goes out -----------------------------------------------------------------------------------------------

    def _made(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self.tls if self.tls is not None else False,
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": "quantmind-gateway", "Accept": "application/json", "Accept-Encoding": "gzip"},
            # What has gone out is waited for by whoever asked, for as long as his cancel scope lets him.
            timeout=httpx.Timeout(None, connect=CONNECT_S, pool=CONNECT_S),
            limits=httpx.Limits(
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=MOST_CONNECTIONS,
                keepalive_expiry=IDLE_S,
            ),
        )

    def _request(
        self, method: str, path: str, params: Mapping[str, object], *, signed: bool, keyed: bool
    ) -> httpx.Request:
        headers = {}
        if keyed:
            if self.signer is None:
                raise ValueError(f"{method} {path} needs an API key, and there is none")
            headers["X-MBX-APIKEY"] = self.signer.key
        if signed and self.signer is not None:
            words = signed_query(self.signer, params, self.clock.now_ms(), self.recv_window_ms)
        else:
            words = query(params)
        target = f"{path}?{words}" if words else path
        return self._pool.client.build_request(
            method, self.base_url.copy_with(raw_path=target.encode()), headers=headers
        )

    # --- what comes back ---------------------------------------------------------------------------------------------

    async def _body(self, what: str, response: httpx.Response) -> bytes:
        unpacked = Unpacked(response.headers.get("content-encoding", "identity").lower())
        try:
            async for chunk in response.aiter_raw():
                if unpacked.take(chunk):
                    await response.aclose()  # so that the loop ends by itself: it is made of several others
            why = unpacked.end()
        except httpx.TransportError as error:
            why = unpacked.fault or f"broke off ({type(error).__name__})"
        if why is None:
            return bytes(unpacked.body)
        if 300 <= response.status_code < 500 and not is_unknown(response.status_code, 0):
            return b""  # refused, whatever it would have said
        raise self._unknown(what, f"answered, and the answer {why}")

    def _judged(self, what: str, response: httpx.Response, body: bytes) -> bytes:
        status = response.status_code
        is_answer = 200 <= status < 300
        if is_answer and _IS_ERROR.match(body) is None:
            try:
                _json.decode(body)
                body.decode()  # msgspec passes over what is between quotes
            except NOT_JSON:
                raise self._unknown(what, f"answered with something that is not JSON (HTTP {status})") from None
            return body
        try:
            said = _said.decode(body)
        except NOT_JSON:
            said = _Said()
        code = said.code if isinstance(said.code, int) else 0
        words = self._tame(said.msg) or f"{self.where} answered {what} with HTTP {status} and without words"
        if status == _NO_SUCH_PATH and code == 0:
            words += "; check base_url: spot and futures have different addresses"
        if is_ban(status):
            self.budget.refused(status, code, response.headers.get("retry-after"), said.msg)
            logger.warning("pause.requests host=%s status=%d code=%d until=%s", self.where, status, code, self._until())
        elif is_unknown(status, code) or (is_answer and code == 0):
            raise self._unknown(what, f"said {words} (HTTP {status}, code {code})")
        refusal = Refusal(code, words, status, bytes(said.data))
        self.refusals += 1
        if is_clock(refusal):
            self.clock.refused()
        raise refusal

    def _unknown(self, what: str, why: str) -> OutcomeUnknown:
        self.unknown += 1
        return OutcomeUnknown(f"{what} went out to {self.where}, which {why}; it may have been done")

    def _until(self) -> str:
        until = self.budget.banned_until
        return "orders" if until is None else f"{until:.0f}"

    # The exchange says what was wrong, and might say it with what was sent.
    def _tame(self, text: str) -> str:
        key = None if self.signer is None else self.signer.key
        return printable(text.replace(key, "****") if key else text)[:LONGEST_WORDS].strip()

    def _unreachable(self, error: httpx.TransportError) -> str:
        if isinstance(error, httpx.PoolTimeout):
            return f"all {MOST_CONNECTIONS} connections to {self.where} are busy; ask less at once"
        if (why := why_unreachable(error, self.base_url.host, self.where)) is not None:
            return why
        if isinstance(error, httpx.ConnectTimeout):
            return f"no connection to {self.where} within {CONNECT_S:g} s; check the network and its firewall"
        return f"no connection to {self.where}; check base_url and the network"
