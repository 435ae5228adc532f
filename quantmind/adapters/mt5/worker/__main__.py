"""`python -m quantmind.adapters.mt5.worker`: a worker whose settings come in by its standard input."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from quantmind.adapters.mt5.worker.calling import Replaced, call
from quantmind.adapters.mt5.worker.serve import NoModule, serve
from quantmind.adapters.mt5.worker.settings import Settings, settings_from
from quantmind.adapters.sent_file import SentFileError
from quantmind.net.errors import NetError

logger = logging.getLogger("quantmind.mt5.worker")

EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69


def main() -> int:
    """Serve until whoever started this has gone; the process's exit code."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = settings_from(sys.stdin.buffer.readline())
    except ValueError as exc:
        say(error=str(exc))
        return EXIT_USAGE
    return run(settings)


def run(settings: Settings) -> int:
    """Serve with these settings; the process's exit code.

    As somebody's child it leaves Ctrl-C to its parent, which a terminal sends to both: an order may be in hand.
    """
    if settings.parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _run(partial(serve, settings, lambda port: say(port=port, pid=os.getpid())))


def run_calling(settings: Settings, host: str, port: int, broker: str) -> int:
    """Call a gateway's command port and answer what it asks; the process's exit code."""
    say(calls=f"{host}:{port}", pid=os.getpid())
    return _run(partial(call, settings, host, port, broker))


def _run(work: Callable[[], Awaitable[None]]) -> int:
    exit_code = 0
    try:
        try:
            trio.run(work)
        except (NoModule, SentFileError, NetError, Replaced) as exc:
            logger.error("give.up reason=%s", exc)  # what it is is in its text
            say(error=str(exc))
            exit_code = EXIT_UNAVAILABLE
    except* KeyboardInterrupt:
        pass
    return exit_code


def say(**what: object) -> None:
    """One line of JSON on standard output, for whoever started this; nobody may read it any more."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    logging.shutdown()
    # A thread still waits for standard input, and the interpreter would wait for it.
    os._exit(exit_code)
