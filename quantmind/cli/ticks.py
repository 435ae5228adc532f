"""`quantmind ticks`: live ticks of a running gateway in a terminal."""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from typing import Any

import trio

from quantmind.cli.output import complain, leave_stdout, print_tame
from quantmind.cli.record import record
from quantmind.client.live_ticks import FeedRefused, open_ticks
from quantmind.errors import EXIT_UNAVAILABLE
from quantmind.net.errors import NetError, PeerGone


def ticks(url: str, options: argparse.Namespace) -> int:
    try:
        if options.record is not None:
            return record(url, options)
        trio.run(partial(_show_ticks, url, options))
    except (NetError, FeedRefused, PeerGone) as exc:
        complain(f"quantmind: {exc}")
        return EXIT_UNAVAILABLE
    except OSError as exc:
        return leave_stdout(exc)
    except KeyboardInterrupt:
        pass
    return 0


async def _show_ticks(url: str, options: argparse.Namespace) -> None:
    left = options.count
    async with open_ticks(url, options.symbols, token=os.environ.get("QUANTMIND_TOKEN"), ca=options.ca) as feed:
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
        print_tame(
            f"{at}  {tick['symbol']:<10} {tick['bid']:<10} {tick['ask']:<10} spread {tick['spread']:<5} #{tick['seq']}"
        )
    elif message["type"] == "status":
        print_tame(f"-- {message.get('broker', 'gateway')}: {message['state']}")
