"""The emergency file: room that was taken while there was some, overwritten in place while the journal can't write.

    file   = blocks of 4096 bytes; a block of zeros is free
    frame  = "QMEF" ‖ generation (8 bytes) ‖ sequence (u64) ‖ length (u32) ‖ CRC-32 of all that but itself ‖ payload

Each frame begins at a block, so that a write that was torn spoils no other one, and is found though the one before it
is damaged. The generation is new after each clearing; `sequence` grows within it. Blocking; one thread at a time.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

import attrs

SIZE: Final = 4 * 1024 * 1024
"""A thousand frames: an order that goes out without a journal takes two."""
BLOCK: Final = 4096
"""What a disk writes at once, or more."""
GENERATION_BYTES: Final = 8

_MAGIC: Final = b"QMEF"
_HEADER: Final = struct.Struct(">4s8sQII")
_FREE: Final = bytes(BLOCK)


class EmergencyFull(Exception):
    """There is no room for the frame."""


@attrs.frozen
class Frame:
    """One payload as it was found."""

    generation: bytes
    sequence: int
    payload: bytes


@attrs.define(eq=False)
class EmergencyFile:
    """An open emergency file.

    Attributes:
        found: the frames that were there when it was opened, in order.
        torn: places that hold something which is no whole frame.
        used: bytes before the first that the next frame takes.
    """

    path: Path
    size: int
    found: Sequence[Frame]
    torn: int
    used: int
    generation: bytes
    sequence: int
    _file: BinaryIO
    _identity: tuple[int, int]

    @classmethod
    def open(cls, path: Path, size: int = SIZE) -> EmergencyFile:
        """Open the file, or make it: every byte of it is written, so that a full disk can't matter later.

        One that is too small is made larger, or used as it is where that can't be done.

        Raises:
            OSError: it can't be made, read or written.
        """
        made = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            content = file.read()
            frames, torn, end = scan(content)
            has = len(content)
            if has < size:
                has = _lengthen(file, has, size)
            if made:
                _sync_folder(path.parent)
            status = os.fstat(descriptor)
        except BaseException:
            file.close()
            if made:  # what there is of it would only take room from a disk that has none
                with contextlib.suppress(OSError):
                    path.unlink()
            raise
        return cls(
            path=path,
            size=has // BLOCK * BLOCK,
            found=frames,
            torn=torn,
            used=end,
            generation=frames[-1].generation if frames else secrets.token_bytes(GENERATION_BYTES),
            # Beyond any that a clearing which was cut short has left no trace of: a file has no more than blocks.
            sequence=frames[-1].sequence + size // BLOCK if frames else 0,
            file=file,
            identity=(status.st_dev, status.st_ino),
        )

    def append(self, payload: bytes) -> int:
        """Write a frame behind the others; its sequence number. It is sure only after `sync`.

        Raises:
            EmergencyFull: there is no room.
            OSError: it can't be written; nothing is kept, and the next one takes its place.
        """
        self._check_place()
        head = _HEADER.pack(_MAGIC, self.generation, self.sequence + 1, len(payload), 0)
        whole = head[:-4] + struct.pack(">I", zlib.crc32(payload, zlib.crc32(head[:-4]))) + payload
        blocks = _blocks(len(whole))
        if self.used + blocks * BLOCK > self.size:
            raise EmergencyFull(f"{self.path.name} is full ({self.size // 1024} KiB)")
        _write(self._file, self.used, whole.ljust(blocks * BLOCK, b"\0"))
        self.used += blocks * BLOCK
        self.sequence += 1
        return self.sequence

    def sync(self) -> None:
        """Have what was written reach the disk. Raises OSError."""
        os.fsync(self._file.fileno())

    def renew(self) -> None:
        """Write all of it again: after a sync that failed nobody knows what reached the disk. Raises OSError."""
        self._check_place()
        self._file.seek(0)
        content = self._file.read(self.used)
        assert content is not None
        _write(self._file, 0, content)
        self.sync()

    def clear(self) -> None:
        """Make all of it free, in place.

        Raises:
            OSError: it may hold some of its frames still; the next goes behind them, and `clear` may be tried again.
        """
        self._check_place()
        if self.used:
            _write(self._file, 0, bytes(self.used))
            self.sync()
        self.used, self.sequence = 0, 0
        self.generation = secrets.token_bytes(GENERATION_BYTES)

    def close(self) -> None:
        """Let the file go. Safe to repeat."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _check_place(self) -> None:
        """Raises OSError: what would be written could not be found again."""
        found = self.path.stat()
        if (found.st_dev, found.st_ino) != self._identity:
            raise OSError("it was replaced by another file")


def scan(content: bytes) -> tuple[list[Frame], int, int]:
    """The frames of a file, the number of its damaged places, and where the last of both ends."""
    frames: list[Frame] = []
    torn = end = at = 0
    in_damage = False
    while at < len(content):
        frame = _frame_at(content, at)
        if frame is not None:
            frames.append(frame)
            at += _blocks(_HEADER.size + len(frame.payload)) * BLOCK
            end, in_damage = at, False
            continue
        if content[at : at + BLOCK] not in (_FREE, _FREE[: len(content) - at]):
            torn += not in_damage
            end, in_damage = at + BLOCK, True
        at += BLOCK
    return frames, torn, end


def _frame_at(content: bytes, at: int) -> Frame | None:
    if content[at : at + 4] != _MAGIC or len(content) - at < _HEADER.size:
        return None
    _, generation, sequence, length, crc = _HEADER.unpack_from(content, at)
    payload = content[at + _HEADER.size : at + _HEADER.size + length]
    if len(payload) != length or zlib.crc32(payload, zlib.crc32(content[at : at + _HEADER.size - 4])) != crc:
        return None
    return Frame(generation, sequence, payload)


def _lengthen(file: BinaryIO, has: int, wanted: int) -> int:
    """Take more room; the bytes that it has then. Raises OSError if it would have none."""
    try:
        _write(file, has, bytes(wanted - has))
        os.fsync(file.fileno())
    except OSError:
        file.truncate(has)
        if has < BLOCK:
            raise
        return has
    return wanted


def _blocks(length: int) -> int:
    return -(-length // BLOCK)


def _write(file: BinaryIO, at: int, data: bytes) -> None:
    file.seek(at)
    rest = memoryview(data)
    while rest:
        written = file.write(rest)
        assert written is not None
        rest = rest[written:]


# A name is durable only when its folder is; Windows has no such call and needs none.
def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
