"""Record live ticks into a CSV file, and leave a mark wherever some are missing.

    python record_ticks.py ticks.csv EURUSD GBPUSD --count 1000

`quantmind ticks EURUSD --record FILE` records what a replay can read; this is how to write a format of your own.
"""

import argparse
import csv
from datetime import UTC, datetime
from pathlib import Path

from quantmind.client import Disconnected, Gap, NewEpoch, Tick, find_gateway, sync


def main() -> None:
    options = read_options()
    gateway = find_gateway(options.state)
    with (
        options.file.open("a", newline="", encoding="utf-8", buffering=1) as file,
        sync.open_ticks(gateway.websocket, options.symbols, token=gateway.token) as feed,
    ):
        rows = csv.writer(file)
        written = 0
        for event in feed:
            match event:
                case Tick(snapshot=True):
                    pass  # the last known price at the subscription: it was published before
                case Tick():
                    at = datetime.fromtimestamp(event.time_msc / 1000, UTC).isoformat(timespec="milliseconds")
                    rows.writerow([at, event.symbol, event.bid, event.ask, event.seq])
                    written += 1
                case Gap():
                    rows.writerow(["# missing", event.symbol, event.count])
                case NewEpoch(previous=str()):
                    rows.writerow(["# the gateway's feed began anew"])
                case Disconnected():
                    rows.writerow(["# disconnected", event.reason])
            if written == options.count:
                break
    print(f"{written} ticks in {options.file}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Record live ticks into a CSV file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("symbols", nargs="+")
    parser.add_argument("--count", type=int, help="stop after so many ticks")
    parser.add_argument("--state", help="the gateway's state folder, when it is not the platform's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
