"""The WebSocket API: requests with an id on one connection, and on spot the events of the user among the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from quantmind.testing.binance.door import WsLine
from quantmind.testing.binance.engine import ApiFault, Payload, integer_of
from quantmind.testing.binance.exchange import Exchange
from quantmind.testing.binance.faults import Dropped, Held, Outcome, refused
from quantmind.testing.binance.signing_check import check_call, check_time
from quantmind.testing.binance.weights import Rule, Security
from quantmind.testing.binance.ws_methods import request_of

_OF_SESSION: Final = {
    "session.logon": Rule(Security.SIGNED, 2),
    "session.logout": Rule(Security.NONE, 2),
    "session.status": Rule(Security.NONE, 2),
    "session.subscriptions": Rule(Security.NONE, 2),
    "userDataStream.subscribe": Rule(Security.NONE, 2),
    "userDataStream.subscribe.signature": Rule(Security.SIGNED, 2),
    "userDataStream.unsubscribe": Rule(Security.NONE, 2),
}
_NO_LOG_ON: Final = ApiFault(400, -4056, "HMAC_SHA256 API key is not supported.")
_ACTIVE: Final = ApiFault(400, -2035, "User data stream subscription is already active.")
_INACTIVE: Final = ApiFault(400, -2036, "User data stream subscription is not active.")


@attrs.define(eq=False)
class WsApiLine:
    """One connection of the WebSocket API."""

    exchange: Exchange
    line: WsLine
    _opened_ms: int = attrs.field(init=False)
    _logged_on_ms: int | None = attrs.field(default=None, init=False)
    _subscription: int | None = attrs.field(default=None, init=False)
    _subscriptions: int = attrs.field(default=0, init=False)
    _shows_limits: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._opened_ms = self.exchange.now_ms()
        self._shows_limits = self.line.query.get("returnRateLimits") != "false"
        self.line.on_text = self.take
        self.line.on_age = self.say_shutdown

    @property
    def is_subscribed(self) -> bool:
        """Whether events of the user are told here."""
        return self._subscription is not None

    def end(self) -> None:
        """The connection is over."""
        self._subscription = None
        self.exchange.users.unsubscribe(self._push_event)

    def say_shutdown(self) -> None:
        """Tell the client that the connection ends soon."""
        self._push({"event": {"e": "serverShutdown", "E": self.exchange.now_ms()}})

    def take(self, text: str) -> None:
        """A message of the client."""
        number: Any = None
        try:
            said = _decoded(text)
            number = said.get("id")
            method, params = _request_of(said)
        except ApiFault as fault:
            self._push({"id": number, "status": 400, "error": fault.body(), "rateLimits": self._limits(False, True)})
            return
        shows = said.get("params", {}).get("returnRateLimits", self._shows_limits) is not False
        found = request_of(self.exchange.settings.kind, method)
        events: list[Payload] = []
        if found is not None:
            outcome, with_orders = self._ask(*found, params)
        else:
            outcome, with_orders = self._ask_session(method, params, events), False
        if isinstance(outcome, Dropped):
            self.line.cut()
        elif not isinstance(outcome, Held):
            answer: Payload = {"id": number, "status": outcome.status}
            answer["result" if outcome.status == 200 else "error"] = outcome.payload
            if shows:
                answer["rateLimits"] = self._limits(with_orders, False)
            self._push(answer)
        for event in events:
            self._push(event)

    def _ask(self, method: str, path: str, params: dict[str, str]) -> tuple[Outcome, bool]:
        rule = self.exchange.rule_of(method, path)
        assert rule is not None, f"{method} {path}"

        def check() -> None:
            self._check(rule, params)

        return self.exchange.ask(method, path, params, rule, check), bool(rule.orders)

    # Who has logged on need neither say the key nor sign.
    def _check(self, rule: Rule, params: dict[str, str]) -> None:
        if rule.security is Security.NONE:
            return
        keys = self.exchange.keys
        if self._logged_on_ms is None or "apiKey" in params:
            keys.check_key(params.get("apiKey"))
            if rule.security is Security.SIGNED:
                check_call(keys, params)
        if rule.security is Security.SIGNED:
            check_time(params, self.exchange.clock() * 1000)

    # `events` get what is said after the answer.
    def _ask_session(self, method: str, params: dict[str, str], events: list[Payload]) -> Outcome:
        rule = _OF_SESSION.get(method) if self.exchange.settings.kind == "spot" else None
        if rule is None:
            return refused(ApiFault(400, -1000, f"Unknown method '{method}'."))

        def check() -> None:
            self._check(rule, params)

        def run() -> Any:
            return self._carry_out(method, params, events)

        return self.exchange.ask_for(rule, params, check, run)

    def _carry_out(self, method: str, params: Mapping[str, str], events: list[Payload]) -> Any:
        if method == "session.logon":
            if not self.exchange.keys.can_log_on:
                raise _NO_LOG_ON
            self._logged_on_ms = self.exchange.now_ms()
        elif method == "session.logout":
            if self._logged_on_ms is not None:
                self._logged_on_ms = None
                events += self._terminate()
        elif method == "session.subscriptions":
            return [] if self._subscription is None else [{"subscriptionId": self._subscription}]
        elif method == "userDataStream.unsubscribe":
            wanted = integer_of(params, "subscriptionId")
            if self._subscription is None or wanted not in (None, self._subscription):
                raise _INACTIVE
            events += self._terminate()
            return {}
        elif method != "session.status":
            if method == "userDataStream.subscribe" and self._logged_on_ms is None:
                raise ApiFault(401, -2015, "Invalid API-key, IP, or permissions for action.")
            return self._subscribe()
        return self._status()

    def _subscribe(self) -> Payload:
        if self._subscription is not None:
            raise _ACTIVE
        self._subscription = self._subscriptions
        self._subscriptions += 1
        self.exchange.users.subscribe(self._push_event)
        return {"subscriptionId": self._subscription}

    def _terminate(self) -> list[Payload]:
        if self._subscription is None:
            return []
        event = {"e": "eventStreamTerminated", "E": self.exchange.now_ms()}
        said = {"subscriptionId": self._subscription, "event": event}
        self.end()
        return [said]

    def _status(self) -> Payload:
        is_on = self._logged_on_ms is not None
        return {
            "apiKey": self.exchange.keys.api_key if is_on else None,
            "authorizedSince": self._logged_on_ms,
            "connectedSince": self._opened_ms,
            "returnRateLimits": self._shows_limits,
            "serverTime": self.exchange.now_ms(),
            "userDataStream": self.is_subscribed,
        }

    def _limits(self, with_orders: bool, without_weight: bool) -> list[Payload]:
        return self.exchange.limits.told(counts=True, orders=with_orders, weight=not without_weight)

    def _push_event(self, event: Payload) -> None:
        self._push({"subscriptionId": self._subscription, "event": event})

    def _push(self, said: Payload) -> None:
        self.line.push(msgspec.json.encode(said))


def _decoded(text: str) -> Payload:
    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise ApiFault(400, -1135, "Invalid JSON Request") from None
    if not isinstance(said, dict):
        raise ApiFault(400, -1135, "Invalid JSON Request")
    return said


# Raises ApiFault -1135 or -1102.
def _request_of(said: Payload) -> tuple[str, dict[str, str]]:
    method, params = said.get("method"), said.get("params", {})
    if not isinstance(method, str):
        raise ApiFault(400, -1102, "Mandatory parameter 'method' was not sent, was empty/null, or malformed.")
    if not isinstance(params, dict):
        raise ApiFault(400, -1135, "Invalid JSON Request")
    return method, {name: _text_of(value) for name, value in params.items()}


# As it is signed, too.
def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return msgspec.json.encode(value).decode()
