"""Writing our own format: what was seen, as it was seen, so that a kill loses a second and no more."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from quantmind.adapters.mock.money import HIGHEST_PRICE
from quantmind.adapters.mock.recordings import own
from quantmind.adapters.mock.recordings.errors import Fault, ReplayError
from quantmind.adapters.mock.recordings.packed import GZIP
from quantmind.adapters.mock.recordings.text import Text
from quantmind.domain.quotes import Quote
from quantmind.errors import QuantMindError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MOST_SYMBOL_BYTES: Final = 64
MOST_BACK_MS: Final = 60_000
"""A server's clock may be put right by seconds; more is another day, as when a replay begins again."""

_BUFFER: Final = 1 << 16
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:/@#&+-]{1,80}")
_LONGEST_VALUE: Final = 80
_LOCKED_BYTE: Final = 0x7FFFFFFE


class RecordError(QuantMindError):
    """A recording can't be written on; the text says why, and what to do."""


class RecordingWriter:
    """Appends to a recording; one writer at a time. Ticks must come in the order in which they are to be replayed.

    Nothing is on the disk before `flush`, which also makes what a gzip file has so far readable. `close` ends the file
    in order. Errors of the disk come out as OSError.

    Attributes:
        ticks: how many were written.
        gaps: how many gaps were noted.
        late: how many ticks were noted and not written, because their time was before the one of their symbol's last.
        torn_bytes: what a kill had left of a line at the end, which was cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ticks = 0
        self.gaps = 0
        self.late = 0
        self.torn_bytes = 0
        self._last: dict[str, Quote] = {}
        self._dirty = False
        self._raw = path.open("ab")
        self._file: io.BufferedWriter | gzip.GzipFile
        try:
            _lock(self._raw, path)
            is_new = self._raw.seek(0, os.SEEK_END) == 0
            if not is_new:
                self._continue()
            self._file = gzip.GzipFile("", "wb", fileobj=self._raw) if path.suffix.lower() == ".gz" else self._raw
            if is_new:
                self._put(own.HEADER)
        except BaseException:
            self._raw.close()
            raise

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make a new recording, or go on with one.

        Raises:
            RecordError: the file is something else, is written by another, or its end is torn and can't be mended.
            OSError: it can't be opened.
        """
        return cls(path)

    def tick(self, quote: Quote, *, snapshot: bool = False) -> bool:
        """Write a tick; False when it was not: a snapshot of what was written last, or a time that ran back.

        Raises:
            RecordError: its time is more than a minute before the last one's, or it can't be recorded.
        """
        last = self._last.get(quote.symbol)
        if last is not None:
            if snapshot and quote == last:
                return False
            if quote.time_msc < last.time_msc:
                self._note_late(quote, last)
                return False
        self._put(_line(quote))
        self._last[quote.symbol] = quote
        self.ticks += 1
        return True

    def note(self, what: str, details: Mapping[str, object]) -> None:
        """Write a line that is no tick; `gap` is counted by who reads it."""
        self.gaps += what == "gap"
        words = [f"{key}={_value(value)}" for key, value in details.items()]
        # A line is bounded for who reads it, so what doesn't fit is left out.
        self._put(f"#{what} {' '.join(words)}".encode("ascii", "replace")[:250].rstrip() + b"\n")

    def flush(self) -> None:
        """Hand everything to the system: from here on a kill of this process loses none of it."""
        if self._dirty:
            self._dirty = False
            self._file.flush()
            self._raw.flush()

    def close(self) -> None:
        """End the file. Safe to repeat."""
        try:
            self._file.close()
        finally:
            self._raw.close()

    def _put(self, line: bytes) -> None:
        self._dirty = True
        self._file.write(line)

    def _note_late(self, quote: Quote, last: Quote) -> None:
        back_ms = last.time_msc - quote.time_msc
        if back_ms > MOST_BACK_MS:
            raise RecordError(
                f"the time of {quote.symbol} went back by {back_ms / 1000:.0f} s behind what {self.path} has, as when "
                "a replay begins again: record it into another file"
            )
        self.late += 1
        line = _line(quote)
        self._put(b"#late " + line)

    # What is there must be sound to the end, or what we add could never be replayed.
    def _continue(self) -> None:
        path, packed = self.path, self.path.suffix.lower() == ".gz"
        with path.open("rb") as file:
            begin = file.read(len(own.MAGIC))
        if begin.startswith(GZIP) is not packed or not (packed or begin == own.MAGIC):
            what = "a gzip file" if packed else "a recording of this program"
            raise RecordError(f"{path} exists and is not {what}; nothing is appended to it: name another file")
        text = Text(path)
        try:
            text.open()
            with text.reading():
                self._scan(text)
            if not text.torn:
                return
            if packed:
                raise RecordError(
                    f"{path} ends within its gzip data, as after a kill. It can be replayed as it is, and nothing can "
                    "be appended to it: name another file"
                )
            self.torn_bytes = len(text.current)
            self._raw.truncate(self._raw.tell() - self.torn_bytes)
        except ReplayError as exc:
            raise RecordError(f"nothing is appended to a file that can't be replayed: {exc}") from exc
        finally:
            text.close()

    def _scan(self, text: Text) -> None:
        try:
            for raw in own.read(text):
                if raw is None:
                    continue
                symbol, at, bid, ask, last, volume = raw
                name = symbol.decode("utf-8")
                before = self._last.get(name)
                if before is not None and at < before.time_msc:
                    raise Fault(f"time runs backwards, {at} ms after {before.time_msc} ms")
                self._last[name] = Quote(name, bid, ask, at, last, volume)
        except UnicodeDecodeError:
            raise Fault(f"line {text.line}: a symbol that is not UTF-8") from None
        except Fault as fault:
            raise Fault(f"line {text.line}: {fault}") from None
        if text.line == 0:
            raise Fault("it is empty, or what is left of a recording that had hardly begun; remove it")


def check_symbol(name: str) -> None:
    """Refuse a symbol that a line has no place for. Raises RecordError."""
    if not 0 < len(name.encode()) <= MOST_SYMBOL_BYTES or "," in name or not name.isprintable():
        raise RecordError(
            f"{name[:MOST_SYMBOL_BYTES]!r} can't be recorded: a symbol has 1 to {MOST_SYMBOL_BYTES} bytes and no comma"
        )


def _line(quote: Quote) -> bytes:
    check_symbol(quote.symbol)
    numbers = (quote.bid, quote.ask, quote.last, quote.volume)
    # Also refuses NaN, which is not below or above anything.
    if not all(-HIGHEST_PRICE <= number <= HIGHEST_PRICE for number in numbers) or not 0 <= quote.time_msc < 10**13:
        raise RecordError(f"a tick that can't be one: {quote}")
    bid, ask, last, volume = map(_number, numbers)
    return f"{quote.time_msc},{quote.symbol},{bid},{ask},{last},{volume}\n".encode()


# The shortest text that is this double again.
def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _value(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text[:_LONGEST_VALUE])


def _lock(file: io.BufferedWriter, path: Path) -> None:
    try:
        if sys.platform == "win32":
            # A byte that is not there, so that others can read those that are. Appending does not mind the place.
            os.lseek(file.fileno(), _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        raise RecordError(f"{path} is written by another recorder, or can't be locked: name another file") from exc
