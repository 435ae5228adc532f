"""What REST, streams and WebSocket API share: one engine, its account's keys, limits, clock, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Engine, Payload
from quantmind.testing.binance.faults import Dropped, Faults, Outcome, Said, carry_out, changes_orders, refused
from quantmind.testing.binance.limits import Limits, OverLimit
from quantmind.testing.binance.settings import Settings
from quantmind.testing.binance.signing_check import Keys
from quantmind.testing.binance.user_feed import UserFeed
from quantmind.testing.binance.weights import Rule, rule_of

LISTEN_KEY: Final = "/fapi/v1/listenKey"
_PING: Final = {"spot": "/api/v3/ping", "futures": "/fapi/v1/ping"}


def _never(seconds: float, what: Callable[[], object]) -> None:
    raise AssertionError(f"nobody waits {seconds} s to do {what}")


@attrs.define(eq=False)
class Exchange:
    """Carries out requests, wherever they came in, and counts them.

    Args:
        true_clock: Unix seconds; the exchange's own clock is this one and what `Faults.clock_ahead_s` adds.
    """

    settings: Settings
    engine: Engine
    keys: Keys
    faults: Faults
    true_clock: Callable[[], float]
    users: UserFeed = attrs.field(init=False)
    limits: Limits = attrs.field(init=False)
    listen_keys: set[str] = attrs.field(factory=set, init=False)
    """Those that have a stream (futures)."""
    on_key_end: Callable[[str], None] = attrs.field(default=lambda _: None, init=False)
    """Called with a listen key that the client has ended."""
    later: Callable[[float, Callable[[], object]], None] = attrs.field(default=_never, init=False)
    """Does something after so many seconds."""
    answered: int = attrs.field(default=0, init=False)
    """Requests that were carried out or refused, by REST and WebSocket API together."""

    def __attrs_post_init__(self) -> None:
        self.users = UserFeed(self.faults)
        self.limits = Limits(self.settings, self.clock, lambda: self.faults.banned_until)
        self.engine.clock = self.clock
        self.engine.on_event = self._tell

    def clock(self) -> float:
        """The exchange's, in Unix seconds."""
        return self.true_clock() + self.faults.clock_ahead_s

    def now_ms(self) -> int:
        """The exchange's time in Unix milliseconds."""
        return int(self.clock() * 1000)

    def rule_of(self, method: str, path: str) -> Rule | None:
        """What a request needs; None: there is no such path."""
        return rule_of(self.settings.kind, method, path)

    def ask(self, method: str, path: str, params: Mapping[str, str], rule: Rule, check: Callable[[], None]) -> Outcome:
        """Count a request, check it, and carry it out, unless a fault has other plans.

        Args:
            check: raises ApiFault if the request must not be carried out.
        """

        def run() -> Outcome:
            return carry_out(self.faults, method, path, lambda: self._run(method, path, params))

        if self.faults.lose == "late" and changes_orders(method, path):
            self.later(self.faults.late_s, lambda: self._counted(rule, params, check, run))
            return Dropped()
        return self._counted(rule, params, check, run)

    def ask_for(
        self, rule: Rule, params: Mapping[str, str], check: Callable[[], None], run: Callable[[], Any]
    ) -> Outcome:
        """The same for what is no request to the engine: `run` returns the payload, or raises ApiFault."""
        return self._counted(rule, params, check, lambda: Said(200, run()))

    def _counted(
        self, rule: Rule, params: Mapping[str, str], check: Callable[[], None], run: Callable[[], Outcome]
    ) -> Outcome:
        weight = rule.weigh(params)
        try:
            self.limits.charge(weight, rule.orders)
        except OverLimit as over:
            return refused(over.fault, over.retry_after_s)
        self.answered += 1
        self.engine.run_timers()
        try:
            check()
            outcome = run()
        except ApiFault as fault:
            outcome = refused(fault)
        if isinstance(outcome, Said) and outcome.status != 200:
            self.limits.give_back(0, rule.orders)
        elif self.settings.kind == "spot" and rule.orders:
            self.limits.give_back(weight, 0)
        return outcome

    # Raises ApiFault.
    def _run(self, method: str, path: str, params: Mapping[str, str]) -> Any:
        if path == _PING[self.settings.kind]:
            return {}
        if path.endswith("/rateLimit/order"):
            return self.limits.told(counts=self.settings.kind == "spot", weight=False)
        if self.faults.late_fill_after_cancel and method == "DELETE" and path.endswith("/order"):
            with self.users.told_late() as in_time:
                self._fill_first(path, params)
                in_time()
                return self.engine.handle(method, path, params)
        said = self.engine.handle(method, path, params)
        if path.endswith("/exchangeInfo"):
            raw = [each for each in said.get("rateLimits", ()) if each["rateLimitType"] == "RAW_REQUESTS"]
            said = said | {"rateLimits": self.limits.told(counts=False) + raw}
        elif path == LISTEN_KEY:
            self._note_key(method, said)
        return said

    def _note_key(self, method: str, said: Payload) -> None:
        if method == "DELETE":
            for key in tuple(self.listen_keys):
                self.listen_keys.discard(key)
                self.on_key_end(key)
        elif "listenKey" in said:
            self.listen_keys.add(said["listenKey"])

    def _tell(self, event: Payload) -> None:
        self.users.tell(event)
        if event.get("e") == "listenKeyExpired":
            self.listen_keys.discard(event.get("listenKey", ""))

    # The order is gone, or was never there: then there is nothing to be late for.
    def _fill_first(self, path: str, params: Mapping[str, str]) -> None:
        try:
            order = self.engine.handle("GET", path, params)
        except ApiFault:
            return
        if order["status"] not in ("NEW", "PARTIALLY_FILLED") or not Decimal(order["price"]):
            return
        symbol, step = order["symbol"], self.engine.symbols[order["symbol"]].step
        left = Decimal(order["origQty"]) - Decimal(order["executedQty"])
        half = left / 2 if not step else left / 2 // step * step
        self.engine.trade(symbol, Decimal(order["price"]), half or left)
