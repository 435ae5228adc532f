"""A disk that fails as a test says, under another process: failing_disk.c, compiled and held by its control file."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

SOURCE = Path(__file__).with_suffix(".c")
OPERATIONS = ("open", "write", "sync", "truncate", "unlink")
_RULE = struct.Struct("=iiiiqq")
_ROOM_AT = _RULE.size * len(OPERATIONS)
_SUFFIX_AT = _ROOM_AT + 8
_SIZE = _SUFFIX_AT + 64


def compiler() -> str:
    """The C compiler. Without one, or off Linux, the test is skipped; where CI=true a Linux without one fails it."""
    if sys.platform != "linux":
        pytest.skip("a library is preloaded into the gateway, which is done on Linux")
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        missing = "there is no C compiler (cc or gcc) to build failing_disk.c with"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def build(folder: Path) -> Path:
    """The library, compiled into `folder`."""
    library = folder / "failing_disk.so"
    command = [compiler(), "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"failing_disk.c does not compile: {done.stderr}")
    return library


@attrs.define(eq=False)
class FailingDisk:
    """The disk of files whose path begins with `prefix`, for processes that are started with `env`.

    It is well until it is told otherwise, and what it is told holds for running processes, too.
    """

    library: Path
    prefix: str
    control: Path
    _map: mmap.mmap = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.control.write_bytes(bytes(_SIZE))
        with self.control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self.mend()

    @property
    def env(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAILING_DISK_PREFIX": self.prefix,
            "FAILING_DISK_CONTROL": str(self.control),
        }

    def fail(
        self, *operations: str, error: int = errno.EIO, wait_s: float = 0.0, after: int = 0, suffix: str = ""
    ) -> None:
        """Let operations fail, or wait, from now on; the calls after `after` more that pass.

        Args:
            error: what they fail with; 0: they only wait.
            suffix: only on files whose path ends so.
        """
        self._map[_SUFFIX_AT : _SUFFIX_AT + 64] = suffix.encode().ljust(64, b"\0")
        for operation in operations:
            at = OPERATIONS.index(operation) * _RULE.size
            *_, calls, hit = _RULE.unpack_from(self._map, at)
            self._map[at : at + _RULE.size] = _RULE.pack(error, round(wait_s * 1000), 1, after, calls, hit)

    def leave_room(self, size: int) -> None:
        """Only so many bytes can still be written, anew or over others."""
        struct.pack_into("=q", self._map, _ROOM_AT, size)

    def mend(self) -> None:
        """Everything works again."""
        for number in range(len(OPERATIONS)):
            struct.pack_into("=iiii", self._map, number * _RULE.size, 0, 0, 0, 0)
        self.leave_room(-1)

    def calls(self, operation: str) -> int:
        """How often it was asked for."""
        return int(_RULE.unpack_from(self._map, OPERATIONS.index(operation) * _RULE.size)[4])

    def hit(self, operation: str) -> int:
        """How often a rule acted on it."""
        return int(_RULE.unpack_from(self._map, OPERATIONS.index(operation) * _RULE.size)[5])
