"""`quantmind doctor`: what a first user on a new machine should look at, before anything is traded."""

from __future__ import annotations

import argparse
import socket
import sys
import zoneinfo
from collections.abc import Iterator
from typing import Any

import attrs
import msgspec

from quantmind.adapters.mt5.build import settings_of
from quantmind.adapters.mt5.examine import Finding, examine
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.adapters.state_folder import StateFolder
from quantmind.cli.gateway import as_json
from quantmind.cli.output import say
from quantmind.config import Config
from quantmind.config.brokers import Mt5BrokerConfig
from quantmind.errors import EXIT_REFUSED, StartError

_MARKS = {"ok": "ok", "warn": "look", "fail": "FAIL"}


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the subcommand."""
    about = "look at this machine and at each MetaTrader 5 terminal of the configuration; trades nothing"
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
    brokers = [broker for broker in config.enabled_brokers.values() if isinstance(broker, Mt5BrokerConfig)]
    if not brokers:
        yield Finding("terminals", "warn", "the configuration has no enabled broker of type mt5")
    for broker in brokers:
        settings = msgspec.convert(settings_of(broker), Settings)
        for each in examine(settings, ticks_within_s=ticks_within_s):
            yield attrs.evolve(each, what=f"{broker.name}: {each.what}")


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
