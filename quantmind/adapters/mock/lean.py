"""Recorded ticks in QuantConnect LEAN's format: `ms_since_midnight,bid,ask`, one file a day, zipped or plain."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import attrs

from quantmind.adapters.mock.money import HIGHEST_PRICE
from quantmind.domain.quotes import Quote
from quantmind.errors import QuantMindError

_NAME: Final = re.compile(r"(\d{8})_([A-Za-z0-9.#&-]{1,31})_tick_quote\.csv", re.ASCII | re.IGNORECASE)
_LONGEST_LINE: Final = 128
_MOST_BYTES: Final = 4 * 1024**3
"""Of one day's file, unpacked: some hundred million ticks. A zip that says more is not a recording."""
_CHECKED_LINES: Final = 1000
_DAY_MS: Final = 86_400_000
_COMMA: Final = b","


class ReplayError(QuantMindError):
    """A recording can't be read. The text names the file, and the line where there is one."""


@attrs.frozen
class Recording:
    """What a file's name says of it. `midnight_msc` is the day's start, UTC milliseconds."""

    path: Path
    member: str | None
    symbol: str
    midnight_msc: int

    @property
    def where(self) -> str:
        """The file for people, with the member of a zip."""
        return str(self.path) if self.member is None else f"{self.path}:{self.member}"


@attrs.frozen
class Inspected:
    """What `inspect_recording` saw: the recording and its first tick that can be traded on, None without one."""

    recording: Recording
    first: Quote | None


def parse_line(line: bytes) -> tuple[int, float, float]:
    """Milliseconds since midnight, bid and ask of one line; they may be crossed or not positive, but are numbers.

    Raises:
        ReplayError: it is no such line; the text says what is wrong, without the file.
    """
    fields = line.split(_COMMA)
    if len(fields) != 3:
        raise ReplayError(f"{len(fields)} fields where `ms,bid,ask` has 3: {_shown(line)}")
    try:
        ms, bid, ask = int(fields[0]), float(fields[1]), float(fields[2])
    except ValueError:
        raise ReplayError(f"not numbers where `ms,bid,ask` has them: {_shown(line)}") from None
    # int and float also take 1_000, which no recorder writes.
    if b"_" in line:
        raise ReplayError(f"not numbers where `ms,bid,ask` has them: {_shown(line)}")
    if not 0 <= ms <= _DAY_MS:
        raise ReplayError(f"{ms} ms are not within a day of {_DAY_MS} ms: {_shown(line)}")
    # Also refuses NaN, which is not below or above anything.
    if not (-HIGHEST_PRICE <= bid <= HIGHEST_PRICE and -HIGHEST_PRICE <= ask <= HIGHEST_PRICE):
        raise ReplayError(f"a number that can't be a price: {_shown(line)}")
    return ms, bid, ask


def find_recording(path: Path, symbol: str | None = None) -> Recording:
    """Read symbol and date from the name of the file, or of the one CSV in the zip.

    Args:
        symbol: what the ticks are of, instead of what the name says.

    Raises:
        ReplayError: the file is missing or unreadable, or its name is of another form.
    """
    try:
        if zipfile.is_zipfile(path):
            member = _only_member(path)
            return _named(path, member, symbol)
        with path.open("rb"):
            pass
    except OSError as exc:
        raise ReplayError(f"{path} can't be read: {exc.strerror or exc}") from exc
    return _named(path, None, symbol)


def inspect_recording(path: Path, symbol: str | None = None) -> Inspected:
    """Look at a file's name and its first lines, for a check before the start.

    Raises:
        ReplayError: something in them is wrong.
    """
    recording = find_recording(path, symbol)
    reader = LeanReader(recording, digits=10)
    try:
        reader.open()
        quotes, _ = reader.take(_CHECKED_LINES)
    finally:
        reader.close()
    if reader.error is not None:
        raise reader.error
    return Inspected(recording, quotes[0] if quotes else None)


class LeanReader:
    """Reads one recording from front to back, a bounded number of lines at a time; holds no more than that.

    `error` is set when a line was bad: what stood before it is given first, and nothing after it, since a price
    made up or left out is money in a test.
    """

    def __init__(self, recording: Recording, digits: int) -> None:
        self.recording = recording
        self.lines = 0
        self.ended = False
        self.error: ReplayError | None = None
        self._digits = digits
        self._newest_ms = 0
        self._file: io.BufferedReader | None = None
        self._closing = contextlib.ExitStack()

    def open(self) -> None:
        """Open the file, at the line after the last one read. Raises ReplayError."""
        if self._file is not None or self._done():
            return
        recording = self.recording
        with contextlib.ExitStack() as stack, _reading(recording):
            if recording.member is None:
                file = stack.enter_context(recording.path.open("rb"))
            else:
                archive = stack.enter_context(zipfile.ZipFile(recording.path))
                raw = cast("io.RawIOBase", stack.enter_context(archive.open(recording.member)))
                # ZipExtFile reads lines in Python; the buffer does it in C.
                file = stack.enter_context(io.BufferedReader(raw, 1 << 16))
            for _ in range(self.lines):
                file.readline(_LONGEST_LINE)
            self._file = file
            self._closing = stack.pop_all()

    def close(self) -> None:
        """Let the file go; `open` goes on where it was."""
        self._file = None
        self._closing.close()

    def take(self, limit: int) -> tuple[Sequence[Quote], int]:
        """The next `limit` lines: quotes to trade on, and how many were crossed and left out."""
        if self._done():
            return (), 0
        if self._file is None:
            raise ReplayError(f"{self.recording.where} is closed")
        quotes: list[Quote] = []
        crossed = 0
        try:
            with _reading(self.recording):
                crossed = self._read(self._file, limit, quotes)
        except ReplayError as exc:
            self.error = exc
        if self._done():
            self.close()
        return quotes, crossed

    def _done(self) -> bool:
        return self.ended or self.error is not None

    def _read(self, file: io.BufferedReader, limit: int, quotes: list[Quote]) -> int:
        symbol, midnight, digits = self.recording.symbol, self.recording.midnight_msc, self._digits
        readline, add = file.readline, quotes.append
        newest, crossed = self._newest_ms, 0
        for _ in range(limit):
            line = readline(_LONGEST_LINE)
            if not line:
                self.ended = True
                break
            self.lines += 1
            if len(line) == _LONGEST_LINE:
                raise self._bad(f"a line of {_LONGEST_LINE} bytes or more is no tick: {_shown(line)}")
            if line.isspace():
                continue
            try:
                ms, bid, ask = parse_line(line)
            except ReplayError as exc:
                raise self._bad(str(exc)) from None
            if ms < newest:
                raise self._bad(f"time runs backwards, {ms} ms after {newest} ms")
            self._newest_ms = newest = ms
            bid, ask = round(bid, digits), round(ask, digits)
            if 0.0 < bid <= ask:
                add(Quote(symbol, bid, ask, midnight + ms))
            else:
                crossed += 1
        return crossed

    def _bad(self, what: str) -> ReplayError:
        return ReplayError(f"{self.recording.where}, line {self.lines}: {what}")


def _only_member(path: Path) -> str:
    with _reading(Recording(path, None, "", 0)), zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.lower().endswith(".csv")]
    if len(members) != 1:
        raise ReplayError(f"{path} must hold one CSV file, it holds {len(members)}")
    if members[0].file_size > _MOST_BYTES:
        raise ReplayError(f"{path}: {members[0].file_size} bytes unpacked are too many, at most {_MOST_BYTES}")
    return members[0].filename


def _named(path: Path, member: str | None, symbol: str | None) -> Recording:
    name = path.name if member is None else member.rpartition("/")[2]
    match = _NAME.fullmatch(name)
    if match is None:
        raise ReplayError(f"{path}: the name {name!r} must say day and symbol, as 20140508_eurusd_tick_quote.csv does")
    day, named = match.groups()
    try:
        midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise ReplayError(f"{path}: {day} in the name {name!r} is not a day") from None
    return Recording(path, member, symbol or named.upper(), int(midnight.timestamp()) * 1000)


@contextlib.contextmanager
def _reading(recording: Recording) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ReplayError(f"{recording.where} can't be read: {exc.strerror or exc}") from exc
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        # zipfile says RuntimeError for a password and NotImplementedError for a method that it doesn't know.
        raise ReplayError(f"{recording.where} is not a sound zip file: {exc}") from exc


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "backslashreplace"))
