"""A short sound recording of each format, all of the same four ticks, for tests."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from quantmind.adapters.mock import Recording
from quantmind.adapters.mock.recordings import Reader, parse_zone
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

SPECS = {symbol: usual_spec(symbol) for symbol in ("EURUSD", "NZDUSD", "USDJPY")}
START_MSC = 1_399_507_200_000
"""2014-05-08 00:00 UTC."""
TICKS = [
    Quote("EURUSD", 1.39101, 1.39114, START_MSC + 8_715),
    Quote("EURUSD", 1.39102, 1.39116, START_MSC + 15_681),
    Quote("EURUSD", 1.39102, 1.39115, START_MSC + 15_681),
    Quote("EURUSD", 1.39104, 1.39118, START_MSC + 61_002),
]

SAMPLES = {
    "lean": b"8715,1.39101,1.39114\n15681,1.39102,1.39116\n15681,1.39102,1.39115\n61002,1.39104,1.39118\n",
    "histdata": (
        b"20140507 190008715,1.391010,1.391140,0\n20140507 190015681,1.391020,1.391160,0\n"
        b"20140507 190015681,1.391020,1.391150,0\n20140507 190101002,1.391040,1.391180,0\n"
    ),
    "truefx": (
        b"EUR/USD,20140508 00:00:08.715,1.39101,1.39114\nEUR/USD,20140508 00:00:15.681,1.39102,1.39116\n"
        b"EUR/USD,20140508 00:00:15.681,1.39102,1.39115\nEUR/USD,20140508 00:01:01.002,1.39104,1.39118\n"
    ),
    "mt5": (
        b"<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\r\n"
        b"2014.05.08\t03:00:08.715\t1.39101\t1.39114\t\t\t6\r\n2014.05.08\t03:00:15.681\t1.39102\t1.39116\t\t\t6\r\n"
        b"2014.05.08\t03:00:15.681\t\t1.39115\t\t\t4\r\n2014.05.08\t03:01:01.002\t1.39104\t1.39118\t\t\t6\r\n"
    ),
    "dukascopy": (
        b"[\n  [1399507208715, 1.39114, 1.39101, 1, 2.06],\n  [1399507215681, 1.39116, 1.39102, 1, 1],"
        b"[1399507215681,1.39115,1.39102,8.35,1],\n\n [1399507261002, 1.39118, 1.39104, 1, 1]\n]\n"
    ),
    "dukascopy_hour": (
        b'{"timestamp":1399507200000,"multiplier":1.0E-5,"ask":1.39114,"bid":1.39101,"times":[8715,6966,0,45321],'
        b'"asks":[0,2,-1,3],"bids":[0,1,0,2],"askVolumes":[1.0,1.0,1.0,1.0],"bidVolumes":[1.0,1.0,1.0,1.0]}'
    ),
    "quantmind": (
        b"#quantmind-ticks 1\n#begin at=2014-05-08T00:00:00.000Z\n1399507208715,EURUSD,1.39101,1.39114,0,0\n"
        b"1399507215681,EURUSD,1.39102,1.39116,0,0\n#gap symbol=EURUSD from_seq=3 to_seq=9\n"
        b"1399507215681,EURUSD,1.39102,1.39115,0,0\n1399507261002,EURUSD,1.39104,1.39118,0,0\n"
    ),
}
NAMES = {"lean": "20140508_eurusd_tick_quote.csv", "dukascopy": "eurusd.json", "dukascopy_hour": "eurusd.json"}
ZONES = {"mt5": parse_zone("Europe/Athens")}


def zipped(data: bytes, name: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


PACKINGS: dict[str, tuple[str, Callable[[bytes, str], bytes]]] = {
    "plain": ("{}", lambda data, _: data),
    "gzip": ("{}.gz", lambda data, _: gzip.compress(data, mtime=0)),
    "zip": ("day.zip", zipped),
    "utf-8 with a mark": ("{}", lambda data, _: b"\xef\xbb\xbf" + data),
    "utf-16": ("{}", lambda data, _: b"\xff\xfe" + data.decode().encode("utf-16-le")),
    "utf-16 in gzip": ("{}.gz", lambda data, _: gzip.compress(b"\xfe\xff" + data.decode().encode("utf-16-be"))),
}


def name_of(form: str) -> str:
    return NAMES.get(form, "eurusd_ticks.csv")


def written(folder: Path, form: str, data: bytes | None = None, packing: str = "plain") -> Path:
    """A file of a format, packed."""
    name, pack = PACKINGS[packing]
    path = folder / name.format(name_of(form))
    path.write_bytes(pack(SAMPLES[form] if data is None else data, name_of(form)))
    return path


def recording(path: Path, form: str | None = None, **more: object) -> Recording:
    """The recording in a file, with the zone that its format needs."""
    return Recording(path, **{"zone": ZONES.get(form or ""), **more})  # type: ignore[arg-type]


def read_all(recording: Recording, limit: int = 3) -> tuple[list[Quote], int, Reader]:
    """Everything, a few lines at a time."""
    reader = recording.open(SPECS)
    quotes: list[Quote] = []
    crossed = 0
    while not reader.ended and reader.error is None:
        more, dropped = reader.take(limit)
        quotes += more
        crossed += dropped
    reader.close()
    return quotes, crossed, reader
