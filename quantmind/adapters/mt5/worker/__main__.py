"""`python -m quantmind.adapters.mt5.worker`: a worker whose settings come in by its standard input."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from functools import partial

import trio

from quantmind.adapters.mt5.sent import SentFileError
from quantmind.adapters.mt5.worker.serve import NoModule, serve
from quantmind.adapters.mt5.worker.settings import Settings, settings_from
from quantmind.net.errors import NetError

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
    exit_code = 0
    try:
        exit_code = _serve(settings)
    except* KeyboardInterrupt:
        pass
    return exit_code


def _serve(settings: Settings) -> int:
    try:
        trio.run(partial(serve, settings, lambda port: say(port=port, pid=os.getpid())))
    except (NoModule, SentFileError, NetError) as exc:
        say(error=str(exc))
        return EXIT_UNAVAILABLE
    return 0


def say(**what: object) -> None:
    """One line of JSON on standard output, for whoever started this."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    logging.shutdown()
    # A thread still waits for standard input, and the interpreter would wait for it.
    os._exit(exit_code)
