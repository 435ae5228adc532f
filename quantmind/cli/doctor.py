"""`quantmind doctor`: what a first user on a new machine should look at, before anything is traded."""

from __future__ import annotations

import argparse
import functools
import socket
import sys
import zoneinfo
from collections.abc import Iterator
from typing import Any

import attrs
import msgspec
import trio

from quantmind.adapters.finding import Finding
from quantmind.adapters.mt5.build import settings_of
from quantmind.adapters.mt5.examine import examine
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.adapters.state_folder import StateFolder
from quantmind.cli.gateway import as_json
from quantmind.cli.output import say
from quantmind.config import Config
from quantmind.config.brokers import BinanceBrokerConfig, BrokerConfig, Mt5BrokerConfig
from quantmind.errors import EXIT_REFUSED, StartError

_MARKS = {"ok": "ok", "warn": "look", "fail": "FAIL"}


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the subcommand."""
    about = "look at this machine, and at each terminal and exchange of the configuration; changes and trades nothing"
    parser = commands.add_parser("doctor", parents=[common], help=about, description=about)
    parser.add_argument(
        "--ticks-within", type=float, default=10.0, metavar="S", help="seconds to wait for a tick (default: 10)"
    )


def doctor(config: Config, options: argparse.Namespace) -> int:
    """Print one line for each finding; 1 if something must be mended before it can work."""
    found: list[Finding] = []
    for each in _findings(config, options.ticks_within):
        found.append(each)
        if not options.json:
            say(f"{_MARKS[each.state]:<5} {each.what:<22} {each.detail}")
    if options.json:
        say(as_json({"findings": [attrs.asdict(each) for each in found]}))
    return EXIT_REFUSED if any(each.state == "fail" for each in found) else 0


def _findings(config: Config, ticks_within_s: float) -> Iterator[Finding]:
    yield from _machine(config)
    looked = False
    for broker in config.enabled_brokers.values():
        found = _of_broker(broker, ticks_within_s)
        looked = looked or found is not None
        for each in found or ():
            yield attrs.evolve(each, what=f"{broker.name}: {each.what}")
    if not looked:
        yield Finding("brokers", "warn", "the configuration has no enabled broker of a kind that is looked at")


# None: there is nothing to look at.
def _of_broker(broker: BrokerConfig, ticks_within_s: float) -> Iterator[Finding] | None:
    if isinstance(broker, Mt5BrokerConfig):
        return examine(msgspec.convert(settings_of(broker), Settings), ticks_within_s=ticks_within_s)
    if isinstance(broker, BinanceBrokerConfig):
        return _of_exchange(broker, ticks_within_s)
    return None


def _of_exchange(broker: BinanceBrokerConfig, ticks_within_s: float) -> Iterator[Finding]:
    # Loads an HTTP client, which other commands do without.
    from quantmind.adapters.binance.examine import examine as examine_exchange

    yield from trio.run(functools.partial(examine_exchange, broker, ticks_within_s=ticks_within_s))


def _machine(config: Config) -> Iterator[Finding]:
    version = ".".join(str(each) for each in sys.version_info[:3])
    yield Finding("python", "ok", f"{version} on {sys.platform}")
    zones = bool(zoneinfo.available_timezones())
    yield Finding("time zones", "ok" if zones else "fail", "there" if zones else "pip install tzdata")
    try:
        folder = StateFolder.open(config.gateway.state_dir)
    except StartError as exc:
        yield Finding("state folder", "fail", str(exc))
        return
    yield Finding("state folder", "ok", str(folder.path))
    running = bool(folder.read_addresses())
    gateway = config.gateway
    for name, host, port in (
        ("websocket", gateway.websocket.host, gateway.websocket.port),
        ("commands", gateway.commands.host, gateway.commands.port),
        ("publish", gateway.data.host, gateway.data.publish_port),
        ("rest", gateway.rest.host, gateway.rest.port),
    ):
        taken = port != 0 and _taken(host, port)
        if taken and not running:
            yield Finding(f"port {port} ({name})", "fail", "another program has it: set another one")
        else:
            yield Finding(f"port {port} ({name})", "ok", "a gateway has it" if taken else "free")


def _taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
