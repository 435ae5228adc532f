"""The command `quantmind`: run the gateway, check a configuration, look at live ticks.

Exit codes: 0 stopped as asked, 2 wrong usage or configuration, 69 an address is taken or a needed service is
absent, 70 gave up after restarts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from quantmind import __version__, logs
from quantmind.adapters.mock import ReplayError, build, inspect_recording
from quantmind.adapters.state_folder import StateFolder
from quantmind.app import serve
from quantmind.client.live_ticks import FeedRefused, open_ticks
from quantmind.config import Config, ConfigError, MockBrokerConfig, ReplayFeed, load
from quantmind.errors import EXIT_UNAVAILABLE, EXIT_USAGE, StartError
from quantmind.net.errors import NetError, PeerGone

LOG_WITHIN_S = 2.0
SPARE_DESCRIPTORS = 4096
"""Open files beside those of WebSocket clients: the other doors' clients, the journal, and connections that end."""

logger = logging.getLogger("quantmind.cli")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "ticks" and options.url is not None:
        return _ticks(options.url, options)
    try:
        config = load(_config_path(options), os.environ)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return EXIT_USAGE
    if options.state is not None:
        config = attrs.evolve(config, gateway=attrs.evolve(config.gateway, state_dir=options.state.absolute()))
    try:
        if options.command == "ticks":
            return _ticks(_feed_address(config), options)
        return {"run": _run, "check": _check}[options.command](config, options)
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
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration (default: QUANTMIND_CONFIG, else brokers.yaml here)"
    )
    common.add_argument("--state", type=Path, metavar="DIR", help="folder of the gateway's state")
    common.add_argument("--json", action="store_true", help="print JSON")
    run = commands.add_parser("run", parents=[common], help="start the gateway and serve until it is stopped")
    run.add_argument("--json-log", action="store_true", help="log lines as JSON objects")
    run.add_argument("--verbose", action="store_true", help="log more")
    commands.add_parser("check", parents=[common], help="read the configuration and say what is wrong with it")
    ticks = commands.add_parser("ticks", parents=[common], help="show live ticks of a running gateway")
    ticks.add_argument("symbols", nargs="+", metavar="SYMBOL", help="as EURUSD, or EURUSD@broker")
    ticks.add_argument("--url", help="address of the WebSocket feed (default: from the configuration)")
    ticks.add_argument("--count", type=_positive, metavar="N", help="stop after N ticks")
    return parser


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


def _config_path(options: argparse.Namespace) -> Path:
    if options.config is not None:
        return Path(options.config)
    return Path(os.environ.get("QUANTMIND_CONFIG") or "brokers.yaml")


# --- run -----------------------------------------------------------------------------------------------------------


def _run(config: Config, options: argparse.Namespace) -> int:
    log = logs.set_up(as_json=options.json_log, verbose=options.verbose)
    _take_descriptors(config)
    token = os.environ.get("QUANTMIND_TOKEN") or None
    announce = partial(_announce, as_json=options.json, config=config)
    try:
        exit_code = trio.run(partial(serve, config, token=token, announce=announce))
    finally:
        written = log.finish(LOG_WITHIN_S)
    if not written:
        os._exit(exit_code)  # nobody takes our log, and the interpreter would wait for the thread that writes it
    return exit_code


def _take_descriptors(config: Config) -> None:
    """As many open files as we may have: the usual 1024, or 256, are fewer than the clients that we promise."""
    if sys.platform != "win32":  # there a socket is no file, and the limit is far away
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = config.gateway.websocket.max_clients + SPARE_DESCRIPTORS
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
                soft = most
        if soft != resource.RLIM_INFINITY and soft < wanted:
            logger.warning("few.descriptors has=%d wants=%d; raise the limit with ulimit -n", soft, wanted)


def _announce(addresses: dict[str, str], token_from: str, *, as_json: bool, config: Config) -> None:
    try:
        _print_addresses(addresses, token_from, as_json=as_json, config=config)
    except OSError as exc:
        # Whoever started us has stopped listening (`quantmind run | head -1`), which is no reason not to trade.
        logger.warning("lose.announcement reason=%s", exc.strerror)
        _forget_stdout()


def _forget_stdout() -> None:
    """What is left in its buffer would be an error at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _print_addresses(addresses: dict[str, str], token_from: str, *, as_json: bool, config: Config) -> None:
    if as_json:
        print(json.dumps({"ready": True, "addresses": addresses, "token": token_from}), flush=True)
        return
    for name, address in addresses.items():
        print(f"{name:<10} {address}")
    print(f"{'token':<10} {token_from}")
    symbol = next((symbol for broker in config.enabled_brokers.values() for symbol in _symbols(broker)), "EURUSD")
    print(f"{'see ticks':<10} quantmind ticks {symbol} --url {addresses['websocket']}")
    print("ready", flush=True)


def _symbols(broker: Any) -> Sequence[str]:
    return list(getattr(broker, "symbols", ()))


# --- check ---------------------------------------------------------------------------------------------------------


def _check(config: Config, options: argparse.Namespace) -> int:
    described = config.describe()
    faults = _broker_faults(config)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return EXIT_USAGE
    if options.json:
        print(json.dumps(described, indent=2, default=str))
        return 0
    print(f"{config.path}: no faults")
    for name, broker in config.brokers.items():
        state = "enabled" if broker.enabled else "disabled"
        print(f"  {name}: {broker.type}, {state}" + (f", {broker.description}" if broker.description else ""))
    return 0


def _broker_faults(config: Config) -> list[str]:
    """What only a broker itself sees: symbols that contradict themselves, and the first lines of its recording."""
    faults = []
    for name, broker in config.enabled_brokers.items():
        if not isinstance(broker, MockBrokerConfig):
            continue
        try:
            build(broker, name=name)
        except ValueError as exc:
            faults.append(f"{config.path}: brokers.{name}.symbols: {exc}")
        if isinstance(broker.feed, ReplayFeed):
            try:
                inspect_recording(broker.feed.path, broker.feed.symbol)
            except ReplayError as exc:
                faults.append(f"{config.path}: brokers.{name}.feed: {exc}")
    return faults


# --- ticks ---------------------------------------------------------------------------------------------------------


def _ticks(url: str, options: argparse.Namespace) -> int:
    try:
        trio.run(partial(_show_ticks, url, options))
    except (NetError, FeedRefused, PeerGone) as exc:
        print(f"quantmind: {exc}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    except BrokenPipeError:
        _forget_stdout()  # whoever read our output has gone
    return 0


def _feed_address(config: Config) -> str:
    websocket = config.gateway.websocket
    if websocket.port == 0:
        noted = StateFolder(config.gateway.state_dir).read_addresses().get("websocket")
        if noted is None:
            folder = config.gateway.state_dir
            message = f"no running gateway has noted its address in {folder}; start it, or give --state or --url"
            raise StartError(message, EXIT_UNAVAILABLE)
        return noted
    host = f"[{websocket.host}]" if ":" in websocket.host else websocket.host
    return f"ws://{host}:{websocket.port}/"


async def _show_ticks(url: str, options: argparse.Namespace) -> None:
    left = options.count
    async with open_ticks(url, options.symbols, token=os.environ.get("QUANTMIND_TOKEN")) as feed:
        async for message in feed:
            if options.json:
                print(json.dumps(message), flush=True)
            else:
                _show(message)
            if message["type"] == "tick" and left is not None:
                left -= 1
                if left == 0:
                    return


def _show(message: dict[str, Any]) -> None:
    if message["type"] == "tick":
        tick = message["data"]
        at = tick["time"][11:23]
        print(
            f"{at}  {tick['symbol']:<10} {tick['bid']:<10} {tick['ask']:<10} spread {tick['spread']:<5} #{tick['seq']}",
            flush=True,
        )
    elif message["type"] == "status":
        print(f"-- {message.get('broker', 'gateway')}: {message['state']}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
