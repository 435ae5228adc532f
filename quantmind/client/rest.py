"""The gateway's REST door for programs without async: one connection, kept alive, on the standard library alone.

Reads may be asked again by this client; what trades never is. No proxy is used, whatever the environment says: the
token goes to the address that was given and nowhere else.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from quantmind.errors import QuantMindError
from quantmind.net.trust import client_context, distrust

CONNECT_WITHIN_S: Final = 5.0
ANSWER_WITHIN_S: Final = 30.0
"""The gateway answers a command within 5 s, one by ticket within 7, and settles an order within 28; this is for each
read from the socket."""
KEPT_S: Final = 5.0
"""A connection that has been idle for longer is not used again: the gateway may be about to close it."""
MAX_ANSWER_BYTES: Final = 32 << 20
PAGE: Final = 1000
KEY_HEADER: Final = "Idempotency-Key"

_encoder: Final = msgspec.json.Encoder(decimal_format="number")


class Unreachable(QuantMindError):
    """No gateway answers at the address; nothing was done."""


class Refused(QuantMindError):
    """The gateway said no, and nothing was carried out. `problem` is its problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or f"the gateway answered {status}"))
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """What went wrong, for programs."""
        return str(self.problem.get("code", "http_error"))


class OutcomeUnknown(QuantMindError):
    """It went out and what became of it is not known. Ask again with the same `key`, never with another one."""

    def __init__(self, detail: str, key: str, problem: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.key = key
        self.problem = problem or {}


class RestClient:
    """A client of one gateway; not for several threads at once. Numbers with a point come as `Decimal`.

    Args:
        url: as `http://127.0.0.1:5005/`, or `https://` with TLS.
        token: sent with every request; it stands in no error.
        ca: for https://, the file of the authority to trust; None: that of QUANTMIND_CA, else the system's.

    Raises:
        ValueError: the address is none of HTTP, or the token can't be in a header.
        quantmind.net.errors.NetError: the file of the authority can't be used.
    """

    def __init__(self, url: str, token: str, *, ca: str | Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError(f"{url!r} is no address of a gateway; give one as http://127.0.0.1:5005/")
        if not token or not all("!" <= character <= "~" for character in token):
            raise ValueError("the token is empty or has characters that no token has; copy it again")
        self.url = url
        self._trust = client_context(ca) if parts.scheme == "https" else None
        self._host, self._port = parts.hostname, parts.port or (80 if self._trust is None else 443)
        self._headers = {"X-Token": token, "Accept": "application/json"}
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go. Safe to repeat."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str, **query: str | int | None) -> Any:
        """What a route of reading gives. Parameters that are None are left out.

        Raises:
            Refused: the gateway said no.
            Unreachable: no gateway answers.
        """
        given = {name: value for name, value in query.items() if value is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        reused = self._open()
        try:
            status, answer = self._exchange("GET", target, None, {})
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not reused:
                raise Unreachable(f"{self.url} gave no answer ({_said(error)})") from None
            self._open()  # it had closed while we did not ask; a read may be asked twice
            try:
                status, answer = self._exchange("GET", target, None, {})
            except (OSError, http.client.HTTPException) as again:
                self.close()
                raise Unreachable(f"{self.url} gave no answer ({_said(again)})") from None
        if not isinstance(answer, dict):
            raise Unreachable(f"what answers at {self.url} is no QuantMind gateway (status {status})")
        if status >= 400:
            raise Refused(status, answer)
        return answer

    def items(self, path: str, **query: str | int | None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page. Raises as `get`."""
        after: str | None = None
        while True:
            page = self.get(path, **query, limit=PAGE, after=after)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def command_status(self, request_id: str, ea_name: str | None = None) -> dict[str, Any]:
        """What became of a command; `ea_name` where several EAs have used the id. Raises as `get`."""
        found: dict[str, Any] = self.get(f"/commands/{quote(request_id, safe='')}", ea_name=ea_name)
        return found

    def order(self, order_id: str) -> dict[str, Any]:
        """One order of the gateway's, with its history. Raises as `get`."""
        found: dict[str, Any] = self.get(f"/orders/{quote(order_id, safe='')}")
        return found

    def settle(self, order_id: str, outcome: str, reason: str, **more: Any) -> dict[str, Any]:
        """Say what became of an order of which nobody knows; the order as it then is. Nothing is sent to the broker.

        Args:
            outcome: such as `filled` or `not_sent`.
            more: `ticket`, `price`, `volume`, `profit`; `force` to overrule the broker's word.

        Raises:
            Refused: it was not settled.
            OutcomeUnknown: it may have been; `order` tells.
            Unreachable: nobody was there to hear of it.
        """
        body = {"outcome": outcome, "reason": reason, **more}
        return self.send("POST", f"/orders/{quote(order_id, safe='')}/settle", body, key=uuid.uuid4().hex)

    def risk(self, broker: str | None = None, *, stop_percent: Decimal | str | None = None) -> list[dict[str, Any]]:
        """How each account stands to its limits, or one. Raises as `get`.

        Args:
            stop_percent: how far from its price a stop is taken to be, for the room in lots.
        """
        percent = None if stop_percent is None else str(stop_percent)
        found: list[dict[str, Any]] = self.get("/risk", broker=broker, stop_percent=percent)["items"]
        return found

    def set_state(
        self, state: str, reason: str, *, broker: str | None = None, flatten: bool = False
    ) -> list[dict[str, Any]]:
        """Set what one account may do, or every one; each one's state as it then is. Safe to repeat.

        Args:
            state: active, reduce_only or halted.
            flatten: also close everything and take all orders back.

        Raises:
            Refused: it was not set; `cause_stands` where a release has to wait.
            OutcomeUnknown: it may have been.
            Unreachable: nobody was there to hear of it.
        """
        body = {"state": state, "reason": reason, "broker": broker, **({"flatten": True} if flatten else {})}
        states: list[dict[str, Any]] = self.send("POST", "/risk/state", body, key=uuid.uuid4().hex)["states"]
        return states

    def supply_baseline(
        self, balance: Decimal, reason: str, *, broker: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """Say what an account had when its day began, where that is not known; how it then stands.

        Args:
            more: `equity`, `highest_balance`, `highest_equity`, money of the account.

        Raises as `set_state`; `baseline_known` where nothing is missing.
        """
        body = {"balance": balance, "reason": reason, "broker": broker, **more}
        return self.send("PUT", "/risk/baseline", body, key=uuid.uuid4().hex)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, *, key: str) -> dict[str, Any]:
        """Have something carried out, once for each `key` however often it is asked; what became of it.

        Interrupted, it leaves the outcome unknown.

        Raises:
            Refused: it was not carried out.
            OutcomeUnknown: it may have been.
            Unreachable: nobody was there to hear of it.
        """
        self._open()
        raw = None if body is None else _encoder.encode(body)
        headers = {KEY_HEADER: key} if raw is None else {KEY_HEADER: key, "Content-Type": "application/json"}
        try:
            status, answer = self._exchange(method, path, raw, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise OutcomeUnknown(f"the connection was lost before the answer came ({_said(error)})", key) from None
        except BaseException:
            self.close()  # the next answer on it would be this one's
            raise
        if not isinstance(answer, dict):
            raise OutcomeUnknown(f"what answers at {self.url} is no QuantMind gateway (status {status})", key)
        if status >= 500 and status != 503:
            raise OutcomeUnknown(str(answer.get("detail", f"the gateway answered {status}")), key, answer)
        if status >= 400:
            raise Refused(status, answer)
        return answer

    # Whether a connection that was there is used again. Nothing is sent here.
    def _open(self) -> bool:
        if self._connection is not None and time.monotonic() - self._used_at <= KEPT_S:
            return True
        self.close()
        connection: http.client.HTTPConnection
        if self._trust is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_WITHIN_S)
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=CONNECT_WITHIN_S, context=self._trust
            )
        try:
            connection.connect()
        except ssl.SSLError as error:
            connection.close()
            raise Unreachable(distrust(self.url, error)) from None
        except OSError as error:
            connection.close()
            raise Unreachable(f"no gateway answers at {self.url} ({_said(error)})") from None
        connection.sock.settimeout(ANSWER_WITHIN_S)
        self._connection = connection
        return False

    def _exchange(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any]:
        connection = self._connection
        assert connection is not None
        connection.request(method, target, body, {**self._headers, **headers})
        response = connection.getresponse()
        raw = response.read(MAX_ANSWER_BYTES + 1)
        if len(raw) > MAX_ANSWER_BYTES:
            raise http.client.HTTPException(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
        self._used_at = time.monotonic()
        if response.will_close:
            self.close()
        try:
            return response.status, json.loads(raw, parse_float=Decimal)
        except (ValueError, RecursionError):
            return response.status, None


def position_path(broker: str, ticket: int) -> str:
    """The path of one position."""
    return f"/brokers/{quote(broker, safe='')}/positions/{ticket}"


def order_path(broker: str, ticket: int) -> str:
    """The path of one pending order."""
    return f"/brokers/{quote(broker, safe='')}/orders/{ticket}"


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
