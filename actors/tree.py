"""The tree: who supervises whom, in which order, and who may bring down whom.

    root            rest_for_one   2 in 10 min   gives up: exit code 70, the service manager restarts
      journal         first up, last down; cannot write: a state and not a crash
      state           one_for_one: router · news · tokens · stop_file · health
      execution       rest_for_one: brokers (executor:<broker> · closer:<broker>, one_for_one) · governor · commands
      flatteners      one_for_one: flattener:<broker>
      lines           one_for_one: line:<broker>, of brokers that have connections of their own
      market          rest_for_one: hub · pollers (poller:<broker>, one_for_one)
      books           one_for_one: bookkeeper:<broker>
      edges           one_for_one: bulletin · sessions (pool) · ws · zmq_commands · http; zmq_auth · tls · zmq_data …
      reporter

A broker never holds back another, or a listener: its executor and poller are ready when they are supervised, and
beyond their restart window they are parked and tried again every minute.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import trio

from actors import bookkeeper as bookkeeper_actor
from actors import commands as commands_actor
from actors import flattener as flattener_actor
from actors import governor as governor_actor
from actors import router as router_actor
from actors.boards import Boards
from actors.bookkeeper import Bookkeeper
from actors.bulletin_keeper import BulletinKeeper
from actors.carrier import MAILBOX as CARRIER_MAILBOX
from actors.carrier import Carrier, Hands
from actors.channel_reader import Channels
from actors.clients import Clients
from actors.closer import Closer
from actors.commands import Commands
from actors.doors import QUIET, guarded_doors, make_door, routing_of
from actors.executor import Executor
from actors.flattener import Flattener
from actors.governor import Governor
from actors.health import Health
from actors.hub import HUB_MAILBOX, Demand, Hub, HubStatistics, LastTicks
from actors.known import KnownCommands
from actors.line_keeper import LineKeeper
from actors.loop_watch import LoopLag
from actors.news_keeper import NewsKeeper
from actors.parts import Parts
from actors.poller import Poller
from actors.recorder import Recorder
from actors.reporter import Reporter
from actors.router import Router
from actors.runtime import (
    ActorSpec,
    Backoff,
    Pool,
    Ref,
    RestartWindow,
    Snapshot,
    Strategy,
    Supervisor,
    supervise,
)
from actors.stop_watch import StopWatch
from actors.token_board import TokenBoard
from actors.token_keeper import TokenKeeper
from quantmind.config import ReplayFeed
from quantmind.edges.data import DataPublisher
from quantmind.edges.http import HttpEdge, HttpStatistics
from quantmind.edges.latency import Latencies
from quantmind.edges.pushes import Pushes
from quantmind.edges.rest import RestContext, make_app
from quantmind.edges.ws import WsListener, pool_capacity
from quantmind.edges.zmq_commands import ZmqCommands
from quantmind.net.turns import Turns
from quantmind.net.zmq import PubSocket

QUICK = Backoff(first=0.05, cap=5.0, reset_after=30.0)
"""For actors inside the process: what they lost is rebuilt in milliseconds."""
PATIENT = Backoff(first=0.25, cap=30.0)
"""For what talks to brokers."""
ROOT_WINDOW = RestartWindow(2, 600.0)
GROUP_WINDOW = RestartWindow(5, 60.0)
BROKER_WINDOW = RestartWindow(5, 60.0)


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
    centre = _execution(parts)
    execution, governor, commands = centre.supervisor, centre.governor, centre.commands
    last_ticks, hub_statistics, demand = LastTicks(), HubStatistics(), Demand()
    publisher = DataPublisher(
        parts.doors.publisher,
        further=tuple(one.socket for one in parts.doors.secure if isinstance(one.socket, PubSocket)),
    )
    sessions = Pool("sessions", capacity=pool_capacity(parts.config.gateway.websocket))

    clients = Clients(parts.config.gateway.websocket.max_clients)
    tokens = TokenBoard(parts.authenticator)

    def make_token_keeper() -> TokenKeeper:
        return TokenKeeper(
            board=tokens,
            source=parts.tokens,
            taken=frozenset(identity.name for identity in parts.authenticator.given) | set(parts.config.tokens),
            note=parts.journal.note,
            recheck=clients.recheck,
            clock=parts.clock,
        )

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

    state = Supervisor(
        "state",
        [
            ActorSpec("router", lambda: _router(parts, last_ticks), mailbox=router_actor.MAILBOX),
            *_news(parts),
            ActorSpec("tokens", make_token_keeper, mailbox=QUIET),
            # Before the governor: what it says holds from the first decision on.
            ActorSpec(
                "stop_file",
                lambda: StopWatch(parts.boards, parts.stop_file, governor, parts.clock),
                mailbox=QUIET,
            ),
            ActorSpec(
                "health",
                lambda: Health(parts.boards, lambda: parts.journal.down, parts.journal.note, parts.clock),
                mailbox=QUIET,
            ),
        ],
        window=GROUP_WINDOW,
        backoff=QUICK,
        park_after_window=True,
    )
    flatteners = Supervisor(
        "flatteners",
        [_flattener(parts, name, governor) for name in parts.brokers],
        window=BROKER_WINDOW,
        backoff=QUICK,
    )
    books = Supervisor(
        "books",
        [_bookkeeper(parts, name) for name in parts.brokers],
        window=BROKER_WINDOW,
        backoff=QUICK,
        park_after_window=True,
    )
    bookkeepers = {name: books.ref(f"bookkeeper:{name}") for name in parts.brokers}
    pollers = Supervisor(
        "pollers",
        [_poller(parts, name, lambda: hub, governor, bookkeepers[name], demand) for name in parts.brokers],
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
    channels = Channels(
        parts.bulletin,
        parts.boards.accounts,
        parts.clock,
        parts.log,
        parts.config.gateway.account_interval_ms / 1000,
    )
    latencies = Latencies(parts.config.gateway.latency_warning_ms)
    lag = LoopLag()
    zmq_door = make_door(parts, "zmq", commands, latencies)
    http_door = make_door(parts, "http", commands, latencies)

    turns = Turns(parts.at_work)
    guarded = guarded_doors(parts, commands, governor, centre.known, latencies, turns)
    Pushes(publisher, parts.boards, guarded.guard.changed).connect()
    http_statistics = HttpStatistics()
    roots: list[Supervisor] = []

    def snapshot() -> Snapshot:
        return roots[0].snapshot()

    context = RestContext(
        boards=parts.boards,
        ticks=last_ticks,
        door=http_door,
        governor=governor,
        bookkeepers=bookkeepers,
        router=state.ref("router"),
        log=parts.log,
        snapshot=snapshot,
        authenticator=parts.authenticator,
        clock=parts.clock,
        settings=parts.config.gateway.rest,
        latencies=latencies,
        journal=parts.journal,
        known=centre.known,
        executors=centre.executors,
        keep_days=parts.config.gateway.journal.keep_days,
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
            "turns": turns.status,
            "journal": parts.journal_status,
            "state": parts.boards.router.status,
            "news": parts.boards.news.status,
            "stop_file": parts.boards.stop_file.status,
            "tokens": tokens.status,
            "channels": channels.status,
            "exchanges": lambda: {name: status() for name, status in parts.broker_status.items()},
            **guarded.status,
        },
    )

    def make_http() -> HttpEdge:
        return HttpEdge(
            make_app(context),
            parts.doors.rest,
            beside=http_door.sweep,
            statistics=http_statistics,
            tls=parts.doors.tls,
            turns=turns,
        )

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
            admit=lambda token, peer: parts.authenticator.admit(token, peer=peer, via="ws"),
            stands=parts.authenticator.stands,
            channels=channels,
            tls=parts.doors.tls,
            turns=turns,
        )

    def counters() -> dict[str, int]:
        return {
            "clients": len(clients),
            "ticks": hub_statistics.ticks_published,
            "commands": sum(door.statistics.received for door in (zmq_door, http_door, *guarded.doors)),
            "slow": latencies.warnings,
        }

    def make_reporter() -> Reporter:
        return Reporter(lag, counters)

    edges = Supervisor(
        "edges",
        [
            ActorSpec(
                "bulletin", lambda: BulletinKeeper(parts.bulletin, parts.journal), mailbox=QUIET, start_within=30.0
            ),
            supervise(sessions),
            ActorSpec("ws", make_listener, mailbox=QUIET),
            ActorSpec("http", make_http, mailbox=QUIET),
            ActorSpec(
                "zmq_commands",
                lambda: ZmqCommands(parts.doors.commands, zmq_door, bridges=guarded.bridges, turns=turns),
                mailbox=QUIET,
            ),
            *guarded.specs,
        ],
        Strategy.ONE_FOR_ONE,
        GROUP_WINDOW,
        QUICK,
    )
    root = Supervisor(
        "gateway",
        [
            ActorSpec("journal", lambda: Recorder(parts.writer), mailbox=QUIET, grace=12.0, start_within=30.0),
            supervise(state),
            supervise(execution),
            supervise(flatteners),
            *_lines(parts),
            supervise(market),
            supervise(books),
            supervise(edges),
            ActorSpec(
                "reporter",
                make_reporter,
                mailbox=QUIET,
            ),
        ],
        Strategy.REST_FOR_ONE,
        ROOT_WINDOW,
        QUICK,
    )
    roots.append(root)
    return Tree(root, parts.boards, hub, governor, commands, clients)


def _router(parts: Parts, last_ticks: LastTicks) -> Router:
    boards = parts.boards
    return Router(boards.router, parts.state, parts.clock, boards.eas.all, last_ticks.all)


def _news(parts: Parts) -> list[ActorSpec]:
    source = parts.calendar
    if source is None:
        return []
    return [ActorSpec("news", lambda: NewsKeeper(parts.boards.news, source, parts.clock), mailbox=QUIET)]


@attrs.frozen
class _Centre:
    """The group that carries commands out, and what others read or ask of it."""

    supervisor: Supervisor
    governor: Ref[Any]
    commands: Ref[Any]
    executors: Mapping[str, Ref[Any]]
    known: KnownCommands


def _flattener(parts: Parts, name: str, governor: Ref[Any]) -> ActorSpec:
    return ActorSpec(
        f"flattener:{name}",
        lambda: Flattener(name, parts.boards, governor, parts.clock),
        mailbox=flattener_actor.MAILBOX,
    )


def _execution(parts: Parts) -> _Centre:
    known, began = KnownCommands(), trio.current_time()
    refs: dict[str, Ref[Any]] = {}
    config = parts.config

    def lanes(name: str) -> list[ActorSpec]:
        hands = Hands()  # as `known`, it outlives those who work with it

        def make(kind: type[Executor | Closer]) -> Executor | Closer:
            broker, journal, boards, clock = parts.brokers[name], parts.journal, parts.boards, parts.clock
            return kind(Carrier(broker, journal, boards, refs["governor"], clock, hands))

        return [
            ActorSpec(f"executor:{name}", lambda: make(Executor), mailbox=CARRIER_MAILBOX),
            ActorSpec(f"closer:{name}", lambda: make(Closer), mailbox=CARRIER_MAILBOX),
        ]

    brokers = Supervisor(
        "brokers",
        [spec for name in parts.brokers for spec in lanes(name)],
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
            began=began,
            closers={name: brokers.ref(f"closer:{name}") for name in parts.brokers},
            approval_ttl_s=config.gateway.commands.approval_ttl_s,
            myself=refs["governor"],
        )

    def make_commands() -> Commands:
        return Commands(
            routing=routing_of(parts),
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
    return _Centre(execution, refs["governor"], refs["commands"], executors, known)


# None where no broker has any: a group without members has nothing to do, and ends.
def _lines(parts: Parts) -> list[ActorSpec]:
    if not parts.lines:
        return []
    keepers = [_line(name, run) for name, run in parts.lines.items()]
    lines = Supervisor("lines", keepers, window=BROKER_WINDOW, backoff=PATIENT, park_after_window=True)
    return [supervise(lines)]


def _line(name: str, run: Callable[[], Awaitable[None]]) -> ActorSpec:
    return ActorSpec(f"line:{name}", lambda: LineKeeper(run), mailbox=QUIET)


def _bookkeeper(parts: Parts, name: str) -> ActorSpec:
    adopt = parts.config.risk.account_for(name).on_drift == "adopt"
    return ActorSpec(
        f"bookkeeper:{name}",
        lambda: Bookkeeper(name, parts.boards, parts.journal, parts.clock, adopt),
        mailbox=bookkeeper_actor.MAILBOX,
    )


def _poller(
    parts: Parts, name: str, hub: Callable[[], Ref[Any]], governor: Ref[Any], bookkeeper: Ref[Any], demand: Demand
) -> ActorSpec:
    broker, gateway = parts.brokers[name], parts.config.gateway
    poll_ms = getattr(parts.config.brokers[name], "poll_interval_ms", None) or gateway.poll_interval_ms
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
            poll_interval_s=poll_ms / 1000,
            account_interval_s=gateway.account_interval_ms / 1000,
            bookkeeper=bookkeeper,
            lossless=replay is not None,
            start_feed=broker.start_feed if waits else None,
            wanted=demand.wait if waits else None,
            stale_after_s=parts.config.brokers[name].stale_after_s,
            symbol_stale_after_s=parts.config.brokers[name].symbol_stale_after_s,
        )

    return ActorSpec(f"poller:{name}", make, mailbox=QUIET)
