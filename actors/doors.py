"""The command doors, and the actors of those endpoints that ask who comes: TLS, ZeroMQ with tokens, incoming ticks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs

from actors.commands import Routing
from actors.known import KnownCommands
from actors.parts import Parts
from actors.runtime import ActorSpec, MailboxPolicy, Overflow, Ref
from quantmind.edges.bridges import BridgeGate
from quantmind.edges.command_log import CommandLog
from quantmind.edges.door import Door
from quantmind.edges.floor_guard import FloorGuard
from quantmind.edges.ingest import DOMAIN, IngestDoor, ZapDoor, plain_judge
from quantmind.edges.latency import Latencies
from quantmind.edges.nodes import NodeHost
from quantmind.edges.secure import SecureSocket, TokenJudge, judges_of
from quantmind.edges.tls import CertificateWatch
from quantmind.edges.zmq_commands import ZmqCommands
from quantmind.net.turns import Turns
from quantmind.net.zap import Judge, ZapHandler
from quantmind.net.zmq import RouterSocket, SubSocket

QUIET = MailboxPolicy(Overflow.REJECT, 1, reason="nobody sends it messages")


def routing_of(parts: Parts) -> Routing:
    """Which account a command is for, by the configuration."""
    eas = parts.config.eas
    return Routing(tuple(parts.brokers), {name: ea.broker for name, ea in eas.items() if ea.broker is not None})


def make_door(parts: Parts, via: str, commands: Ref[Any], latencies: Latencies, *, require_token: bool = False) -> Door:
    settings, routing = parts.config.gateway.commands, routing_of(parts)

    def broker_of(ea_name: str, broker: str | None) -> str | None:
        routed = routing.route(ea_name, broker)
        return routed if isinstance(routed, str) else None

    return Door(
        via=via,
        commands=commands,
        authenticator=parts.authenticator,
        clock=parts.clock,
        latencies=latencies,
        max_in_flight=settings.max_in_flight,
        require_token=require_token or settings.auth == "required",
        log=CommandLog(via, parts.journal, parts.clock),
        brokers=len(parts.brokers),
        broker_of=broker_of,
    )


@attrs.frozen
class Guarded:
    """The doors that ask who comes: their actors, and what they add to /status."""

    specs: list[ActorSpec]
    status: dict[str, Callable[[], Mapping[str, Any]]]
    doors: tuple[Door, ...]
    bridges: BridgeGate
    """For the open command port, too."""
    guard: FloorGuard
    """To be told of changes."""


def guarded_doors(
    parts: Parts, commands: Ref[Any], governor: Ref[Any], known: KnownCommands, latencies: Latencies, turns: Turns
) -> Guarded:
    doors = parts.doors
    node_door = make_door(parts, "node", commands, latencies)
    nodes = NodeHost(parts.brokers, parts.boards, parts.journal, known, node_door, parts.clock)
    guard = FloorGuard(parts.boards, parts.limits.policies, governor, parts.clock, parts.journal.note)
    bridges = BridgeGate(parts.berths, nodes, parts.authenticator, parts.clock, guard)
    judges = judges_of(doors.secure, parts.authenticator, parts.brokers)
    handler = None if doors.zap is None else ZapHandler(doors.zap, judges)
    specs, status = _ingest(parts, handler, judges, turns)
    specs.append(ActorSpec("nodes", lambda: nodes, mailbox=QUIET))
    if parts.berths:
        specs.append(ActorSpec("floor_guard", lambda: guard, mailbox=QUIET))
    status["bridges"] = bridges.snapshot
    status["nodes"] = lambda: {**nodes.snapshot(), "commands": _door_status(node_door)}
    if doors.tls is not None:
        certificates = doors.tls.certificates
        specs.insert(0, ActorSpec("tls", lambda: CertificateWatch(certificates), mailbox=QUIET))
        status["tls"] = doors.tls.status
    command_doors: dict[str, Door] = {}
    for each in doors.secure:
        if isinstance(each.socket, RouterSocket):
            door = command_doors[each.name] = make_door(parts, "zmq", commands, latencies, require_token=True)
            specs.append(_secure_commands(each.name, each.socket, door, judges[each.name], bridges, turns))
    if handler is not None:
        specs.insert(0, ActorSpec("zmq_auth", lambda: ZapDoor(handler), mailbox=QUIET))
    if handler is not None and doors.secure:
        connections = handler.statistics
        status["secure"] = lambda: {
            "connections": attrs.asdict(connections),
            "endpoints": {each.name: _secure_status(each, command_doors.get(each.name)) for each in doors.secure},
        }
    return Guarded(specs, status, (*command_doors.values(), node_door), bridges, guard)


def _secure_commands(
    name: str, socket: RouterSocket, door: Door, judge: Judge, bridges: BridgeGate, turns: Turns
) -> ActorSpec:
    def make() -> ZmqCommands:
        if isinstance(judge, TokenJudge):
            return ZmqCommands(socket, door, judge.token_of, bridges=bridges, turns=turns)
        return ZmqCommands(socket, door, bridges=bridges, turns=turns)

    return ActorSpec(f"zmq_{name}", make, mailbox=QUIET)


def _secure_status(secure: SecureSocket, door: Door | None) -> dict[str, Any]:
    if door is None:
        return secure.status()
    return {**secure.status(), **_door_status(door)}


def _door_status(door: Door) -> dict[str, Any]:
    return {"in_flight": door.in_flight, **attrs.asdict(door.statistics)}


# The actors of the ingestion doors, and what they add to /status; nothing where there is no such door.
def _ingest(
    parts: Parts, handler: ZapHandler | None, judges: dict[str, Judge], turns: Turns
) -> tuple[list[ActorSpec], dict[str, Callable[[], Mapping[str, Any]]]]:
    socket = parts.doors.ingest
    if socket is None:
        return [], {}
    plain = parts.config.gateway.data.ingest_auth == "plain"
    everyone = None if plain else next(iter(parts.inlets))
    stands = parts.authenticator.key_stands
    door = IngestDoor(socket, parts.inlets, everyone, stands, turns=turns)
    specs = [ActorSpec("zmq_data", lambda: door, mailbox=QUIET)]
    judges[DOMAIN] = plain_judge(parts.authenticator, parts.inlets)
    for each in parts.doors.secure:
        if isinstance(each.socket, SubSocket):
            further = IngestDoor(each.socket, parts.inlets, None, stands, door.statistics, turns)
            specs.append(ActorSpec(f"zmq_{each.name}", partial(_again, further), mailbox=QUIET))
    if not plain or handler is None:
        return specs, {"ingest": lambda: {"auth": "none", **door.snapshot()}}
    statistics = handler.of(DOMAIN)
    return specs, {"ingest": lambda: {"auth": "plain", "connections": attrs.asdict(statistics), **door.snapshot()}}


def _again(door: IngestDoor) -> IngestDoor:
    return door
