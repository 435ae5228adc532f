"""The command `quantmind`: run the gateway, check a configuration, look at live ticks, trade by hand, see what
became of orders, read the journal and judge it again, set the mandate, see limits and the rules of prop firms, halt and
release accounts, give out tokens and take them back, make keys, look at a new machine, run the worker of a terminal,
put the MQL5 programs into terminals.

Exit codes: 0 done or stopped as asked, 1 refused and nothing done, 2 wrong usage or configuration, 69 an address is
taken or a needed service is absent, 70 gave up after restarts, 75 the outcome of an order is not known.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs

from quantmind import __version__
from quantmind.cli import halting, records
from quantmind.cli.doctor import add_parser as add_doctor_parser
from quantmind.cli.doctor import doctor
from quantmind.cli.gateway import feed_address
from quantmind.cli.journal import add_journal, named_file, read_configured, read_journal
from quantmind.cli.keys import add_parser as add_keys_parser
from quantmind.cli.keys import keys
from quantmind.cli.keys import needs_config as keys_need_config
from quantmind.cli.mql5 import add_parser as add_mql5_parser
from quantmind.cli.mql5 import mql5
from quantmind.cli.mt5_worker import add_parser as add_mt5_worker_parser
from quantmind.cli.mt5_worker import mt5_worker
from quantmind.cli.positions import positions
from quantmind.cli.replay import add_parser as add_replay_parser
from quantmind.cli.replay import needs_config as replay_needs_config
from quantmind.cli.replay import replay
from quantmind.cli.risk import add_parser as add_risk_parser
from quantmind.cli.risk import risk
from quantmind.cli.rules import add_parser as add_rules_parser
from quantmind.cli.rules import needs_config, rules, rules_of_broker
from quantmind.cli.state import add_parser as add_state_parser
from quantmind.cli.state import state
from quantmind.cli.ticks import ticks
from quantmind.cli.token import add_parser as add_token_parser
from quantmind.cli.token import token
from quantmind.cli.trading import add_parsers, cancel, close, trade
from quantmind.config import Config, ConfigError, load
from quantmind.errors import EXIT_USAGE, StartError

# These two load most of the gateway, for which `quantmind halt` and the like need not wait.


def _serve(config: Config, options: argparse.Namespace) -> int:
    from quantmind.cli.run import run

    return run(config, options)


def _check(config: Config, options: argparse.Namespace) -> int:
    from quantmind.cli.check import check

    return check(config, options)


COMMANDS: Final[dict[str, Callable[[Config, argparse.Namespace], int]]] = {
    "run": _serve,
    "check": _check,
    "positions": positions,
    "orders": records.orders_of,
    "command": records.command,
    "trade": trade,
    "close": close,
    "cancel": cancel,
    "state": state,
    "risk": risk,
    **dict.fromkeys(halting.COMMANDS, halting.set_state),
    "journal": read_configured,
    "rules": rules_of_broker,
    "token": token,
    "doctor": doctor,
    "mt5-worker": mt5_worker,
}

DEFAULT_CONFIG = Path("brokers.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "mql5" or (options.command == "keys" and not keys_need_config(options)):
        return _run(None, options)
    if options.command == "ticks" and options.url is not None:
        return ticks(options.url, options)
    if options.command == "rules" and not needs_config(options):
        return rules(options)
    if options.command == "journal":
        file = named_file(options)
        if file is not None:
            return read_journal(file, options)
    if options.command == "replay" and not replay_needs_config(options):
        return _run(None, options)
    path = _config_path(options)
    if path is None:
        print(
            f"quantmind: there is no {DEFAULT_CONFIG} in this folder; name a configuration with --config FILE or "
            "QUANTMIND_CONFIG (config/brokers.yaml of the project runs as it stands)",
            file=sys.stderr,
        )
        return EXIT_USAGE
    try:
        config = load(path, os.environ)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EXIT_USAGE
    if options.state is not None:
        config = attrs.evolve(config, gateway=attrs.evolve(config.gateway, state_dir=options.state.absolute()))
    return _run(config, options)


def _run(config: Config | None, options: argparse.Namespace) -> int:
    try:
        if options.command == "mql5":
            return mql5(options)
        if options.command == "replay":
            return replay(config, options)
        if options.command == "keys":
            return keys(config, options)
        assert config is not None, "only replays, keys and mql5 go without"
        if options.command == "ticks":
            return ticks(feed_address(config), options)
        return COMMANDS[options.command](config, options)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EXIT_USAGE
    except StartError as exc:
        print(f"quantmind: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="quantmind", description="A gateway between MetaTrader 5 and the rest of the world."
    )
    parser.add_argument("--version", action="version", version=f"quantmind {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _common()
    runs = commands.add_parser("run", parents=[common], help="start the gateway and serve until it is stopped")
    runs.add_argument("--json-log", action="store_true", help="log lines as JSON objects")
    runs.add_argument("--verbose", action="store_true", help="log more")
    commands.add_parser("check", parents=[common], help="read the configuration and say what is wrong with it")
    shows = commands.add_parser("ticks", parents=[common], help="show live ticks of a running gateway")
    shows.add_argument("symbols", nargs="+", metavar="SYMBOL", help="as EURUSD, or EURUSD@broker")
    shows.add_argument("--url", help="address of the WebSocket feed (default: from the configuration)")
    shows.add_argument("--count", type=_positive, metavar="N", help="stop after N ticks")
    shows.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write them to a file that a replay reads, instead of showing them (gzip if it ends with .gz)",
    )
    add_parsers(commands, common)
    add_state_parser(commands, common)
    add_risk_parser(commands, common)
    halting.add_parsers(commands, common)
    # What stands before an action must not be undone by the defaults of the action's own options.
    records.add_parsers(commands, common, _common(argparse.SUPPRESS))
    add_journal(commands, common)
    add_rules_parser(commands, common)
    add_token_parser(commands, common, _common(argparse.SUPPRESS))
    add_keys_parser(commands, common)
    add_replay_parser(commands, common)
    add_doctor_parser(commands, common)
    add_mt5_worker_parser(commands, common)
    add_mql5_parser(commands, common)
    return parser


def _common(default: str | None = None) -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=default)
    common.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (default: QUANTMIND_CONFIG, else brokers.yaml here)"
    )
    common.add_argument("--state", type=Path, metavar="DIR", help="folder of the gateway's state")
    common.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="authority of the gateway's certificate (default: QUANTMIND_CA, else the system's)",
    )
    common.add_argument("--json", action="store_true", help="print JSON")
    return common


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


def _config_path(options: argparse.Namespace) -> Path | None:
    """The file that is named, or the one of this folder; None when there is neither."""
    if options.config is not None:
        return Path(options.config)
    named = os.environ.get("QUANTMIND_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
