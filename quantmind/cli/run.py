"""`quantmind run`: start the gateway and serve until it is stopped."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import trio

from quantmind import logs
from quantmind.app import serve
from quantmind.cli.output import forget_stdout
from quantmind.config import Config

LOG_WITHIN_S = 2.0
SPARE_DESCRIPTORS = 4096
"""Open files beside those of WebSocket clients: the other doors' clients, the journal, and connections that end."""

logger = logging.getLogger("quantmind.cli")


def run(config: Config, options: argparse.Namespace) -> int:
    os.umask(0o077)  # the journal and the account are nobody else's, whoever may look into the folder
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
        forget_stdout()


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
