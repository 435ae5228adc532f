"""`quantmind mt5-worker`: run the worker of a terminal by hand, for a gateway in another place or of another user."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any

import msgspec

from quantmind.adapters.mt5.build import settings_of
from quantmind.adapters.mt5.worker.__main__ import run, run_calling
from quantmind.adapters.mt5.worker.desk import LEAST_TOKEN
from quantmind.adapters.mt5.worker.settings import Settings
from quantmind.adapters.state_folder import StateFolder
from quantmind.config import Config
from quantmind.config.brokers import Mt5BrokerConfig
from quantmind.config.kinds import is_loopback
from quantmind.errors import EXIT_USAGE, StartError

TOKEN = "QUANTMIND_WORKER_TOKEN"  # noqa: S105 - the name of a variable


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the subcommand."""
    about = (
        "run the worker of a broker of type mt5 by hand; a gateway with a broker of type mt5_socket connects to it, "
        f"with the token that {TOKEN} has here; or, with --to, it connects to a gateway whose broker has mode listen, "
        f"and {TOKEN} has a token of that gateway with scope bridge"
    )
    parser = commands.add_parser("mt5-worker", parents=[common], help="run the worker of a terminal", description=about)
    parser.add_argument("--broker", metavar="NAME", help="which one (default: the only one of type mt5)")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5555, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--to", metavar="HOST:PORT", help="connect to this command port of a gateway, and do not listen"
    )
    parser.add_argument(
        "--as",
        dest="known_as",
        metavar="NAME",
        default="",
        help="what that gateway calls the broker (default: by account)",
    )


def mt5_worker(config: Config, options: argparse.Namespace) -> int:
    """Serve, or call a gateway, until Ctrl-C.

    Raises:
        StartError: there is no such broker, no token, or the address is not of this machine alone.
    """
    host, port = (options.host, options.port) if options.to is None else _target(options.to)
    broker = _broker(config, options.broker)
    token = os.environ.get(TOKEN, "")
    if len(token) < LEAST_TOKEN:
        raise StartError(
            f"{TOKEN} must have the token of the gateway, at least {LEAST_TOKEN} characters: "
            'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one',
            EXIT_USAGE,
        )
    if not is_loopback(host):
        what = "listen on 127.0.0.1" if options.to is None else "call 127.0.0.1"
        raise StartError(
            f"{host} is not loopback: what is said here is not encrypted; {what} and lead a tunnel to it, such as "
            "ssh -L 5555:127.0.0.1:5555",
            EXIT_USAGE,
        )
    folder = StateFolder.open(config.gateway.state_dir)
    settings = msgspec.structs.replace(
        msgspec.convert(
            settings_of(broker, sent_file=folder.sent_orders(broker.name), clock_file=folder.server_clock(broker.name)),
            Settings,
        ),
        token=token,
        host=host,
        port=port,
        parent=False,
    )
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return run(settings) if options.to is None else run_calling(settings, host, port, options.known_as)


def _target(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise StartError(f"--to is HOST:PORT, such as 127.0.0.1:5555, and was {text!r}", EXIT_USAGE)
    return host.strip("[]"), int(port)


def _broker(config: Config, name: str | None) -> Mt5BrokerConfig:
    found = {key: broker for key, broker in config.brokers.items() if isinstance(broker, Mt5BrokerConfig)}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name is not None and name in found:
        return found[name]
    names = ", ".join(found) or "none"
    wrong = "say which one with --broker" if name is None else f"no broker of type mt5 is called {name}"
    raise StartError(f"{wrong}; {config.path} has {names}", EXIT_USAGE)
