"""What a token must have for each operation of each door: the contract (docs/protocol.md, docs/tokens.md) as tables.

The code's own tables are held against these, and so is what real gateways answer on real sockets.
"""

from __future__ import annotations

import json
from typing import Any

from quantmind.wire.auth import SCOPES

NONE = "none"

# --- commands --------------------------------------------------------------------------------------------------------

ALPHA: dict[str, dict[str, Any]] = {
    "trade_open": {"symbol": "EURUSD", "volume": 0.1, "magic": 7, "side": "buy"},
    "trade_close": {"symbol": "EURUSD", "ticket": 9},
    "trade_modify": {"ticket": 9, "new_sl": 1.08},
    "trade_cancel": {"ticket": 9},
    "trade_result": {"approval_id": "a", "volume": 0},
    "heartbeat": {"symbol": "EURUSD", "magic": 7},
    "risk_update": {"risk_multiplier": 0.5},
}
"""A message of each type, of the EA alpha."""
TRADES = {"trade_open", "trade_close", "trade_modify", "trade_cancel"}
MAY: dict[tuple[str, bool], set[str]] = {
    **{(kind, False): {NONE, "ea", "admin"} for kind in TRADES},
    **{(kind, True): {"ea", "trade", "admin"} for kind in TRADES},
    ("trade_result", False): {NONE, "ea", "admin"},
    ("heartbeat", False): {NONE, "ea", "admin"},
    ("risk_update", False): {NONE, "ea", "admin"},
}
"""(type, with execute) → who may; without a token only where the door asks for none."""


def message(kind: str, execute: bool = False, **more: Any) -> dict[str, Any]:
    """A command of the EA alpha."""
    return {"type": kind, "ea_name": "alpha", **ALPHA[kind], **({"execute": True} if execute else {}), **more}


# --- REST ------------------------------------------------------------------------------------------------------------

REST: dict[str, tuple[str | None, str]] = {
    "GET /health": (None, "open"),
    "GET /": ("read", "open"),
    "GET /status": ("read", "shows"),
    "GET /account": ("read", "query"),
    "GET /positions": ("read", "query"),
    "GET /orders": ("read", "query"),
    "GET /orders/<order_id>": ("read", "record"),
    "GET /commands": ("read", "query"),
    "GET /commands/<path:request_id>": ("read", "record"),
    "GET /deals": ("read", "query"),
    "GET /symbols": ("read", "query"),
    "GET /ticks/<symbol>": ("read", "symbol"),
    "GET /bars/<symbol>": ("read", "symbol"),
    "GET /eas": ("read", "query"),
    "GET /clients": ("read", "open"),
    "GET /journal": ("read", "query"),
    "GET /actors": ("read", "open"),
    "GET /metrics": ("read", "figures"),
    "GET /state": ("read", "query"),
    "PUT /state": ("admin", "whole"),
    "POST /trade": ("trade", "command"),
    "POST /brokers/<broker>/positions/<ticket>/close": ("trade", "path"),
    "PATCH /brokers/<broker>/positions/<ticket>": ("trade", "path"),
    "PATCH /brokers/<broker>/orders/<ticket>": ("trade", "path"),
    "DELETE /brokers/<broker>/orders/<ticket>": ("trade", "path"),
    "POST /command": ("ea", "command"),
    "POST /": ("ea", "command"),
    "POST /orders/<order_id>/settle": ("admin", "record"),
    "GET /risk": ("read", "query"),
    "PUT /risk/baseline": ("admin", "body"),
    "POST /risk/state": ("admin", "body"),
    "POST /brokers/<broker>/drift/adopt": ("admin", "path"),
}
"""Method and path → the scope, and how a token that is bound to brokers is held to them:

open: nothing in it is of a broker · shows, figures (no JSON): cut to its brokers · query, symbol, path, body: where
the broker is named · record: the broker is that of the order · command: the commands actor judges · whole: not for who
is bound.
"""
COMMAND_ROUTES = ("POST /command", "POST /")
"""Those that take any command; `MAY` says who may send which."""
BODIES: dict[str, dict[str, Any]] = {
    "PUT /state": {"regime": {"label": "trend"}, "reason": "x"},
    "POST /trade": {"broker": "demo", "symbol": "EURUSD", "action_type": "BUY", "volume": 0.01},
    "POST /brokers/<broker>/positions/<ticket>/close": {"volume": 0.01},
    "PATCH /brokers/<broker>/positions/<ticket>": {"stop_loss": 0},
    "PATCH /brokers/<broker>/orders/<ticket>": {"price": 0.5},
    "POST /orders/<order_id>/settle": {"outcome": "not_sent", "reason": "x"},
    "PUT /risk/baseline": {"broker": "demo", "balance": 1, "equity": 1, "reason": "x"},
    "POST /risk/state": {"broker": "demo", "state": "active", "reason": "x"},
    "POST /brokers/<broker>/drift/adopt": {"reason": "x"},
}
"""A body that each route takes; `broker` is put in its place."""


def request_of(
    endpoint: str,
    *,
    broker: str = "demo",
    ticket: int = 100,
    order: int | None = None,
    order_id: str = "o1",
    request_id: str = "r1",
) -> tuple[str, str, bytes | None]:
    """A request for a route as real as can be: method, path with its query, body.

    Args:
        order: the ticket in the paths of pending orders; None: the same as of positions.
    """
    method, path = endpoint.split(" ", 1)
    kind = REST[endpoint][1]
    number = ticket if order is None or "/orders/" not in path else order
    symbol = f"EURUSD@{broker}" if kind == "symbol" else "EURUSD"
    path = path.replace("<broker>", broker).replace("<ticket>", str(number)).replace("<symbol>", symbol)
    path = path.replace("<order_id>", order_id).replace("<path:request_id>", request_id)
    if kind == "query":
        path += f"?broker={broker}"
    body = {**BODIES.get(endpoint, {})}
    if "broker" in body:
        body["broker"] = broker
    empty = method == "GET" or (method == "DELETE" and not body)
    return method, path, None if empty else json.dumps(body).encode()


# --- WebSocket -------------------------------------------------------------------------------------------------------

WS: dict[str, str | None] = {
    "AuthMessage": None,
    "GetSymbols": None,
    "PingMessage": None,
    "SubscribeMessage": "read for channels",
    "UnsubscribeMessage": None,
}
"""What each message needs, where the feed asks nobody for a token."""
WS_ALWAYS = {"AuthMessage", "PingMessage"}
"""What may be sent without a token also where the feed asks for one."""
CHANNELS = ("account", "orders", "risk", "events")
CHANNEL_SCOPES = {"read", "admin"}

# --- ZeroMQ ----------------------------------------------------------------------------------------------------------

SENDERS = {"bridge", "admin"}
"""Whose token may send ticks, to the brokers that it is bound to."""
PLAIN_USERS: dict[str, dict[str, set[str]]] = {
    "commands": {"ea": {"ea", "admin"}, "bridge": {"bridge", "admin"}},
    "publish": {"ea": {"ea", "read", "admin"}, "bridge": {"bridge", "admin"}},
}
"""What an endpoint serves → user of PLAIN → the scopes of which the token needs one. What is published is of every
broker, so a token that is bound to some is not let in to it."""
assert set().union(*MAY.values(), SENDERS) - {NONE} <= set(SCOPES)
