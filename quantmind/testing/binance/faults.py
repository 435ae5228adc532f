"""What goes wrong with requests and events, to order. The truth stays what the engine's ledger says.

Each fault is set by its field and stays until it is taken back; what it does to things that are open has happened when
the assignment returns. Requests meet theirs in `carry_out` (a late one on its way to it, in `exchange`), events in
`user_feed.UserFeed`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import attrs
import msgspec

from quantmind.testing.binance.engine import ApiFault

_ORDER_PATH: Final = re.compile(
    r"/(?:api/v3|fapi/v1)/(?:order|orderList|openOrders|batchOrders|allOpenOrders|algo\w+)\b"
)
_TEST_PATH: Final = "/order/test"
_SNAPSHOTS: Final = frozenset(
    {
        *(
            "account",
            "balance",
            "positionRisk",
            "order",
            "openOrder",
            "openOrders",
            "allOrders",
            "myTrades",
            "userTrades",
        ),
        *("orderList", "openOrderList", "allOrderList", "algoOrder", "openAlgoOrders", "allAlgoOrders"),
    }
)


def _tell(faults: Any, attribute: attrs.Attribute[Any], value: Any) -> Any:
    faults.on_change(attribute.name, value)
    return value


def _nobody(name: str, value: Any) -> None:
    del name, value


_one_of = attrs.validators.in_


@attrs.define(eq=False, on_setattr=[attrs.setters.convert, attrs.setters.validate, _tell])
class Faults:
    """What goes wrong now.

    Attributes:
        lose: of requests that change orders. "request": the connection is closed before anything is done; "answer": it
            is done, and then the connection is closed without a word; "late": the connection is closed, and the request
            is on its way for `late_s` yet; it is checked, its time too, and carried out when it arrives.
        late_s: see `lose`.
        error: what such requests are answered with: status, code, text.
        executed_first: they are carried out nevertheless, as a 5xx or -1007 may mean; a refusal is answered as `error`,
            too.
        error_on: "orders" as above, or "all" requests.
        hold_answers: such requests are carried out and never answered; their connections stay.
        banned_until: Unix seconds of the exchange; until then each request is answered with 418.
        cut: nobody can connect, and all connections are gone.
        silent_paths: connections to these paths, or below them, stay open and say nothing; pings are answered.
        no_pongs: pings of WebSocket clients are not answered.
        late_fill_after_cancel: whoever cancels a resting order is too late by a moment: half of what is left (all of
            it, where it can't be halved) was filled, and the events of that come after those of the cancellation. It
            is filled by a public trade at its price, which better orders of the same side meet first.
        events_out_of_order: each two events of the user change places; one that stays alone comes after 0.1 s.
        events_delayed_s: how late events of the user come.
        events_lost: they do not come at all.
        duplicate_events: each comes twice.
        no_data: questions for account, positions, orders and trades: "error" answers them with 503, "empty" with 200
            and an empty body.
        clock_ahead_s: by how much the exchange's clock is ahead of its true one.
        on_change: gets name and value of each change before it is in place.
    """

    lose: str | None = attrs.field(default=None, validator=_one_of((None, "request", "answer", "late")))
    late_s: float = attrs.field(default=0.3, validator=attrs.validators.ge(0))
    error: tuple[int, int, str] | None = None
    executed_first: bool = False
    error_on: str = attrs.field(default="orders", validator=_one_of(("orders", "all")))
    hold_answers: bool = False
    banned_until: float | None = None
    cut: bool = False
    silent_paths: set[str] = attrs.field(factory=set, converter=set)
    no_pongs: bool = False
    late_fill_after_cancel: bool = False
    events_out_of_order: bool = False
    events_delayed_s: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    events_lost: bool = False
    duplicate_events: bool = False
    no_data: str | None = attrs.field(default=None, validator=_one_of((None, "error", "empty")))
    clock_ahead_s: float = 0.0
    on_change: Callable[[str, Any], None] = attrs.field(default=_nobody, on_setattr=attrs.setters.NO_OP)

    def is_silent(self, path: str) -> bool:
        """Whether connections to this path say nothing."""
        return any(is_under(path, each) for each in self.silent_paths)


@attrs.frozen
class Said:
    """An answer; `payload` is None for an empty body."""

    status: int
    payload: Any
    retry_after_s: int | None = None

    def body(self) -> bytes:
        """As it goes over the wire."""
        return b"" if self.payload is None else msgspec.json.encode(self.payload)


@attrs.frozen
class Dropped:
    """The connection is closed without an answer."""


@attrs.frozen
class Held:
    """No answer ever comes, and the connection stays."""


Outcome = Said | Dropped | Held


def refused(fault: ApiFault, retry_after_s: int | None = None) -> Said:
    """A refusal as an answer."""
    return Said(fault.status, fault.body(), retry_after_s)


def is_under(path: str, above: str) -> bool:
    """Whether a path is another one, or below it: /ws/a is under /ws, /ws-api is not. Everything is under ""."""
    return f"{path}/".startswith(f"{above.rstrip('/')}/") if above else True


def changes_orders(method: str, path: str) -> bool:
    """Whether a request places, cancels or modifies orders."""
    return method != "GET" and _ORDER_PATH.match(path) is not None and not path.endswith(_TEST_PATH)


def carry_out(faults: Faults, method: str, path: str, run: Callable[[], Any]) -> Outcome:
    """Do what a request wants, unless a fault says otherwise; `run` returns the payload, or raises ApiFault."""
    changes = changes_orders(method, path)
    if changes and faults.lose == "request":
        return Dropped()
    if faults.no_data is not None and method == "GET" and path.rpartition("/")[2] in _SNAPSHOTS:
        return Said(200, None) if faults.no_data == "empty" else Said(503, {"code": -1001, "msg": "Internal error."})
    error = faults.error if changes or faults.error_on == "all" else None
    if error is not None and not faults.executed_first:
        return _error(error)
    try:
        said = Said(200, run())
    except ApiFault as fault:
        said = refused(fault)
    if error is not None:
        return _error(error)
    if changes and faults.lose == "answer":
        return Dropped()
    return Held() if changes and faults.hold_answers else said


def _error(error: tuple[int, int, str]) -> Said:
    status, code, text = error
    return Said(status, {"code": code, "msg": text})
