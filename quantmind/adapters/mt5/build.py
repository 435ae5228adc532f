"""From a configuration to a broker: its worker's settings, and when its symbols trade."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

from quantmind.adapters.guarded import Deadlines
from quantmind.adapters.mt5.berth import ARRIVES_WITHIN_S, Berth
from quantmind.adapters.mt5.broker import BridgedBroker, Limits
from quantmind.adapters.mt5.host import Elsewhere, Listening, WorkerProcess
from quantmind.adapters.mt5.terminal.server_clock import parse_server_zone
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.config.brokers import Mt5BrokerConfig, Mt5SocketBrokerConfig
from quantmind.config.hours import zone_of
from quantmind.config.kinds import is_loopback
from quantmind.domain.sessions import Sessions, weekly
from quantmind.domain.symbols import usual_spec
from quantmind.ports import Broker
from quantmind.wire import bridge

CONNECT_SPARE_S: Final = 10.0
"""Beyond `timeout_ms`, which the package itself waits for its terminal."""
MOST_DEALS_OF_A_BRIDGE: Final = 4000
"""In one answer: a command port takes no longer messages than 2 MB."""
SPARE_S: Final = 2.0
ORDER_SPARE_S: Final = 1.0
"""Beyond `timeout`: another gateway says itself that it does not know, and that is worth hearing."""
_FOREX: Final[Mapping[str, str]] = {"sun": "17:00-24:00", "mon-thu": "00:00-24:00", "fri": "00:00-17:00"}
_NEW_YORK: Final = "America/New_York"
_CFD: Final = 1
"""The contract of a symbol whose name is of no currencies and no metal."""


def build(
    config: Mt5BrokerConfig,
    *,
    name: str | None = None,
    sent_file: Path | None = None,
    clock_file: Path | None = None,
    monotonic: Callable[[], float] = trio.current_time,
) -> BridgedBroker:
    """Make the broker that a configuration describes; no worker is started before `connect`.

    Args:
        sent_file: where its worker keeps what it sent.
        clock_file: where its worker keeps what it measured of the server's clock.

    Raises:
        ValueError: the configuration contradicts itself.
    """
    name = config.name if name is None else name
    settings = settings_of(config, sent_file=sent_file, clock_file=clock_file)
    return BridgedBroker(
        name,
        WorkerProcess(name, settings),
        Limits(
            connect_s=config.timeout_ms / 1000 + CONNECT_SPARE_S,
            order_s=config.order_timeout_s,
            query_s=config.query_timeout_s,
        ),
        sessions_of(config),
        monotonic,
        settle_s=config.settle_after_s,
    )


def build_socket(
    config: Mt5SocketBrokerConfig, *, name: str | None = None, monotonic: Callable[[], float] = trio.current_time
) -> BridgedBroker:
    """Make the broker of a worker that is run by hand, `quantmind mt5-worker`, or of a bridge that comes by itself.

    The worker is reached, and the bridge awaited, at `connect`.

    Raises:
        ValueError: the configuration does not say where it is, or has no token.
    """
    name = config.name if name is None else name
    listens, limits = config.mode == "listen", _limits(config)
    return BridgedBroker(
        name,
        Berth(name, config.account_id) if listens else Elsewhere(_place_of(config)),
        limits,
        sessions_of(config),
        monotonic,
        account=config.account_id,
        retries=config.max_retries,
        settle_s=limits.order_s,
        shared=True,
        most_deals=MOST_DEALS_OF_A_BRIDGE if listens else bridge.MOST_DEALS,
    )


def _place_of(config: Mt5SocketBrokerConfig) -> Listening:
    if config.vps_host is None:
        raise ValueError("vps_host is missing: name the host of the worker, such as 127.0.0.1")
    if config.token is None:
        raise ValueError("token is missing: give the one that the worker was started with, as ${NAME}")
    if not is_loopback(config.vps_host):
        raise ValueError(
            f"vps_host {config.vps_host} is not loopback: what is said to a worker is not encrypted; lead a tunnel "
            "to it, such as ssh -L 5555:127.0.0.1:5555, and name 127.0.0.1"
        )
    return Listening(config.vps_host, config.vps_port, config.token.reveal())


def berths(brokers: Mapping[str, Broker]) -> dict[str, Berth]:
    """The places of bridges that come by themselves, by broker."""
    hosts = {name: broker.host for name, broker in brokers.items() if isinstance(broker, BridgedBroker)}
    return {name: host for name, host in hosts.items() if isinstance(host, Berth)}


def deadlines_of(broker: BridgedBroker) -> Deadlines:
    """For who stands before it: its own limits come first, since only it can end a worker that is stuck."""
    limits, usual = broker.limits, Deadlines()
    query_s = limits.query_s + SPARE_S
    return Deadlines(
        connect_s=limits.connect_s + ARRIVES_WITHIN_S + SPARE_S,
        poll_s=max(usual.poll_s, query_s),
        sample_s=max(usual.sample_s, query_s),
        deals_s=max(usual.deals_s, query_s),
        place_s=max(usual.place_s, 2 * limits.order_s + SPARE_S),
        find_s=max(usual.find_s, query_s),
        recover_s=max(usual.recover_s, limits.recover_s + SPARE_S),
    )


def _limits(config: Mt5SocketBrokerConfig) -> Limits:
    return Limits(
        connect_s=config.timeout + CONNECT_SPARE_S, order_s=config.timeout + ORDER_SPARE_S, query_s=config.timeout
    )


def settings_of(
    config: Mt5BrokerConfig, *, sent_file: Path | None = None, clock_file: Path | None = None
) -> dict[str, Any]:
    """What its worker is told, but for the credential, as plain values.

    Raises:
        ValueError: there is no such time zone.
    """
    if config.server_zone is not None:
        parse_server_zone(config.server_zone)
    settings = Settings(
        token="",
        module=config.module,
        path=None if config.path is None else str(config.path),
        login=config.login,
        password=None if config.password is None else config.password.reveal(),
        server=config.server,
        timeout_ms=config.timeout_ms,
        portable=config.portable,
        symbols=config.symbols,
        symbol_suffix=config.symbol_suffix,
        symbol_names=dict(config.symbol_names),
        server_zone=config.server_zone,
        sent_file=None if sent_file is None else str(sent_file),
        clock_file=None if clock_file is None else str(clock_file),
        absent_after_s=config.settle_after_s,
    )
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    return plain


def sessions_of(config: Mt5BrokerConfig | Mt5SocketBrokerConfig) -> Callable[[str], Sessions]:
    """The hours of a symbol: the configuration's, or those that are usual for its kind.

    The package does not say them. Currencies and metals trade from Sunday to Friday, 17:00 in New York; of anything
    else nobody knows, so it is taken to be open.
    """
    if config.sessions is not None:
        hours = weekly(config.sessions, zone_of(config.sessions_zone))
        return lambda _: hours
    forex, always = weekly(_FOREX, zone_of(_NEW_YORK)), Sessions()
    return lambda symbol: always if usual_spec(symbol).contract_size == _CFD else forex
