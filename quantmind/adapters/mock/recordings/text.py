"""The text of a recording, whatever it is packed in: lines of bounded length, each with its number."""

from __future__ import annotations

import codecs
import contextlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn, TypeAlias, cast

from quantmind.adapters.mock.recordings.errors import Fault, ReplayError, shown
from quantmind.adapters.mock.recordings.packed import GZIP, ZIP, Gunzip, Stream, Torn, Unzip, only_member

LONGEST_LINE: Final = 256
"""Bytes of a line; the longest sound one has some 120."""
HEAD: Final = 4096
"""Bytes from which a format is told."""

_CHUNK: Final = 1 << 16
_TORN: Final = "the gzip file ends before its end: it was not copied or written whole"
_BOMS: Final = ((codecs.BOM_UTF8, ""), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

Raw: TypeAlias = tuple[bytes, int, float, float, float, float]
"""One tick as it stands there: symbol (b"" where the file has one only), UTC ms, bid, ask, last, volume."""
Parse: TypeAlias = Callable[[bytes], Raw | None]
"""One line, with its end, to a tick; None when it is none. Raises Fault."""


class Text:
    """A file of text: plain, gzip, or the one recording in a zip; UTF-8, or UTF-16 with its mark.

    It goes on where it was after `close` and `open`. Nothing of it is written to a disk, and what is held of it is
    bounded.

    Attributes:
        line: the number of the line in hand, counted from 1.
        current: that line, for a message.
        may_be_torn: whether an end in the middle of a line is an end, and not a fault.
        torn: whether there was such an end.
        gaps: how many gaps the recording itself tells of, so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.member: str | None = None
        self.line = 0
        self.current = b""
        self.may_be_torn = False
        self.torn = False
        self.gaps = 0
        self._consumed = 0
        self._file: io.BufferedReader | None = None
        self._readline: Callable[[int], bytes] = self._closed
        self._closing = contextlib.ExitStack()

    @property
    def where(self) -> str:
        """The file for people, with the member of a zip."""
        return str(self.path) if self.member is None else f"{self.path}:{self.member}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names that may say something of it, the innermost first, without folders."""
        inner = () if self.member is None else (self.member.replace("\\", "/").rpartition("/")[2],)
        return (*inner, self.path.name)

    def open(self) -> None:
        """Open it, behind what has been read. Safe to repeat. Raises ReplayError."""
        if self._file is not None:
            return
        with contextlib.ExitStack() as stack, self.reading():
            file = self._open(stack)
            left = self._consumed
            while left and (skipped := len(file.read(min(left, _CHUNK)))):
                left -= skipped
            self._file, self._readline = file, file.readline
            self._closing = stack.pop_all()

    def close(self) -> None:
        """Let the file go. Safe to repeat."""
        self._file, self._readline = None, self._closed
        self._closing.close()

    def head(self) -> bytes:
        """Its first bytes; only before anything else is read. Raises ReplayError."""
        assert self._consumed == 0
        assert self._file is not None
        head = b""
        with self.reading(), contextlib.suppress(Torn):
            while len(head) < HEAD and (more := self._file.read1(HEAD - len(head))):
                head += more
        self.close()
        self.open()
        return head

    def parsed(self, parse: Parse) -> Iterator[Raw | None]:
        """Each line as a tick; None for one that is empty or has none. Raises Fault."""
        while True:
            try:
                line = self._readline(LONGEST_LINE + 1)
            except Torn:
                self._end_torn()
                return
            if not line:
                return
            self.line += 1
            self.current = line
            self._consumed += len(line)
            if len(line) > LONGEST_LINE:
                raise Fault(f"a line of more than {LONGEST_LINE} bytes is no tick: {shown(line)}")
            yield None if line.isspace() else parse(line)

    def chunk(self) -> bytes:
        """The next bytes, b"" at the end; for formats that have no lines. Raises Fault."""
        if self._file is None:
            self._closed(0)
        try:
            data = self._file.read1(_CHUNK)
        except Torn:
            self._end_torn()
            return b""
        self._consumed += len(data)
        return data

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Names the file in whatever goes wrong while it is read."""
        try:
            yield
        except Fault as fault:
            raise ReplayError(f"{self.where}: {fault}") from None
        except Torn:
            raise ReplayError(f"{self.where}: {_TORN}") from None
        except FileNotFoundError:
            raise ReplayError(f"{self.path} can't be read: there is no such file") from None
        except OSError as exc:
            raise ReplayError(f"{self.where} can't be read: {exc.strerror or exc}") from exc
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
            # zipfile says RuntimeError for a password and NotImplementedError for a method that it doesn't know.
            raise ReplayError(f"{self.where} is not sound: {exc}") from exc

    def _end_torn(self) -> None:
        if not self.may_be_torn:
            raise Fault(_TORN)
        self.torn = True

    def _closed(self, _: int) -> NoReturn:
        raise Fault("the file is closed")

    def _open(self, stack: contextlib.ExitStack) -> io.BufferedReader:
        # A pipe or a device would keep the whole process waiting.
        mode = self.path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ReplayError(f"{self.path} can't be read: it is {'a folder' if stat.S_ISDIR(mode) else 'no file'}")
        plain = stack.enter_context(self.path.open("rb"))
        start = plain.peek(4)
        if start.startswith(GZIP):
            return _without_mark(_buffered(Gunzip(plain).more))
        if start.startswith(ZIP):
            return _without_mark(_buffered(self._unzip(stack).more))
        return _without_mark(plain)

    def _unzip(self, stack: contextlib.ExitStack) -> Unzip:
        try:
            if self.member is None:
                self.member = only_member(self.path)
            unzip = Unzip(stack.enter_context(zipfile.ZipFile(self.path)), self.member)
        except (ValueError, struct.error, IndexError, KeyError) as exc:
            # What zipfile lets through of a directory that is garbage.
            raise zipfile.BadZipFile(f"its directory is garbage ({exc})") from exc
        stack.callback(unzip.close)
        return unzip


def _buffered(more: Callable[[], bytes]) -> io.BufferedReader:
    return io.BufferedReader(cast("io.RawIOBase", Stream(more)), _CHUNK)


def _without_mark(file: io.BufferedReader) -> io.BufferedReader:
    start = file.peek(4)
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            file.read(len(mark))
            return _buffered(_recoding(file, encoding)) if encoding else file
    return file


# What is no UTF-16 becomes a sign that no format has, and so a fault on its line.
def _recoding(file: io.BufferedReader, encoding: str) -> Callable[[], bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")

    def more() -> bytes:
        while data := file.read1(_CHUNK):
            text = decoder.decode(data)
            if text:
                return text.encode("utf-8")
        return decoder.decode(b"", final=True).encode("utf-8")

    return more
