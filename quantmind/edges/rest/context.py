"""What the REST door reads and asks, and what one request and one answer are to a route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from actors.boards import Boards
from actors.clients import ClientInfo
from actors.known import KnownCommands
from actors.runtime import Ref, Snapshot
from quantmind.config.model import RestConfig
from quantmind.domain.clock import Clock
from quantmind.edges.door import Door
from quantmind.edges.latency import Latencies
from quantmind.ports import Journal, PagedLog
from quantmind.wire.auth import Authenticator, Identity


class LastTickBoard(Protocol):
    """The newest published tick of each symbol; the hub's `LastTicks` is one."""

    epoch: str

    def last_tick(self, broker: str, symbol: str) -> Any | None:
        """A `quantmind.wire.market.Tick`, or None before the first."""
        ...


def _no_addresses() -> Mapping[str, str]:
    return {}


def _no_clients() -> Sequence[ClientInfo]:
    return ()


@attrs.frozen(kw_only=True)
class RestContext:
    """Everything the app is given; nothing of it is made here."""

    boards: Boards
    ticks: LastTickBoard
    door: Door
    """For commands; whoever serves the app also runs its `sweep`."""
    governor: Ref[Any]
    bookkeepers: Mapping[str, Ref[Any]]
    """By broker."""
    router: Ref[Any]
    log: PagedLog
    snapshot: Callable[[], Snapshot]
    """The whole tree, now."""
    authenticator: Authenticator
    clock: Clock
    settings: RestConfig
    latencies: Latencies
    version: str
    parts: Mapping[str, Callable[[], Mapping[str, Any]]] = attrs.field(factory=dict)
    """Further members of /status (`websocket`, `zmq`, `journal` and so on), asked for each time."""
    journal: Journal
    known: KnownCommands
    """Commands in memory; read, never written here."""
    executors: Mapping[str, Ref[Any]]
    """Who settles orders, by broker."""
    keep_days: int = 90
    """How long the journal remembers a request id, if its size allows it."""
    clients: Callable[[], Sequence[ClientInfo]] = _no_clients
    """The WebSocket clients, now."""
    addresses: Callable[[], Mapping[str, str]] = _no_addresses
    """Where the gateway listens, for GET /."""


@attrs.frozen
class Ask:
    """One request, checked so far that a route can look at it."""

    identity: Identity
    path: Mapping[str, str]
    query: dict[str, str]
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    """Names in lower case, in the order they came. Like the body they may have a token, so they are not shown."""
    body: bytes = attrs.field(repr=False)

    def header(self, name: str) -> list[str]:
        """Every value of a header; `name` in lower case."""
        return [value for key, value in self.headers if key == name]


@attrs.frozen
class Answer:
    """What a route gives back: a value for the JSON encoder, or bytes. Errors are raised as `HttpProblem`."""

    value: Any
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    """Of bytes, which go out as they are; everything else is JSON."""


Handler = Callable[[RestContext, Ask], Awaitable[Answer]]


@attrs.frozen
class Route:
    """One method of one path. `scope` None needs no token; `query` are the parameters that it takes."""

    method: str
    rule: str
    scope: str | None
    handler: Handler
    query: frozenset[str] = frozenset()
    may_be_empty: bool = False
    """The request may come without a body."""

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.rule}"

    @property
    def takes_body(self) -> bool:
        return self.method not in ("GET", "HEAD")
