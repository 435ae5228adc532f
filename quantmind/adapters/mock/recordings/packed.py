"""Unpacking without trust: gzip and zip as streams of bytes that are counted, and never written to a disk."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, cast

from quantmind.adapters.mock.recordings.errors import Fault

MOST_BYTES: Final = 16 * 1024**3
"""Of one recording, unpacked: some 500 million ticks."""
MOST_RATIO: Final = 250
"""Ticks pack 5 to 40 times smaller; what unpacks to more than this is made to fill a machine."""
MOST_MEMBERS: Final = 64
"""Files in a zip: a recording, and a note or two beside it."""
MOST_GZIP_MEMBERS: Final = 100_000
"""Each recording session adds one; an endless row of empty ones would never give a byte."""
GZIP: Final = b"\x1f\x8b"
ZIP: Final = b"PK"

_CHUNK: Final = 1 << 16
_UNJUDGED: Final = 1 << 20
"""Bytes before the ratio means anything: a few equal lines pack well."""
_DIRECTORY: Final = 1 << 16
_END_SIZE: Final = 22
_TOLD_FROM: Final = 4
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Torn(Exception):
    """A gzip file ends within a member, as after a kill. What stood before has been given."""


class Stream(io.RawIOBase):
    """A raw stream over something that gives bytes a piece at a time; `more` gives b"" at the end."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        super().__init__()
        self._more = more
        self._left = memoryview(b"")
        self._begun = False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as one piece goes; 0 at the end."""
        if not self._left:
            self._left = memoryview(self._piece())
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    # The first piece is long enough to tell what it is.
    def _piece(self) -> bytes:
        data = self._more()
        while not self._begun and 0 < len(data) < _TOLD_FROM and (further := self._more()):
            data += further
        self._begun = True
        return data


class _Bounds:
    """Counts what came out against what went in."""

    def __init__(self) -> None:
        self._unpacked = 0

    def count(self, data: bytes, packed: int) -> bytes:
        """Give the data on. Raises Fault when it is too much."""
        self._unpacked += len(data)
        if self._unpacked > MOST_BYTES:
            raise Fault(f"it unpacks to more than {MOST_BYTES} bytes, which are too many; split it")
        if self._unpacked > _UNJUDGED and self._unpacked > MOST_RATIO * packed:
            raise Fault(f"it unpacks to more than {MOST_RATIO} times its size, which no recording does")
        return data


class Gunzip:
    """The bytes of a gzip file, member after member; `more` raises Torn where it ends too early."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bounds = _Bounds()
        self._packed = 0
        self._members = 0
        self._rest = b""
        self._inflate: zlib._Decompress | None = None

    def more(self) -> bytes:
        """The next bytes, b"" at the end. Raises Torn, zlib.error, Fault."""
        while True:
            if not self._rest:
                self._rest = self._file.read(_CHUNK)
                self._packed += len(self._rest)
                if not self._rest:
                    if self._inflate is not None:
                        raise Torn
                    return b""
            if self._inflate is None and not self._begin():
                continue
            data = self._step()
            if data:
                return self._bounds.count(data, self._packed)

    # False while there is nothing but the zeros that some tools fill up with.
    def _begin(self) -> bool:
        if self._members:
            self._rest = self._rest.lstrip(b"\0")
            if not self._rest:
                return False
        self._members += 1
        if self._members > MOST_GZIP_MEMBERS:
            raise Fault(f"it has more than {MOST_GZIP_MEMBERS} gzip members; pack it again")
        self._inflate = zlib.decompressobj(wbits=31)
        return True

    def _step(self) -> bytes:
        inflate = self._inflate
        assert inflate is not None
        data = inflate.decompress(self._rest, _CHUNK)
        if inflate.eof:
            self._inflate, self._rest = None, inflate.unused_data
        else:
            self._rest = inflate.unconsumed_tail
        return data


class Unzip:
    """The bytes of the one recording in a zip."""

    def __init__(self, archive: zipfile.ZipFile, member: str) -> None:
        info = archive.getinfo(member)
        if info.compress_type not in _METHODS:
            raise Fault(f"it is packed by method {info.compress_type}; pack it with deflate, the usual one")
        self._packed = info.compress_size
        self._file = cast("zipfile.ZipExtFile", archive.open(info))
        self._bounds = _Bounds()

    def more(self) -> bytes:
        """The next bytes, b"" at the end. Raises what zipfile does, and Fault."""
        return self._bounds.count(self._file.read1(_CHUNK), self._packed)

    def close(self) -> None:
        """Let it go; the archive is another's."""
        self._file.close()


def only_member(path: Path) -> str:
    """The name of the one recording in a zip: its only file, or its only .csv or .json.

    Raises:
        Fault: there is none, or more than one.
        zipfile.BadZipFile: it is no zip.
    """
    with path.open("rb") as file:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            files = [info.filename for info in archive.infolist() if not info.is_dir()]
    found = [name for name in files if name.lower().endswith((".csv", ".json"))] if len(files) != 1 else files
    if len(found) != 1:
        raise Fault(f"it must hold one recording, a .csv or .json file; it holds {len(found)}")
    return found[0]


# zipfile reads a directory of any size before it says how long it is.
def _check_directory(file: BinaryIO) -> None:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _DIRECTORY - _END_SIZE - 20))
    tail = file.read()
    at = len(tail) - _END_SIZE
    if at < 0 or tail[at : at + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_SIZE:
        raise zipfile.BadZipFile("its directory is not there")
    members, directory = struct.unpack_from("<HL", tail, at + 10)
    if tail[max(0, at - 20) : at].startswith(b"PK\x06\x07"):
        raise Fault("it is a zip64 file; pack it as gzip")
    if members > MOST_MEMBERS or directory > _DIRECTORY:
        raise Fault(f"it holds {members} files, at most {MOST_MEMBERS} are looked at; pack the one recording")
    file.seek(0)
