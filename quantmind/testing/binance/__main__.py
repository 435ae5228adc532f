"""`python -m quantmind.testing.binance`: a Binance to try a broker against, without an account."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trio

from quantmind.net.errors import NetError
from quantmind.net.nursery import background
from quantmind.testing.binance.price_walk import EVERY_S
from quantmind.testing.binance.simulator import HOST, KEYS, open_simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C. The first line of the output is JSON: `{"url": ..., "api_key": ..., ...}`.

    Returns:
        1: it can't listen there, or the capture can't be read; the error output says why.
    """
    options = _parser().parse_args(arguments)
    try:
        trio.run(_until_interrupted, options)
    except (NetError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


# Ctrl-C would come out of whichever task runs at that moment.
async def _until_interrupted(options: argparse.Namespace) -> None:
    with trio.CancelScope() as scope, trio.open_signal_receiver(signal.SIGINT) as signals:
        async with background() as nursery:

            async def wait() -> None:
                async for _ in signals:
                    scope.cancel()

            nursery.start_soon(wait)
            await _serve(options)


async def _serve(options: argparse.Namespace) -> None:
    async with open_simulator(options.kind, host=options.host, port=options.port) as sim:
        said = {
            "url": sim.url,
            "kind": options.kind,
            "api_key": KEYS.api_key,
            "api_secret": KEYS.secret,
            "symbols": sorted(sim.engine.symbols),
        }
        sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
        sys.stdout.flush()
        if options.walk:
            sim.start_walk(seed=options.seed, every_s=options.every_s)
        if options.record is not None:
            await sim.player(options.record, speed=options.speed, restamps=True).play()
        await trio.sleep_forever()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m quantmind.testing.binance", description=__doc__)
    parser.add_argument("--kind", choices=("spot", "futures"), default="spot")
    parser.add_argument("--host", default=HOST, help="where it listens; it has no protection but its known key")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    prices = parser.add_mutually_exclusive_group()
    prices.add_argument("--walk", action="store_true", help="let prices walk at random")
    prices.add_argument(
        "--record", type=Path, metavar="FILE", help="play a capture once, with times of now: lines `received_ns json`"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="of the capture; 1: as it was recorded")
    parser.add_argument("--seed", type=int, default=1, help="the same one makes the same prices")
    parser.add_argument("--every-s", type=float, default=EVERY_S, help="seconds between two prices of the walk")
    return parser


if __name__ == "__main__":
    sys.exit(main())
