"""How many recorded ticks a second each format gives, beside LEAN's, from the same run; and writing our own.

Run: python tests/bench/bench_recordings.py [ticks]
"""

from __future__ import annotations

import gzip
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from quantmind.adapters.mock import Recording
from quantmind.adapters.mock.recordings import Merged, Reader, parse_zone
from quantmind.adapters.mock.recordings.writer import RecordingWriter
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

SPECS = {symbol: usual_spec(symbol) for symbol in ("EURUSD", "NZDUSD")}
START = datetime(2014, 5, 8, tzinfo=UTC)
START_MSC = int(START.timestamp()) * 1000
ROUNDS = 3


def walk(ticks: int) -> Iterator[tuple[int, str, str]]:
    """Milliseconds of the day, bid and ask, as far apart as a busy day's."""
    rng, at = random.Random(1), 110_000
    for n in range(ticks):
        at = min(110_200, max(109_800, at + rng.randrange(-3, 4)))
        yield n * 86_000_000 // ticks, f"{at / 1e5:.5f}", f"{(at + 12) / 1e5:.5f}"


def local(ms: int, form: str, hours: int) -> str:
    """A time of the day in another zone, with its milliseconds."""
    at = START + timedelta(milliseconds=ms, hours=hours)
    return f"{at:{form}}{at.microsecond // 1000:03d}"


def lean(ticks: int) -> str:
    return "".join(f"{ms},{bid},{ask}\n" for ms, bid, ask in walk(ticks))


def histdata(ticks: int) -> str:
    return "".join(f"{local(ms, '%Y%m%d %H%M%S', -5)},{bid}0,{ask}0,0\n" for ms, bid, ask in walk(ticks))


def truefx(ticks: int) -> str:
    return "".join(f"EUR/USD,{local(ms, '%Y%m%d %H:%M:%S.', 0)},{bid},{ask}\n" for ms, bid, ask in walk(ticks))


def mt5(ticks: int) -> str:
    rows = (f"{local(ms, '%Y.%m.%d%t%H:%M:%S.', 3)}\t{bid}\t{ask}\t\t\t6\r\n" for ms, bid, ask in walk(ticks))
    return "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\r\n" + "".join(rows)


def dukascopy(ticks: int) -> str:
    return "[" + ",\n".join(f"[{START_MSC + ms}, {ask}, {bid}, 1, 2.25]" for ms, bid, ask in walk(ticks)) + "]"


def dukascopy_hour(ticks: int) -> str:
    rng = random.Random(1)
    moves = [rng.randrange(-3, 4) for _ in range(ticks)]
    head = f'{{"timestamp":{START_MSC},"multiplier":1.0E-5,"ask":1.10012,"bid":1.10000,"times":{[36] * ticks}'
    return f'{head},"asks":{moves},"bids":{moves}}}'


def own(ticks: int) -> str:
    return "#quantmind-ticks 1\n" + "".join(
        f"{START_MSC + ms},EURUSD,{bid},{ask},0,0\n" for ms, bid, ask in walk(ticks)
    )


FORMATS: dict[str, tuple[str, Callable[[int], str]]] = {
    "lean": ("20140508_eurusd_tick_quote.csv", lean),
    "quantmind": ("eurusd.ticks", own),
    "mt5": ("eurusd.csv", mt5),
    "histdata": ("eurusd.csv", histdata),
    "truefx": ("eurusd.csv", truefx),
    "dukascopy": ("eurusd.json", dukascopy),
    "dukascopy_hour": ("eurusd.json", dukascopy_hour),
}


def read(reader: Reader | Merged, ticks: int) -> float:
    """Seconds for all of it, 256 lines at a time, as a replay at speed 0 takes them."""
    begun = time.perf_counter()
    counted = 0
    while not reader.ended:
        counted += len(reader.take(256)[0])
        if reader.error is not None:
            raise reader.error
    seconds = time.perf_counter() - begun
    assert counted == ticks, (counted, ticks)
    return seconds


def best(make: Callable[[], Reader | Merged], ticks: int) -> float:
    """Ticks a second in the best of a few rounds: the others tell of the machine."""
    return ticks / min(read(make(), ticks) for _ in range(ROUNDS))


def write(path: Path, ticks: int) -> float:
    """Ticks a second into a recording of our own."""
    quotes = [Quote("EURUSD", float(bid), float(ask), START_MSC + ms) for ms, bid, ask in walk(ticks)]
    writer = RecordingWriter.open(path)
    begun = time.perf_counter()
    for quote in quotes:
        writer.tick(quote)
    writer.close()
    return ticks / (time.perf_counter() - begun)


def main(ticks: int) -> None:
    """Every format, and what packing and merging cost."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = 0.0
        for form, (file, make) in FORMATS.items():
            path = folder / file
            path.write_text(make(ticks), encoding="ascii", newline="")
            recording = Recording(path, zone=parse_zone("new_york_close") if form == "mt5" else None)
            speed = best(lambda recording=recording: recording.open(SPECS), ticks)
            base = base or speed
            print(f"{form:<16} {speed:>9,.0f} ticks/s  {speed / base:5.2f} of lean")
        path = folder / FORMATS["lean"][0]
        packed = folder / f"{path.name}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        speed = best(lambda: Recording(packed).open(SPECS), ticks)
        print(f"{'lean in gzip':<16} {speed:>9,.0f} ticks/s  {speed / base:5.2f} of lean")
        other = folder / "20140508_nzdusd_tick_quote.csv"
        other.write_bytes(path.read_bytes())
        both = [Recording(path), Recording(other)]
        speed = best(lambda: Merged([each.open(SPECS) for each in both]), 2 * ticks)
        print(f"{'two lean, merged':<16} {speed:>9,.0f} ticks/s  {speed / base:5.2f} of lean")
        for file in ("day.ticks", "day.ticks.gz"):
            print(f"{'write ' + file:<18} {write(folder / file, ticks):>7,.0f} ticks/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
