"""The composition root: opens what the configuration names, builds the tree, runs it until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator

import attrs
import trio

from actors.boards import Boards, Catalog
from actors.runtime import ActorError, RestartLimitReached, StartFailed, Supervisor
from actors.tree import Doors, Limits, Parts, Tree, build_tree
from quantmind import __version__
from quantmind.adapters import mock
from quantmind.adapters.journal import SqliteJournal
from quantmind.adapters.state_folder import StateFolder
from quantmind.config import BrokerConfig, Config, MockBrokerConfig
from quantmind.config.cross_ingest import ingest_brokers
from quantmind.domain.risk import EaLimits, Policy
from quantmind.edges.ingest import open_ingest
from quantmind.edges.zmq_commands import HIGH_WATER, MAX_FRAME_BYTES
from quantmind.errors import EXIT_GAVE_UP, EXIT_UNAVAILABLE, EXIT_USAGE, StartError
from quantmind.net.errors import NetError
from quantmind.net.listen import ListenAddress
from quantmind.net.zap import ZapSocket
from quantmind.net.zmq import PubSocket, RouterSocket, ZmqContext
from quantmind.ports import Broker
from quantmind.wire.auth import Authenticator

logger = logging.getLogger("quantmind.app")

BROKER_CLOSE_S = 2.0
Announce = Callable[[dict[str, str], str], None]
"""Told once everything is up: addresses by name, and where the token is."""


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
    journal: SqliteJournal
    token: str
    token_from: str
    addresses: dict[str, str]
    folder: StateFolder


@contextlib.contextmanager
def open_gateway(config: Config, *, token: str | None = None) -> Iterator[Gateway]:
    """Put a gateway together and bind its sockets, for the length of the block.

    Must be entered inside a Trio run. Nothing is served before `gateway.tree.root.run()`; what connects until
    then waits.

    Args:
        token: the token that has every scope; None takes the one in the state folder, made at first start.

    Raises:
        StartError: an address is taken, or the state folder can't be used or is another gateway's.
    """
    folder = StateFolder.open(config.gateway.state_dir)
    with contextlib.ExitStack() as stack:
        stack.enter_context(folder.held())
        token_from = "QUANTMIND_TOKEN" if token is not None else str(folder.token_file)
        token = token if token is not None else folder.token()
        doors = _bind(config, stack)
        brokers = {name: _broker(name, broker, folder) for name, broker in config.enabled_brokers.items()}
        journal = SqliteJournal(folder.journal, durable=config.gateway.journal.durable)
        addresses = _addresses(config, doors)
        parts = Parts(
            config=config,
            brokers=brokers,
            boards=Boards(Catalog(tuple(brokers))),
            journal=journal,
            writer=journal,
            authenticator=Authenticator.single(token),
            clock=SystemClock(),
            limits=_limits(config, tuple(brokers)),
            doors=doors,
            inlets=mock.inlets(brokers),
            version=__version__,
            addresses=lambda: addresses,
            journal_status=lambda: {"down": journal.down, **attrs.asdict(journal.statistics)},
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


async def serve(config: Config, *, token: str | None = None, announce: Announce) -> int:
    """Run a gateway until a signal stops it; the process's exit code.

    The first SIGINT or SIGTERM stops it in order (clients get close code 1001), the second at once.

    Raises:
        StartError: it can't start.
    """
    exit_code = 0
    with open_gateway(config, token=token) as gateway:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_obey_signals, gateway.tree.root, nursery.cancel_scope)
                await nursery.start(_run_root, gateway.tree.root, nursery.cancel_scope)
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


def _bind(config: Config, stack: contextlib.ExitStack) -> Doors:
    """Open every listening socket; they outlive the actors that read them."""
    gateway = config.gateway
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
        zap = ingest = None
        if ingest_brokers(config):
            plain = gateway.data.ingest_auth == "plain"
            zap = ZapSocket.open(context) if plain else None
            ingest = open_ingest(context, gateway.data.host, gateway.data.ingest_port, plain=plain)
    except NetError as exc:
        raise StartError(str(exc), EXIT_UNAVAILABLE) from exc
    return Doors(websocket=websocket, rest=rest, commands=commands, publisher=publisher, zap=zap, ingest=ingest)


def _addresses(config: Config, doors: Doors) -> dict[str, str]:
    gateway = config.gateway
    opened = {
        "websocket": f"ws://{_host(gateway.websocket.host)}:{doors.websocket.port}/",
        "commands": f"tcp://{_host(gateway.commands.host)}:{doors.commands.port}",
        "publish": f"tcp://{_host(gateway.data.host)}:{doors.publisher.port}",
        "rest": f"http://{_host(gateway.rest.host)}:{doors.rest.port}/",
    }
    if doors.ingest is not None:
        opened["ingest"] = f"tcp://{_host(gateway.data.host)}:{doors.ingest.port}"
    return opened


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _broker(name: str, config: BrokerConfig, folder: StateFolder) -> Broker:
    if isinstance(config, MockBrokerConfig):
        try:
            return mock.build(config, name=name, account_file=folder.paper_account(name))
        except mock.AccountFileError as exc:
            raise StartError(str(exc), EXIT_UNAVAILABLE) from exc
        except ValueError as exc:
            raise StartError(str(exc), EXIT_USAGE) from exc
    raise StartError(f"broker {name}: type {config.type} is not implemented yet", EXIT_USAGE)


def _limits(config: Config, brokers: tuple[str, ...]) -> Limits:
    policies = {}
    for name in brokers:
        account = config.risk.account_for(name)
        policies[name] = Policy(
            max_volume=account.max_volume,
            max_open_positions=account.max_open_positions,
            equity_fresh_s=account.equity_fresh_s,
            price_fresh_s=account.price_fresh_s,
        )

    def of_ea(ea_name: str) -> EaLimits:
        ea = config.eas.get(ea_name)
        return EaLimits(max_volume=None if ea is None else ea.max_volume)

    return Limits(policies, of_ea)


def _deepest(group: BaseExceptionGroup[ActorError]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    parts = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        parts.append(str(error) or type(error).__name__)
    return ": ".join(parts)
