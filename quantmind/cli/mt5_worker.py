"""`quantmind mt5-worker`: run the worker of a terminal by hand, for a gateway in another place or of another user."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any

import msgspec

from quantmind.adapters.mt5.build import settings_of
from quantmind.adapters.mt5.worker.__main__ import run
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
        f"with the token that {TOKEN} has here"
    )
    parser = commands.add_parser("mt5-worker", parents=[common], help="run the worker of a terminal", description=about)
    parser.add_argument("--broker", metavar="NAME", help="which one (default: the only one of type mt5)")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5555, help="port to listen on (default: %(default)s)")


def mt5_worker(config: Config, options: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        StartError: there is no such broker, no token, or the address is not of this machine alone.
    """
    broker = _broker(config, options.broker)
    token = os.environ.get(TOKEN, "")
    if len(token) < LEAST_TOKEN:
        raise StartError(
            f"{TOKEN} must have the token of the gateway, at least {LEAST_TOKEN} characters: "
            'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one',
            EXIT_USAGE,
        )
    if not is_loopback(options.host):
        raise StartError(
            f"{options.host} is not loopback: what is said here is not encrypted; listen on 127.0.0.1 and lead a "
            "tunnel to it, such as ssh -L 5555:127.0.0.1:5555",
            EXIT_USAGE,
        )
    folder = StateFolder.open(config.gateway.state_dir)
    settings = msgspec.structs.replace(
        msgspec.convert(
            settings_of(broker, sent_file=folder.sent_orders(broker.name), clock_file=folder.server_clock(broker.name)),
            Settings,
        ),
        token=token,
        host=options.host,
        port=options.port,
        parent=False,
    )
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return run(settings)


def _broker(config: Config, name: str | None) -> Mt5BrokerConfig:
    found = {key: broker for key, broker in config.brokers.items() if isinstance(broker, Mt5BrokerConfig)}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name is not None and name in found:
        return found[name]
    names = ", ".join(found) or "none"
    wrong = "say which one with --broker" if name is None else f"no broker of type mt5 is called {name}"
    raise StartError(f"{wrong}; {config.path} has {names}", EXIT_USAGE)
