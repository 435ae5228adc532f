"""The tree: who supervises whom, in which order, and who may bring down whom.

    root            rest_for_one   2 in 10 min   gives up: exit code 70, the service manager restarts
      journal         first up, last down; cannot write: a state and not a crash
      execution       rest_for_one: brokers (executor:<broker>, one_for_one) · governor · commands
      market          rest_for_one: hub · pollers (poller:<broker>, one_for_one)
      edges           one_for_one: sessions (pool) · ws · zmq_commands · http; zmq_auth · zmq_data where ticks come in
      reporter

A broker never holds back another, or a listener: its executor and poller are ready when they are supervised, and
beyond their restart window they are parked and tried again every minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from actors import commands as commands_actor
from actors import executor as executor_actor
from actors import governor as governor_actor
from actors.boards import Boards
from actors.commands import Commands, Routing
from actors.executor import Executor
from actors.governor import Governor
from actors.hub import HUB_MAILBOX, Demand, Hub, HubStatistics, LastTicks
from actors.known import KnownCommands
from actors.poller import Poller
from actors.recorder import Recorder, Writer
from actors.reporter import LoopLag, Reporter
from actors.runtime import (
    ActorSpec,
    Backoff,
    MailboxPolicy,
    Overflow,
    Pool,
    Ref,
    RestartWindow,
    Snapshot,
    Strategy,
    Supervisor,
    supervise,
)
from actors.session import Clients
from quantmind.config import Config, ReplayFeed
from quantmind.domain.clock import Clock
from quantmind.domain.risk import EaLimits, Policy
from quantmind.edges.data import DataPublisher
from quantmind.edges.door import Door
from quantmind.edges.http import HttpEdge, HttpStatistics
from quantmind.edges.ingest import DOMAIN, IngestDoor, TickInlet, ZapDoor, plain_judge
from quantmind.edges.latency import Latencies
from quantmind.edges.pushes import Pushes
from quantmind.edges.rest import RestContext, make_app
from quantmind.edges.ws import WsListener, pool_capacity
from quantmind.edges.zmq_commands import ZmqCommands
from quantmind.net.listen import ListenAddress
from quantmind.net.zap import ZapHandler, ZapSocket
from quantmind.net.zmq import PubSocket, RouterSocket, SubSocket
from quantmind.ports import Broker, Journal
from quantmind.wire.auth import Authenticator

QUICK = Backoff(first=0.05, cap=5.0, reset_after=30.0)
"""For actors inside the process: what they lost is rebuilt in milliseconds."""
PATIENT = Backoff(first=0.25, cap=30.0)
"""For what talks to brokers."""
ROOT_WINDOW = RestartWindow(2, 600.0)
GROUP_WINDOW = RestartWindow(5, 60.0)
BROKER_WINDOW = RestartWindow(5, 60.0)

QUIET = MailboxPolicy(Overflow.REJECT, 1, reason="nobody sends it messages")


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


@attrs.frozen
class Parts:
    """All that the tree is made of."""

    config: Config
    brokers: Mapping[str, Broker]
    boards: Boards
    journal: Journal
    writer: Writer
    authenticator: Authenticator
    clock: Clock
    limits: Limits
    doors: Doors
    version: str
    addresses: Callable[[], Mapping[str, str]]
    journal_status: Callable[[], Mapping[str, Any]]
    inlets: Mapping[str, TickInlet] = attrs.field(factory=dict)
    """The feeds of brokers whose ticks come in by `doors.ingest`."""


@attrs.frozen
class Tree:
    """The tree, ready to run, and what tests and the composition root look at."""

    root: Supervisor
    boards: Boards
    hub: Ref[Any]
    governor: Ref[Any]
    commands: Ref[Any]
    clients: Clients

    def snapshot(self) -> Snapshot:
        """Every actor as it is now."""
        return self.root.snapshot()


def build_tree(parts: Parts) -> Tree:
    """Build every supervisor; nothing runs yet. Must be called inside a Trio run."""
    execution, governor, commands = _execution(parts)
    last_ticks, hub_statistics, demand = LastTicks(), HubStatistics(), Demand()
    publisher = DataPublisher(parts.doors.publisher)
    pushes = Pushes(publisher)
    parts.boards.halts.on_change, parts.boards.multipliers.on_change = pushes.state, pushes.multiplier
    sessions = Pool("sessions", capacity=pool_capacity(parts.config.gateway.websocket))

    def make_hub() -> Hub:
        return Hub(
            catalog=parts.boards.catalog,
            last_ticks=last_ticks,
            demand=demand,
            publisher=publisher,
            sessions=sessions.refs,
            statistics=hub_statistics,
            bars=parts.boards.bars,
        )

    pollers = Supervisor(
        "pollers",
        [_poller(parts, name, lambda: hub, governor, demand) for name in parts.brokers],
        window=BROKER_WINDOW,
        backoff=PATIENT,
        park_after_window=True,
    )
    market = Supervisor(
        "market",
        [ActorSpec("hub", make_hub, mailbox=HUB_MAILBOX), supervise(pollers)],
        Strategy.REST_FOR_ONE,
        GROUP_WINDOW,
        QUICK,
    )
    hub: Ref[Any] = market.ref("hub")
    clients = Clients(parts.config.gateway.websocket.max_clients)
    latencies = Latencies(parts.config.gateway.latency_warning_ms)
    lag = LoopLag()
    zmq_door = _door(parts, "zmq", commands, latencies)
    http_door = _door(parts, "http", commands, latencies)

    ingest, ingest_status = _ingest(parts)
    http_statistics = HttpStatistics()
    roots: list[Supervisor] = []

    def snapshot() -> Snapshot:
        return roots[0].snapshot()

    context = RestContext(
        boards=parts.boards,
        ticks=last_ticks,
        door=http_door,
        governor=governor,
        snapshot=snapshot,
        authenticator=parts.authenticator,
        clock=parts.clock,
        settings=parts.config.gateway.rest,
        latencies=latencies,
        clients=clients.all,
        version=parts.version,
        addresses=parts.addresses,
        parts={
            "websocket": lambda: {"clients": len(clients), **attrs.asdict(clients.statistics)},
            "hub": lambda: {"epoch": last_ticks.epoch, **attrs.asdict(hub_statistics)},
            "zmq_commands": lambda: {
                "in_flight": zmq_door.in_flight,
                **attrs.asdict(zmq_door.statistics),
                "socket": attrs.asdict(parts.doors.commands.statistics()),
            },
            "http_commands": lambda: {"in_flight": http_door.in_flight, **attrs.asdict(http_door.statistics)},
            "publish": lambda: {
                **attrs.asdict(parts.doors.publisher.statistics()),
                "failed": publisher.statistics.failed,
            },
            "http": http_statistics.snapshot,
            "loop": lambda: attrs.asdict(lag),
            "journal": parts.journal_status,
            **ingest_status,
        },
    )

    def make_http() -> HttpEdge:
        return HttpEdge(make_app(context), parts.doors.rest, beside=http_door.sweep, statistics=http_statistics)

    def make_listener() -> WsListener:
        return WsListener(
            address=parts.doors.websocket,
            config=parts.config.gateway.websocket,
            pool=sessions,
            hub=hub,
            catalog=parts.boards.catalog,
            clients=clients,
            clock=parts.clock,
            epoch=lambda: last_ticks.epoch,
            authenticate=parts.authenticator.identify,
        )

    def counters() -> dict[str, int]:
        return {
            "clients": len(clients),
            "ticks": hub_statistics.ticks_published,
            "commands": zmq_door.statistics.received + http_door.statistics.received,
            "slow": latencies.warnings,
        }

    edges = Supervisor(
        "edges",
        [
            supervise(sessions),
            ActorSpec("ws", make_listener, mailbox=QUIET),
            ActorSpec("http", make_http, mailbox=QUIET),
            ActorSpec("zmq_commands", lambda: ZmqCommands(parts.doors.commands, zmq_door), mailbox=QUIET),
            *ingest,
        ],
        Strategy.ONE_FOR_ONE,
        GROUP_WINDOW,
        QUICK,
    )
    root = Supervisor(
        "gateway",
        [
            ActorSpec("journal", lambda: Recorder(parts.writer), mailbox=QUIET, grace=12.0, start_within=30.0),
            supervise(execution),
            supervise(market),
            supervise(edges),
            ActorSpec("reporter", lambda: Reporter(parts.boards, lag, counters), mailbox=QUIET),
        ],
        Strategy.REST_FOR_ONE,
        ROOT_WINDOW,
        QUICK,
    )
    roots.append(root)
    return Tree(root, parts.boards, hub, governor, commands, clients)


def _execution(parts: Parts) -> tuple[Supervisor, Ref[Any], Ref[Any]]:
    known = KnownCommands()
    refs: dict[str, Ref[Any]] = {}
    config = parts.config

    def executor(name: str) -> ActorSpec:
        return ActorSpec(
            f"executor:{name}",
            lambda: Executor(parts.brokers[name], parts.journal, parts.boards, refs["governor"], parts.clock),
            mailbox=executor_actor.MAILBOX,
        )

    brokers = Supervisor(
        "brokers",
        [executor(name) for name in parts.brokers],
        window=BROKER_WINDOW,
        backoff=QUICK,
        park_after_window=True,
    )
    executors = {name: brokers.ref(f"executor:{name}") for name in parts.brokers}

    def make_governor() -> Governor:
        return Governor(
            boards=parts.boards,
            journal=parts.journal,
            clock=parts.clock,
            policies=parts.limits.policies,
            ea_limits=parts.limits.of_ea,
            executors=executors,
            approval_ttl_s=config.gateway.commands.approval_ttl_s,
            myself=refs["governor"],
        )

    def make_commands() -> Commands:
        return Commands(
            routing=Routing(
                tuple(parts.brokers), {name: ea.broker for name, ea in config.eas.items() if ea.broker is not None}
            ),
            boards=parts.boards,
            known=known,
            journal=parts.journal,
            governor=refs["governor"],
            clock=parts.clock,
            command_ttl_s=config.gateway.commands.command_ttl_s,
        )

    execution = Supervisor(
        "execution",
        [
            supervise(brokers),
            ActorSpec("governor", make_governor, mailbox=governor_actor.MAILBOX),
            ActorSpec("commands", make_commands, mailbox=commands_actor.MAILBOX),
        ],
        Strategy.REST_FOR_ONE,
        GROUP_WINDOW,
        QUICK,
    )
    refs["governor"], refs["commands"] = execution.ref("governor"), execution.ref("commands")
    return execution, refs["governor"], refs["commands"]


# The actors of the ingestion door, and what they add to /status; nothing where there is no such door.
def _ingest(parts: Parts) -> tuple[list[ActorSpec], dict[str, Callable[[], Mapping[str, Any]]]]:
    zap, socket = parts.doors.zap, parts.doors.ingest
    if socket is None:
        return [], {}
    everyone = next(iter(parts.inlets)) if zap is None else None
    door = IngestDoor(socket, parts.inlets, everyone)
    specs = [ActorSpec("zmq_data", lambda: door, mailbox=QUIET)]
    if zap is None:
        return specs, {"ingest": lambda: {"auth": "none", **door.snapshot()}}
    handler = ZapHandler(zap, {DOMAIN: plain_judge(parts.authenticator, parts.inlets)})
    specs.insert(0, ActorSpec("zmq_auth", lambda: ZapDoor(handler), mailbox=QUIET))
    return specs, {
        "ingest": lambda: {"auth": "plain", "connections": attrs.asdict(handler.statistics), **door.snapshot()}
    }


def _poller(parts: Parts, name: str, hub: Callable[[], Ref[Any]], governor: Ref[Any], demand: Demand) -> ActorSpec:
    broker, gateway = parts.brokers[name], parts.config.gateway
    feed = getattr(parts.config.brokers[name], "feed", None)
    replay = feed if isinstance(feed, ReplayFeed) else None
    waits = replay is not None and replay.start == "first_subscriber"

    def make() -> Poller:
        return Poller(
            broker=broker,
            hub=hub(),
            governor=governor,
            boards=parts.boards,
            clock=parts.clock,
            poll_interval_s=gateway.poll_interval_ms / 1000,
            account_interval_s=gateway.account_interval_ms / 1000,
            lossless=replay is not None,
            start_feed=broker.start_feed if waits else None,
            wanted=demand.wait if waits else None,
        )

    return ActorSpec(f"poller:{name}", make, mailbox=QUIET)


def _door(parts: Parts, via: str, commands: Ref[Any], latencies: Latencies) -> Door:
    settings = parts.config.gateway.commands
    return Door(
        via=via,
        commands=commands,
        authenticator=parts.authenticator,
        clock=parts.clock,
        latencies=latencies,
        max_in_flight=settings.max_in_flight,
        require_token=settings.auth == "required",
    )
