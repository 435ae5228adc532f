"""What the tree is made of: configuration, adapters, boards, and the sockets that were bound at start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from actors.boards import Boards
from actors.bulletin import Bulletin
from actors.recorder import Writer
from quantmind.config import Config
from quantmind.domain.clock import Clock
from quantmind.domain.risk import EaLimits, Policy
from quantmind.edges.bridges import BridgeInlet
from quantmind.edges.ingest import TickInlet
from quantmind.edges.secure import SecureSocket
from quantmind.net.listen import ListenAddress
from quantmind.net.tls_door import TlsDoor
from quantmind.net.zap import ZapSocket
from quantmind.net.zmq import PubSocket, RouterSocket, SubSocket
from quantmind.ports import Broker, CalendarSource, Journal, PagedLog, State, StopSign, TokenSource
from quantmind.wire.auth import Authenticator


@attrs.frozen
class Limits:
    """What the governor is given: each account's policy, and what is set for an EA."""

    policies: Mapping[str, Policy]
    of_ea: Callable[[str], EaLimits]


@attrs.frozen
class Doors:
    """Sockets that were bound at start. They outlive the actors that read them."""

    websocket: ListenAddress
    rest: ListenAddress
    commands: RouterSocket
    publisher: PubSocket
    zap: ZapSocket | None = None
    """None: no socket asks who connects to it."""
    ingest: SubSocket | None = None
    """None: no broker trades on ticks that terminals send in."""
    tls: TlsDoor | None = None
    """What WebSocket and HTTP clients must speak; None: clear text."""
    secure: tuple[SecureSocket, ...] = ()
    """Further ZeroMQ endpoints, which ask who connects to them."""


def _never() -> bool:
    return False


@attrs.frozen
class Parts:
    """All that the tree is made of."""

    config: Config
    brokers: Mapping[str, Broker]
    boards: Boards
    journal: Journal
    state: State
    log: PagedLog
    writer: Writer
    authenticator: Authenticator
    clock: Clock
    limits: Limits
    doors: Doors
    version: str
    addresses: Callable[[], Mapping[str, str]]
    journal_status: Callable[[], Mapping[str, Any]]
    stop_file: StopSign
    at_work: Callable[[], bool] = _never
    """Whether the journal's thread has something in hand that others wait for."""
    calendar: CalendarSource | None = None
    """The file of `risk.news_file`; None: none is set."""
    tokens: TokenSource | None = None
    """The file of tokens in the state folder; None: there are those of `authenticator` only."""
    inlets: Mapping[str, TickInlet] = attrs.field(factory=dict)
    """The feeds of brokers whose ticks come in by `doors.ingest`."""
    berths: Mapping[str, BridgeInlet] = attrs.field(factory=dict)
    """The places of brokers whose bridges come by themselves, by a command port."""
    lines: Mapping[str, Callable[[], Awaitable[None]]] = attrs.field(factory=dict)
    """What keeps up the connections of brokers that have some of their own; each runs until it is cancelled."""
    broker_status: Mapping[str, Callable[[], Mapping[str, Any]]] = attrs.field(factory=dict)
    """What brokers say of themselves in /status."""
    bulletin: Bulletin = attrs.field(factory=Bulletin)
    """Told of each commit by the journal's `on_commit`."""
