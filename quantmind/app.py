"""The composition root: opens what the configuration names, builds the tree, runs it until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

import attrs
import trio

from actors.boards import Boards, Catalog
from actors.bulletin import Bulletin
from actors.parts import Doors, Limits, Parts
from actors.runtime import ActorError, RestartLimitReached, StartFailed, Supervisor
from actors.tree import Tree, build_tree
from quantmind import __version__
from quantmind.adapters import mock
from quantmind.adapters.binance.broker import BinanceBroker
from quantmind.adapters.binance.build import DEADLINES as BINANCE_DEADLINES
from quantmind.adapters.binance.build import build as build_binance
from quantmind.adapters.calendar_file import CalendarFile
from quantmind.adapters.guarded import Deadlines, GuardedBroker
from quantmind.adapters.journal import Bounds, LogReader, SqliteJournal
from quantmind.adapters.mt5.berth import Berth
from quantmind.adapters.mt5.broker import BridgedBroker
from quantmind.adapters.mt5.build import berths, deadlines_of
from quantmind.adapters.mt5.build import build as build_mt5
from quantmind.adapters.mt5.build import build_socket as build_mt5_socket
from quantmind.adapters.state import JournalState
from quantmind.adapters.state_folder import StateFolder
from quantmind.adapters.stop_file import StopFile
from quantmind.adapters.token_file import TOKENS_FILE, TokenWatch, identities_of
from quantmind.config import BinanceBrokerConfig, BrokerConfig, Config, MockBrokerConfig
from quantmind.config.brokers import Mt5BrokerConfig, Mt5SocketBrokerConfig
from quantmind.config.cross_ingest import ingest_brokers
from quantmind.config.kinds import is_loopback
from quantmind.config.policies import ea_limits, policies
from quantmind.domain.breaker import Breaker
from quantmind.edges import data, zmq_commands
from quantmind.edges.ingest import open_ingest
from quantmind.edges.secure import KEY_FOLDER, SecureSocket, open_secure, served_by
from quantmind.edges.zmq_commands import HIGH_WATER, MAX_FRAME_BYTES
from quantmind.errors import EXIT_GAVE_UP, EXIT_UNAVAILABLE, EXIT_USAGE, StartError
from quantmind.net.certificates import Certificates, CertificateTrouble
from quantmind.net.curve_keys import KeyTrouble
from quantmind.net.errors import NetError
from quantmind.net.listen import ListenAddress
from quantmind.net.tls_door import TlsDoor
from quantmind.net.zap import ZapSocket
from quantmind.net.zmq import PubSocket, RouterSocket, ZmqContext
from quantmind.ports import Broker
from quantmind.wire.auth import OWNER, SCOPES, Authenticator

logger = logging.getLogger("quantmind.app")

BROKER_CLOSE_S = 2.0
Announce = Callable[[dict[str, str], str], None]
"""Told once everything is up: addresses by name, and where the token is."""
MakeBroker = Callable[[str, BrokerConfig, StateFolder], Broker]
"""Makes the broker of one account from its name, its configuration and the state folder. Raises StartError."""


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        return time.time()


@attrs.frozen
class Gateway:
    """A gateway that is put together and listens, ready to run."""

    config: Config
    tree: Tree
    brokers: dict[str, Broker]
    """As they were made, without what stands before them in the tree."""
    journal: SqliteJournal
    token: str = attrs.field(repr=False)
    token_from: str
    addresses: dict[str, str]
    folder: StateFolder


@contextlib.contextmanager
def open_gateway(
    config: Config, *, token: str | None = None, make_broker: MakeBroker | None = None
) -> Iterator[Gateway]:
    """Put a gateway together and bind its sockets, for the length of the block.

    Must be entered inside a Trio run. Nothing is served before `gateway.tree.root.run()`; what connects until
    then waits.

    Args:
        token: the token that has every scope; None takes the one in the state folder, made at first start.
        make_broker: makes each account's broker; None makes the one of the type that its configuration names. A
            program with a broker of its own, as a test has, gives it here.

    Raises:
        StartError: an address is taken, or the state folder can't be used or is another gateway's.
    """
    folder = StateFolder.open(config.gateway.state_dir)
    with contextlib.ExitStack() as stack:
        stack.enter_context(folder.held())
        token_from = "QUANTMIND_TOKEN" if token is not None else str(folder.token_file)
        token = token if token is not None else folder.token()
        doors = _bind(config, stack, folder)
        make = make_broker or _broker
        brokers = {name: make(name, broker, folder) for name, broker in config.enabled_brokers.items()}
        keep = config.gateway.journal
        journal = SqliteJournal(folder.journal, durable=keep.durable, bounds=Bounds(keep.max_size_mb, keep.keep_days))
        bulletin = Bulletin()
        journal.on_commit = bulletin.take
        addresses = _addresses(config, doors)
        news_file = config.risk.news_file
        boards = Boards(Catalog(tuple(brokers)))
        parts = Parts(
            config=config,
            brokers={name: _guarded(broker, config.enabled_brokers[name], boards) for name, broker in brokers.items()},
            boards=boards,
            journal=journal,
            state=JournalState(journal),
            log=LogReader(folder.journal),
            writer=journal,
            authenticator=_authenticator(config, token),
            tokens=TokenWatch(folder.path / TOKENS_FILE),
            clock=SystemClock(),
            limits=_limits(config, tuple(brokers)),
            doors=doors,
            stop_file=StopFile(folder.stop_file),
            calendar=None if news_file is None else CalendarFile(news_file),
            inlets=mock.inlets(brokers),
            berths=_berths(brokers, boards),
            lines={name: one.run for name, one in brokers.items() if isinstance(one, BinanceBroker)},
            broker_status={name: one.snapshot for name, one in brokers.items() if isinstance(one, BinanceBroker)},
            bulletin=bulletin,
            version=__version__,
            addresses=lambda: addresses,
            journal_status=journal.snapshot,
            at_work=journal.at_work,
        )
        yield Gateway(
            config=config,
            tree=build_tree(parts),
            brokers=brokers,
            journal=journal,
            token=token,
            token_from=token_from,
            addresses=addresses,
            folder=folder,
        )


async def serve(
    config: Config, *, token: str | None = None, announce: Announce, make_broker: MakeBroker | None = None
) -> int:
    """Run a gateway until a signal stops it; the process's exit code.

    The first SIGINT or SIGTERM stops it in order (clients get close code 1001), the second at once. `token` and
    `make_broker` are those of `open_gateway`.

    Raises:
        StartError: it can't start.
    """
    exit_code = 0
    with open_gateway(config, token=token, make_broker=make_broker) as gateway:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_obey_signals, gateway.tree.root, nursery.cancel_scope)
                await nursery.start(_run_root, gateway.tree.root, nursery.cancel_scope)
                # What is there now stays: without it the collector looks at all modules again and again, and holds up
                # everybody for a tenth of a second each time that connections have come and gone in numbers.
                gc.collect()
                gc.freeze()
                gateway.folder.write_addresses(gateway.addresses)
                announce(gateway.addresses, gateway.token_from)
        except* (RestartLimitReached, StartFailed) as group:
            logger.critical("give.up reason=%s", _deepest(group))
            exit_code = EXIT_GAVE_UP
        finally:
            gateway.folder.forget_addresses()
            for broker in gateway.brokers.values():
                with trio.move_on_after(BROKER_CLOSE_S, shield=True):
                    await broker.aclose()
    logger.info("stop.gateway exit_code=%d", exit_code)
    return exit_code


async def _run_root(
    root: Supervisor, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    await root.run(task_status=task_status)
    scope.cancel()


async def _obey_signals(root: Supervisor, scope: trio.CancelScope) -> None:
    asked = False
    with trio.open_signal_receiver(*_stop_signals()) as signals:
        async for number in signals:
            name = signal.Signals(number).name
            if asked:
                logger.warning("stop.now signal=%s", name)
                scope.cancel()
                return
            asked = True
            logger.info("stop.requested signal=%s", name)
            root.request_stop()


def _stop_signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _bind(config: Config, stack: contextlib.ExitStack, folder: StateFolder) -> Doors:
    """Open every listening socket; they outlive the actors that read them."""
    gateway = config.gateway
    tls = _tls(config)
    try:
        websocket = ListenAddress(gateway.websocket.host, gateway.websocket.port)
        stack.callback(websocket.close)
        websocket.open()
        rest = ListenAddress(gateway.rest.host, gateway.rest.port)
        stack.callback(rest.close)
        rest.open()
        context = stack.enter_context(ZmqContext())
        commands = RouterSocket.bind(
            context,
            gateway.commands.host,
            gateway.commands.port,
            max_message_bytes=MAX_FRAME_BYTES,
            high_water=HIGH_WATER,
        )
        publisher = PubSocket.bind(context, gateway.data.host, gateway.data.publish_port)
        commands.watch("commands", zmq_commands.PEERS)
        publisher.watch("publish", data.PEERS)
        zap = ingest = None
        plain = bool(ingest_brokers(config)) and gateway.data.ingest_auth == "plain"
        if plain or gateway.commands.secure or gateway.data.secure:
            zap = ZapSocket.open(context)
        if ingest_brokers(config):
            ingest = open_ingest(context, gateway.data.host, gateway.data.ingest_port, plain=plain)
        secure = _secure(config, context, folder)
    except KeyTrouble as exc:
        raise StartError(str(exc), EXIT_USAGE) from exc
    except NetError as exc:
        raise StartError(str(exc), EXIT_UNAVAILABLE) from exc
    return Doors(
        websocket=websocket,
        rest=rest,
        commands=commands,
        publisher=publisher,
        zap=zap,
        ingest=ingest,
        tls=tls,
        secure=secure,
    )


# A configuration that was read from a file has passed this; one that a program made may not.
def _tls(config: Config) -> TlsDoor | None:
    gateway = config.gateway
    certificate, key = gateway.tls.certificate, gateway.tls.key
    if certificate is None or key is None:
        for section in ("websocket", "rest"):
            host = getattr(gateway, section).host
            if not is_loopback(host):
                message = (
                    f"gateway.{section}.host {host} is reached by others, and gateway.tls has no certificate and key"
                )
                raise StartError(message, EXIT_USAGE)
        return None
    try:
        return TlsDoor(Certificates.open(certificate, key))
    except CertificateTrouble as exc:
        raise StartError(str(exc), EXIT_USAGE) from exc


def _secure(config: Config, context: ZmqContext, folder: StateFolder) -> tuple[SecureSocket, ...]:
    opened: list[SecureSocket] = []
    for endpoint in (*config.gateway.commands.secure, *config.gateway.data.secure):
        serves = served_by(endpoint)
        alike = [one for one in opened if (one.serves, one.mechanism) == (serves, endpoint.mechanism)]
        opened.append(open_secure(context, serves, len(alike) + 1, endpoint, folder.path / KEY_FOLDER))
    return tuple(opened)


def _authenticator(config: Config, token: str) -> Authenticator:
    return Authenticator({token: (OWNER, frozenset(SCOPES))}, identities=identities_of(config.tokens))


def _addresses(config: Config, doors: Doors) -> dict[str, str]:
    gateway = config.gateway
    s = "" if doors.tls is None else "s"
    opened = {
        "websocket": f"ws{s}://{_host(gateway.websocket.host)}:{doors.websocket.port}/",
        "commands": f"tcp://{_host(gateway.commands.host)}:{doors.commands.port}",
        "publish": f"tcp://{_host(gateway.data.host)}:{doors.publisher.port}",
        "rest": f"http{s}://{_host(gateway.rest.host)}:{doors.rest.port}/",
    }
    if doors.ingest is not None:
        opened["ingest"] = f"tcp://{_host(gateway.data.host)}:{doors.ingest.port}"
    for each in doors.secure:
        opened[each.name] = f"tcp://{_host(each.host)}:{each.socket.port}"
    return opened


# Listening everywhere is no address to connect to; this machine's own stands for it.
def _host(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _broker(name: str, config: BrokerConfig, folder: StateFolder) -> Broker:
    try:
        match config:
            case MockBrokerConfig():
                return mock.build(config, name=name, account_file=folder.paper_account(name))
            case Mt5BrokerConfig():
                sent, clock = folder.sent_orders(name), folder.server_clock(name)
                return build_mt5(config, name=name, sent_file=sent, clock_file=clock)
            case Mt5SocketBrokerConfig():
                return build_mt5_socket(config, name=name)
            case BinanceBrokerConfig():
                sent, carried = folder.exchange_orders(name), folder.exchange_positions(name)
                return build_binance(config, name=name, sent_file=sent, carried_file=carried)
    except mock.AccountFileError as exc:
        raise StartError(str(exc), EXIT_UNAVAILABLE) from exc
    except ValueError as exc:
        raise StartError(f"broker {name}: {exc}", EXIT_USAGE) from exc
    raise StartError(f"broker {name}: type {config.type} is not implemented yet", EXIT_USAGE)


# What a bridge says unasked makes its account be looked at soon, as an order of ours does.
def _berths(brokers: dict[str, Broker], boards: Boards) -> dict[str, Berth]:
    for name, broker in brokers.items():
        if isinstance(broker, BridgedBroker | BinanceBroker):
            broker.on_event = partial(_look_soon, boards, name)
    return berths(brokers)


def _look_soon(boards: Boards, name: str) -> None:
    boards.links.of(name).changed.set()


def _guarded(broker: Broker, config: BrokerConfig, boards: Boards) -> GuardedBroker:
    breaker = Breaker(config.breaker.failures, config.breaker.open_s)
    boards.links.of(broker.name).breaker = breaker
    return GuardedBroker(broker, breaker, _deadlines(broker))


def _deadlines(broker: Broker) -> Deadlines:
    if isinstance(broker, BridgedBroker):
        return deadlines_of(broker)
    return BINANCE_DEADLINES if isinstance(broker, BinanceBroker) else Deadlines()


def _limits(config: Config, brokers: tuple[str, ...]) -> Limits:
    limits = policies(config)
    return Limits({name: limits[name] for name in brokers}, lambda ea_name: ea_limits(config.eas.get(ea_name)))


def _deepest(group: BaseExceptionGroup[ActorError]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    parts = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        parts.append(str(error) or type(error).__name__)
    return ": ".join(parts)
