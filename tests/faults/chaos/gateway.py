"""The real gateway, on an account of the ledger broker, with a kill switch in it; as often as it is asked for.

It loads everything once, and forks a process for each gateway, which so begins at once and not after a second of
imports. On standard input it takes JSON lines, and on standard output it tells what happens:

    {"begin": {…}}   a gateway begins, with this `Target`: {"began": pid}, {"ready": true, …}, and {"ended": exit code}
    {"visits": true} the gateway writes how often each site was visited by now: {"visits": sites}

When its input ends, so do both.

    python -m faults.chaos.gateway --config brokers.yaml --broker-port 40123 --folder FOLDER --token TOKEN
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from faults.chaos.broker_link import BrokerLink
from faults.chaos.kill_switch import KillSwitch, Target
from faults.chaos.records import Appender

from quantmind import logs
from quantmind.adapters.state_folder import StateFolder
from quantmind.app import serve
from quantmind.config import BrokerConfig, Config, load

SITES = "sites.jsonl"
KILLS = "kills.jsonl"
STDIN, STDOUT = 0, 1
READ_BYTES = 4096


def tell(**fields: Any) -> None:
    """One line on standard output, in one write: a signal handler may come in between, and two processes share it."""
    os.write(STDOUT, json.dumps(fields).encode() + b"\n")


# --- in the gateway's process --------------------------------------------------------------------------------------


async def run(config: Config, *, token: str, broker_port: int) -> int:
    """Serve until a signal comes, each account linked to the ledger broker."""
    async with trio.open_nursery() as nursery:

        def make_link(name: str, _config: BrokerConfig, _folder: StateFolder) -> BrokerLink:
            link = BrokerLink(name, broker_port)
            nursery.start_soon(link.run)
            return link

        def announce(addresses: dict[str, str], _token_from: str) -> None:
            tell(ready=True, addresses=addresses)

        exit_code = await serve(config, token=token, announce=announce, make_broker=make_link)
        nursery.cancel_scope.cancel()
    return exit_code


def obey(pipe: int, switch: KillSwitch) -> None:
    """Write down the visits for each byte that comes, and end with who sends them."""
    while os.read(pipe, 1):
        switch.write_visits()
        tell(visits=len(switch.visits))
    os._exit(1)


def be_gateway(options: argparse.Namespace, config: Config, target: Target, pipe: int) -> int:
    """A whole gateway's life; its exit code."""
    random.seed()  # else each would draw what the one before drew
    switch = KillSwitch(target, Appender(options.folder / SITES), Appender(options.folder / KILLS))
    if target.watch:
        switch.watch_journal()
    threading.Thread(target=obey, args=(pipe, switch), daemon=True).start()
    log = logs.set_up(as_json=False, verbose=False)
    serving = partial(run, config, token=options.token, broker_port=options.broker_port)
    try:
        return trio.run(serving, instruments=[switch] if target.watch else [])
    finally:
        log.finish(2.0)


# --- in the process that forks them --------------------------------------------------------------------------------


@attrs.define(eq=False)
class Host:
    """Forks gateways, one at a time."""

    options: argparse.Namespace
    config: Config
    _child: int = 0
    _pipe: int = -1

    def serve(self) -> None:
        """Do what standard input says until it ends."""
        signal.signal(signal.SIGCHLD, self._ended)
        buffer = b""
        while piece := os.read(STDIN, READ_BYTES):
            *lines, buffer = (buffer + piece).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "begin" in message:
                    self._begin(Target(**message["begin"]))
                elif self._pipe >= 0:
                    os.write(self._pipe, b"v")

    def _begin(self, target: Target) -> None:
        assert not self._child, "the one before has not ended"
        read, write = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until we know whose end it would be
        child = os.fork()
        if child == 0:
            self._live(target, read, write)
        os.close(read)
        self._child, self._pipe = child, write
        tell(began=child)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def _live(self, target: Target, read: int, write: int) -> None:
        exit_code = 1
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            os.close(write)
            os.close(STDIN)
            exit_code = be_gateway(self.options, self.config, target, read)
        except BaseException:
            sys.excepthook(*sys.exc_info())  # nobody above us may go on with this
        finally:
            os._exit(exit_code)

    def _ended(self, *_: object) -> None:
        pid, status = os.waitpid(self._child, os.WNOHANG)
        if pid:
            self._child = 0
            os.close(self._pipe)
            self._pipe = -1
            tell(ended=os.waitstatus_to_exitcode(status))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--broker-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--token", required=True)
    options = parser.parse_args()
    host = Host(options, load(options.config, {}))
    tell(loaded=True)
    host.serve()


if __name__ == "__main__":
    main()
